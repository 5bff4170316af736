"""The attention gap: does a hole look at its own surroundings, or at other people?

From the masses that `modulated_attention` gives back, mass_i[c] = Σ_j softmax_ij·r_j[c]:

    gap = mean over the hole's queries of mass[own] − mass[other], in −1..1
    leakage = mean over the hole's queries of mass[other], in 0..1

The name is MILD's (arXiv 2508.06543, "cross-attention gap"); it prints no formula, this one is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..plan.regions import REGIONS

__all__ = ["GapRecord", "Reading", "attention_gap", "closer_gain"]

HOLE, OWN, OTHER = (REGIONS.index(name) for name in ("hole", "own", "other"))
STEP = 0.5  # of the gain, for a gap that misses its target by 1


def attention_gap(masses: Tensor, membership: Tensor) -> tuple[Tensor, Tensor]:
    """Gap and leakage of each row, [B] each; NaN for a row without a hole.

    Args:
        masses: [B, N, 4], membership: [B, N, 4]; a token counts as much as it is hole.
    """
    weight = membership[..., HOLE].float()
    mean = (masses.float() * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
    return mean[:, OWN] - mean[:, OTHER], mean[:, OTHER]


def closer_gain(gain: float, gap: float, target: float, bound: float) -> float:
    """The next step's gain: raised in proportion to what the gap lacks of its target, at most to `bound`, never lowered."""
    if not gap < target:
        return gain
    return min(gain + STEP * (target - gap), max(bound, gain))


class Reading(NamedTuple):
    """One attention block at one step."""

    step: int
    sigma: float  # noise level of the step
    block: str
    gap: tuple[float, ...]  # of each row of the batch
    leakage: tuple[float, ...]


@dataclass
class GapRecord:
    """What a run recorded.

    Attributes:
        readings: in the order in which the blocks ran.
        maps: for each row the leakage of its hole's tokens on their grid, summed over readings, and how many there were.
    """

    readings: list[Reading] = field(default_factory=list)
    maps: dict[int, tuple[Tensor, int]] = field(default_factory=dict)

    def add(self, step: int, sigma: float, block: str, masses: Tensor, membership: Tensor) -> None:
        """Take the masses [P, N, 4] of one call, one row per pathway."""
        gap, leakage = attention_gap(masses, membership)
        self.readings.append(Reading(step, sigma, block, tuple(gap.tolist()), tuple(leakage.tolist())))

    def mean(self, which: str = "gap") -> float:
        """The mean over steps, blocks and the rows that have a hole; NaN when nothing was recorded."""
        values = torch.tensor([getattr(r, which) for r in self.readings], dtype=torch.float64)
        return float(values.nanmean())
