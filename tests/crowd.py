"""People who stand about, made for tests."""

from __future__ import annotations

from dataclasses import replace

import torch

from mild_core.scene import JOINTS, Pose, from_masks, split_people

HEIGHT, WIDTH = 96, 128


def block(top, left, bottom, right, height=HEIGHT, width=WIDTH):
    """A rectangle as a mask [H, W], 0 or 1."""
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1
    return mask


LEFT, RIGHT = block(10, 10, 90, 42), block(10, 60, 90, 100)


def scene_of(*masks, order=""):
    """People 1, 2, … in that depth order, or the one given."""
    photo = torch.full((1, *masks[0].shape, 3), 0.5)
    order = order or ",".join(str(n) for n in range(1, len(masks) + 1))
    return split_people(photo, from_masks(torch.stack(masks), "by mask"), depth_order=order)


def posed(scene, number, joints, guessed=(), hands=None, confidence=0.9):
    """The scene with a pose of that person: joints by name at (x, y)."""
    points, unsure = torch.zeros(len(JOINTS), 3), torch.zeros(len(JOINTS), dtype=torch.bool)
    for name, place in joints.items():
        points[JOINTS.index(name)] = torch.tensor([*place, confidence])
        unsure[JOINTS.index(name)] = name in guessed
    pose = Pose(points, unsure, hands=hands)
    return replace(scene, people=tuple(replace(p, pose=pose) if p.number == number else p for p in scene.people))
