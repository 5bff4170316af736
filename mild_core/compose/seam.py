"""Seams: a row made to meet the photo at the edge of its hole, in colour, sharpness and grain, or in its gradients.

What a sampler decodes is shifted in colour against the photo, softer, and free of its noise, all over the crop. Where the photo
is trusted the two can be compared, and what is learned there is applied in the hole. That place is the ring: the known pixels
next to the hole. Outside the hole the row is corrected as well, since its edge is blended into the photo over a few pixels.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from .colour import match_colour
from .grain import match_grain, match_sharpness
from .harmonic import poisson
from .ring import check

__all__ = ["Seam", "seam"]

Seam = Literal["feather", "matched", "poisson"]


def seam(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor, how: Seam, seed: int) -> Tensor:
    """A row ready to be blended into the photo.

    "feather" leaves it as it is; "matched" gives it the photo's colour, sharpness and grain; with "poisson" what the first two
    leave at the edge is spread over the hole before grain is added, so that no step is left at all.

    Args:
        row, photo: [H, W, 3] float32 in 0..1, the same crop.
        hole: [H, W] bool, what the row is wanted for.
        known: [H, W] bool, where the photo shows what the row should: no person, no effect. The hole is never known.
        seed: of the grain.
    Returns [H, W, 3] float32 in 0..1; the row itself where nothing is known.
    Raises ValueError when shapes are others, or `how` is.
    """
    if how not in get_args(Seam):
        raise ValueError(f"seam is {how!r}, but it must be one of {', '.join(get_args(Seam))}")
    if how == "feather":
        check(row, photo, hole, known)
        return row
    met = match_sharpness(match_colour(row, photo, hole, known), photo, hole, known)
    return match_grain(poisson(met, photo, hole, known) if how == "poisson" else met, photo, hole, known, seed)
