"""What the trainer asks of a picture beside its squared error."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ssim_map"]

WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # for pixels in -1..1


def ssim_map(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each pixel, [B, C, H, W] in -1..1 to [B, C, H, W], differentiable.

    Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment" (TIP 2004), eq. 13, with a Gaussian window.
    """
    at = torch.arange(WINDOW, device=image.device, dtype=image.dtype) - WINDOW // 2
    bell = torch.exp(-(at**2) / (2 * SIGMA**2))
    bell = bell / bell.sum()
    channels = image.shape[1]
    across = bell.reshape(1, 1, 1, -1).expand(5 * channels, 1, 1, WINDOW)
    moments = torch.cat([image, truth, image * image, truth * truth, image * truth], 1)
    moments = F.pad(moments, [WINDOW // 2] * 4, mode="reflect")
    moments = F.conv2d(F.conv2d(moments, across, groups=5 * channels), across.transpose(2, 3), groups=5 * channels)
    mean, true_mean, square, true_square, product = moments.chunk(5, 1)
    variance, true_variance, covariance = square - mean**2, true_square - true_mean**2, product - mean * true_mean
    likeness = (2 * mean * true_mean + C1) * (2 * covariance + C2)
    return likeness / ((mean**2 + true_mean**2 + C1) * (variance + true_variance + C2))
