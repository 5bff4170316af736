"""Pictures and masks in another size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["averaged", "resized", "resized_rgba"]


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """A picture [H, W, C] in 0..1 in that size, bicubic and free of aliases; in its own size it comes back as it is."""
    if image.shape[:2] == (height, width):
        return image
    planes = F.interpolate(image.permute(2, 0, 1)[None], (height, width), mode="bicubic", antialias=True, align_corners=False)
    return planes[0].permute(1, 2, 0).clamp(0, 1)


def resized_rgba(colour: Tensor, alpha: Tensor, height: int, width: int) -> Tensor:
    """Straight colour [H, W, 3] and alpha [H, W, 1] in that size, [height, width, 4], free of the colour of transparent pixels.

    Rounding may leave colour a little above 1.
    """
    sized = resized(torch.cat([colour * alpha, alpha], -1), height, width)
    return torch.cat([sized[..., :3] / sized[..., 3:].clamp(min=1e-6), sized[..., 3:]], -1)


def averaged(planes: Tensor, size: int) -> Tensor:
    """Square planes [C, s, s] in another size, [C, size, size]: means over areas where they shrink, bilinear where they grow."""
    if planes.shape[-1] >= size:
        return F.interpolate(planes[None], (size, size), mode="area")[0]
    return F.interpolate(planes[None], (size, size), mode="bilinear", align_corners=False)[0]
