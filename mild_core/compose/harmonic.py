"""Gradient-domain cloning: the row's gradients, the photo's colours at the edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..fill.smooth import smooth_fill
from .ring import check

__all__ = ["poisson"]

SWEEPS = 2  # of Jacobi, before and after each coarser grid
DAMPING = 0.8
TOLERANCE = 2e-6  # of the solution, in colours of 0..1
MOST_STEPS = 200
TINY = 1e-30


def poisson(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor) -> Tensor:
    """The row's gradients in the hole, the photo's colours at its edge, the photo itself where it is known.

    Pérez, Gangnet, Blake, "Poisson Image Editing" (SIGGRAPH 2003), eq. 3 and 8: the f that minimises Σ |∇f − ∇row|² over the hole
    with f = photo on the known pixels next to it is row + e, and e is harmonic: for each pixel p of the hole

        Σ_q (e_p − e_q) = 0   over its 4 neighbours q that are hole or known,   e = photo − row where known.

    No colour flows over the crop's frame, nor from pixels that are neither hole nor known. These, and parts of the hole that
    touch nothing known, take e from what is nearest. Arguments and errors as for `seam`.
    """
    check(row, photo, hole, known)
    known = known & ~hole
    if not known.any():
        return row
    error = torch.where(known[..., None], photo - row, torch.zeros_like(row))
    held = _reached(hole, known)
    if held.any():
        rows, columns = (slice(max(int(x.min()) - 1, 0), int(x.max()) + 2) for x in held.nonzero(as_tuple=True))
        part = error[rows, columns].permute(2, 0, 1)
        inside = held[rows, columns]
        solved = _harmonic(part, inside, known[rows, columns]).permute(1, 2, 0)
        error[rows, columns] = torch.where(inside[..., None], solved, error[rows, columns])
    error = smooth_fill(error, known | held)
    return torch.where(known[..., None], photo, (row + error).clamp(0, 1))


def _reached(hole: Tensor, known: Tensor) -> Tensor:
    """The parts of the hole (4-neighbours) that touch something known, [H, W] bool."""
    import cv2

    labels = torch.from_numpy(cv2.connectedComponents(hole.to(torch.uint8).cpu().numpy(), connectivity=4)[1]).to(hole.device)
    touching = hole & (_neighbours(known.float()) > 0)
    return hole & torch.isin(labels, labels[touching].unique())


def _neighbours(x: Tensor) -> Tensor:
    """The sum of the 4 neighbours in x [..., h, w], 0 beyond the frame."""
    x = F.pad(x, [1] * 4)
    return x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]


@dataclass(frozen=True)
class _Grid:
    """Unknowns on a grid and the conductances between neighbours, 0 where there is no unknown.

    Attributes:
        right: [h, w - 1], to the next column.
        down: [h - 1, w], to the next row.
        to_known: [h, w], to all known neighbours together.
    """

    right: Tensor
    down: Tensor
    to_known: Tensor

    @cached_property
    def diagonal(self) -> Tensor:
        """All conductances of an unknown, [h, w]."""
        sides = F.pad(self.right, (0, 1)) + F.pad(self.right, (1, 0))
        return self.to_known + sides + F.pad(self.down, (0, 0, 0, 1)) + F.pad(self.down, (0, 0, 1, 0))

    @cached_property
    def inverse(self) -> Tensor:
        return torch.where(self.diagonal > 0, 1 / self.diagonal, 0.0)

    @cached_property
    def coarser(self) -> _Grid:
        """The grid of 2×2 blocks. Blocks are twice as far apart, which halves the conductance of each of their edges."""
        right, down = _block_sums(self.right[:, 1::2], 2, 1), _block_sums(self.down[1::2], 1, 2)
        return _Grid(right / 2, down / 2, _block_sums(self.to_known, 2, 2) / 2)

    def times(self, x: Tensor) -> Tensor:
        """The left side of the equations for x [C, h, w]."""
        y = self.diagonal * x
        y[..., :-1] -= self.right * x[..., 1:]
        y[..., 1:] -= self.right * x[..., :-1]
        y[..., :-1, :] -= self.down * x[..., 1:, :]
        y[..., 1:, :] -= self.down * x[..., :-1, :]
        return y

    def about_solved(self, wanted: Tensor) -> Tensor:
        """One V-cycle from zero: x [C, h, w], linear in the right side and symmetric, about the solution."""
        smallest = max(wanted.shape[-2:]) <= 2
        x = DAMPING * self.inverse * wanted
        for _ in range(8 * SWEEPS if smallest else SWEEPS - 1):
            x += DAMPING * self.inverse * (wanted - self.times(x))
        if smallest:
            return x
        coarse = self.coarser.about_solved(_block_sums(wanted - self.times(x), 2, 2))
        fine = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., : x.shape[-2], : x.shape[-1]]
        x += torch.where(self.diagonal > 0, fine, 0.0)
        for _ in range(SWEEPS):
            x += DAMPING * self.inverse * (wanted - self.times(x))
        return x


def _block_sums(x: Tensor, height: int, width: int) -> Tensor:
    """Sums over blocks of x [..., h, w]; the last ones may be cut."""
    x = F.pad(x, (0, -x.shape[-1] % width, 0, -x.shape[-2] % height))
    return x.unflatten(-1, (-1, width)).sum(-1).unflatten(-2, (-1, height)).sum(-2)


def _harmonic(values: Tensor, inside: Tensor, known: Tensor) -> Tensor:
    """The harmonic function [C, h, w] inside [h, w], with `values` [C, h, w] where known [h, w], and no flux to elsewhere.

    Conjugate gradients preconditioned by a multigrid V-cycle (Tatebe, "The multigrid preconditioned conjugate gradient method",
    1993). The preconditioned residual is about the error itself, so it is what is held to the tolerance.
    """
    share, fixed = inside.to(values), known.to(values)
    grid = _Grid(share[:, :-1] * share[:, 1:], share[:-1] * share[1:], _neighbours(fixed) * share)
    residual = _neighbours(values * fixed) * share
    x = torch.zeros_like(residual)
    direction, before = torch.zeros_like(x), torch.ones_like(x[:, :1, :1])
    for _ in range(MOST_STEPS):
        step = grid.about_solved(residual)
        if step.abs().max() < TOLERANCE:
            break
        energy = (residual * step).sum((1, 2), keepdim=True)
        direction = step + energy / before.clamp(min=TINY) * direction
        ahead = grid.times(direction)
        length = energy / (direction * ahead).sum((1, 2), keepdim=True).clamp(min=TINY)
        x += length * direction
        residual -= length * ahead
        before = energy
    return x
