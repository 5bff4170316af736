"""A rectangle of pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Box"]


class Box(NamedTuple):
    """Half open: columns left ≤ x < right, rows top ≤ y < bottom. May reach beyond the photo."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def longest(self) -> int:
        return max(self.width, self.height)

    @classmethod
    def around(cls, mask: Tensor) -> Box:
        """The smallest box that holds every true pixel of a mask [H, W]. Raises ValueError when there is none."""
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if not len(rows):
            raise ValueError("an empty mask has no box")
        return cls(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

    def union(self, other: Box) -> Box:
        return Box(min(self.left, other.left), min(self.top, other.top), max(self.right, other.right), max(self.bottom, other.bottom))

    def inside(self, other: Box) -> Box:
        """What both boxes have; of no or negative width or height when that is nothing."""
        return Box(max(self.left, other.left), max(self.top, other.top), min(self.right, other.right), min(self.bottom, other.bottom))

    def clip(self, height: int, width: int) -> Box:
        """The part inside a photo of that size."""
        return self.inside(Box(0, 0, width, height))

    def moved(self, right: int, down: int) -> Box:
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def grown(self, pixels: int) -> Box:
        """With that many more pixels on each side."""
        return Box(self.left - pixels, self.top - pixels, self.right + pixels, self.bottom + pixels)

    def view(self, image: Tensor) -> Tensor:
        """The pixels of `image` [H, W, ...] in the box, which must lie inside it; not a copy."""
        return image[self.top : self.bottom, self.left : self.right]

    def cut(self, image: Tensor) -> Tensor:
        """The pixels of `image` [H, W, ...] in the box; beyond the frame the frame's pixels repeat."""
        rows = torch.arange(self.top, self.bottom, device=image.device).clamp(0, image.shape[0] - 1)
        columns = torch.arange(self.left, self.right, device=image.device).clamp(0, image.shape[1] - 1)
        return image[rows][:, columns]

    def cut_mask(self, mask: Tensor) -> Tensor:
        """The pixels of `mask` [H, W] in the box; beyond the frame it is empty."""
        out = torch.zeros(self.height, self.width, dtype=mask.dtype, device=mask.device)
        inside = self.clip(*mask.shape)
        if inside.width > 0 and inside.height > 0:
            inside.moved(-self.left, -self.top).view(out).copy_(inside.view(mask))
        return out

    def paste(self, image: Tensor, part: Tensor) -> Tensor:
        """A copy of `image` [H, W, ...] with `part`, the size of the box, put where the box is; what is beyond the frame is dropped."""
        inside = self.clip(*image.shape[:2])
        out = image.clone()
        inside.view(out).copy_(inside.moved(-self.left, -self.top).view(part))
        return out
