"""What FID and Local FID see of one picture; `distribution.frechet_distance` of all pictures' features is the score.

FID (Heusel et al., NeurIPS 2017) takes whole pictures. Local FID takes the region where something was painted: SmartBrush (Xie et
al., CVPR 2023) brought it in, and Erase Diffusion (CVPR 2025) reports it besides FID, since a picture whose hole is small looks like
itself however the hole is filled. What we have of Erase Diffusion does not tell how the region is cut: whether along its box or
masked, with how much around it, or to what size. Ours is a square around the box of the hole, as `local_crop` says, and its figures
stand beside no published ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..scene.box import Box
from .compared import Compared, Region
from .inception import inception_features
from .networks import Networks

__all__ = ["fid_features", "local_crop", "local_fid_features"]

CONTEXT = 1 / 8  # of the box's longer side, on each side of the square


def fid_features(compared: Compared, region: Region, networks: Networks) -> tuple[Tensor, Tensor]:
    """Inception's features of the result and of the truth, whole: [1, 2048] each.

    Raises ValueError in a region other than "full", or without a truth; FileNotFoundError without the network "inception_fid".
    """
    if region != "full":
        raise ValueError(f"region is {region!r}, but FID is taken of the full picture; for the hole there is Local FID")
    return _features(compared, Box(0, 0, compared.photo.shape[1], compared.photo.shape[0]), networks)


def local_fid_features(compared: Compared, networks: Networks) -> tuple[Tensor, Tensor]:
    """Inception's features of the result and of the truth in `local_crop` of the hole: [1, 2048] each.

    Raises ValueError without a truth, FileNotFoundError without the network "inception_fid".
    """
    return _features(compared, local_crop(compared.hole), networks)


def local_crop(hole: Tensor) -> Box:
    """What Local FID looks at: a square around all of the hole, with a little of what surrounds it.

    Its side is the longer side of the hole's box and an eighth of that more on each side. It has the box in its middle, is moved
    into the picture where it reaches beyond, and is cut where the picture is smaller than it: only then it is no square.

    Args:
        hole: [H, W] bool, not empty.
    """
    height, width = hole.shape
    box = Box.around(hole)
    side = round(box.longest * (1 + 2 * CONTEXT))
    left = _moved_in((box.left + box.right - side) // 2, side, width)
    top = _moved_in((box.top + box.bottom - side) // 2, side, height)
    return Box(left, top, left + side, top + side).clip(height, width)


def _moved_in(start: int, side: int, length: int) -> int:
    """Where a stretch of that side begins so that it covers as much of 0..length as it can."""
    return max(0, min(start, length - side))


def _features(compared: Compared, box: Box, networks: Networks) -> tuple[Tensor, Tensor]:
    if compared.truth is None:
        raise ValueError("truth is not known, but FID compares with it")
    pictures = torch.stack([box.view(compared.result), box.view(compared.truth)])
    result, truth = inception_features(pictures, networks.get("inception_fid")).split(1)
    return result, truth
