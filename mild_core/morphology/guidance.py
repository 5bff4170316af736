"""What a pathway is told about the people in its crop: three pictures, each exact to the pixel.

    pose       OpenPose's map, as pose ControlNets were trained on
    parsing    a colour for each label of the body, hidden parts included
    relations  who is in front (red), where people touch (green), hands and objects (blue): `relations.relation_channels`

A person's pathway is told about that person alone, whose hidden joints and clothes are the best guess; the background's about
those who stay. Together, in this order, they are the nine channels that the morphology adapter takes; it was trained on people
alone, and to the background it is told nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.people import Person, Scene
from ..scene.resize import resized
from .draw import draw_pose
from .keypoints import moved
from .parsing import draw_parsing
from .relations import relation_channels

__all__ = ["Guidance", "adapter_hint", "guide"]


class Guidance(NamedTuple):
    """Pictures [S, S, 3] float32 in 0..1 of a crop."""

    pose: Tensor
    parsing: Tensor
    relations: Tensor


def guide(scene: Scene, person: str | None, crop: Box, size: int, *, least: float = 0.0) -> Guidance:
    """The guidance of a pathway.

    Args:
        person: whose pathway it is, by id; None for the background.
        crop: a square of the photo, which may reach beyond it.
        size: pixels a side of the pictures.
        least: joints of less confidence (0..1) are not drawn.
    """
    shown = scene.staying if person is None else (scene.person(person),)
    poses = [moved(one.pose, crop, size) for one in shown if one.pose is not None]
    device = scene.photo.device
    return Guidance(
        draw_pose(poses, size, size, threshold=max(least, 1e-6)).to(device),
        resized(draw_parsing(_labels(shown, crop, device)), size, size).clamp(0, 1),
        relation_channels(scene, person, crop, size).permute(1, 2, 0).to(device),
    )


def adapter_hint(guidance: Guidance, person: str | None) -> Tensor:
    """The nine channels [S, S, 9] that the morphology adapter takes for a pathway: black for the background's, None."""
    hint = torch.cat(guidance, -1)
    return torch.zeros_like(hint) if person is None else hint


def _labels(people: tuple[Person, ...], crop: Box, device: torch.device) -> Tensor:
    """The parsing of people, nearest first, in a crop: [h, w] uint8."""
    labels = torch.zeros(crop.height, crop.width, dtype=torch.uint8, device=device)
    for person in people:
        if person.parsing is not None:
            labels = torch.where(labels > 0, labels, person.parsing.cut(crop))
    return labels
