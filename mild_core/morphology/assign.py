"""Whose pose is whose, and whose parsing: what detectors found without knowing the masks is given to the people of a scene.

A pose fits a person by the share of its joints that lie on them, and by how well the box of its joints covers that of their
body. People with joints, pasted over one another in 600 scenes, a fifth of the masks and a quarter of the poses dropped and
joints off by 1.5 % of the height, give 2,057 poses, 1,643 of them of somebody with a mask. 1,584 go to their owner and 34 to
somebody else; by the share alone 1,550 and 46. `make bench-assign` measures this; its seeds 1 and 2 say the same. Only 12
annotated people stand behind all these scenes, and the numbers below were chosen on such scenes of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..scene.part import Part
from ..scene.people import Person
from ..scene.pose import Pose

__all__ = ["Assignment", "assign_parsing", "assign_poses", "in_words"]

TOLERANCE = 0.02  # of the person's height: so far beside the mask a joint may lie, where nobody else is
HIDDEN = 0.5  # what a joint counts that lies where the body is thought to go on behind somebody nearer; 0 loses more, 1 errs more
BOXES = 0.4  # what the agreement of the boxes counts in the fit, beside the share of joints
FLOOR = 0.35  # of the fit: in those scenes 0.45 loses 32 poses and saves 8 errors, 0.25 gains 5 and makes 13
LEAST = 0.2  # of the joints: that boxes agree is no ground by itself


@dataclass(frozen=True)
class Assignment:
    """Whose pose is whose.

    Attributes:
        pose_of: by id of the person.
        place_of: by id, which of the poses it is, from 0.
        scores: by id, the share (0..1) of the pose's joints, weighed by confidence, that lie on the person.
        left_over: places of the poses that nobody got.
        without: ids of the people who got none.
    """

    pose_of: dict[str, Pose]
    place_of: dict[str, int]
    scores: dict[str, float]
    left_over: tuple[int, ...]
    without: tuple[str, ...]


def assign_poses(poses: Sequence[Pose], people: Sequence[Person]) -> Assignment:
    """Give everybody at most one pose, and each pose to at most one person, so that together they fit best.

    Poses are in pixels of the people's photo. Who fits worse than FLOOR is no match: poses of people without a mask are left over.
    """
    from scipy.optimize import linear_sum_assignment

    scores = _shares(poses, people)
    fit = (1 - BOXES) * scores + BOXES * _box_agreement(poses, people)
    fit[(fit < FLOOR) | (scores < LEAST)] = 0
    chosen = [(p, q) for p, q in zip(*linear_sum_assignment(fit, maximize=True), strict=True) if fit[p, q] > 0]
    place_of = {people[q].id: int(p) for p, q in sorted(chosen, key=lambda pair: pair[1])}
    return Assignment(
        {id: poses[place] for id, place in place_of.items()},
        place_of,
        {people[q].id: float(scores[p, q]) for p, q in chosen},
        tuple(place for place in range(len(poses)) if place not in place_of.values()),
        tuple(person.id for person in people if person.id not in place_of),
    )


def in_words(assignment: Assignment, people: Sequence[Person]) -> str:
    """For people: a line for each person, by number, and for each pose that nobody got; poses count from 1."""
    lines = []
    for person in sorted(people, key=lambda p: p.number):
        if person.id in assignment.place_of:
            share = 100 * assignment.scores[person.id]
            lines.append(f"{person.number}: pose {assignment.place_of[person.id] + 1} ({share:.0f} % of its joints)")
        else:
            lines.append(f"{person.number}: no pose")
    return "\n".join([*lines, *(f"pose {place + 1}: nobody" for place in assignment.left_over)])


def assign_parsing(labels: Tensor, people: Sequence[Person]) -> dict[str, Part]:
    """Everybody's part of a label map of the photo: uint8, the label where the person is visible, tight; by id.

    People of whom nothing is labelled are left out.

    Args:
        labels: [H, W], whole numbers 0..255 of any type; 0 is no label.

    Raises:
        ValueError: the map is not as big as the photo, or holds other numbers.
    """
    if people and tuple(labels.shape) != people[0].seen.size:
        size, photo = ("×".join(str(side) for side in sides) for sides in (labels.shape, people[0].seen.size))
        raise ValueError(f"parsing is {size} but the photo is {photo}")
    as_bytes = labels.to(torch.uint8)
    if not torch.equal(as_bytes.to(labels.dtype), labels):
        low, high = (float(end) for end in labels.aminmax())
        raise ValueError(f"parsing holds values from {low:g} to {high:g}, but labels must be whole numbers 0 to 255")
    found = {}
    for person in people:
        seen = person.seen
        part = Part(seen.box, seen.box.view(as_bytes).to(seen.pixels.device) * seen.pixels, seen.size).tight()
        if part.area:
            found[person.id] = part
    return found


def _shares(poses: Sequence[Pose], people: Sequence[Person]) -> np.ndarray:
    """[poses, people], each in 0..1: the confidence-weighted share of a pose's joints that lie on a person.

    A joint is on whom it shows; where it shows somebody else, it counts HIDDEN for those whose body goes on there; where it
    shows nobody, all who are within their tolerance have it. So a pose whose owner is covered by somebody loses little to the
    one in front, who has a pose of their own that fits better.
    """
    if not poses or not people:
        return np.zeros((len(poses), len(people)))
    places = torch.stack([pose.joints[:, :2] for pose in poses]).double().numpy()
    weights = torch.stack([torch.where(pose.known, pose.joints[:, 2], 0.0) for pose in poses]).double().numpy()
    columns, rows = (np.floor(places[..., axis] + 0.5).clip(-(2**30), 2**30).astype(np.int64) for axis in (0, 1))
    seen = np.stack([_at(person.seen, rows, columns) for person in people], -1)  # [poses, 18, people]
    there = seen + HIDDEN * (np.stack([_at(person.body, rows, columns) for person in people], -1) & ~seen)
    nobody = ~seen.any(-1) & (weights > 0)
    for q, person in enumerate(people):
        there[..., q][nobody] = np.maximum(there[..., q][nobody], _near(person.seen, rows[nobody], columns[nobody]))
    return (weights[..., None] * there).sum(1) / np.maximum(weights.sum(1), 1e-9)[:, None]


def _box_agreement(poses: Sequence[Pose], people: Sequence[Person]) -> np.ndarray:
    """[poses, people] in 0..1: intersection over union of the box of a pose's joints and that of a person's body."""
    spans = np.zeros((len(poses), 1, 4))
    for span, pose in zip(spans[:, 0], poses, strict=True):
        if pose.known.any():
            places = pose.joints[pose.known, :2]
            span[:2], span[2:] = places.amin(0), places.amax(0) + 1
    boxes = np.array([person.body.box for person in people], float).reshape(1, -1, 4)
    common = np.minimum(spans[..., 2:], boxes[..., 2:]) - np.maximum(spans[..., :2], boxes[..., :2])
    shared = common.clip(0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (spans, boxes)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1)


def _at(part: Part, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bool: whether these pixels, which may be anywhere, are in the part."""
    y, x = rows - part.box.top, columns - part.box.left
    out = np.zeros(rows.shape, bool)
    inside = (y >= 0) & (x >= 0) & (y < part.box.height) & (x < part.box.width)
    out[inside] = part.pixels.cpu().numpy()[y[inside], x[inside]]
    return out


def _near(part: Part, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bool [n]: whether these pixels are within TOLERANCE of the part, at least 1 px. Only what is around them is looked at."""
    reach = max(int(TOLERANCE * part.box.height), 1)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.stack([y, x], -1)[y**2 + x**2 <= reach**2]
    out = np.zeros(rows.shape, bool)
    close = (rows >= part.box.top - reach) & (rows < part.box.bottom + reach)
    close &= (columns >= part.box.left - reach) & (columns < part.box.right + reach)
    for n in np.flatnonzero(close):
        out[n] = _at(part, rows[n] + disc[:, 0], columns[n] + disc[:, 1]).any()
    return out
