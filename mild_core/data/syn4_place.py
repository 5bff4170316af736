"""How large a thing is pasted on a background and where, by the rules of Syn4Removal (SmartEraser, CVPR 2025).

Size: the area of its box, as a share of the picture, is drawn from N(μ, σ) of its class, and is no more than half of what no thing of the
background has, and no less than 0.05.
Place: the centre is not in the outer fifth of the picture, and in no box of a thing of the background; R₁, the pasted box takes half of
such a box at most; R₂, 0.6 of the pasted box or more lie in the picture. Boxes of things with 0.4 of the background or more do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..scene.box import Box
from ..scene.panoptic import Panoptic
from .syn4_instances import ClassSize

__all__ = ["SHRINKING", "TRIES", "boxes_in_the_way", "centres", "covered_share", "fits", "place_for", "target_share"]

FLOOR = 0.05  # share of the picture
BORDER = 0.2  # of each side
TAKEN = 0.5  # R₁: share of another's box
INSIDE = 0.6  # R₂: share of the pasted box
LARGE = 0.4  # share of the background: what has more is its scenery
SHRINKING = (1, 2, 3, 4)  # a thing without a place is made that many times smaller
TRIES = 10  # places for each size


def boxes_in_the_way(panoptic: Panoptic) -> list[Box]:
    """The boxes of a background's things with less than 0.4 of it, in the order of their ids."""
    areas, all_pixels = panoptic.areas(), panoptic.labels.numel()
    things = [s for s in panoptic.segments if s.thing and areas[s.id] < LARGE * all_pixels]
    return [Box.around(panoptic.labels == segment.id) for segment in sorted(things, key=lambda segment: segment.id)]


def covered_share(boxes: Iterable[Box], height: int, width: int) -> float:
    """The share of a picture of that size that the boxes take, overlaps once."""
    return float(1 - _outside(boxes, height, width).mean())


def target_share(size: ClassSize, covered: float, rng: np.random.Generator) -> float:
    """The share of the picture for the box of a thing of that class, where boxes in the way take `covered` of it."""
    return max(min(rng.normal(size.mean, size.deviation), (1 - covered) / 2), FLOOR)


def centres(boxes: Iterable[Box], height: int, width: int) -> np.ndarray:
    """[N, 2] of (row, column): the pixels where a centre may be, neither in the outer fifth nor in a box."""
    free = _outside(boxes, height, width)
    for axis, side in enumerate((height, width)):
        middle = np.arange(side) + 0.5
        inner = (middle >= BORDER * side) & (middle <= (1 - BORDER) * side)
        free &= inner[:, None] if axis == 0 else inner
    return np.argwhere(free)


def fits(box: Box, boxes: Iterable[Box], height: int, width: int) -> bool:
    """Whether a box, of whole pixels, is both in R₁ and in R₂ of a picture of that size with these boxes in the way."""
    if _area(box.clip(height, width)) < INSIDE * _area(box):
        return False
    return all(_area(box.inside(other)) <= TAKEN * _area(other) for other in boxes)


def place_for(
    shape: tuple[int, int], free: np.ndarray, boxes: Sequence[Box], size: tuple[int, int], rng: np.random.Generator
) -> Box | None:
    """A box of that height and width around one of the free centres, that fits; None when ten tries at random found none.

    Args:
        free: as `centres` gives it.
        size: height and width of the picture.
    """
    height, width = shape
    for row, column in free[rng.integers(len(free), size=TRIES)] if len(free) else ():
        top, left = int(row) - height // 2, int(column) - width // 2
        box = Box(left, top, left + width, top + height)
        if fits(box, boxes, *size):
            return box
    return None


def _outside(boxes: Iterable[Box], height: int, width: int) -> np.ndarray:
    free = np.ones((height, width), bool)
    for box in boxes:
        part = box.clip(height, width)
        free[part.top : max(part.bottom, part.top), part.left : max(part.right, part.left)] = False
    return free


def _area(box: Box) -> int:
    return max(box.width, 0) * max(box.height, 0)
