"""Colours to tell things apart by."""

from __future__ import annotations

import colorsys

__all__ = ["distinct_colour"]

GOLDEN_ANGLE = 0.381966  # turns of the hue circle between neighbours: no two of many look alike


def distinct_colour(number: int) -> tuple[float, float, float]:
    """The colour of the thing of that number: red, green and blue in 0..1."""
    return colorsys.hsv_to_rgb(number * GOLDEN_ANGLE % 1, 0.75, 1.0)
