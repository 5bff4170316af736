"""Chain-rectifying optimization (Erase Diffusion, arXiv 2503.07026, section 4.1, eq. 6-9): paths of noise that lose an object.

x_ori is a photo, x_obj the same photo with an object pasted on it. The clean picture of a path depends on the time,

    x̃_t = (1 − λ_t)·x_ori + λ_t·x_obj                                          λ_t = 1 − ᾱ_t          (eq. 6)
    x_t = √ᾱ_t·x̃_t + √(1 − ᾱ_t)·ε                                  one ε for the whole path          (eq. 7)

and a network that says ε̂ in x_t is to jump from there to where the path is γ steps later, at s = max(t − γ, 0):

    x̂_s = √ᾱ_s·(x_t − √(1 − ᾱ_t)·ε̂)/√ᾱ_t + √(1 − ᾱ_s)·ε̂                                            (eq. 8)
    min E ‖x_s − x̂_s‖²,   γ ~ U{1 … 100}                                                              (eq. 9)

With r_t = √((1 − ᾱ_t)/ᾱ_t), which is the σ_t of a network that sees x_t/√ᾱ_t, put eq. 7 and 8 into eq. 9:

    x_s − x̂_s = √ᾱ_s·(r_t − r_s)·(ε̂ − ε*)            ε* = ε + (x̃_t − x̃_s)/(r_t − r_s)
              = √ᾱ_s·(1 − r_s/r_t)·(x* − x̂_0)         x* = (x̃_s − (r_s/r_t)·x̃_t)/(1 − r_s/r_t)

so that it is ordinary training of ε̂, or of x̂_0 for a network that says the clean picture, with another target and a weight. Where
the mix is linear in λ, x̃_t − x̃_s = (λ_t − λ_s)·(x_obj − x_ori). That ε* and x* stand for one picture can be seen from
x_t/√ᾱ_t = x* + r_t·ε*.

Time is the paper's: 0 is the clean picture (ᾱ_0 = 1, λ_0 = 0, which is the photo without the object), and step t = 1 … T is what
a network knows as t − 1. The weight of eq. 9 is nearly nothing for short jumps in little noise (4·10⁻⁶ of a jump of 1 from 120, 0.39
of one of 100 from 900). Whether the authors even that out is not known: the default is the printed loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

__all__ = ["LONGEST_JUMP", "WEIGHTINGS", "Chain", "Jumps", "Weighting", "check_weighting", "row_mean"]

LONGEST_JUMP = 100  # γ_m of the paper

Weighting = Literal["paper", "even"]
"""Of the squared errors of what a network says: "paper", that of eq. 9; "even", 1 for every jump, as in ordinary training."""
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


class Jumps(NamedTuple):
    """From where to where, in the paper's time."""

    begin: Tensor  # [B] integers, t in 1 … T
    end: Tensor  # [B], s in 0 … t − 1

    @property
    def step(self) -> Tensor:
        """[B], what the network is told: the scheduler counts its T steps from 0."""
        return self.begin - 1


def check_weighting(weighting: str) -> None:
    """Raise ValueError for an unknown one."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f'weighting is "{weighting}", but it must be one of {", ".join(WEIGHTINGS)}')


@dataclass(frozen=True, eq=False)
class Chain:
    """The tables of a noise schedule. All are [T + 1] float64, by the paper's time.

    Attributes:
        kept: ᾱ, from 1 down.
        spread: r, from 0 up.
        share: λ, of the object in the clean picture, from 0 up.
    """

    kept: Tensor
    spread: Tensor
    share: Tensor

    @classmethod
    def of(cls, kept: Tensor) -> Chain:
        """Of a scheduler's ᾱ [T], falling, each above 0 and below 1. Raises ValueError for others."""
        kept = kept.detach().double().cpu()
        falling = bool(((kept[:-1] > kept[1:]).all()) & (kept[0] < 1) & (kept[-1] > 0)) if kept.ndim == 1 and len(kept) else False
        if not falling:
            raise ValueError(f"kept has shape {tuple(kept.shape)}, but it must be a list of shares that fall between 1 and 0")
        kept = torch.cat([torch.ones(1, dtype=torch.float64), kept])
        return cls(kept, ((1 - kept) / kept).sqrt(), 1 - kept)

    @classmethod
    def of_sigmas(cls, sigmas: Tensor) -> Chain:
        """Of noise levels [T] that rise, σ = r. Raises as `of` does."""
        return cls.of(1 / (1 + sigmas.detach().double().cpu() ** 2))

    def draw(self, rows: int, generator: torch.Generator, longest: int = LONGEST_JUMP) -> Jumps:
        """Jumps of so many rows: t uniform in 1 … T, γ in 1 … `longest`, s = max(t − γ, 0)."""
        begin = torch.randint(1, len(self.kept), (rows,), generator=generator)
        jump = torch.randint(1, longest + 1, (rows,), generator=generator)
        return Jumps(begin, (begin - jump).clamp(min=0))

    def mixed(self, plain: Tensor, shown: Tensor, at: Tensor) -> Tensor:
        """Eq. 6: the clean picture x̃ [B, …] at times [B], of the photo and of the photo with the object."""
        return plain + self._like(self.share, at, plain) * (shown - plain)

    def noisy(self, mixed: Tensor, noise: Tensor, at: Tensor) -> Tensor:
        """Eq. 7: x [B, …] of the clean picture at times [B] and the path's noise."""
        return self._like(self.kept.sqrt(), at, mixed) * mixed + self._like((1 - self.kept).sqrt(), at, mixed) * noise

    def noise_target(self, noise: Tensor, apart: Tensor, jumps: Jumps) -> Tensor:
        """ε* [B, …]. `apart` is x̃_t − x̃_s, which `apart` tells of a mix that is linear."""
        between = self.spread[jumps.begin.cpu()] - self.spread[jumps.end.cpu()]
        return noise + _over_rows(1 / between, noise) * apart

    def apart(self, plain: Tensor, shown: Tensor, jumps: Jumps) -> Tensor:
        """x̃_t − x̃_s [B, …] of a mix that is linear, without the digits that the difference of two pictures would lose."""
        between = self.share[jumps.begin.cpu()] - self.share[jumps.end.cpu()]
        return _over_rows(between, plain) * (shown - plain)

    def noise_weight(self, jumps: Jumps) -> Tensor:
        """[B] float64, ᾱ_s·(r_t − r_s)²: of the squared error of ε̂."""
        begin, end = jumps.begin.cpu(), jumps.end.cpu()
        return self.kept[end] * (self.spread[begin] - self.spread[end]) ** 2

    def clean_target(self, plain: Tensor, shown: Tensor, jumps: Jumps) -> Tensor:
        """x* [B, …] of a mix that is linear: the photo, and (λ_s·r_t − λ_t·r_s)/(r_t − r_s) of the object.

        Of much noise that share is nearly 1, of little it is below 0: the network leans away from the object that it sees.
        """
        begin, end = jumps.begin.cpu(), jumps.end.cpu()
        (r_t, r_s), (l_t, l_s) = ((table[begin], table[end]) for table in (self.spread, self.share))
        return plain + _over_rows((l_s * r_t - l_t * r_s) / (r_t - r_s), plain) * (shown - plain)

    def clean_weight(self, jumps: Jumps) -> Tensor:
        """[B] float64, ᾱ_s·(1 − r_s/r_t)²: of the squared error of x̂_0."""
        begin, end = jumps.begin.cpu(), jumps.end.cpu()
        return self.kept[end] * (1 - self.spread[end] / self.spread[begin]) ** 2

    def _like(self, table: Tensor, at: Tensor, rows: Tensor) -> Tensor:
        return _over_rows(table[at.cpu()], rows)


def row_mean(squares: Tensor, weights: Tensor) -> Tensor:
    """The mean over rows of each row's mean square [B, …] times its weight [B]; eq. 9 up to the number of pixels."""
    return (squares.flatten(1).mean(1) * weights.to(squares)).mean()


def _over_rows(values: Tensor, like: Tensor) -> Tensor:
    """[B] as [B, 1, …], on the device and in the type of what it multiplies."""
    return values.to(like).reshape(-1, *(1,) * (like.ndim - 1))
