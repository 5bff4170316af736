"""Scenes with known truth: people cut out of photographs, pasted on a photograph of a place.

What no photograph tells is known here: what is behind everybody, everybody's whole body, and who stands in front. A scene
is one of level ground: whoever reaches lower in the picture is nearer. People
grow towards the front, as they do in a picture of level ground.

A cut-out is eroded by a pixel before its edge is smoothed, and resampled with premultiplied alpha, so that nothing of the
photograph it came from comes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .library import Cutout, PhotoLibrary, cut_out, load_photo

__all__ = ["TrueScene", "make_scene"]

SMALLEST_CUTOUT = 120  # pixels high, where the library has such
HEIGHTS = (0.35, 0.75)  # of a person, of the photo's height
WIDEST = 0.6  # of a person, of the photo's width
LARGEST_SCALE = 1.5  # a cut-out that is blown up further looks it
GROUND = 0.62  # nobody's feet are higher in the photo than this share of its height
STEP = 4  # pixels by which a nearer person reaches lower
SHARE = (0.04, 0.30)  # of the photo that all people cover
LEAST_VISIBLE = 0.35  # of everybody's body
LEAST_INSIDE = 0.85  # of everybody's body, of the frame
CROWDED = 0.5  # how often somebody is put beside somebody else on purpose
ATTEMPTS = 500


@dataclass(frozen=True, eq=False)
class TrueScene:
    """A photo of N people and the truth about it. People are in depth order, nearest first.

    Attributes:
        photo: [H, W, 3] float32 in 0..1, what the camera would see.
        background: [H, W, 3] float32 in 0..1, the place without anybody.
        layers: [N, H, W, 4] float32 in 0..1, everybody whole, with straight (not premultiplied) alpha; pasted over the
            background from last to first they make the photo.
        whole: [N, H, W] bool, everybody's whole body in the frame: alpha above 0.5.
        visible: [N, H, W] bool, the part of it that nobody nearer hides; no pixel shows two.
        name: the place's name and the seed.
    """

    photo: Tensor
    background: Tensor
    layers: Tensor
    whole: Tensor
    visible: Tensor
    name: str

    def masks(self) -> Tensor:
        """The people as a good detector would find them: MASK [N, H, W], soft at the edges, 0 where somebody nearer is.

        `from_masks(scene.masks(), "by mask")` is what `split_people` needs; person n is then the mask's number n + 1.
        """
        nearer = (self.whole.cumsum(0) - self.whole.long()) > 0
        return torch.where(nearer, torch.zeros_like(self.layers[..., 3]), self.layers[..., 3])


def make_scene(library: PhotoLibrary, seed: int, people: tuple[int, int] = (1, 3), short_side: int = 384) -> TrueScene:
    """The scene of that seed; the same library and seed give the same scene.

    Args:
        people: how few and how many people, both included.
        short_side: of the photo, in pixels.
    Raises ValueError when the bounds make no sense, or the library has nobody who fits on its places.
    """
    if not 1 <= people[0] <= people[1]:
        raise ValueError(f"people is {people}, but it must be the fewest and the most, at least 1 and rising")
    if short_side < 64:
        raise ValueError(f"short_side is {short_side}, but it must be at least 64 pixels")
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        place = library.places[rng.integers(len(library.places))]
        background = _resized(load_photo(place), short_side)
        layers = _people(background.shape[:2], _cutouts(library), rng, people)
        if layers is None:
            continue
        scene = _composed(background, layers, f"{place.stem}-{seed}")
        if _is_sound(scene):
            return scene
    raise ValueError(f"in {ATTEMPTS} attempts nobody of the library's {len(library.people)} photos of people fitted on its places")


def _resized(photo: np.ndarray, short_side: int) -> np.ndarray:
    """[H, W, 3] uint8 to float32 in 0..1, its shorter side as long as asked."""
    height, width = photo.shape[:2]
    scale = short_side / min(height, width)
    size = (max(round(width * scale), short_side), max(round(height * scale), short_side))
    resized = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return resized.astype(np.float32) / 255


@lru_cache(maxsize=4)
def _cutouts(library: PhotoLibrary) -> tuple[tuple[Path, Path, int], ...]:
    """Those of `library.persons()` who are whole and large; without any, those who are large; without any, everybody.

    Whole is who no frame cuts off, and nobody in front cuts in parts.
    """
    everybody = library.persons()
    if not everybody:
        raise ValueError("the library has photos of people, but nobody in them is large enough to cut out")
    cutouts = {person: cut_out(*person) for person in everybody}
    large = [p for p in everybody if cutouts[p].mask.shape[0] >= SMALLEST_CUTOUT]
    return tuple([p for p in large if cutouts[p].whole and _in_one_piece(cutouts[p].mask)] or large or everybody)


def _in_one_piece(mask: np.ndarray) -> bool:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return stats[1:, cv2.CC_STAT_AREA].max() > 0.98 * mask.sum()


def _people(size: tuple[int, int], persons: tuple, rng: np.random.Generator, bounds: tuple[int, int]) -> np.ndarray | None:
    """Layers [N, H, W, 4], nearest first, of random people in a photo of that size; None where one does not fit in."""
    height, width = size
    count = min(int(rng.integers(bounds[0], bounds[1] + 1)), len(persons))
    chosen = [cut_out(*persons[i]) for i in rng.choice(len(persons), count, replace=False)]
    tall = np.sort(rng.uniform(*HEIGHTS, count))[::-1] * height  # the nearest is the tallest, and reaches lowest
    feet = np.sort(rng.uniform(GROUND, 1, count))[::-1] * height
    layers: list[np.ndarray] = []
    centre = width / 2
    for person, tallness, ground in zip(chosen, tall, feet, strict=True):
        tallness = max(min(tallness, LARGEST_SCALE * person.mask.shape[0]), HEIGHTS[0] * height)
        colour, alpha = _scaled(person, int(tallness), rng.random() < 0.5)
        if alpha.shape[1] > WIDEST * width:
            return None
        beside = layers and rng.random() < CROWDED
        centre = centre + rng.uniform(-0.9, 0.9) * alpha.shape[1] if beside else rng.uniform(0.05, 0.95) * width
        bottom = max(min(int(ground), height - 1), alpha.shape[0])
        layer = _placed(colour, alpha, bottom - alpha.shape[0], int(centre) - alpha.shape[1] // 2, size)
        if layer[..., 3].sum() < LEAST_INSIDE * alpha.sum():
            return None
        layers.append(layer)
    return np.stack(layers)


def _scaled(person: Cutout, height: int, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """The cut-out at that height: colour [h, w, 3] and alpha [h, w], float32 in 0..1."""
    # the frame counts as outside, so that the edge is eroded and smoothed on all sides
    mask = cv2.copyMakeBorder(person.mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    colour = cv2.copyMakeBorder(person.colour, 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.float32) / 255
    eroded = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
    alpha = cv2.GaussianBlur(eroded, (3, 3), 0.7)  # reaches one pixel: not beyond the mask
    scale = height / len(alpha)
    size = (max(round(alpha.shape[1] * scale), 1), max(height, 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    premultiplied = cv2.resize(np.dstack([colour * alpha[..., None], alpha]), size, interpolation=how)
    alpha = premultiplied[..., 3].clip(0, 1)
    colour = (premultiplied[..., :3] / alpha[..., None].clip(1e-6)).clip(0, 1)
    return (colour[:, ::-1], alpha[:, ::-1]) if mirrored else (colour, alpha)


def _placed(colour: np.ndarray, alpha: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """A layer [H, W, 4] with the person at (top, left), cut by the frame."""
    layer = np.zeros((*size, 4), np.float32)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + alpha.shape[0], size[0]), min(left + alpha.shape[1], size[1])
    layer[y0:y1, x0:x1, :3] = colour[y0 - top : y1 - top, x0 - left : x1 - left]
    layer[y0:y1, x0:x1, 3] = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
    return layer


def _composed(background: np.ndarray, layers: np.ndarray, name: str) -> TrueScene:
    place, stack = torch.from_numpy(background), torch.from_numpy(layers)
    photo = place
    for layer in stack.flip(0):
        photo = torch.lerp(photo, layer[..., :3], layer[..., 3:])
    whole = stack[..., 3] > 0.5
    visible = whole & (whole.cumsum(0) == 1)
    return TrueScene(photo.clamp(0, 1), place, stack, whole, visible, name)


def _is_sound(scene: TrueScene) -> bool:
    """Whether the scene is neither empty nor full, everybody can be seen, and what can be seen tells the depth order."""
    share = float(scene.whole.any(0).float().mean())
    bodies, seen = scene.whole.sum((1, 2)), scene.visible.sum((1, 2))
    if not SHARE[0] <= share <= SHARE[1] or (seen < LEAST_VISIBLE * bodies).any() or not seen.all():
        return False
    lowest = [int(rows.nonzero()[-1]) for rows in scene.visible.any(2)]
    return all(near - far >= STEP for near, far in pairwise(lowest))
