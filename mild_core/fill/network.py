"""Filling with an inpainting network such as LaMa or MAT, whoever runs it.

A network paints at a size it knows, and its work is the first guess for a sampler that paints at the crop's own: so a crop
goes through it in one piece, made smaller or larger, and is not cut into tiles, which would not know of each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..scene.resize import averaged, resized
from .smooth import smooth_fill

__all__ = ["InpaintingNetwork", "Sides", "network_fill"]

InpaintingNetwork = Callable[[Tensor, Tensor, int], Tensor]
"""network(picture [1, 3, s, s] in 0..1, hidden [1, 1, s, s] of 0 and 1, seed) is a picture [1, 3, s, s] in 0..1."""


@dataclass(frozen=True)
class Sides:
    """Which sizes a network takes, in pixels a side; all three are multiples of the last.

    Attributes:
        smallest: that it takes.
        largest: at which it still paints well.
        multiple: of which a size must be a multiple.
    """

    smallest: int
    largest: int
    multiple: int

    def nearest(self, size: int) -> int:
        """The size at which a crop of `size` pixels a side goes through the network: its own, where that is a good one."""
        return min(max(math.ceil(size / self.multiple) * self.multiple, self.smallest), self.largest)


def network_fill(image: Tensor, known: Tensor, network: InpaintingNetwork, sides: Sides, *, seed: int = 0) -> Tensor:
    """Fill the unknown pixels of a square `image` [S, S, 3] (0..1) where `known` [S, S] is false with what the network paints.

    Known pixels come back unchanged, and what is in the unknown ones does not matter: before the picture is made smaller they
    are filled smoothly, or their colour would get into the known pixels beside them. Returns [S, S, 3], the dtype of `image`.
    Raises ValueError when the network gives a picture of another size.
    """
    size = len(image)
    side = sides.nearest(size)
    seen = resized(smooth_fill(image, known).float(), side, side)
    hidden = (averaged((~known).double()[None], side) > 0).float()  # where any of the pixel is unknown
    painted = network(seen.movedim(-1, 0)[None], hidden[None], seed)
    if painted.shape != (1, 3, side, side):
        raise ValueError(f"network gave a picture of {tuple(painted.shape)}, but it must be of {(1, 3, side, side)}")
    filled = resized(painted[0].movedim(0, -1).float(), size, size)
    return torch.where(known[..., None], image, filled.to(image))
