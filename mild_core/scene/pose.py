"""Where somebody's joints are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["JOINTS", "LIMBS", "MIRRORED", "Pose", "Source"]

JOINTS = (
    "nose",
    "neck",
    "right shoulder",
    "right elbow",
    "right wrist",
    "left shoulder",
    "left elbow",
    "left wrist",
    "right hip",
    "right knee",
    "right ankle",
    "left hip",
    "left knee",
    "left ankle",
    "right eye",
    "left eye",
    "right ear",
    "left ear",
)
"""OpenPose's 18 joints (BODY_18, "COCO" with a neck), in its order. Right is the person's own right."""

LIMBS = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)
"""Pairs of joints that a limb joins, in the order in which OpenPose draws them."""

MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""For each joint the one on the other side of the body."""

Source = Literal["given", "silhouette"]


@dataclass(frozen=True, eq=False)
class Pose:
    """The joints of one person.

    Attributes:
        joints: [18, 3] float32 on the CPU, in the order of JOINTS: x and y in pixels of the photo, the centre of its first
            pixel at (0, 0), and a confidence in 0..1; 0 where the joint is not known, whatever its x and y.
        guessed: [18] bool: the joint was not seen, but is where the rest of the body says.
        source: "given" by whoever found the pose, or told from the "silhouette" alone.
        hands: [2, 21, 3], the right hand's and the left hand's points as OpenPose orders them; None when unknown.
        face: [70, 3], as OpenPose orders them; None when unknown.
    """

    joints: Tensor
    guessed: Tensor
    source: Source = "given"
    hands: Tensor | None = None
    face: Tensor | None = None

    @classmethod
    def of(cls, joints: Tensor, **others: Tensor | None) -> Pose:
        """Of joints [18, 3] that were all seen."""
        return cls(joints, torch.zeros(len(JOINTS), dtype=torch.bool), "given", **others)

    @property
    def known(self) -> Tensor:
        """[18] bool: joints of more than no confidence."""
        return self.joints[:, 2] > 0
