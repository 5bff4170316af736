"""A benchmark's cases: what an eraser is given, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

__all__ = ["Case", "Task"]


@dataclass(frozen=True)
class Case:
    """One photo of a benchmark folder. Files are read when they are asked for, by `read_task` and `read_truth`.

    Attributes:
        id: names the case within its benchmark, and its files in results: letters, digits, `-`, `_` and `.` only.
        photo: the picture to erase from.
        people: a PNG of the same size: a label map whose values 1, 2, … are people, or one object's mask (0 and 255).
        erase: the label map's values that go; empty where the file is one object's mask, which goes.
        truth: the picture without them; None where there is none.
        effects: a mask of the shadows and reflections that go too, 0 or 255; None where it is not known.
        tags: what kind of case it is, for tables by tag, such as {"people": "3", "occlusion": "heavy"}.
    """

    id: str
    photo: Path
    people: Path
    erase: tuple[int, ...] = ()
    truth: Path | None = None
    effects: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Task:
    """What an eraser is given of a case, at the size that the protocol asks for. The truth is not part of it.

    Attributes:
        id: of the case.
        photo: [H, W, 3] float32 in 0..1.
        people: [H, W] uint8, 0 is nobody, 1, 2, … are people or the one object (1).
        erase: values of `people` that go, at least one.
        effects: [H, W] bool, shadows and reflections that the benchmark knows; None where it knows none.
    """

    id: str
    photo: Tensor
    people: np.ndarray
    erase: tuple[int, ...]
    effects: Tensor | None = None

    @property
    def hole(self) -> np.ndarray:
        """[H, W] bool: where those who go are seen. Not grown."""
        return np.isin(self.people, self.erase)
