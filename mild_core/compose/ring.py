"""The ring around a hole, where a row and the photo can be compared."""

from __future__ import annotations

import torch
from torch import Tensor

from ..scene.masks import distance_inside

__all__ = ["LEAST_KNOWN", "check", "ring_of", "ring_width", "samples"]

RING = 1 / 24  # width of the ring in lengths of the crop's longer side
LEAST_RING = 12  # pixels of width
LEAST_KNOWN = 256  # pixels a ring holds at least, if there are so many
SAMPLES = 20_000  # pixels that a fit is made from, if there are more


def check(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor) -> None:
    """Raises ValueError for other shapes or types than `seam.seam` says."""
    if row.ndim != 3 or row.shape[-1] != 3:
        raise ValueError(f"row is {_shape(row)}, but it must be one picture of height×width×3")
    if photo.shape != row.shape:
        raise ValueError(f"photo is {_shape(photo)} but row is {_shape(row)}: they must be the same size")
    for name, mask in (("hole", hole), ("known", known)):
        if mask.shape != row.shape[:2]:
            raise ValueError(f"{name} is {_shape(mask)} but row is {_shape(row)}: they must be the same size")
        if mask.dtype != torch.bool:
            raise ValueError(f"{name} is of {mask.dtype}, but it must be bool")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def ring_of(hole: Tensor, known: Tensor) -> Tensor:
    """The known pixels next to the hole, [H, W] bool; farther ones too where there are few near it."""
    distance = distance_inside(~hole)
    width = ring_width(hole)
    least = min(LEAST_KNOWN, int(known.sum()))
    while int((near := known & (distance <= width)).sum()) < least:
        width *= 2
    return near


def ring_width(hole: Tensor) -> float:
    """In pixels."""
    return max(LEAST_RING, RING * max(hole.shape))


def samples(picture: Tensor, region: Tensor) -> Tensor:
    """Some pixels of a picture [H, W, ...] from all over a region [H, W]: [N, ...] float64, on the CPU."""
    inside = picture[region]
    return inside[:: max(1, -(-len(inside) // SAMPLES))].cpu().double()
