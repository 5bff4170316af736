"""Distances between two sets of features, of which a row is a picture: how alike are the sets, not the pairs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["frechet_distance", "mmd2"]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The squared Fréchet distance of two Gaussians with the sets' means and covariances; ≥ 0, 0 for equal sets.

    Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium" (NeurIPS 2017), eq. 6; with Inception's features it is FID:

        |μ_a − μ_b|² + tr Σ_a + tr Σ_b − 2·tr (Σ_a Σ_b)^½

    No covariance is made, and no matrix root. With A the rows of `a` less their mean, divided by √(N − 1), and B likewise,
    Σ_a = AᵀA and Σ_b = BᵀB. The eigenvalues of Σ_a Σ_b = Aᵀ·(A BᵀB) that are not 0 are those of (A BᵀB)·Aᵀ = (A Bᵀ)(A Bᵀ)ᵀ,
    since XY and YX share theirs. These are the squares of the singular values of A Bᵀ, so that

        tr (Σ_a Σ_b)^½ = Σ singular values of A Bᵀ,      tr Σ_a = |A|²

    exactly, for any number of rows: the values are real and ≥ 0 also where there are fewer rows than features and the product
    is singular. A Bᵀ is N×M; of more rows than features only the triangle R of A = QR is kept, since Q changes no singular value.

    With few rows the distance is biased upwards: compare only sets of the same number of pictures.

    Args:
        a: [N, D] floating point, N ≥ 2.
        b: [M, D] floating point, M ≥ 2.
    Raises ValueError when shapes are others, or a value is not finite.
    """
    a, b = _sets(a, b, least=2)
    rows_a, rows_b = _centred(a), _centred(b)
    apart = (a.mean(0) - b.mean(0)).square().sum()
    shared = torch.linalg.svdvals(rows_a @ rows_b.T).sum()
    return max(0.0, float(apart + rows_a.square().sum() + rows_b.square().sum() - 2 * shared))


def mmd2(a: Tensor, b: Tensor, sigma: float = 10.0, scale: float = 1000.0) -> float:
    """The squared maximum mean discrepancy under a Gaussian kernel, times `scale`; ≥ 0, 0 for equal sets.

    Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A Kernel Two-Sample Test" (JMLR 2012), eq. 5, the estimate that is biased and has
    the least variance: every mean runs over all pairs, a row with itself too. With k(x, y) = exp(−|x − y|² / 2σ²),

        scale · (mean k(a, a) + mean k(b, b) − 2·mean k(a, b))

    CMMD (Jayasumana et al., "Rethinking FID", CVPR 2024) is this of CLIP's image embeddings of length 1, with σ = 10 and a scale of
    1000, as in its public code.

    Args:
        a: [N, D] floating point, N ≥ 1.
        b: [M, D] floating point, M ≥ 1.
        sigma: the kernel's width, in the features' own units.
    Raises ValueError when shapes are others, or a value is not finite.
    """
    a, b = _sets(a, b, least=1)
    return scale * max(0.0, _kernel(a, a, sigma) + _kernel(b, b, sigma) - 2 * _kernel(a, b, sigma))


def _kernel(a: Tensor, b: Tensor, sigma: float) -> float:
    """The mean of k − 1 over all pairs: the ones cancel, and with them the digits that they would cost."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    return float(torch.expm1(squares.clamp(min=0) / (-2 * sigma**2)).mean())


def _centred(rows: Tensor) -> Tensor:
    """A matrix A with AᵀA = the covariance of rows [N, D]: at most D of its rows are needed."""
    centred = (rows - rows.mean(0)) / math.sqrt(len(rows) - 1)
    return torch.linalg.qr(centred, mode="r").R if len(rows) > rows.shape[1] else centred


def _sets(a: Tensor, b: Tensor, least: int) -> tuple[Tensor, Tensor]:
    for name, rows in (("a", a), ("b", b)):
        if rows.ndim != 2:
            raise ValueError(f"{name} is {_shape(rows)}, but it must be rows×features")
        if len(rows) < least:
            raise ValueError(f"{name} has {len(rows)} rows, but this distance needs at least {least}: a row is a picture")
        if not torch.isfinite(rows).all():
            raise ValueError(f"{name} has values that are not finite")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a is {_shape(a)} but b is {_shape(b)}: they must have the same number of features")
    return a.detach().cpu().double(), b.detach().cpu().double()


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"
