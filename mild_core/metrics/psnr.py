"""Peak signal-to-noise ratio: 10·log10(1 / MSE) decibels for pictures in 0..1."""

from __future__ import annotations

import math

from torch import Tensor

from .inside import comparable, mean_inside

__all__ = ["psnr"]


def psnr(image: Tensor, truth: Tensor, hole: Tensor | None = None) -> float:
    """PSNR in dB over the pixels of the hole and their three channels; `inf` where the pictures are equal.

    Args:
        image, truth: [H, W, 3] floating point in 0..1.
        hole: [H, W] bool; None for the whole picture.
    Raises ValueError when sizes, types or ranges are others.
    """
    image, truth, hole = comparable(image, truth, hole)
    error = mean_inside((image - truth).square(), hole)
    return -10 * math.log10(error) if error > 0 else math.inf
