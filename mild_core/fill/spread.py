"""OpenCV's two ways of carrying what is known into a hole from its rim, line by line.

Telea, "An Image Inpainting Technique Based on the Fast Marching Method" (Journal of Graphics Tools, 2004), and Bertalmio, Bertozzi,
Sapiro, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting" (CVPR 2001).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["spread_fill"]

RADIUS = 5  # pixels around each filled one that it is made of


def spread_fill(image: Tensor, known: Tensor, method: Literal["telea", "navier-stokes"] = "telea") -> Tensor:
    """Fill the unknown pixels of `image` [H, W, 3] (0..1) where `known` [H, W] is false. Known pixels come back unchanged.

    What is filled in has 8 bits, as OpenCV has it. With nothing known, the picture becomes mid grey (0.5). Runs on the CPU.
    Returns [H, W, 3], the dtype of `image`. Raises ValueError for another method.
    """
    import cv2

    flags = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
    if method not in flags:
        raise ValueError(f"method is {method!r}, but it must be one of {', '.join(flags)}")
    if not known.any():
        return torch.full_like(image, 0.5)
    seen = torch.where(known[..., None], image, torch.zeros_like(image))
    pixels = (seen.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    filled = cv2.inpaint(pixels, (~known).to(torch.uint8).cpu().numpy(), RADIUS, flags[method])
    return torch.where(known[..., None], image, (torch.from_numpy(filled).float() / 255).to(image))
