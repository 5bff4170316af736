"""Region maps: what each token of a pathway shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box

__all__ = ["REGIONS", "RegionMap"]

REGIONS = ("hole", "own", "other", "rest")


@dataclass(frozen=True, eq=False)
class RegionMap:
    """Membership of each working pixel of a pathway in hole, own, other, rest.

    Attributes:
        membership: [4, S, S] float32, each pixel's memberships sum to 1.
    """

    membership: Tensor

    @classmethod
    def of(cls, crop: Box, size: int, hole: Tensor, own: Tensor, other: Tensor) -> RegionMap:
        """From masks [H, W] of the photo; a pixel counts for the first of hole, own, other that claims it."""
        own = own & ~hole
        other = other & ~hole & ~own
        masks = torch.stack([crop.cut_mask(m) for m in (hole, own, other)]).float()[None]
        if masks.shape[-1] >= size:
            masks = F.interpolate(masks, (size, size), mode="area")[0]
        else:
            masks = F.interpolate(masks, (size, size), mode="bilinear", align_corners=False)[0]
        rest = (1 - masks.sum(0, keepdim=True)).clamp(min=0)
        return cls(torch.cat([masks, rest]))

    def tokens(self, height: int, width: int) -> Tensor:
        """Memberships on a token grid by area averaging: [height·width, 4], rows summing to 1."""
        return F.adaptive_avg_pool2d(self.membership, (height, width)).flatten(1).T
