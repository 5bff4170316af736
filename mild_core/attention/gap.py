"""The attention gap: does a hole look at its own surroundings, or at other people?

From the masses that `modulated_attention` gives back, mass_i[c] = Σ_j softmax_ij·r_j[c]:

    gap = mean over the hole's queries of mass[own] − mass[other], in −1..1
    leakage = mean over the hole's queries of mass[other], in 0..1

The name is MILD's (arXiv 2508.06543, "cross-attention gap"); it prints no formula, this one is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan.regions import REGIONS

__all__ = ["GapRecord", "Reading", "attention_gap", "closer_gain"]

HOLE, OWN, OTHER = (REGIONS.index(name) for name in ("hole", "own", "other"))
MAP = 64  # pixels a side of a heat map
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
    """One attention call at one step."""

    step: int
    sigma: float  # noise level of the step
    block: int  # the block's number, from 1, in the order in which they run
    gap: tuple[float, ...]  # of each row of the batch, NaN for a row without a hole
    leakage: tuple[float, ...]


@dataclass
class GapRecord:
    """What a run recorded.

    Attributes:
        readings: in the order in which the blocks ran.
        leaks: [P, 64, 64] for each row, what its hole's tokens give to other people, summed over readings; None before the first.
    """

    readings: list[Reading] = field(default_factory=list)
    leaks: Tensor | None = None

    def clear(self) -> None:
        self.readings.clear()
        self.leaks = None

    def add(self, step: int, sigma: float, block: int, masses: Tensor, membership: Tensor, grid: tuple[int, int]) -> None:
        """Take the masses [P, N, 4] of one call whose N tokens are one or more frames of that grid of rows and columns."""
        gap, leakage = attention_gap(masses, membership)
        self.readings.append(Reading(step, sigma, block, tuple(gap.tolist()), tuple(leakage.tolist())))
        leaks = (masses.float()[..., OTHER] * membership[..., HOLE]).unflatten(1, (-1, *grid)).mean(1)
        leaks = F.interpolate(leaks[:, None], (MAP, MAP), mode="bilinear", align_corners=False)[:, 0].cpu()
        self.leaks = leaks if self.leaks is None else self.leaks + leaks

    @property
    def gap(self) -> float:
        """The mean over steps, blocks and the rows that have a hole; NaN when there is none."""
        return _mean(self.readings, "gap")

    @property
    def leakage(self) -> float:
        return _mean(self.readings, "leakage")

    def heat(self) -> Tensor:
        """Leakage of each row over its crop, [P, 64, 64]: the mean over readings of what a hole's token gives to other people."""
        if self.leaks is None:
            raise ValueError("the record is empty, but a heat map needs a run: connect the recording model to the sampler")
        read = torch.tensor([r.gap for r in self.readings]).isfinite().sum(0)  # rows that run apart have readings of their own
        return self.leaks / read.clamp(min=1)[:, None, None]

    def curve(self) -> dict[int, list[float]]:
        """The gap by block, a value for each step that the block was read in."""
        found: dict[int, dict[int, list[Reading]]] = {}
        for reading in self.readings:
            found.setdefault(reading.block, {}).setdefault(reading.step, []).append(reading)
        return {block: [_mean(steps[s], "gap") for s in sorted(steps)] for block, steps in sorted(found.items())}


def _mean(readings: list[Reading], which: str) -> float:
    values = torch.tensor([value for r in readings for value in getattr(r, which)], dtype=torch.float64)
    return float(values.nanmean()) if len(values) else math.nan
