"""A benchmark's cases: what an eraser is given, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

__all__ = ["Case", "Task", "read_effects", "read_people", "read_photo", "read_truth"]

MASKED = 127  # an object's mask is above it


@dataclass(frozen=True)
class Case:
    """One photo of a benchmark folder. Its files are read when they are asked for, by `read_photo` and the others.

    Attributes:
        id: names the case within its benchmark, and its files in results: letters, digits, `-`, `_` and `.` only.
        photo: the picture to erase from.
        people: a PNG of the same size: a label map whose values 1, 2, … are people, or one object's mask (0 and 255).
        erase: the label map's values that go; empty where the file is one object's mask, which goes.
        truth: the picture without them; None where there is none.
        effects: a mask of the shadows and reflections that go too, 0 or 255; None where it is not known.
        tags: what kind of case it is, for tables by tag, such as {"people": "3", "occlusion": "heavy"}.
        keeps: the one object's mask is the other way round: 255 is what stays, 0 the object.
    """

    id: str
    photo: Path
    people: Path
    erase: tuple[int, ...] = ()
    truth: Path | None = None
    effects: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    keeps: bool = False


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


def read_photo(case: Case) -> np.ndarray:
    """The photo, [H, W, 3] uint8. Raises OSError when it is no picture."""
    return _rgb(case.photo)


def read_truth(case: Case) -> np.ndarray | None:
    """The truth at its own size, [H, W, 3] uint8; None where there is none. Raises OSError when it is no picture."""
    return None if case.truth is None else _rgb(case.truth)


def read_people(case: Case, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """The label map [H, W] uint8 and the values in it that go.

    Args:
        size: height and width of the photo.
    Raises ValueError when the file is of another size, is no label map, or has none of what goes.
    """
    with Image.open(case.people) as file:
        _check_size(case, "people mask", file, size)
        if not case.erase:
            object_ = np.asarray(file.convert("L")) > MASKED
            if case.keeps:
                object_ = ~object_
            if not object_.any():
                raise ValueError(f"case {case.id}: mask {case.people} is empty, but what goes must be above {MASKED} of 255 in it")
            return object_.astype(np.uint8), (1,)
        values = np.asarray(file)
    if values.ndim != 2 or not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise ValueError(f"case {case.id}: people mask {case.people} must be one channel of values 0, 1, 2, … up to 255")
    absent = sorted(set(case.erase) - {int(v) for v in np.unique(values) if v})
    if absent:
        raise ValueError(f"case {case.id}: {absent} shall be erased, but people mask {case.people} has no such value")
    return values.astype(np.uint8), case.erase


def read_effects(case: Case, size: tuple[int, int]) -> np.ndarray | None:
    """The mask of effects [H, W] bool; None where there is none. Raises ValueError when it is not of `size`, height and width."""
    if case.effects is None:
        return None
    with Image.open(case.effects) as file:
        _check_size(case, "effects mask", file, size)
        return np.asarray(file.convert("L")) > MASKED


def _rgb(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file.convert("RGB"))


def _check_size(case: Case, name: str, file: Image.Image, size: tuple[int, int]) -> None:
    if (file.height, file.width) != size:
        found = f"{case.id}: {name} is {file.width}×{file.height}"
        raise ValueError(f"case {found} but photo is {size[1]}×{size[0]}: they must be the same size")
