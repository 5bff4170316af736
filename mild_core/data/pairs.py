"""Training pairs for the bundled model: a crop, the hole in it, and the exemplar fill that the model starts from.

Two kinds, as the pathways are two kinds:
  background  a photograph with person-shaped holes; truth is the photograph.
  person      a photograph of somebody, with somebody else pasted in front; the hole is where the front person hides the
              one behind, truth is the photograph without the front person, and the fill copies from nobody but the person.
The fill takes most of the time, so pairs are made once, in parallel, and kept as shards of uint8 tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..fill import exemplar_fill, smooth_fill
from .library import PhotoLibrary, cut_out, load_labels, load_photo

__all__ = ["ROLES", "Pair", "Sketch", "fill_sketch", "make_pair", "mirror_at_random", "read_shards", "sketch_person", "write_shard"]

ROLES = ("background", "person", "none")  # index = the model's class; "none" is what guidance steers away from
PERSON_SHARE = 0.3  # of the pairs


@dataclass(frozen=True)
class Pair:
    truth: Tensor  # [S, S, 3] uint8
    fill: Tensor  # [S, S, 3] uint8, equal to the truth outside the hole, but for people pasted in front: they are smoothed away
    hole: Tensor  # [S, S] bool
    role: int  # index into ROLES


class Sketch(NamedTuple):
    """A pair before its hole is filled."""

    truth: np.ndarray  # [S, S, 3] uint8
    shown: np.ndarray  # [S, S, 3] uint8, the truth with people pasted in front
    hole: np.ndarray  # [S, S] bool
    source: np.ndarray  # [S, S] bool, what the fill may copy from; of a person, what is visible of them
    front: np.ndarray  # [S, S] bool, where somebody was pasted in front


def make_pair(library: PhotoLibrary, persons: list[tuple[Path, Path, int]], size: int, seed: int) -> Pair:
    """The pair of that seed, `size` px square; the same seed gives the same pair."""
    rng = np.random.default_rng(seed)
    while True:
        of_person = rng.random() < PERSON_SHARE
        sketch = sketch_person(persons, size, rng) if of_person else _sketch_background(library, persons, size, rng)
        if sketch is not None:
            sketch = mirror_at_random(sketch, rng)
            return Pair(torch.from_numpy(sketch.truth), fill_sketch(sketch, rng), torch.from_numpy(sketch.hole), int(of_person))


def write_shard(path: Path, pairs: Sequence[Pair]) -> None:
    """Write pairs of one kind as one safetensors file, a tensor for each field, whole or not at all."""
    names = [field.name for field in fields(pairs[0])]
    tensors = {name: torch.stack([torch.as_tensor(getattr(pair, name)) for pair in pairs]) for name in names}
    unfinished = path.with_suffix(".part")
    save_file(tensors, str(unfinished))
    unfinished.rename(path)


def read_shards(folder: Path) -> Iterator[dict[str, Tensor]]:
    """The shards of a folder in name order."""
    for path in sorted(folder.glob("*.safetensors")):
        yield load_file(str(path))


def sketch_person(persons: list[tuple[Path, Path, int]], size: int, rng: np.random.Generator) -> Sketch | None:
    """A random person, `size` px square, behind somebody pasted in front; None where too little or too much of them is hidden."""
    photo, labels, value = persons[rng.integers(len(persons))]
    colour, mask = load_photo(photo), load_labels(labels) == value
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    side = int(max(rows[-1] - rows[0], columns[-1] - columns[0]) * rng.uniform(1.1, 1.7))
    top = int((rows[0] + rows[-1] - side) / 2 + rng.uniform(-0.1, 0.1) * side)
    left = int((columns[0] + columns[-1] - side) / 2 + rng.uniform(-0.1, 0.1) * side)
    crop = _square(colour, top, left, side, size)
    own = _square(mask.astype(np.uint8), top, left, side, size) > 0
    shown, front = _paste_somebody(crop, persons, rng, near=own)
    # the plan guesses the whole body, so the hole is not exactly the person either: it is a little wider
    hole = front & (cv2.dilate(own.astype(np.uint8), _disc(rng.integers(1, 9))) > 0)
    visible = own & ~front
    if not (0.015 < hole.mean() < 0.35 and visible.sum() > 0.25 * own.sum()):
        return None
    return Sketch(crop, shown, hole, visible, front)


def mirror_at_random(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """The same, or as often the same seen in a mirror."""
    mirrored = rng.random() < 0.5
    return Sketch(*(np.ascontiguousarray(a[:, ::-1]) if mirrored else a for a in sketch))


def fill_sketch(sketch: Sketch, rng: np.random.Generator) -> Tensor:
    """What a row of it is given: its hole filled from the source, and whoever was pasted in front smoothed away. [S, S, 3] uint8"""
    image = torch.from_numpy(sketch.shown.astype(np.float32) / 255)
    fill = exemplar_fill(image, torch.from_numpy(sketch.hole), torch.from_numpy(sketch.source), seed=int(rng.integers(1 << 31)))
    return (smooth_fill(fill, torch.from_numpy(~sketch.front | sketch.hole)) * 255).round().byte()


def _sketch_background(library: PhotoLibrary, persons: list, size: int, rng: np.random.Generator) -> Sketch | None:
    pool = library.places if rng.random() < 0.6 or not library.misc else library.misc
    photo = load_photo(pool[rng.integers(len(pool))])
    crop = _random_crop(photo, size, rng)
    hole = np.zeros((size, size), bool)
    others = np.zeros((size, size), bool)
    for _ in range(1 + (rng.random() < 0.3)):
        hole |= _person_shape(persons, size, rng, height=(0.3, 0.85))
    hole = cv2.dilate(hole.astype(np.uint8), _disc(rng.integers(2, 6))) > 0
    if rng.random() < 0.2:  # somebody who stays: known, but nothing to copy from
        crop, others = _paste_somebody(crop, persons, rng)
        hole &= ~others
    if not 0.03 < hole.mean() < 0.4:
        return None
    return Sketch(crop, crop, hole, ~hole & ~others, others)


def _random_crop(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    short = min(photo.shape[:2])
    side = int(np.clip(short * rng.uniform(0.5, 1.0), min(160, short), short))
    top, left = rng.integers(photo.shape[0] - side + 1), rng.integers(photo.shape[1] - side + 1)
    return _square(photo, top, left, side, size)


def _square(image: np.ndarray, top: int, left: int, side: int, size: int) -> np.ndarray:
    """The square at (top, left), resized; what lies beyond the frame repeats the frame's pixels."""
    height, width = image.shape[:2]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    square = np.ascontiguousarray(image[rows][:, columns])
    if image.ndim == 2:
        return cv2.resize(square, (size, size), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def _person_shape(persons: list, size: int, rng: np.random.Generator, height: tuple[float, float]) -> np.ndarray:
    """A random person's mask somewhere in an empty square. [S, S] bool"""
    mask = cut_out(*persons[rng.integers(len(persons))]).mask
    scale = size * rng.uniform(*height) / max(mask.shape)
    mask = cv2.resize(mask.astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((size, size), bool)
    top = int(rng.uniform(0.02, 0.98) * max(size - mask.shape[0], 1))
    left = int(rng.uniform(0.02, 0.98) * max(size - mask.shape[1], 1))
    part = mask[: size - top, : size - left]
    out[top : top + part.shape[0], left : left + part.shape[1]] = part
    return out


def _paste_somebody(
    crop: np.ndarray, persons: list, rng: np.random.Generator, near: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Somebody pasted on a crop, over `near` where given; the picture and where they stand."""
    size = len(crop)
    person = cut_out(*persons[rng.integers(len(persons))])
    scale = size * rng.uniform(0.4, 0.95) / max(person.mask.shape)
    shape = (max(int(person.mask.shape[1] * scale), 2), max(int(person.mask.shape[0] * scale), 2))
    colour = cv2.resize(person.colour, shape, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(person.mask.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
    if near is not None and near.any():
        at = np.argwhere(near)[rng.integers(near.sum())]
        top, left = int(at[0]) - int(rng.uniform(0.2, 0.8) * mask.shape[0]), int(at[1]) - mask.shape[1] // 2
    else:
        top, left = rng.integers(-mask.shape[0] // 3, size), rng.integers(-mask.shape[1] // 3, size)
    out, where = crop.copy(), np.zeros((size, size), bool)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + mask.shape[0], size), min(left + mask.shape[1], size)
    if y0 < y1 and x0 < x1:
        inside = mask[y0 - top : y1 - top, x0 - left : x1 - left]
        where[y0:y1, x0:x1] = inside
        out[where] = colour[y0 - top : y1 - top, x0 - left : x1 - left][inside]
    return out, where


def _disc(radius: int | np.integer) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(radius) + 1, 2 * int(radius) + 1))
