"""POSE_KEYPOINT, in which pose detectors of ComfyUI hand their findings on, and poses.

A frame of it is OpenPose's JSON for one photo: the size of the canvas that the detector worked on, and for each person flat
lists of x, y and confidence. Detectors differ in the joints they list, in how they say that a joint was not found, and in
whether coordinates are pixels of the canvas or shares of it; `read_keypoints` takes what is in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.coco import COCO_JOINTS, WITHOUT_NECK, from_coco
from ..scene.pose import JOINTS, Pose

__all__ = ["moved", "read_keypoints", "write_keypoints"]

BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # where each of JOINTS is among OpenPose's 25
NAMES = {
    COCO_JOINTS: dict(zip(WITHOUT_NECK, (joint for joint in JOINTS if joint != "neck"), strict=True)),
    len(JOINTS): dict(enumerate(JOINTS)),
    25: dict(zip(BODY_25, JOINTS, strict=True)),
}
"""What the points of a body are called, by how many it has."""
HAND, FACE = 21, 70  # points
LANDMARKS = 68  # points of a face without its pupils
BEYOND = 0.5  # of the photo's size: a joint farther outside was not found, it was made up
LABELLED = 0.5  # confidence of a joint that an annotator placed without seeing it
NOWHERE = ((0.0, 0.0), (-1.0, -1.0))  # what detectors write for the place of a joint they did not find

Point = tuple[float, float, float]  # x, y, confidence


def read_keypoints(frames: Any, size: tuple[int, int]) -> list[Pose]:
    """The poses of one photo.

    A joint counts as not found where its confidence is 0, an entry is None, its place is (0, 0) or (-1, -1), or it lies
    farther outside the photo than half of the photo's size; people of whom no joint was found are left out. When all places
    of a frame are within 1.5 pixels of the canvas's corner they are shares of it. Confidences that are all 0, 1 or 2, with
    some 2, are COCO's flags: of 1 the joint is `guessed`, its confidence 0.5.

    Args:
        frames: POSE_KEYPOINT: a list with one frame, or the frame. Of body joints there may be 18 (OpenPose), 25 (OpenPose's
            BODY_25) or 17 (COCO); of a hand 21 points, of a face 70 or 68.
        size: height and width of the photo; places on a canvas of another size are scaled to it.

    Raises:
        ValueError: there is not one frame, something in it is missing, of the wrong length, no number, or not finite.
    """
    frame = _one_frame(frames)
    canvas = _canvas(frame)
    people = [_parts(person, n) for n, person in enumerate(frame["people"], start=1)]
    bodies = [body for body, *_ in people]
    places = [point[:2] for body in bodies for point in body if point[2]]
    shares = all(-BEYOND <= number <= 1 + BEYOND for place in places for number in place)
    confidences = {point[2] for body in bodies for point in body}
    flags = confidences <= {0, 1, 2} and 2 in confidences
    poses = []
    for body, hands, face in people:
        guessed = torch.tensor([flags and point[2] == 1 for point in body])
        joints = _on_photo(body, canvas, size, shares)
        if flags:
            joints[guessed, 2] = LABELLED
        guessed &= joints[:, 2] > 0
        if joints[:, 2].any():
            sides = torch.stack([_on_photo(hand, canvas, size, shares) for hand in hands])
            points = _on_photo(face, canvas, size, shares)
            poses.append(Pose(joints, guessed, "given", sides if sides.any() else None, points if points.any() else None))
    return poses


def write_keypoints(poses: Sequence[Pose], size: tuple[int, int]) -> list[dict[str, Any]]:
    """POSE_KEYPOINT of one photo of that height and width: one frame, in pixels, with 18 joints of everybody.

    Hands and face are there for everybody, all 0 where unknown: the core's SDPose nodes want them. What is unknown is 0, 0, 0.
    """
    people = []
    for pose in poses:
        hands = torch.zeros(2, HAND, 3) if pose.hands is None else pose.hands
        face = torch.zeros(FACE, 3) if pose.face is None else pose.face
        people.append(
            {
                "pose_keypoints_2d": _flat(pose.joints),
                "face_keypoints_2d": _flat(face),
                "hand_right_keypoints_2d": _flat(hands[0]),
                "hand_left_keypoints_2d": _flat(hands[1]),
            }
        )
    return [{"canvas_width": size[1], "canvas_height": size[0], "people": people}]


def moved(pose: Pose, box: Box, size: int) -> Pose:
    """The pose in pixels of a crop: what `box` of the photo holds, resized to `size` × `size`. Joints may lie outside it."""

    def inside(points: Tensor) -> Tensor:
        first, scale = points.new_tensor([box.left, box.top]), size / points.new_tensor([box.width, box.height])
        places = (points[..., :2] + 0.5 - first) * scale - 0.5
        return torch.cat([torch.where(points[..., 2:] > 0, places, 0.0), points[..., 2:]], -1)

    return replace(
        pose,
        joints=inside(pose.joints),
        hands=None if pose.hands is None else inside(pose.hands),
        face=None if pose.face is None else inside(pose.face),
    )


def _one_frame(frames: Any) -> Mapping[str, Any]:
    listed = [frames] if isinstance(frames, Mapping) else frames
    if not isinstance(listed, (list, tuple)):
        raise ValueError(f"pose is of type {type(frames).__name__}, but must be POSE_KEYPOINT: a list of one frame")
    if len(listed) != 1:
        raise ValueError(f"pose holds {len(listed)} frames, but there must be one: that of the photo")
    frame = listed[0]
    if not isinstance(frame, Mapping):
        raise ValueError(
            f"pose holds a frame of type {type(frame).__name__}, but it must be a dict with canvas_width, canvas_height, people"
        )
    missing = [key for key in ("canvas_width", "canvas_height", "people") if key not in frame]
    if missing:
        raise ValueError(f"pose holds a frame without {' and '.join(missing)}")
    if not isinstance(frame["people"], (list, tuple)):
        raise ValueError(f"pose holds people of type {type(frame['people']).__name__}, but they must be a list")
    return frame


def _canvas(frame: Mapping[str, Any]) -> tuple[float, float]:
    """Height and width."""
    sides = []
    for key in ("canvas_height", "canvas_width"):
        side = frame[key]
        if not isinstance(side, Real) or not isfinite(side) or side <= 0:
            raise ValueError(f"pose has a {key} of {side!r}, but it must be a number of pixels above 0")
        sides.append(float(side))
    return sides[0], sides[1]


def _parts(person: Any, number: int) -> tuple[list[Point], tuple[list[Point], list[Point]], list[Point]]:
    """A person's 18 joints, right and left hand, and face of 70 points; what was not found has no confidence."""
    if not isinstance(person, Mapping):
        raise ValueError(f"pose person {number} is of type {type(person).__name__}, but must be a dict with pose_keypoints_2d")
    if "pose_keypoints_2d" not in person:
        raise ValueError(f"pose person {number} has no pose_keypoints_2d")
    body = _points(person, "pose_keypoints_2d", (18, 25, 17), number)
    right, left = (_points(person, f"hand_{side}_keypoints_2d", (HAND,), number) for side in ("right", "left"))
    face = _points(person, "face_keypoints_2d", (FACE, LANDMARKS), number)
    return _eighteen(body), (right, left), face + [(0.0, 0.0, 0.0)] * (FACE - len(face))


def _points(person: Mapping[str, Any], key: str, counts: tuple[int, ...], number: int) -> list[Point]:
    """The points of one list; as many as the first of `counts`, not found, where the list is missing, None or empty."""
    numbers = person.get(key)
    if numbers is None or len(numbers) == 0:
        return [(0.0, 0.0, 0.0)] * counts[0]
    if len(numbers) not in {3 * count for count in counts}:
        wanted = " or ".join(f"3·{count}" for count in sorted(counts))
        raise ValueError(
            f"pose person {number} has {len(numbers)} numbers in {key}, but must have {wanted}: x, y and confidence of each point"
        )
    points = []
    for index in range(0, len(numbers), 3):
        x, y, confidence = (_number(value, key, index // 3, len(numbers) // 3, number) for value in numbers[index : index + 3])
        found = x is not None and y is not None and confidence is not None and confidence > 0 and (x, y) not in NOWHERE
        points.append((x, y, confidence) if found else (0.0, 0.0, 0.0))
    return points  # type: ignore[return-value]


def _number(value: Any, key: str, point: int, count: int, number: int) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real) or not isfinite(value):
        joint = f"its {_joint(point, count)}" if key == "pose_keypoints_2d" else f"point {point} of {key}"
        raise ValueError(f"pose person {number} has {value!r} at {joint}, but x, y and confidence must be finite numbers")
    return float(value)


def _joint(point: int, count: int) -> str:
    """What a point is called in a body of 17, 18 or 25."""
    return NAMES[count].get(point, f"joint {point}")


def _eighteen(body: list[Point]) -> list[Point]:
    if len(body) == 25:
        return [body[index] for index in BODY_25]
    if len(body) == COCO_JOINTS:
        return [(x, y, confidence) for x, y, confidence in from_coco(torch.tensor(body, dtype=torch.float64)).tolist()]
    return body


def _on_photo(points: list[Point], canvas: tuple[float, float], size: tuple[int, int], shares: bool) -> Tensor:
    """Points [n, 3] float32 in pixels of the photo, confidences at most 1; 0, 0, 0 where not found or too far outside."""
    out = torch.tensor(points, dtype=torch.float64)
    photo = torch.tensor([size[1], size[0]], dtype=torch.float64)
    scale = photo if shares else photo / torch.tensor([canvas[1], canvas[0]], dtype=torch.float64)
    # the centre of the first pixel is at 0 on the canvas and on the photo; a share times the photo is a pixel already
    places = out[:, :2] * scale + (0 if shares else (scale - 1) / 2)
    near = ((places >= -BEYOND * photo) & (places <= (1 + BEYOND) * photo)).all(1)
    out = torch.cat([places, out[:, 2:].clamp(max=1)], 1).float()
    return torch.where((near & (out[:, 2] > 0))[:, None], out, 0.0)


def _flat(points: Tensor) -> list[float]:
    return torch.where(points[:, 2:] > 0, points, 0.0).flatten().tolist()
