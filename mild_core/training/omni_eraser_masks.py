"""Masks as people draw them: what OmniEraser is trained with in place of exact ones (arXiv 2501.07397, section 4).

The paper names the operations, dilating, eroding and the box around the object, but neither how often each is done nor how far; both
are ours. Whatever is drawn, the truth stays the photo without the object: a mask too small must not leave its rim behind, and
one too large not take more than the object.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..scene.masks import distance_inside, grow

__all__ = ["AS_IT_IS", "BOX", "DILATED", "ERODED", "redraw"]

AS_IT_IS, DILATED, ERODED, BOX = range(4)


def redraw(hole: Tensor, how: int, pixels: float) -> Tensor:
    """The mask [1, H, W], 0 or 1, drawn another way; as it is where nothing would be left of it.

    Args:
        how: DILATED or ERODED by `pixels`, its bounding BOX, or AS_IT_IS.
    """
    inside = hole[0] > 0.5
    if how == AS_IT_IS or not inside.any():
        return hole
    if how == DILATED:
        drawn = grow(inside, pixels)
    elif how == ERODED:
        drawn = inside & (distance_inside(inside) > pixels)
    else:
        rows, columns = (inside.any(side).nonzero() for side in (1, 0))
        drawn = torch.zeros_like(inside)
        drawn[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1] = True
    return drawn[None].to(hole) if drawn.any() else hole
