"""A mask of a large photo that is empty outside a box, kept at the size of the box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .box import Box

__all__ = ["Part"]


@dataclass(frozen=True, eq=False)
class Part:
    """A mask [H, W], bool or float, that is 0 outside a box. A person of a large photo costs what their box does.

    Attributes:
        box: inside the photo; 0×0 when the mask is empty.
        pixels: [h, w], the mask in the box.
        size: height and width of the photo.
    """

    box: Box
    pixels: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, mask: Tensor) -> Part:
        """Of a whole mask [H, W]."""
        return cls(Box(0, 0, mask.shape[1], mask.shape[0]), mask, (mask.shape[0], mask.shape[1])).tight()

    def tight(self) -> Part:
        """The same mask in the smallest box that holds it."""
        there = self.pixels > 0
        if not there.any():
            return Part(Box(0, 0, 0, 0), self.pixels[:0, :0].clone(), self.size)
        inner = Box.around(there)
        if inner == Box(0, 0, self.box.width, self.box.height):
            return self
        return Part(inner.moved(self.box.left, self.box.top), inner.view(self.pixels).clone(), self.size)

    @property
    def whole(self) -> Tensor:
        """The mask [H, W]."""
        out = torch.zeros(self.size, dtype=self.pixels.dtype, device=self.pixels.device)
        self.box.view(out).copy_(self.pixels)
        return out

    @property
    def area(self) -> int:
        """How many pixels are not 0."""
        return int((self.pixels > 0).sum())

    def cut(self, box: Box) -> Tensor:
        """The mask in another box, which may reach beyond the photo: [h, w]."""
        return box.moved(-self.box.left, -self.box.top).cut_mask(self.pixels)

    def add_to(self, mask: Tensor) -> None:
        """Make a bool mask [H, W] true where this bool one is."""
        self.box.view(mask).logical_or_(self.pixels)

    def __or__(self, other: Part) -> Part:
        """Where either bool mask is true; both of the same photo."""
        box = self.box.union(other.box)
        return Part(box, self.cut(box) | other.cut(box), self.size)
