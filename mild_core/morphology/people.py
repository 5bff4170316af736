"""Everybody's body, pose and parsing, put into the scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.part import Part
from ..scene.people import Person, Scene
from ..scene.pose import Pose
from .assign import Assignment, assign_parsing, assign_poses
from .body import fit_body
from .parsing import complete_parsing, parsing_of_parts
from .relations import relate

__all__ = ["Findings", "understand"]


@dataclass(frozen=True)
class Findings:
    """What `understand` found.

    Attributes:
        scene: with everybody's pose, parsing and whole body, and their relations.
        assignment: which of the poses that came in is whose.
        agreement: by id, of the figure with what is seen, 0..1, of those over whom a figure was laid.
    """

    scene: Scene
    assignment: Assignment
    agreement: Mapping[str, float]


def understand(
    scene: Scene,
    *,
    poses: Sequence[Pose] = (),
    parsing: Tensor | None = None,
    objects: Tensor | None = None,
    silhouettes: bool = True,
    on_person: Callable[[int, int], None] | None = None,
) -> Findings:
    """The scene with what is known of people's bodies.

    Whoever is hidden in part gets a whole body of a figure that fits what is seen (`body.fit_body`); where masks overlapped,
    what a mask claims of the hidden part stays, too.

    Args:
        poses: of the photo's people, in any order; they are given to whom they fit.
        parsing: [H, W], a label map of the photo: whole numbers, 0 for none.
        objects: MASK [N, H, W] of things that people may hold or stand behind.
        silhouettes: also lay a figure over those who got no pose and are not hidden, to tell a coarse pose from the mask alone.
        on_person: told how many people are done, and of how many.
    """
    assignment = assign_poses(poses, scene.people)
    labels = {} if parsing is None else assign_parsing(parsing, scene.people)
    nearer = torch.zeros(scene.size, dtype=torch.bool, device=scene.photo.device)
    people, agreement = [], {}
    for done, person in enumerate(scene.people):
        pose = assignment.pose_of.get(person.id)
        hidden = _may_be_hidden(person, nearer)
        if hidden or (pose is None and silhouettes) or (pose is not None and pose.guessed.any()):
            person, agreement[person.id] = _with_body(person, nearer, pose, labels.get(person.id))
        else:
            person = replace(person, pose=pose, parsing=labels.get(person.id))
        people.append(person)
        person.seen.add_to(nearer)
        if on_person is not None:
            on_person(done + 1, len(scene.people))
    return Findings(relate(replace(scene, people=tuple(people)), objects), assignment, agreement)


def _may_be_hidden(person: Person, nearer: Tensor) -> bool:
    """Whether anybody nearer is next to what is seen of them."""
    return bool(person.seen.box.grown(1).cut_mask(nearer).any())


def _with_body(person: Person, nearer: Tensor, pose: Pose | None, labels: Part | None) -> tuple[Person, float]:
    everywhere = Box(0, 0, nearer.shape[1], nearer.shape[0])
    body = fit_body(person.seen, Part(everywhere, nearer, person.seen.size), pose)
    whole = body.whole if person.claimed is None else body.whole | person.claimed
    parsing = parsing_of_parts(whole, body.parts) if labels is None else complete_parsing(labels, whole, body.parts)
    return replace(person, body=whole, pose=body.pose, parsing=parsing), body.agreement
