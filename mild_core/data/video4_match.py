"""For frames with something to erase, the background of the same clip that is nearest: argmin over j of MSE(Vᵢ, Vⱼ) (OmniEraser,
arXiv 2501.07397), which is close in time and in light.

Frames are compared at a longer side of 256 pixels; of all pixels, as in the paper, or only where nothing moves in the frame, so that what
the thing hides has no say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import cv2
import numpy as np

from .video4_frames import reduced

__all__ = ["COMPARED", "Compared", "Match", "Where", "nearest", "seen_at"]

Where = Literal["whole", "outside"]
COMPARED = 256  # pixels of the longer side
AROUND = 5  # pixels of what moves, in `moving`, that are left out with it


class Compared(NamedTuple):
    """A frame with something to erase, as it is compared."""

    number: int
    frame: np.ndarray  # [h, w, 3] uint8
    counted: np.ndarray  # [h, w] uint8, 0 where pixels have no say


class Match(NamedTuple):
    """The nearest background of a frame."""

    background: int  # its number; the first where several are equally near
    error: float  # mean squared distance, of colours in 0..255


def seen_at(number: int, frame: np.ndarray, moving: np.ndarray, where: Where) -> Compared:
    """A frame [H, W, 3] uint8 made ready; `moving` [h, w] is not 0 where something moves.

    Where all of it moves, all of it counts.
    """
    small = reduced(frame, COMPARED)
    counted = np.ones(small.shape[:2], bool)
    if where == "outside":
        grown = cv2.dilate((moving > 0).astype(np.uint8), np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
        still = cv2.resize(grown, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_NEAREST) == 0
        counted = still if still.any() else counted
    return Compared(number, small, counted.astype(np.uint8))


def nearest(wanted: Iterable[Compared], backgrounds: Iterable[tuple[int, np.ndarray]]) -> dict[int, Match]:
    """The nearest of the backgrounds, each with its number and at any size, for each frame that is wanted, by its number.

    The backgrounds are gone through once, one at a time.
    """
    compared = list(wanted)
    best: dict[int, Match] = {}
    for number, background in backgrounds:
        small = reduced(background, COMPARED)
        for one in compared:
            error = cv2.norm(one.frame, small, cv2.NORM_L2SQR, one.counted) / (3 * cv2.countNonZero(one.counted))
            if one.number not in best or error < best[one.number].error:
                best[one.number] = Match(number, error)
    return best
