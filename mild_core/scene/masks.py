"""Geometry on masks: growing, distances, components, feathering.

Masks are float or bool tensors [H, W]; sizes and distances are in pixels. The exact Euclidean distance transform and the
labelling of components are OpenCV's, so these run on the CPU and give the answer back on the mask's own device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["components", "distance_inside", "feather", "grow"]


def _as_bytes(mask: Tensor) -> np.ndarray:
    return (mask > 0.5).to(torch.uint8).cpu().numpy()


def distance_inside(mask: Tensor) -> Tensor:
    """For each pixel of `mask` [H, W] the distance to the nearest pixel that is not in it; 0 outside. [H, W] float32.

    The frame of the picture is no edge: a mask that covers everything is `inf` everywhere.
    """
    import cv2

    inside = _as_bytes(mask)
    if inside.all():
        return torch.full(mask.shape, float("inf"), device=mask.device)
    distance = torch.from_numpy(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)).double()
    # a squared distance is a whole number; what OpenCV returns differs in its last bit with where in memory the mask begins
    return distance.square().round().sqrt().float().to(mask.device)


def grow(mask: Tensor, pixels: float) -> Tensor:
    """The mask [H, W] grown by a disc of that radius. Bool."""
    inside = mask > 0.5
    if pixels <= 0 or not inside.any():
        return inside
    return inside | (distance_inside(~inside) <= pixels)


def feather(mask: Tensor, pixels: float) -> Tensor:
    """A ramp from 1 inside the mask [H, W] to 0 at `pixels` outside it. Exactly 0 beyond, exactly 1 inside. Float32."""
    inside = mask > 0.5
    if pixels <= 0 or not inside.any():
        return inside.float()
    outside = distance_inside(~inside)
    # the first pixel outside lies at distance 1, so the ramp is one step down there and reaches 0 after the last
    return (1 - outside / (pixels + 1)).clamp(0, 1)


def components(mask: Tensor) -> list[Tensor]:
    """The connected parts (8-neighbours) of a mask [H, W], largest first; ties in reading order. Each bool [H, W]."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(_as_bytes(mask), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = np.argsort(-areas, kind="stable") + 1
    labelled = torch.from_numpy(labels).to(mask.device)
    return [labelled == int(index) for index in order[: count - 1]]
