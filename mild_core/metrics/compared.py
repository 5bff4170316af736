"""What a score looks at: an erased picture, what it was erased from, and the truth where it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

__all__ = ["REGIONS", "Compared", "Region"]

Region = Literal["full", "hole", "box", "background"]
"""Where a score is taken: the whole picture, the hole, the hole's bounding box, or everything but the hole."""
REGIONS: tuple[Region, ...] = ("full", "hole", "box", "background")


@dataclass(frozen=True, eq=False)
class Compared:
    """One erased picture and what it is judged by, all of one size.

    Attributes:
        photo: [H, W, 3] float32 in 0..1, before anybody was erased.
        result: [H, W, 3] float32 in 0..1, what the eraser made of it.
        hole: [H, W] bool, where the result is judged: what went, grown as the protocol says. Never empty.
        truth: [H, W, 3] float32 in 0..1, the picture without them; None where nobody knows it.
        erased: [H, W] bool, where in the photo those who were erased are seen; None where only the hole is known.
    """

    photo: Tensor
    result: Tensor
    hole: Tensor
    truth: Tensor | None = None
    erased: Tensor | None = None
