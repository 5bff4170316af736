"""Leakage: does what fills the hole look like the person who was there, or like what is around?

Ours; no paper defines it. Let P be the values of the photo where the erased person is seen, H those of the result in the same
pixels, and S those of the photo in a ring around the hole. With the energy distance of two sets of values (Székely and Rizzo, "Energy
statistics: a class of statistics based on distances", J. Statistical Planning and Inference 2013),

    D(X, Y) = E‖x − y‖ − ½·E‖x − x'‖ − ½·E‖y − y'‖

which is 0 for equal distributions alone, and ‖x − y‖ for two single values,

    leakage = D(H, S) / (D(H, S) + D(H, P)),    in 0..1

0 is like the surroundings, 1 like the person. Of one flat colour each, a ghost of the person scores its opacity. What is like
neither, an object of its own, lies about the middle, and so may a true background that is unlike the ring: compare erasers on the same
picture. A smear is smooth, as clothes often are, and scores high in texture where the surroundings are rough. Where D(S, P) is small,
person and surroundings are alike, and it cannot be told: `nan`.

    colour     values are CIELAB of the pixels; told from 4 ΔE on
    texture    values are, per pixel, the octaves of sharpness of L* by scale (2, 4 and 8 pixels) and orientation (up and down, sideways,
               diagonal): ½·log₂(energy + ε) of the Haar wavelet's responses that lie wholly in the set, around the pixel; ε is
               (0.5 L*)²; told from 0.4 octaves on

Each set is thinned to at most 1500 values at equal steps in reading order. All is float64 on the CPU, and nothing is drawn by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box
from ..scene.masks import distance_inside
from .inside import comparable
from .lab import lab

__all__ = ["leak_colour", "leak_texture"]

MOST = 1500  # values of a set
FEWEST = 16  # values of a set: of fewer nothing is said
TOLD_COLOUR = 4.0  # ΔE
TOLD_TEXTURE = 0.4  # octaves
GAP = 2  # pixels next to the hole that are not in the ring: the person's soft edge
NARROWEST = 16  # pixels of the ring's width,
SHARE = 0.25  # or this share of the root of the hole's area
SCALES = (1, 2, 4)  # pixels of half a wavelet's side
AROUND = 3  # pixels around a pixel, over which energies are averaged
FLOOR = 0.25  # ε, in squared units of L*

Values = Callable[[Tensor, Tensor], Tensor]


def leak_colour(result: Tensor, photo: Tensor, hole: Tensor, erased: Tensor | None = None) -> float:
    """Leakage of colours, in 0..1, lower is better; `nan` where person and surroundings are alike, or one of them is hardly seen.

    Args:
        result, photo: [H, W, 3] floating point in 0..1: after and before.
        hole: [H, W] bool, what was filled; the surroundings begin beyond.
        erased: [H, W] bool, where the erased person is seen in the photo; the hole, where None. Only what lies in the hole counts.
    Raises ValueError when sizes, types or ranges are others, or when nothing of the erased lies in the hole.
    """
    return _leakage(result, photo, hole, erased, _colours, TOLD_COLOUR)


def leak_texture(result: Tensor, photo: Tensor, hole: Tensor, erased: Tensor | None = None) -> float:
    """Leakage of texture, whatever its colour. Arguments, errors and meaning as for `leak_colour`."""
    return _leakage(result, photo, hole, erased, _textures, TOLD_TEXTURE)


def _leakage(result: Tensor, photo: Tensor, hole: Tensor, erased: Tensor | None, values: Values, told: float) -> float:
    after, before, inside = comparable(result, photo, hole)
    assert inside is not None
    person = inside if erased is None else _erased(erased, inside)
    width = round(max(NARROWEST, SHARE * math.sqrt(int(inside.sum()))))
    box = Box.around(inside).grown(width + GAP + 1).clip(*inside.shape)
    away = box.view(distance_inside((~inside).float()))
    ring, person = (away > GAP) & (away <= width + GAP), box.view(person)
    after, before = (lab(planes[:, box.top : box.bottom, box.left : box.right]) for planes in (after, before))
    filled, seen, around = values(after, person), values(before, person), values(before, ring)
    if min(len(filled), len(seen), len(around)) < FEWEST or _distance(around, seen) < told:
        return math.nan
    to_ring, to_person = _distance(filled, around), _distance(filled, seen)
    return to_ring / (to_ring + to_person)


def _erased(erased: Tensor, hole: Tensor) -> Tensor:
    if erased.dtype != torch.bool:
        raise ValueError(f"erased is of {erased.dtype}, but it must be bool, true where the erased person is seen")
    if erased.shape != hole.shape:
        sizes = ["×".join(map(str, mask.shape)) for mask in (erased, hole)]
        raise ValueError(f"erased is {sizes[0]} but hole is {sizes[1]}: they must be the same size")
    person = erased.cpu() & hole
    if not person.any():
        raise ValueError("erased has no pixel in the hole, but the erased person must be seen in what was filled")
    return person


def _distance(one: Tensor, other: Tensor) -> float:
    """The energy distance D of two sets of values [N, C], never negative."""
    mean = [
        float(torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").mean()) for a, b in ((one, other), (one, one), (other, other))
    ]
    return max(0.0, mean[0] - mean[1] / 2 - mean[2] / 2)


def _thinned(values: Tensor) -> Tensor:
    """At most MOST of the values [N, C], at equal steps."""
    if len(values) <= MOST:
        return values
    return values[(torch.arange(MOST) * len(values)) // MOST]


def _colours(picture: Tensor, where: Tensor) -> Tensor:
    return _thinned(picture[:, where].T)


def _textures(picture: Tensor, where: Tensor) -> Tensor:
    """The sharpness in octaves by scale and orientation, [N, 9], where all are known."""
    size = where.shape
    if min(size) < 2 * SCALES[-1]:
        return torch.zeros(0, 9, dtype=picture.dtype)
    octaves, known = [], where
    for half in SCALES:
        responses = F.conv2d(picture[None, :1], _wavelets(half).to(picture.dtype))[0]
        whole = F.max_pool2d((~where)[None].double(), 2 * half, stride=1) == 0  # wholly in the set
        energy, counted = (
            F.avg_pool2d(_padded(p, half, size), 2 * AROUND + 1, 1, AROUND) for p in (responses.square() * whole, whole.double())
        )
        octaves.append((energy / counted.clamp(min=1e-9) + FLOOR).log2() / 2)
        known = known & (counted[0] > 1e-9)
    return _thinned(torch.cat(octaves)[:, known].T)


def _wavelets(half: int) -> Tensor:
    """The three Haar wavelets of 2·half pixels a side, [3, 1, 2·half, 2·half]: means of one half less those of the other."""
    sign = torch.ones(2 * half)
    sign[:half] = -1
    flat = torch.ones(2 * half)
    return torch.stack([sign.outer(flat), flat.outer(sign), sign.outer(sign)])[:, None] / (2 * half**2)


def _padded(planes: Tensor, half: int, size: tuple[int, ...]) -> Tensor:
    """Planes of responses back in the picture's size, each where its wavelet's middle is."""
    return F.pad(planes, (half, size[1] - planes.shape[-1] - half, half, size[0] - planes.shape[-2] - half))
