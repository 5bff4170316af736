"""Which things of photos become instances of Syn4Removal (SmartEraser, CVPR 2025), and what is known of their classes.

A thing is kept when it has 5 % to 95 % of its photo and, where CLIP looked at it, a score of min(0.2, the class's highest − 0.02) or more;
a class is kept when it has six of them or more. Figures are those of the authors' published scripts. The score is the cosine of picture and
words: the scripts compare CLIP's logits, a hundred times that, with 0.2, which lets everything pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["ClassSize", "Filtered", "Instance", "in_turn", "keep_instances"]

SCORE, TOLERANCE = 0.2, 0.02
AREA = (0.05, 0.95)  # share of the photo
LEAST = 6  # instances of a class


class Instance(NamedTuple):
    """A thing of a photo that may be pasted."""

    photo: str  # its name
    id: int  # of its segment
    word: str  # its class
    area: float  # share of its photo, 0..1
    score: float | None  # cosine of CLIP; None where nobody looked


class ClassSize(NamedTuple):
    """How large the kept instances of a class are, as shares of their photos."""

    number: int
    mean: float
    deviation: float  # of the population: √ of the mean squared distance


@dataclass(frozen=True)
class Filtered:
    """What the filter leaves, and what it took."""

    instances: dict[str, list[Instance]]  # by class, the classes by their names, in each the highest score first
    sizes: dict[str, ClassSize]
    dropped: dict[str, int]  # by reason


def keep_instances(found: Iterable[Instance]) -> Filtered:
    """The instances of all classes that pass.

    The highest score of a class is taken over all of them, those of an unfit size too. Without scores only sizes count.
    """
    classes: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in found:
        classes[instance.word].append(instance)
    dropped = {"area": 0, "score": 0, "class": 0}
    kept, sizes = {}, {}
    for word in sorted(classes):
        scores = [one.score for one in classes[word] if one.score is not None]
        bar = min(SCORE, max(scores) - TOLERANCE) if scores else None
        fit = [one for one in classes[word] if AREA[0] <= one.area <= AREA[1]]
        dropped["area"] += len(classes[word]) - len(fit)
        sure = [one for one in fit if bar is None or one.score is None or one.score >= bar]
        dropped["score"] += len(fit) - len(sure)
        if len(sure) < LEAST:
            dropped["class"] += len(sure)
            continue
        kept[word] = sorted(sure, key=lambda one: (-(one.score or 0), one.photo, one.id))
        areas = np.array([one.area for one in sure])
        sizes[word] = ClassSize(len(sure), float(areas.mean()), float(areas.std()))
    return Filtered(kept, sizes, dropped)


def in_turn(instances: Mapping[str, Sequence[Instance]]) -> list[Instance]:
    """All instances in the order of their use: one of each class, then the next of each that has more, and so on."""
    longest = max(map(len, instances.values()), default=0)
    return [ones[turn] for turn in range(longest) for ones in instances.values() if turn < len(ones)]
