"""Who stands in a scene: the people of a library, what is known of each, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .difficulty import colour_bins, histogram, shape_distance, shape_of, similarity
from .library import Cutout, PhotoLibrary, cut_out, load_labels
from .recipe import Recipe

__all__ = ["LARGEST_SCALE", "Member", "cast", "cutouts", "members"]

SMALLEST_CUTOUT = 120  # pixels high, where the library has such
LARGEST_SCALE = 1.5  # a cut-out that is blown up further looks it
ONE_PIECE = 0.98  # of a person's pixels are in one piece of who is whole
HIDDEN_EDGE = 0.03  # of a person's outline, beside somebody who reaches lower: more, and that one hides a part
COLOURLESS = 3.0  # of 255, mean spread of the channels: a black and white photo
CANDIDATES = 14  # among whom each next person is chosen


@dataclass(frozen=True, eq=False)
class Member:
    """One person of a library."""

    key: tuple[Path, Path, int]  # photo, labels, value
    height: int  # pixels of the cut-out
    outline: np.ndarray  # [64, w] bool, the body at a height of 64 pixels
    shape: np.ndarray  # [32, 32] bool, see `shape_of`
    colours: np.ndarray  # see `histogram`

    @property
    def aspect(self) -> float:
        """Width by height."""
        return self.outline.shape[1] / len(self.outline)


@lru_cache(maxsize=4)
def cutouts(library: PhotoLibrary) -> tuple[tuple[Path, Path, int], ...]:
    """Those of `library.persons()` who are whole, large and in colour; without any, those who are large; without any, everybody.

    Whole is who no frame cuts off, nobody in front cuts in parts, and nobody nearer in their photo touches along the outline.
    Raises ValueError when the library has nobody large enough.
    """
    everybody = library.persons()
    if not everybody:
        raise ValueError("the library has photos of people, but nobody in them is large enough to cut out")
    found = {person: cut_out(*person) for person in everybody}
    large = [p for p in everybody if found[p].mask.shape[0] >= SMALLEST_CUTOUT]
    return tuple([p for p in large if _is_whole(p, found[p]) and _has_colour(found[p])] or large or everybody)


@lru_cache(maxsize=4)
def members(library: PhotoLibrary) -> tuple[Member, ...]:
    """What is known of everybody in `cutouts(library)`."""
    found = []
    for key in cutouts(library):
        cutout = cut_out(*key)
        outline = cutout.mask.astype(np.float32)
        width = max(round(outline.shape[1] * 64 / len(outline)), 1)
        small = cv2.resize(outline, (width, 64), interpolation=cv2.INTER_AREA) > 0.5
        colours = histogram(colour_bins(cutout.colour[::2, ::2].astype(np.float32) / 255)[cutout.mask[::2, ::2]])
        found.append(Member(key, len(outline), small, shape_of(cutout.mask), colours))
    return tuple(found)


def cast(pool: Sequence[Member], recipe: Recipe, tall: float, behind: np.ndarray, rng: np.random.Generator) -> list[Member]:
    """As many different people as the recipe asks for, or as there are: each the best of some drawn at random.

    Best is whose silhouette and colours go with what is asked: unlike or like those chosen before, and like or unlike the place.

    Args:
        tall: pixels in the photo of the tallest; who would have to be blown up too far is passed over where others are left.
        behind: histogram of the place.
    """
    fit = [member for member in pool if LARGEST_SCALE * member.height >= tall]
    pool = fit if len(fit) >= recipe.people else pool
    chosen: list[Member] = []
    order = rng.permutation(len(pool))
    while len(chosen) < min(recipe.people, len(pool)):
        drawn = [pool[n] for n in order if pool[n] not in chosen][:CANDIDATES]
        order = rng.permutation(len(pool))
        chosen.append(max(drawn, key=lambda member: _worth(member, chosen, recipe, behind)))
    # who was drawn first is no nearer than anybody else
    return [chosen[n] for n in rng.permutation(len(chosen))]


def _worth(member: Member, chosen: list[Member], recipe: Recipe, behind: np.ndarray) -> float:
    worth = 0.0
    if recipe.poses != "any" and chosen:
        distance = float(np.mean([shape_distance(member.shape, other.shape) for other in chosen]))
        worth += distance if recipe.poses == "varied" else -distance
    if recipe.camouflage != "any":
        alike = max(similarity(member.colours, colours) for colours in [behind, *(other.colours for other in chosen)])
        worth += alike if recipe.camouflage == "high" else -alike
    return worth


def _is_whole(key: tuple[Path, Path, int], cutout: Cutout) -> bool:
    if not cutout.whole:
        return False
    _, _, stats, _ = cv2.connectedComponentsWithStats(cutout.mask.astype(np.uint8), connectivity=8)
    return stats[1:, cv2.CC_STAT_AREA].max() > ONE_PIECE * cutout.mask.sum() and not _touched_by_nearer(*key)


def _touched_by_nearer(photo: Path, labels: Path, value: int) -> bool:
    """Whether somebody who reaches lower in the photo, and so is nearer, lies along this person's outline."""
    values = load_labels(labels)
    body = (values == value).astype(np.uint8)
    outline = (cv2.dilate(body, np.ones((5, 5), np.uint8)) > 0) & (body == 0)
    lowest = np.flatnonzero(body.any(1))[-1]
    for other in np.unique(values[outline]):
        beside = outline & (values == other)
        if other and beside.sum() > HIDDEN_EDGE * outline.sum() and np.flatnonzero((values == other).any(1))[-1] > lowest:
            return True
    return False


def _has_colour(cutout: Cutout) -> bool:
    few = cutout.colour[::4, ::4].astype(np.int16)
    return float((few.max(-1) - few.min(-1)).mean()) > COLOURLESS
