"""The structural similarity index.

Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity" (IEEE TIP 2004),
eq. 13 to 16: with means μ, variances σ² and the covariance σ_xy under a Gaussian window of 11x11 pixels, sigma 1.5,

    SSIM = (2·μ_x·μ_y + C_1)(2·σ_xy + C_2) / ((μ_x² + μ_y² + C_1)(σ_x² + σ_y² + C_2)),   C_k = (K_k·L)², L = 1.

Colour pictures are scored channel by channel, and the mean is taken.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .inside import comparable, mean_inside

__all__ = ["ssim"]

RADIUS = 5
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


def ssim(image: Tensor, truth: Tensor, hole: Tensor | None = None) -> float:
    """SSIM in -1..1, 1 for equal pictures.

    With a hole: the mean of the map over the hole's pixels; the picture is mirrored at its frame, so that pixels there count
    like any others. Without: as published, the mean over the pixels whose whole window lies in the picture.

    Args:
        image, truth: [H, W, 3] floating point in 0..1.
        hole: [H, W] bool; None for the whole picture, which must then be at least 11×11.
    Raises ValueError when sizes, types or ranges are others.
    """
    image, truth, hole = comparable(image, truth, hole)
    height, width = image.shape[1:]
    if hole is not None:
        return mean_inside(_map(_mirrored(image), _mirrored(truth)), hole)
    if min(height, width) <= 2 * RADIUS:
        raise ValueError(f"image is {height}×{width}, but without a hole it must be at least {2 * RADIUS + 1}×{2 * RADIUS + 1}: one window")
    return mean_inside(_map(image, truth), None)


def _map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM where the window lies inside the pictures [C, H, W]: [C, H - 10, W - 10]."""
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x.square()
    variance_y = _windowed(y * y) - mean_y.square()
    covariance = _windowed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return luminance * (2 * covariance + C2) / (variance_x + variance_y + C2)


def _windowed(planes: Tensor) -> Tensor:
    """The Gaussian mean around each pixel of planes [C, H, W], where the window fits."""
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=planes.dtype)
    window = torch.exp(-steps.square() / (2 * SIGMA**2))
    window = window / window.sum()
    rows = F.conv2d(planes[:, None], window[None, None, :, None])
    return F.conv2d(rows, window[None, None, None, :])[:, 0]


def _mirrored(planes: Tensor) -> Tensor:
    """Planes [C, H, W] with a window's radius added on each side, mirrored with the frame's pixels repeated: b a | a b c."""
    for axis in (1, 2):
        length = planes.shape[axis]
        place = torch.arange(-RADIUS, length + RADIUS).remainder(2 * length)
        planes = planes.index_select(axis, place.minimum(2 * length - 1 - place))
    return planes
