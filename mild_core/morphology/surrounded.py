"""Whether what is hidden lies between what is seen of somebody."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.part import Part

__all__ = ["surrounded"]

OTHER, SEEN, GOES_ON, FREE = range(4)
"""What a pixel is: none of these; seen; beyond a side of the photo that cuts the person off; hidden by somebody nearer."""
DIRECTIONS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


def surrounded(seen: Part, free: Part, box: Box) -> Tensor:
    """How far each pixel of a box of the photo is surrounded by what is seen of somebody: [h, w] float32 in 0..1.

    From the pixel one goes in eight directions through what is free, until that ends. It is the share of the directions that
    end at what is seen, of those that do not leave the photo where it cuts the person off: there they go on, nobody knows where.

    Args:
        seen, free: bool.
    """
    around = box.grown(1)
    kind = np.where(seen.cut(around).cpu().numpy(), SEEN, np.where(free.cut(around).cpu().numpy(), FREE, OTHER)).astype(np.uint8)
    height, width = seen.size
    for cut, rim in (
        (seen.box.top == 0 and around.top < 0, kind[:1]),
        (seen.box.bottom == height and around.bottom > height, kind[-1:]),
        (seen.box.left == 0 and around.left < 0, kind[:, :1]),
        (seen.box.right == width and around.right > width, kind[:, -1:]),
    ):
        if cut:
            rim[:] = GOES_ON
    ends = [_ends(kind, *direction)[1:-1, 1:-1] for direction in DIRECTIONS]
    hits, unknown = (sum((end == what).astype(np.float32) for end in ends) for what in (SEEN, GOES_ON))
    share = hits / np.maximum(len(DIRECTIONS) - unknown, 1)
    return torch.from_numpy(share).to(seen.pixels.device)


def _ends(kind: np.ndarray, down: int, right: int) -> np.ndarray:
    """What one comes to from each pixel [h, w], going in a direction through what is free. At the edge: OTHER."""
    if down == 0:
        return _ends(kind.T, right, 0).T
    if down < 0:
        return _ends(kind[::-1], 1, right)[::-1]
    out = np.full_like(kind, OTHER)
    width = kind.shape[1]
    here, ahead = slice(max(-right, 0), width - max(right, 0)), slice(max(right, 0), width - max(-right, 0))
    for row in range(len(kind) - 2, -1, -1):
        beneath = np.where(kind[row + 1] == FREE, out[row + 1], kind[row + 1])
        out[row, here] = beneath[ahead]
    return out
