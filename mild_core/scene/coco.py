"""COCO's 17 keypoints as the 18 joints of a pose."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["COCO_JOINTS", "WITHOUT_NECK", "from_coco"]

COCO_JOINTS = 17
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6
WITHOUT_NECK = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""For each of JOINTS but the neck, its place in COCO's order: nose, then left and right eye, ear, shoulder, elbow, wrist, …"""


def from_coco(points: Tensor) -> Tensor:
    """Points [..., 17, 3] (x, y, confidence) in COCO's order as [..., 18, 3] in the order of JOINTS.

    COCO has no neck: it is put halfway between the shoulders, as sure as the less sure of the two, and so not known
    where one of them is not.
    """
    shoulders = points[..., [LEFT_SHOULDER, RIGHT_SHOULDER], :]
    neck = torch.cat([shoulders[..., :2].mean(-2), shoulders[..., 2].amin(-1, keepdim=True)], -1)
    joints = points[..., WITHOUT_NECK, :]
    return torch.cat([joints[..., :1, :], neck[..., None, :], joints[..., 1:, :]], -2)
