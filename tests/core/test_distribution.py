"""Distances of sets against their definitions in float64, and against torchmetrics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from mild_core.metrics.distribution import frechet_distance, mmd2


def rows(count: int, features: int, seed: int, mean: float = 0.0) -> torch.Tensor:
    """Rows of correlated features, float32."""
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(features, features, generator=draw) / features**0.5
    return torch.randn(count, features, generator=draw) @ mixed + mean


def plain_frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    """From the paper: covariances, and the root of their product."""
    x, y = a.double().numpy(), b.double().numpy()
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(np.trace(sqrtm(cov_x @ cov_y)))
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * root)


@pytest.mark.parametrize(("n", "m", "features"), [(80, 60, 12), (500, 13, 12), (13, 400, 12), (300, 300, 40)])
def test_frechet_is_the_plain_way_where_there_are_rows_enough(n, m, features):
    a, b = rows(n, features, 1), rows(m, features, 2, mean=0.3)
    assert frechet_distance(a, b) == pytest.approx(plain_frechet(a, b), rel=1e-7)


@pytest.mark.parametrize(("n", "m"), [(6, 9), (2, 2), (5, 60), (60, 5)])
def test_frechet_with_fewer_rows_than_features(n, m):
    """The product of the covariances is singular; its eigenvalues still tell the trace of its root."""
    a, b = rows(n, 20, 3), rows(m, 20, 4, mean=-0.2)
    cov_a, cov_b = np.cov(a.double().numpy(), rowvar=False), np.cov(b.double().numpy(), rowvar=False)
    values = np.linalg.eigvals(cov_a @ cov_b).real.clip(0)
    root = np.sqrt(np.sort(values)[-(min(n, m) - 1) :]).sum()  # the others are 0
    expected = float((a.double().mean(0) - b.double().mean(0)).square().sum()) + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7)


def test_frechet_is_that_of_torchmetrics():
    class Picture(torch.nn.Module):
        """Takes the first 8 values of a picture for its features."""

        num_features = 8

        def forward(self, pictures):
            return pictures.flatten(1)[:, :8].double()

    a, b = rows(40, 3 * 8 * 8, 5).sigmoid(), rows(50, 3 * 8 * 8, 6).sigmoid()
    theirs = FrechetInceptionDistance(feature=Picture(), input_img_size=(3, 8, 8), normalize=False).set_dtype(torch.float64)
    theirs.update((a.view(-1, 3, 8, 8) * 255).byte(), real=True)
    theirs.update((b.view(-1, 3, 8, 8) * 255).byte(), real=False)
    ours = frechet_distance((a[:, :8] * 255).floor(), (b[:, :8] * 255).floor())
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_frechet_of_known_gaussians():
    """Shifted by d along each feature: |d|². Scaled by s: D·(1 − s)² times the variance."""
    a = rows(50, 5, 7)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a[torch.randperm(50)]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(5 * 4, rel=1e-6)
    spread = float(a.double().var(0).sum())
    centred = a.double() - a.double().mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * spread, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 12), m=st.integers(2, 12), features=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_frechet_is_symmetric_and_blind_to_turns(n, m, features, seed):
    a, b = rows(n, features, seed).double(), rows(m, features, seed + 1).double()
    turn = torch.linalg.qr(torch.randn(features, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).Q
    found = frechet_distance(a, b)
    assert found >= 0
    assert frechet_distance(b, a) == pytest.approx(found, rel=1e-7, abs=1e-9)
    assert frechet_distance(a @ turn + 1, b @ turn + 1) == pytest.approx(found, rel=1e-6, abs=1e-8)
    drawn = torch.cat([a, a])  # a bootstrap's rows repeat
    assert math.isfinite(frechet_distance(drawn, b))


def slow_mmd2(a: torch.Tensor, b: torch.Tensor, sigma: float, scale: float) -> float:
    """Pair by pair."""

    def mean(x, y):
        return sum(math.exp(-float((p - q).square().sum()) / (2 * sigma**2)) for p in x for q in y) / (len(x) * len(y))

    a, b = a.double(), b.double()
    return scale * (mean(a, a) + mean(b, b) - 2 * mean(a, b))


@pytest.mark.parametrize(("n", "m", "sigma"), [(7, 11, 10.0), (1, 1, 10.0), (5, 3, 0.7)])
def test_mmd_is_the_mean_over_all_pairs(n, m, sigma):
    a, b = rows(n, 6, 1), rows(m, 6, 2, mean=0.5)
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    assert mmd2(a, b, sigma, scale=50) == pytest.approx(slow_mmd2(a, b, sigma, 50), rel=1e-6)
    assert mmd2(a, b) == pytest.approx(slow_mmd2(a, b, 10, 1000), rel=1e-6), "as CMMD has it"
    assert mmd2(a, a) == pytest.approx(0, abs=1e-9)
    assert mmd2(a, b) == pytest.approx(mmd2(b, a), rel=1e-9)


def test_wrong_sets_are_named():
    good = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="a has 1 rows, but this distance needs at least 2"):
        frechet_distance(good[:1], good)
    with pytest.raises(ValueError, match="b has 0 rows, but this distance needs at least 1"):
        mmd2(good, good[:0])
    for distance in (frechet_distance, mmd2):
        with pytest.raises(ValueError, match="a is 3×4 but b is 3×5"):
            distance(good, torch.zeros(3, 5))
        with pytest.raises(ValueError, match="b is 4, but it must be rows×features"):
            distance(good, torch.zeros(4))
        with pytest.raises(ValueError, match="a has values that are not finite"):
            distance(torch.full((3, 4), torch.nan), good)
