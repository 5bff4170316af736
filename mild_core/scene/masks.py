"""Geometry on masks: growing, distances, components, feathering.

Masks are float or bool tensors [H, W]; sizes and distances are in pixels. The exact Euclidean distance transform and the
labelling of components are OpenCV's, so these run on the CPU and give the answer back on the mask's own device.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .box import Box
from .part import Part

__all__ = ["components", "deepest", "distance_inside", "feather", "grow", "hull"]


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


def deepest(part: Part) -> tuple[int, int, float]:
    """Where a bool mask is thickest: column and row of the photo, and the distance from there to the edge.

    The frame of the photo is an edge, too: what is put there is not cut.
    """
    depth = distance_inside(F.pad(part.pixels.cpu(), [1] * 4))[1:-1, 1:-1]
    place = int(depth.argmax())
    return part.box.left + place % part.box.width, part.box.top + place // part.box.width, float(depth.max())


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


def components(mask: Tensor) -> list[Part]:
    """The connected parts (8-neighbours) of a mask [H, W], largest first; ties in reading order. Each bool."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(_as_bytes(mask), connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable") + 1
    labelled = torch.from_numpy(labels).to(mask.device)
    parts = []
    for index in order:
        left, top, width, height = (int(n) for n in stats[index, :4])
        box = Box(left, top, left + width, top + height)
        parts.append(Part(box, box.view(labelled) == int(index), (mask.shape[0], mask.shape[1])))
    return parts


def hull(mask: Tensor) -> Tensor:
    """The convex hull of a mask [H, W]. Bool."""
    import cv2

    out = np.zeros(tuple(mask.shape), np.uint8)
    inside = _as_bytes(mask)
    rows = inside.any(1).nonzero()[0]
    if len(rows):
        left, right = inside[rows].argmax(1), mask.shape[1] - 1 - inside[rows, ::-1].argmax(1)  # the rest is between these
        points = np.stack([np.concatenate([left, right]), np.tile(rows, 2)], 1).astype(np.int32)
        cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return torch.from_numpy(out > 0).to(mask.device)
