"""What makes a scene hard, measured in the finished scene, and the tags that say it. A tag says what is, not what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

__all__ = [
    "LEVELS",
    "Level",
    "colour_bins",
    "difficulty_tags",
    "histogram",
    "measure",
    "shape_distance",
    "shape_of",
    "similarity",
]

ALONE = "alone"  # the tag of what takes two
SHAPE = 32  # pixels, of the square in which silhouettes are compared
BINS = (10, 14, 14)  # of L, a and b
LOW, HIGH = np.array((0, -56, -56), np.float32), np.array((100, 56, 56), np.float32)
STRIDES = np.array((BINS[1] * BINS[2], BINS[2], 1))
AROUND = 0.1  # of a person's height: what is beside them


class Level(NamedTuple):
    """How a measure becomes a tag: the name of the first step whose bound is above the measure."""

    measure: str
    steps: tuple[tuple[str, float], ...]  # name, and the bound below which it holds


INFINITY = float("inf")
LEVELS: dict[str, Level] = {
    # of the body that is hidden most, the share that somebody nearer hides
    "occlusion": Level("hidden_most", (("none", 0.02), ("light", 0.2), ("heavy", INFINITY))),
    # between the two bodies that are nearest to each other, as a share of the photo's shorter side
    "contact": Level("gap", (("touching", 0.01), ("apart", INFINITY))),
    # mean over the people of how much of their colours is behind and beside them, too
    "camouflage": Level("camouflage", (("low", 0.25), ("medium", 0.38), ("high", INFINITY))),
    # mean over pairs of 1 − IoU of silhouettes brought to one height
    "poses": Level("pose_distance", (("alike", 0.4), ("mixed", 0.48), ("varied", INFINITY))),
    # share of the photo that shows somebody who goes
    "size": Level("hole", (("small", 0.05), ("medium", 0.12), ("large", INFINITY))),
}


def measure(
    photo: np.ndarray, background: np.ndarray, whole: np.ndarray, visible: np.ndarray, erase: Sequence[int]
) -> dict[str, float | None]:
    """The numbers behind the tags. What takes two people is None for one.

    Args:
        photo, background: [H, W, 3] float32 in 0..1.
        whole, visible: [N, H, W] bool.
        erase: indices of who goes.
    """
    hidden = 1 - visible.sum((1, 2)) / np.maximum(whole.sum((1, 2)), 1)
    small_photo, small_background = photo[::2, ::2], background[::2, ::2]
    camouflage = [
        _camouflage(small_photo, small_background, w[::2, ::2], v[::2, ::2]) for w, v in zip(whole, visible, strict=True) if v.any()
    ]
    shapes = [shape_of(body) for body in whole]
    apart = [shape_distance(a, b) for a, b in combinations(shapes, 2)]
    return {
        "people": len(whole),
        "hidden_most": float(hidden.max()),
        "hidden_mean": float(hidden.mean()),
        "gap": _gap(whole),
        "camouflage": float(np.mean(camouflage)) if camouflage else 0.0,
        "pose_distance": float(np.mean(apart)) if apart else None,
        "hole": float(visible[list(erase)].any(0).mean()),
        "covered": float(whole.any(0).mean()),
    }


def difficulty_tags(measures: Mapping[str, float | None], erased: int) -> dict[str, str]:
    """Tags of a scene with these measures, of whose people so many go."""
    people = int(measures["people"] or 0)
    tags = {"people": str(people)}
    for name, level in LEVELS.items():
        value = measures[level.measure]
        pair = name in ("occlusion", "contact", "poses")
        tags[name] = ALONE if value is None or (pair and people < 2) else next(step for step, bound in level.steps if value < bound)
    tags["erased"] = "all" if erased == people else "some"
    return tags


def colour_bins(picture: np.ndarray) -> np.ndarray:
    """Which of the 1960 bins of CIE Lab each colour of a picture [h, w, 3] float32 in 0..1 falls in: [h, w] int64."""
    lab = cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2Lab)
    scaled = (lab - LOW) / (HIGH - LOW) * BINS
    return np.minimum(scaled.clip(0), np.array(BINS) - 1).astype(np.int64) @ STRIDES


def histogram(bins: np.ndarray) -> np.ndarray:
    """Shares [1960] float32 of the bins in an array of them, soft between neighbours. Sums to 1; all 0 for an empty one."""
    counts = (np.bincount(bins.reshape(-1), minlength=int(np.prod(BINS))) / max(bins.size, 1)).astype(np.float32)
    shares: np.ndarray = counts.reshape(BINS)
    for axis in range(3):  # colours of neighbouring bins are alike: (1, 2, 1) / 4, and what would leave stays in the last bin
        along = np.moveaxis(shares, axis, 0)
        soft = along / 2
        soft[1:] += along[:-1] / 4
        soft[:-1] += along[1:] / 4
        soft[0] += along[0] / 4
        soft[-1] += along[-1] / 4
        shares = np.moveaxis(soft, 0, axis)
    return shares.reshape(-1)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection Σ min of two histograms, 0..1 (Swain and Ballard, "Color Indexing", 1991)."""
    return float(np.minimum(one, other).sum())


def shape_of(body: np.ndarray) -> np.ndarray:
    """A silhouette [h, w] bool brought to a height of 32 pixels, its mean column in the middle: [32, 32] bool."""
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    if not len(rows):
        return np.zeros((SHAPE, SHAPE), bool)
    box = body[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    width = max(round(box.shape[1] * SHAPE / len(box)), 1)
    small = cv2.resize(box, (width, SHAPE), interpolation=cv2.INTER_AREA) > 0.5
    middle = round(float((small.sum(0) * np.arange(width)).sum()) / max(int(small.sum()), 1))
    out = np.zeros((SHAPE, SHAPE + 2 * width), bool)
    left = SHAPE // 2 + width - middle
    out[:, left : left + width] = small[:, : out.shape[1] - left]
    return out[:, width : width + SHAPE]


def shape_distance(one: np.ndarray, other: np.ndarray) -> float:
    """1 − IoU of two silhouettes of `shape_of`, 0 for the same."""
    either = (one | other).sum()
    return float(1 - (one & other).sum() / either) if either else 0.0


def _gap(whole: np.ndarray) -> float | None:
    """Between the two bodies nearest to each other, as a share of the shorter side; None for one body."""
    if len(whole) < 2:
        return None
    nearest = INFINITY
    for number, body in enumerate(whole[:-1]):
        if body.any():
            away = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5)
            nearest = min([nearest, *(float(away[other].min()) for other in whole[number + 1 :] if other.any())])
    return max(nearest - 1, 0.0) / min(whole.shape[1:])


def _camouflage(photo: np.ndarray, background: np.ndarray, whole: np.ndarray, visible: np.ndarray) -> float:
    """How much of the colours of somebody is also behind them (the background under them) or beside them (the photo around)."""
    rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    radius = max(round(AROUND * len(rows)), 1)
    box = np.s_[max(rows[0] - radius, 0) : rows[-1] + radius + 1, max(columns[0] - radius, 0) : columns[-1] + radius + 1]
    body = whole[box]
    beside = (cv2.dilate(body.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0) & ~body
    bins = colour_bins(photo[box])
    around = np.concatenate([bins[beside], colour_bins(background[box])[body]])
    return similarity(histogram(bins[visible[box]]), histogram(around))
