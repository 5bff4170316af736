"""A jointed figure of rounded limbs, which can be laid over a person's silhouette.

It is flat: what a limb loses when it points at the camera is a shorter limb, what a body loses when it turns to the side is
narrower shoulders and hips. Lengths are shares of the stature (Drillis and Contini 1966, as in Winter, Biomechanics and
Motor Control of Human Movement, 2009, table 4.1), widths those of clothed people. Left and right are the picture's; both
sides share all lengths and widths, so that what is measured on the limb that is seen holds for the one that is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LIMB_PARTS", "PARAMETERS", "PARTS", "POINTS", "SPREADS", "Figure", "distance_to", "index", "nearest_limb", "pose_figure"]

SPREADS = {
    # where, how tall: whatever the mask says
    "right": 0.0,
    "down": 0.0,
    "stature": 0.0,  # log
    # how the trunk stands, in radians, and how far it is turned to us
    "lean": 0.12,
    "bend": 0.12,
    "nod": 0.3,
    "facing": 0.8,
    # limbs, in radians from where they hang; of the one at the left of the picture, then the one at the right
    "upper arm l": 0.35,
    "upper arm r": 0.35,
    "forearm l": 0.5,
    "forearm r": 0.5,
    "thigh l": 0.22,
    "thigh r": 0.22,
    "shin l": 0.22,
    "shin r": 0.22,
    "foot l": 0.5,
    "foot r": 0.5,
    # lengths and widths, log; both sides have the same
    "long trunk": 0.1,
    "long upper arm": 0.12,
    "long forearm": 0.12,
    "long thigh": 0.1,
    "long shin": 0.1,
    "broad shoulders": 0.15,
    "wide trunk": 0.22,
    "wide arm": 0.25,
    "wide leg": 0.22,
    "wide head": 0.2,
}
"""The figure's parameters, each 0 for somebody who stands, and the standard deviation that people show; 0 for any value."""
PARAMETERS = tuple(SPREADS)
POINTS = ("head", "neck", *(f"{joint} {side}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "lr"))

PARTS = ("head", "trunk", "arm l", "hand l", "thigh l", "shin l", "foot l", "arm r", "hand r", "thigh r", "shin r", "foot r")
"""What a limb is a part of."""
LIMB_PARTS = (0, 0, *[1] * 7, 2, 7, 2, 7, 3, 8, 4, 9, 5, 10, 6, 11)
"""For each limb of a figure its part, as an index of PARTS."""

# shares of the stature
TRUNK, CHIN, CROWN = 0.285, 0.045, 0.135  # hips to neck; neck to chin and to the middle of the crown
UPPER_ARM, FOREARM, HAND, THIGH, SHIN, FOOT, INSTEP = 0.165, 0.15, 0.06, 0.245, 0.24, 0.07, 0.025
SHOULDER, HIP, SLOPE = 0.115, 0.055, 0.02  # half a breadth; how much lower than the neck the shoulders are
SIDEWAYS = 0.35  # of a breadth, seen from the side
FROM_THE_FRONT = 1.0  # what 0 of "facing" is on the way from one to the other, as a logit
HANGING, STRIDE = 0.12, 0.03  # radians that arms and thighs hang off the body by


class Figure(NamedTuple):
    """B figures, in the units of the stature."""

    points: Tensor  # [B, 14, 2], x and y of POINTS
    starts: Tensor  # [B, M, 2], where the limbs begin,
    ends: Tensor  # [B, M, 2], where they end,
    first: Tensor  # [B, M], their radius there
    last: Tensor  # [B, M], and here


def index(name: str) -> int:
    """Of a parameter."""
    return PARAMETERS.index(name)


def pose_figure(parameters: Tensor) -> Figure:
    """The figures of parameters [B, 27]. Differentiable. y grows downwards; right 0, down 0 is between the hips."""
    of = dict(zip(PARAMETERS, parameters[..., None].unbind(1), strict=True))  # each [B, 1]

    def both(name: str) -> Tensor:
        return torch.cat([of[f"{name} l"], of[f"{name} r"]], 1)  # [B, 2]

    out = parameters.new_tensor([[-1.0, 1.0]])  # to the outside, on either side
    front = SIDEWAYS + (1 - SIDEWAYS) * torch.sigmoid(FROM_THE_FRONT + of["facing"])
    upright = of["lean"] + of["bend"]
    nod = upright + of["nod"] / 2
    head, trunk, arm, leg = (of[f"wide {part}"].exp() for part in ("head", "trunk", "arm", "leg"))
    # everything from here on is [B, 1 or 2, 2]: x and y of one point, or of one on either side
    hips = torch.zeros_like(parameters[:, None, :2])
    neck = hips + _turned(0, -TRUNK * of["long trunk"].exp(), upright)
    chin, crown = neck + _turned(0, -CHIN, nod), neck + _turned(0, -CROWN, nod)
    shoulder = neck + _turned(out * SHOULDER * of["broad shoulders"].exp() * front, SLOPE, upright)
    angle = upright - out * (HANGING + both("upper arm"))
    elbow = shoulder + _turned(0, UPPER_ARM * of["long upper arm"].exp(), angle)
    angle = angle - out * both("forearm")
    wrist = elbow + _turned(0, FOREARM * of["long forearm"].exp(), angle)
    fingers = wrist + _turned(0, HAND, angle)
    hip = hips + _turned(out * HIP * front, 0, of["lean"])
    angle = of["lean"] - out * (STRIDE + both("thigh"))
    knee = hip + _turned(0, THIGH * of["long thigh"].exp(), angle)
    angle = angle - out * both("shin")
    ankle = knee + _turned(0, SHIN * of["long shin"].exp(), angle)
    sole = FOOT * torch.tanh(both("foot") + 0.3 * out)
    toes = ankle + torch.stack([sole, torch.full_like(sole, INSTEP)], -1)
    limbs = [
        (chin, crown, 0.05 * head, 0.055 * head),
        (neck, chin, 0.04 * head, 0.035 * head),
        (neck, hips, 0.07 * trunk, 0.075 * trunk),
        (shoulder, hip, 0.05 * trunk, 0.065 * trunk),
        (neck, shoulder, 0.045 * trunk, 0.045 * trunk),
        (hips, hip, 0.07 * trunk, 0.07 * trunk),
        (shoulder, elbow, 0.04 * arm, 0.035 * arm),
        (elbow, wrist, 0.035 * arm, 0.027 * arm),
        (wrist, fingers, 0.025 * arm, 0.02 * arm),
        (hip, knee, 0.068 * leg, 0.05 * leg),
        (knee, ankle, 0.047 * leg, 0.034 * leg),
        (ankle, toes, 0.032 * leg, 0.025 * leg),
    ]
    size, at = of["stature"].exp(), parameters[:, None, :2]

    def placed(points: list[Tensor]) -> Tensor:
        return torch.cat(points, 1) * size[..., None] + at

    sides = [start.broadcast_to(end.shape) for start, end, *_ in limbs]
    radii = [(first.expand(end.shape[:2]), last.expand(end.shape[:2])) for _, end, first, last in limbs]
    return Figure(
        placed([(chin + crown) / 2, neck, shoulder, elbow, wrist, hip, knee, ankle]),
        placed(sides),
        placed([end for _, end, *_ in limbs]),
        torch.cat([first for first, _ in radii], 1) * size,
        torch.cat([last for _, last in radii], 1) * size,
    )


def nearest_limb(figure: Figure, x: Tensor, y: Tensor) -> Tensor:
    """To points (x, y) [N], the index of the limb whose outline is nearest: [B, N]."""
    with torch.no_grad():
        return _distances([part[..., None] for part in _limbs(figure)], x, y).argmin(1)


def distance_to(figure: Figure, x: Tensor, y: Tensor, limb: Tensor) -> Tensor:
    """From points (x, y) [N] to the outline of a limb each, `limb` [B, N]: [B, N], negative inside. Differentiable.

    Of the nearest limb it is the distance to the figure; its gradient, too, comes from that limb alone.
    """
    return _distances([part.gather(1, limb) for part in _limbs(figure)], x, y)


def _limbs(figure: Figure) -> tuple[Tensor, ...]:
    """The limbs' x and y at the start, x and y at the end, and radii: each [B, M]."""
    return *figure.starts.unbind(2), *figure.ends.unbind(2), figure.first, figure.last


def _distances(limbs: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """From points to the outlines of limbs: to the segment, less the radius beside the foot of the perpendicular."""
    x0, y0, x1, y1, first, last = limbs
    along_x, along_y = x1 - x0, y1 - y0
    from_x, from_y = x - x0, y - y0
    share = ((from_x * along_x + from_y * along_y) / (along_x**2 + along_y**2).clamp(min=1e-8)).clamp(0, 1)
    apart = ((from_x - share * along_x) ** 2 + (from_y - share * along_y) ** 2 + 1e-9).sqrt()
    return apart - (first + share * (last - first))


def _turned(x: Tensor | float, y: Tensor | float, angle: Tensor) -> Tensor:
    """(x, y) turned clockwise on the screen by angles [B, 1 or 2]: [..., 2]."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([x * cos - y * sin, x * sin + y * cos], -1)
