"""Contact shadows: how much light somebody takes from the ground they stand on.

A shadow is an amount, the share of the light taken at each pixel, so that it can be given as a truth of its own, and shadows of
several people multiply. It lies on the ground alone: nobody's shadow darkens another person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .match import to_linear, to_srgb

__all__ = ["contact_shadow", "darken", "shadow_strength"]

# lengths are shares of the person's height
FEET = 0.07  # from the lowest point up: what touches the ground
GAP = 0.03  # feet closer than that cast one shadow
RAISED = 0.05  # a foot that is so much higher has a shadow weaker by e
FLAT = 0.32  # of the ground's extent in depth, as it looks, to that across
FOOT = 0.9  # of the full strength: below a foot
BODY = 0.55  # below the body,
LONG = 0.4  # and to the side that the light comes not from
STRENGTH = (0.4, 0.85)  # of the light, at the place's least and full contrast
FULL_CONTRAST = 0.25  # standard deviation of luma


class _Ellipse(NamedTuple):
    x: float
    y: float
    across: float  # standard deviations, in pixels
    depth: float
    share: float  # of the light taken at its middle


def shadow_strength(contrast: float) -> float:
    """How dark shadows are in a place with that contrast (the standard deviation of its luma): a share of the light."""
    return float(np.interp(contrast, (0.0, FULL_CONTRAST), STRENGTH))


def contact_shadow(alpha: np.ndarray, strength: float, lean: float) -> np.ndarray:
    """The share [H, W] of the light that somebody takes from the ground, float32 in 0..1, in steps of 1/255.

    A soft ellipse below each foot, a wider one below the body, and a weak long one to the side: Gaussians, 0 where they take
    less than half a step.

    Args:
        alpha: [H, W] in 0..1 of the whole person.
        strength: share of the light that is taken at most.
        lean: -1..1, how far to the left or right the long one lies; the same for all people of a scene.
    """
    left_over = np.ones(alpha.shape, np.float64)
    for ellipse in _ellipses(alpha > 0.5, strength, lean):
        reach_x, reach_y = int(3.5 * ellipse.across) + 1, int(3.5 * ellipse.depth) + 1
        top, left = max(int(ellipse.y) - reach_y, 0), max(int(ellipse.x) - reach_x, 0)
        part = left_over[top : int(ellipse.y) + reach_y + 1, left : int(ellipse.x) + reach_x + 1]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        squared = ((columns - ellipse.x) / ellipse.across) ** 2 + ((rows - ellipse.y) / ellipse.depth) ** 2
        part *= 1 - ellipse.share * np.exp(-squared / 2)
    return (np.round((1 - left_over) * 255) / 255).astype(np.float32)


def darken(picture: np.ndarray, shadows: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] float32 sRGB in 0..1 under shadows [N, H, W]: its linear light times Π(1 − s). Where all s are 0, unchanged."""
    left_over = np.ones(picture.shape[:2], np.float32)
    for shadow in shadows:
        left_over *= 1 - shadow
    touched = left_over < 1
    out = picture.copy()
    out[touched] = to_srgb(to_linear(picture[touched]) * left_over[touched][:, None]).clip(0, 1)
    return out


def _ellipses(body: np.ndarray, strength: float, lean: float) -> list[_Ellipse]:
    rows = np.flatnonzero(body.any(1))
    if not len(rows):
        return []
    tall, lowest = rows[-1] - rows[0] + 1, rows[-1]
    feet = list(_feet(body, int(lowest - FEET * tall), GAP * tall))
    found = []
    for left, right, bottom in feet:
        across = (right - left + 1) / 2 * 0.75 + 0.01 * tall
        depth = np.clip(FLAT * across, 0.012 * tall, 0.026 * tall)
        weaker = np.exp(-(lowest - bottom) / (RAISED * tall))
        found.append(_Ellipse((left + right) / 2, bottom + 0.002 * tall, across, depth, FOOT * strength * weaker))
    middle = (feet[0][0] + feet[-1][1]) / 2
    ground = sum(bottom for _, _, bottom in feet) / len(feet)
    spread = max((feet[-1][1] - feet[0][0]) / 2 * 0.7, 0.09 * tall)
    found.append(_Ellipse(middle, ground, spread, max(0.026 * tall, 0.22 * spread), BODY * strength))
    long = 0.05 + 0.15 * abs(lean)
    found.append(_Ellipse(middle + 0.22 * lean * tall, ground - 0.012 * tall, long * tall, 0.028 * tall, LONG * strength))
    return found


def _feet(body: np.ndarray, top: int, gap: float) -> list[tuple[int, int, int]]:
    """(left, right, lowest row) of each foot, from left to right: runs of columns of the body below a row."""
    below = body[max(top, 0) :]
    columns = np.flatnonzero(below.any(0))
    feet = []
    for run in np.split(columns, np.flatnonzero(np.diff(columns) > gap) + 1):
        touched = np.flatnonzero(below[:, run].any(1))
        feet.append((int(run[0]), int(run[-1]), max(top, 0) + int(touched[-1])))
    return feet
