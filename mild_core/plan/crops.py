"""Crops: which square of the photo a hole is denoised in.

A crop is a square of the photo that is resized to the model's working size, so that all crops of a run are one batch. It
is centred on its hole and holds `context` times the hole's longer side; where the photo has the room it is never smaller
than the working size (the model then sees pixels one to one) and never reaches beyond the frame. Holes far apart get a
crop each; holes whose common crop would be hardly larger than the larger of their own share one.
"""

from __future__ import annotations

import itertools

from torch import Tensor

from ..scene.box import Box
from ..scene.masks import components
from ..scene.part import Part

__all__ = ["clusters", "crop_around"]

MARGIN = 16  # pixels of context that a hole keeps on each side even where the photo is tight
SHARED_CROP_GROWTH = 1.25  # two holes share a crop when it is at most this much longer than the larger of theirs


def crop_around(hole: Box, height: int, width: int, working_size: int, context: float) -> Box:
    """The square crop for a hole in a photo of that size.

    Where the hole is so large that the square must be longer than the photo's shorter side, the crop reaches beyond the
    frame on both sides; `Box.cut` repeats the frame's pixels there.
    """
    wanted = max(round(hole.longest * context), working_size)
    side = max(min(wanted, height, width), min(hole.longest + 2 * MARGIN, max(height, width)))
    left = _start((hole.left + hole.right) / 2, side, width)
    top = _start((hole.top + hole.bottom) / 2, side, height)
    return Box(left, top, left + side, top + side)


def clusters(mask: Tensor, working_size: int, context: float) -> list[Part]:
    """The parts of a mask [H, W] that share a crop each; bool, in reading order of their boxes."""
    height, width = mask.shape
    parts = components(mask)

    def side(box: Box) -> int:
        return crop_around(box, height, width, working_size, context).width

    merged = True
    while merged:
        merged = False
        for i, j in itertools.combinations(range(len(parts)), 2):
            common = parts[i].box.union(parts[j].box)
            # a crop that only just fits the frame is no reason to share: what counts is the crop the pair would want
            longest = max(side(parts[i].box), side(parts[j].box))
            if max(common.longest * context, side(common)) <= SHARED_CROP_GROWTH * longest:
                parts[i] |= parts[j]
                del parts[j]
                merged = True
                break
    return sorted(parts, key=lambda part: (part.box.top, part.box.left))


def _start(centre: float, side: int, length: int) -> int:
    """Where a crop of that side begins, kept inside the photo; centred on the photo where it is longer than that."""
    if side >= length:
        return (length - side) // 2
    return min(max(round(centre - side / 2), 0), length - side)
