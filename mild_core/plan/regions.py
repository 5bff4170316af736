"""Region maps: what each token of a pathway shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.masks import distance_inside
from ..scene.resize import averaged

__all__ = ["REGIONS", "RegionMap"]

REGIONS = ("hole", "own", "other", "rest")


@dataclass(frozen=True, eq=False)
class RegionMap:
    """Membership of each working pixel of a pathway in hole, own, other, rest.

    Attributes:
        membership: [4, H, W] float32, at working size for a pathway; each pixel's memberships sum to 1.
        parts: [2, G, H, W] float32, hole and own split by what they show, such as skin or trousers: each pixel's share of the
            hole, and of own, with each of G labels. None where nobody knows.
    """

    membership: Tensor
    parts: Tensor | None = None

    @classmethod
    def of(cls, size: int, hole: Tensor, own: Tensor, other: Tensor, labels: Tensor | None = None) -> RegionMap:
        """From bool masks [h, w] of a crop; a pixel counts for the first of hole, own, other that claims it.

        Args:
            labels: [h, w] uint8, what each pixel shows, 0 where unknown. Those that are both in the hole and in own count.
        """
        own = own & ~hole
        other = other & ~hole & ~own
        completed = cls._completed(averaged(torch.stack([hole, own, other]).float(), size))
        shared = [] if labels is None else sorted(set(labels[hole].unique().tolist()) & set(labels[own].unique().tolist()) - {0})
        if labels is None or not shared:
            return completed
        alike = torch.stack([labels == label for label in shared])
        return cls(completed.membership, torch.stack([averaged((alike & where).float(), size) for where in (hole, own)]))

    @classmethod
    def of_masks(cls, hole: Tensor, own: Tensor, other: Tensor) -> RegionMap:
        """From soft masks [H, W] in 0..1; what hole and own leave of a pixel is other's to claim, and the remainder is rest."""
        hole = hole.float().clamp(0, 1)
        own = own.float().clamp(0, 1).minimum(1 - hole)
        other = other.float().clamp(0, 1).minimum((1 - hole - own).clamp(min=0))
        return cls._completed(torch.stack([hole, own, other]))

    @classmethod
    def _completed(cls, masks: Tensor) -> RegionMap:
        rest = (1 - masks.sum(0, keepdim=True)).clamp(min=0)
        return cls(torch.cat([masks, rest]))

    def tokens(self, height: int, width: int, cell: int = 1) -> Tensor:
        """Memberships on a token grid by area averaging: [tokens, 4], rows summing to 1.

        The picture is a latent of `height`×`width`, a token covers `cell`×`cell` of it; a latent that is no multiple of the
        cell repeats its last rows and columns.
        """
        return _on_grid(self.membership, height, width, cell).flatten(1).T

    def part_tokens(self, height: int, width: int, cell: int = 1) -> Tensor:
        """`parts` on that grid: [2, tokens, G]; G is 0 where nobody knows."""
        if self.parts is None:
            return self.membership.new_zeros(2, len(self.tokens(height, width, cell)), 0)
        return torch.stack([_on_grid(planes, height, width, cell).flatten(1).T for planes in self.parts])

    def distances(self, height: int, width: int, cell: int = 1) -> Tensor:
        """How far each token of that grid is from the hole: [tokens], 0 in the hole, 1 farthest from it; 0 without a hole."""
        hole = self.membership[0] > 0.5
        if not hole.any() or hole.all():
            return torch.zeros(len(self.tokens(height, width, cell)))
        apart = distance_inside(~hole)
        return _on_grid((apart / apart.max())[None], height, width, cell).flatten()


def _on_grid(planes: Tensor, height: int, width: int, cell: int) -> Tensor:
    """Planes [C, S, S] averaged on the grid: [C, rows, columns]."""
    latent = F.adaptive_avg_pool2d(planes, (height, width))
    padded = F.pad(latent[None], (0, -width % cell, 0, -height % cell), mode="replicate")[0]
    return F.avg_pool2d(padded, cell)
