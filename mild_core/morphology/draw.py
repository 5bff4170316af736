"""Pictures of poses: the map that pose ControlNets were trained on, and skeletons over a photo for people to look at."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.pose import LIMBS, Pose

__all__ = ["draw_pose", "draw_skeletons"]

LEAST = 0.05  # confidence; joints told from an outline alone have little, and are drawn

# The OpenPose map. ControlNets know these pixels: nothing here is a matter of taste.
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85), (0, 255, 170),
    (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
LIMB_SHADE = 0.6  # of the colour
STICK = 4  # px, half the width of a limb
DOT, FACE_DOT, FINGER = 4, 3, 2  # px: radius of joints, of points of the face, width of a finger's line
FINGERS = tuple((0 if bone == 0 else 4 * finger + bone, 4 * finger + bone + 1) for finger in range(5) for bone in range(4))
FINGER_COLOURS = tuple(tuple(255 * part for part in colorsys.hsv_to_rgb(n / len(FINGERS), 1, 1)) for n in range(len(FINGERS)))
BLUE, WHITE = (0, 0, 255), (255, 255, 255)

# The overlay.
PER_LINE = 300  # a limb is so many times thinner than the photo's shorter side,
PERSON_PER_LINE = 60  # and at least so many times than the person is long: no blob where somebody is small
FINE = 3  # binary digits that OpenCV takes of a place between pixels
SHADE = 0.75  # opacity of the dark edge, which sets colours off from any photo


def draw_pose(poses: Sequence[Pose], height: int, width: int, *, threshold: float = LEAST) -> Tensor:
    """The OpenPose map [H, W, 3] in 0..1 of poses in its pixels, on black; the one drawn last covers.

    Pixel for pixel what OpenPose and DWPose preprocessors give since ControlNet 1.1: limbs as ellipses in 0.6 of their
    colour, then joints, then hands and face, person after person. Places are cut to whole pixels, and points of hands and
    face in the first row or column are left out, as there. The map is not scaled: draw it in the size that it is used in.

    Args:
        threshold: joints and points of less confidence are left out, and limbs that lack an end; guessed joints are drawn
            like others.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    for pose in poses:
        _draw_body(canvas, pose.joints, threshold)
        if pose.hands is not None:
            for hand in pose.hands.flip(0):  # the left one first
                _draw_hand(canvas, hand, threshold)
        if pose.face is not None:
            _draw_dots(canvas, _found(pose.face, threshold).values(), FACE_DOT, WHITE)
    return torch.from_numpy(canvas.astype(np.float32) / 255)


def draw_skeletons(image: Tensor, people: Sequence[tuple[Pose, Sequence[float]]], *, threshold: float = LEAST) -> Tensor:
    """A copy of a picture [H, W, 3] in 0..1 with everybody's limbs and joints over it, anti-aliased; the last covers.

    Joints that were seen are dots, guessed ones are rings. Lines are as thick as suits the picture and the person.

    Args:
        people: poses in pixels of the picture, and their colours: red, green and blue in 0..1.
        threshold: joints of less confidence are left out.
    """
    out = image.clone()
    for pose, colour in people:
        there = pose.joints[:, 2] >= max(threshold, 1e-9)
        if there.any():
            _draw_skeleton(out, pose, there.tolist(), colour)
    return out


def _found(points: Tensor, threshold: float) -> dict[int, tuple[int, int]]:
    """Whole x and y of points [n, 3] that are known and sure enough, by index."""
    return {n: (int(x), int(y)) for n, (x, y, confidence) in enumerate(points.tolist()) if confidence > 0 and confidence >= threshold}


def _draw_body(canvas: np.ndarray, joints: Tensor, threshold: float) -> None:
    import cv2

    found = _found(joints, threshold)
    for (one, other), colour in zip(LIMBS, COLOURS, strict=False):  # 17 limbs, 18 joints
        if one in found and other in found:
            (x, y, _), (far_x, far_y, _) = joints[one].double().tolist(), joints[other].double().tolist()
            centre = int((x + far_x) / 2), int((y + far_y) / 2)
            length = ((x - far_x) ** 2 + (y - far_y) ** 2) ** 0.5
            angle = math.degrees(math.atan2(y - far_y, x - far_x))
            outline = cv2.ellipse2Poly(centre, (int(length / 2), STICK), int(angle), 0, 360, 1)
            cv2.fillConvexPoly(canvas, np.asarray(outline), [int(part * LIMB_SHADE) for part in colour])
    for joint, place in found.items():
        cv2.circle(canvas, place, DOT, COLOURS[joint], thickness=-1)


def _draw_hand(canvas: np.ndarray, hand: Tensor, threshold: float) -> None:
    import cv2

    found = _found(hand, threshold)
    for (one, other), colour in zip(FINGERS, FINGER_COLOURS, strict=True):
        if one in found and other in found and min(found[one] + found[other]) > 0:
            cv2.line(canvas, found[one], found[other], colour, thickness=FINGER)
    _draw_dots(canvas, found.values(), DOT, BLUE)


def _draw_dots(canvas: np.ndarray, places: Iterable[tuple[int, int]], radius: int, colour: tuple[int, int, int]) -> None:
    import cv2

    for place in places:
        if min(place) > 0:
            cv2.circle(canvas, place, radius, colour, thickness=-1)


def _draw_skeleton(image: Tensor, pose: Pose, there: list[bool], colour: Sequence[float]) -> None:
    """Draw into the picture [H, W, 3]. What is drawn is kept as coverage and put over the picture in the end, so that pixels
    that nothing is drawn on stay as they are, and rings are open."""
    import cv2

    places = pose.joints[:, :2].double()
    first, last = places[there].amin(0), places[there].amax(0)
    length = float((last - first).max())
    line = max(round(min(min(image.shape[:2]) / PER_LINE, length / PERSON_PER_LINE)), 1)
    edge, dot = max(line / 2, 1.0), 1.3 * line + 0.7
    reach = math.ceil(dot + 2 * edge) + 2
    box = Box(*(math.floor(n) - reach for n in first.tolist()), *(math.ceil(n) + reach for n in last.tolist())).clip(*image.shape[:2])
    if box.width <= 0 or box.height <= 0:
        return
    ink, dark = (np.zeros((box.height, box.width), np.uint8) for _ in range(2))

    def at(place: Tensor) -> tuple[int, int]:
        x, y = ((place - place.new_tensor([box.left, box.top])) * 2**FINE).round().int().tolist()
        return x, y

    def disc(coverage: np.ndarray, place: Tensor, radius: float, value: int) -> None:
        cv2.circle(coverage, at(place), round(radius * 2**FINE), value, -1, cv2.LINE_AA, FINE)

    for one, other in LIMBS:
        if there[one] and there[other]:
            for coverage, thickness in ((dark, line + 2 * math.ceil(edge)), (ink, line)):
                cv2.line(coverage, at(places[one]), at(places[other]), 255, thickness, cv2.LINE_AA, FINE)
    for place, known, guess in zip(places, there, pose.guessed.tolist(), strict=True):
        if known:
            disc(dark, place, dot + edge, 255)
            disc(ink, place, dot, 255)
            if guess:
                for coverage in (dark, ink):
                    disc(coverage, place, dot - max(line / 2, 1), 0)
    under = box.view(image)
    for coverage, opacity, paint in ((dark, SHADE, (0.0, 0.0, 0.0)), (ink, 1.0, tuple(colour))):
        share = (torch.from_numpy(coverage).to(image) / 255 * opacity)[..., None]
        under.copy_(torch.lerp(under, under.new_tensor(paint).expand_as(under), share))
