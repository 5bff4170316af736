"""Which photographs of a library people could stand in, and how far up their ground goes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .library import PhotoLibrary, load_photo

__all__ = ["GROUND", "ground_line", "groundedness", "places_to_stand"]

KEPT = 0.5  # of the places, those with the most ground
SIDE = 48  # pixels, of the small copy that is looked at
BELOW = 0.6  # of the height: from here down there should be ground
GROUND = (0.62, 0.84)  # shares of the height between which the ground's upper end is looked for
NEAR = 0.86  # share of the height from which down a photo is taken to show ground, if any
OTHER = 22.0  # CIE Lab distance of what is not the same ground


@lru_cache(maxsize=4)
def places_to_stand(library: PhotoLibrary) -> tuple[Path, ...]:
    """The places of the library that look most as if they had open ground below, in the order of the library."""
    found = [groundedness(load_photo(place)) for place in library.places]
    least = sorted(found, reverse=True)[max(round(KEPT * len(found)), 1) - 1]
    return tuple(place for place, score in zip(library.places, found, strict=True) if score >= least)


def groundedness(photo: np.ndarray) -> float:
    """How much the lower part of a photo [H, W, 3] uint8 looks like ground: higher is more so, about −60 to 0.

    Ground is of one colour from left to right, where a thing or a face in front of the camera is not: minus the spread of the
    lower part's smoothed CIE Lab colours along rows. Black, white and quite smooth parts, such as sky, lose some.
    """
    lab = _small_lab(photo)
    below = cv2.GaussianBlur(lab, (0, 0), 1.5)[int(BELOW * SIDE) :]
    along = np.sqrt(((below - below.mean(1, keepdims=True)) ** 2).sum(-1).mean())
    light = float(below[..., 0].mean())
    extreme = max(25 - light, 0) + max(light - 88, 0)
    texture = float(np.abs(lab - cv2.blur(lab, (3, 3)))[int(BELOW * SIDE) :, :, 0].mean())
    return float(-along - 0.5 * extreme - 10 * max(0.6 - texture, 0))


def ground_line(photo: np.ndarray) -> float:
    """How far up the ground of a photo [H, W, 3] uint8 goes: a share of the height, 0.62 … 0.84, above which nobody's feet should be.

    Rows belong to it, from below, as long as most of their pixels have about the colour of the lowest rows.
    """
    lab = cv2.GaussianBlur(_small_lab(photo), (0, 0), 1.5)
    nearest = np.median(lab[int(NEAR * SIDE) :].reshape(-1, 3), 0)
    away = np.median(np.sqrt(((lab - nearest) ** 2).sum(-1)), 1)
    row = int(GROUND[1] * SIDE)
    while row > GROUND[0] * SIDE and away[row - 1] < OTHER:
        row -= 1
    return max(row / SIDE, GROUND[0])


def _small_lab(photo: np.ndarray) -> np.ndarray:
    small = cv2.resize(photo, (SIDE * 3 // 2, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cv2.cvtColor(small, cv2.COLOR_RGB2Lab)
