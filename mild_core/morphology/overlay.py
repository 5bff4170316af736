"""Pictures that show an artist what is known of people's bodies, so that a wrong guess or assignment is seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..scene.overlay import colour_of, numbered, tinted
from ..scene.people import Scene
from ..scene.pose import Pose
from .draw import draw_skeletons

__all__ = ["show_bodies"]

HIDDEN = 0.55  # how much of the person's colour is laid over what is thought to be hidden of them
NOBODY = (1.0, 1.0, 1.0)  # the colour of a pose that nobody got


def show_bodies(scene: Scene, left_over: Sequence[Pose] = ()) -> Tensor:
    """The photo with everybody in their own colour: tinted, what is hidden of them laid over it, skeleton and number.

    Poses that nobody got are white. IMAGE [1, H, W, 3], on the CPU.
    """
    image = tinted(scene)
    for person in reversed(scene.people):
        hidden = person.hidden_part
        there = hidden.box.view(image)
        laid = torch.lerp(there, there.new_tensor(colour_of(person)).expand_as(there), HIDDEN)
        there.copy_(torch.where(hidden.pixels.cpu()[..., None], laid, there))
    skeletons = [(person.pose, colour_of(person)) for person in reversed(scene.people) if person.pose is not None]
    return numbered(draw_skeletons(image, [*((pose, NOBODY) for pose in left_over), *skeletons]), scene)[None]
