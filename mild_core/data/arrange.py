"""Where people stand in a scene, worked out on small outlines before anything is drawn.

The ground is level and the camera is about as high as people's eyes: whoever reaches lower in the picture is nearer, and somebody's
height in it grows with how far below the horizon their feet are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import cv2
import numpy as np

from .casting import LARGEST_SCALE, Member
from .difficulty import LEVELS, histogram, shape_distance, similarity
from .recipe import Recipe

__all__ = ["HEIGHTS", "STEP", "Arrangement", "Stage", "Stand", "arrange", "is_sound", "visible_of"]

HEIGHTS = (0.35, 0.75)  # of a person, of the photo's height; of more than three people, the first is CROWD
CROWD = 0.3
WIDEST = 0.6  # of a person, of the photo's width
LOWEST = 0.98  # share of the photo's height above which everybody's feet are
HORIZON = (0.32, 0.40)  # share of the photo's height by which the horizon is above the ground's upper end
CLOSER = 0.12  # by how much less it may be where there are more than three: seen from further off
TALLNESS = (0.97, 1.12)  # people's height, of the camera's
STEP = 4  # pixels by which a nearer person reaches lower
SHARE = (0.04, 0.30)  # of the photo that all people cover; of more than three the most is half as much again
LEAST_VISIBLE = 0.35  # of everybody's body
LEAST_INSIDE = 0.85  # of everybody's width, of the frame
SMALL = 112  # pixels, the shorter side of what is arranged
TRIES = 30  # arrangements, of which the first that has all that was asked is taken, or that which lacks least
# by how much of their common half-widths two people who touch are apart
OVERLAP = {"none": (0.8, 1.0), "light": (0.55, 0.95), "heavy": (0.2, 0.7)}
# what is aimed at lies inside the steps of the tags, since small outlines do not tell the last hundredth
CAMOUFLAGED = {"low": -0.22, "high": 0.42}
POSED = {"alike": -0.39, "varied": 0.49}
SLOPE = 5.0  # what is lacking for each 1 of a measure


class Stage(NamedTuple):
    """A place as people are arranged in it."""

    height: int  # pixels
    width: int
    ground: float  # share of the height above which nobody's feet should be
    colours: np.ndarray  # [h, w] int, bins of the place's colours (see `colour_bins`) with a shorter side of 112 pixels


class Stand(NamedTuple):
    """One person in the photo's pixels."""

    member: Member
    mirrored: bool
    height: int
    bottom: int  # the row below the feet
    centre: int  # the column


class Arrangement(NamedTuple):
    stands: list[Stand]  # nearest first
    lacking: float  # of what was asked, 0 for nothing


def arrange(stage: Stage, actors: Sequence[Member], recipe: Recipe, rng: np.random.Generator) -> Arrangement | None:
    """Where these people stand; None where no sound scene of them was found."""
    best: Arrangement | None = None
    posed = _poses_lacking(actors, recipe)
    for _ in range(TRIES):
        stands = _drawn(stage, actors, recipe, rng)
        lacking = None if stands is None else _lacking(stage, stands, recipe)
        if stands is not None and lacking is not None and (best is None or lacking + posed < best.lacking):
            best = Arrangement(stands, lacking + posed)
        if best is not None and best.lacking <= posed:
            break
    return best


def is_sound(whole: np.ndarray, step: float = STEP) -> bool:
    """Whether bodies [N, H, W], nearest first, neither leave the scene empty nor fill it, can all be seen, and tell the depth order.

    What can be seen of a nearer body reaches lower by `step` rows at least.
    """
    visible = visible_of(whole)
    bodies, seen = whole.sum((1, 2)), visible.sum((1, 2))
    reaches = np.asarray(visible.any(2))
    if not SHARE[0] <= whole.any(0).mean() <= (SHARE[1] if len(whole) <= 3 else 1.5 * SHARE[1]):
        return False
    if not seen.all() or (seen < LEAST_VISIBLE * bodies).any():
        return False
    lowest = [int(np.flatnonzero(rows)[-1]) for rows in reaches]
    return all(near - far >= step for near, far in pairwise(lowest))


def visible_of(whole: np.ndarray) -> np.ndarray:
    """Of bodies [N, H, W] bool, nearest first, what nobody nearer hides."""
    visible = whole.copy()
    nearer = np.zeros_like(whole[0])
    for body, seen in zip(whole, visible, strict=True):
        seen &= ~nearer
        nearer |= body
    return visible


def _drawn(stage: Stage, actors: Sequence[Member], recipe: Recipe, rng: np.random.Generator) -> list[Stand] | None:
    """Random stands of the kind that is asked for; None where somebody is too wide, or not enough inside the frame."""
    height, width = stage.height, stage.width
    count = len(actors)
    shortest = (HEIGHTS[0] if count <= 3 else CROWD) * height
    feet = _feet(stage, count, rng)
    above = rng.uniform(*HORIZON) - (rng.uniform(0, CLOSER) if count > 3 else 0)
    horizon = (stage.ground - above) * height
    stands: list[Stand] = []
    together = int(rng.integers(1, count)) if count > 1 else 0  # who must be beside somebody, if anybody must
    for number, (member, ground) in enumerate(zip(actors, feet, strict=True)):
        tall = np.clip((ground - horizon) * rng.uniform(*TALLNESS), shortest, HEIGHTS[1] * height)
        tall = max(min(tall, LARGEST_SCALE * member.height), shortest)
        across = tall * member.aspect
        if recipe.contact == "touching" and stands and (number == together or rng.random() < 0.5):
            beside = stands[-1] if number == together else stands[int(rng.integers(len(stands)))]
            apart = (across + beside.height * beside.member.aspect) / 2
            centre = beside.centre + rng.choice((-1, 1)) * rng.uniform(*OVERLAP[recipe.occlusion]) * apart
        else:
            centre = _free_centre(stands, across, width, rng)
        inside = min(centre + across / 2, width) - max(centre - across / 2, 0)
        if across > WIDEST * width or inside < LEAST_INSIDE * across:
            return None
        bottom = max(min(int(ground), height - 1), int(tall))
        stands.append(Stand(member, bool(rng.random() < 0.5), int(tall), bottom, int(centre)))
    return stands


def _feet(stage: Stage, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of people's feet, falling, with room between them to tell who is nearer."""
    between = STEP + 2
    room = (LOWEST - stage.ground) * stage.height - (count - 1) * between
    return np.sort(rng.uniform(0, max(room, 1), count))[::-1] + stage.ground * stage.height + np.arange(count - 1, -1, -1) * between


def _free_centre(stands: Sequence[Stand], across: float, width: int, rng: np.random.Generator) -> float:
    """A column with room for somebody that wide, where the drawing of some finds one."""
    for _ in range(6):
        centre = rng.uniform(0.05, 0.95) * width
        if all(abs(centre - s.centre) > (across + s.height * s.member.aspect) / 2 for s in stands):
            break
    return centre


def _lacking(stage: Stage, stands: Sequence[Stand], recipe: Recipe) -> float | None:
    """How much of what was asked the stands lack; None where they make no sound scene. Told on small outlines."""
    whole = np.stack([_outline(stage, stand) for stand in stands])
    if not is_sound(whole, step=1):
        return None
    lacking = _camouflage_lacking(stage, stands, whole, recipe)
    if len(stands) < 2:
        return lacking
    hidden = (1 - visible_of(whole).sum((1, 2)) / whole.sum((1, 2))).max()
    occlusion = next(name for name, bound in LEVELS["occlusion"].steps if hidden < bound)
    kernel = np.ones((3, 3), np.uint8)
    grown = [cv2.dilate(body.astype(np.uint8), kernel) > 0 for body in whole]
    touching = any((grown[i] & whole[j]).any() for i, j in combinations(range(len(whole)), 2))
    return lacking + 2 * (occlusion != recipe.occlusion) + (touching != (recipe.contact == "touching"))


def _camouflage_lacking(stage: Stage, stands: Sequence[Stand], whole: np.ndarray, recipe: Recipe) -> float:
    if recipe.camouflage == "any":
        return 0.0
    found = []
    for stand, body in zip(stands, whole, strict=True):
        around = cv2.dilate(body.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        found.append(similarity(stand.member.colours, histogram(stage.colours[around])))
    return _short_of(float(np.mean(found)), CAMOUFLAGED[recipe.camouflage])


def _poses_lacking(actors: Sequence[Member], recipe: Recipe) -> float:
    if recipe.poses == "any" or len(actors) < 2:
        return 0.0
    distances = [shape_distance(one.shape, other.shape) for one, other in combinations(actors, 2)]
    return _short_of(float(np.mean(distances)), POSED[recipe.poses])


def _short_of(value: float, aim: float) -> float:
    """How far a value is from being at least the aim, or, for a negative one, at most minus the aim; in steps of `SLOPE`."""
    return SLOPE * max(aim - value if aim > 0 else value + aim, 0.0)


def _outline(stage: Stage, stand: Stand) -> np.ndarray:
    height, width = stage.colours.shape
    scale = height / stage.height
    outline = stand.member.outline[:, ::-1] if stand.mirrored else stand.member.outline
    tall = max(round(stand.height * scale), 1)
    across = max(round(tall * stand.member.aspect), 1)
    small = cv2.resize(outline.astype(np.uint8), (across, tall), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((height, width), bool)
    top, left = round(stand.bottom * scale) - tall, round(stand.centre * scale) - across // 2
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + tall, height), min(left + across, width)
    out[y0:y1, x0:x1] = small[y0 - top : y1 - top, x0 - left : x1 - left]
    return out
