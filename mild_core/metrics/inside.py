"""What the scores share: which pictures can be compared, and where.

A score map is computed over the whole picture, so that a window at the edge of the hole sees what a viewer sees there; the
mean is then taken over the hole alone. Everything is float64 on the CPU: variances of bright, flat areas are differences of
nearly equal numbers, and a score must not depend on the device that made the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["comparable", "mean_inside"]

SLACK = 1e-4  # by which resampling may overshoot 0..1


def comparable(image: Tensor, truth: Tensor, hole: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The three inputs of a score, pictures as float64 [3, H, W], on the CPU.

    Args:
        image, truth: [H, W, 3] floating point in 0..1.
        hole: [H, W] bool with at least one true pixel, or None.
    Raises ValueError when they are anything else.
    """
    for name, picture in (("image", image), ("truth", truth)):
        if picture.ndim != 3 or picture.shape[-1] != 3:
            raise ValueError(f"{name} is {_shape(picture)}, but it must be one picture of height×width×3")
        if not picture.is_floating_point():
            raise ValueError(f"{name} is of {picture.dtype}, but it must be floating point in 0..1")
        low, high = (float(v) for v in picture.aminmax())
        if not (low >= -SLACK and high <= 1 + SLACK):
            raise ValueError(f"{name} has values from {low:g} to {high:g}, but they must lie in 0..1")
    if image.shape != truth.shape:
        raise ValueError(f"image is {_shape(image)} but truth is {_shape(truth)}: they must be the same size")
    if hole is not None:
        if hole.dtype != torch.bool:
            raise ValueError(f"hole is of {hole.dtype}, but it must be bool, true in the hole")
        if hole.shape != image.shape[:2]:
            raise ValueError(f"hole is {_shape(hole)} but image is {_shape(image)}: they must be the same size")
        if not hole.any():
            raise ValueError("hole is empty, but it must hold at least one pixel")
        hole = hole.cpu()
    return image.cpu().double().permute(2, 0, 1), truth.cpu().double().permute(2, 0, 1), hole


def mean_inside(scores: Tensor, hole: Tensor | None) -> float:
    """The mean of score maps [C, H, W] over the hole [H, W], or over everything."""
    return float(scores.mean() if hole is None else scores[:, hole].mean())


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"
