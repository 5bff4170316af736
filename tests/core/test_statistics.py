import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from mild_core.bench import statistics
from mild_core.bench.statistics import interval, paired, set_interval, set_paired, set_samples

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_it_is_scipys_bca_interval():
    values = RNG.gamma(2, size=60)
    theirs = bootstrap((values,), np.mean, n_resamples=2000, method="BCa", random_state=np.random.default_rng(0)).confidence_interval
    ours = interval(values)
    assert (ours.low, ours.high) == (theirs.low, theirs.high)
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.n, ours.missing, ours.infinite) == (60, 0, 0)


@pytest.mark.parametrize("n", [4, 12, 60])
def test_the_interval_covers_the_mean_as_often_as_it_says(n):
    """Of skewed values, which cost a few per cent; 300 trials of a true 92 % fall below 87 % about once in 1000."""
    values = np.random.default_rng(n).gamma(4, 0.25, (300, n))
    found = [interval(v, resamples=400) for v in values]
    covered = np.mean([i.low <= 1 <= i.high for i in found])
    assert 0.87 <= covered <= 0.99


def test_a_wider_confidence_gives_a_wider_interval():
    values = RNG.normal(size=40)
    narrow, wide = interval(values, level=0.5), interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_bootstrap_and_student_meet_where_one_follows_the_other(monkeypatch):
    values = RNG.gamma(4, size=1000)
    drawn = interval(values)
    monkeypatch.setattr(statistics, "MANY", 999)
    told = interval(values)
    assert told.low != drawn.low
    assert told.half == pytest.approx(drawn.half, rel=0.06)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (math.nan, math.nan, math.nan, 0, 0, 0)),
        ([math.nan], (math.nan, math.nan, math.nan, 0, 1, 0)),
        ([3.0], (3.0, math.nan, math.nan, 1, 0, 0)),
        ([3.0, math.nan], (3.0, math.nan, math.nan, 1, 1, 0)),
        ([0.1] * 30, (0.1, 0.1, 0.1, 30, 0, 0)),
        ([0.1] * 3, (0.1, 0.1, 0.1, 3, 0, 0)),
        ([math.inf] * 4, (math.inf, math.inf, math.inf, 0, 0, 4)),
        ([math.inf, -math.inf], (math.nan, math.nan, math.nan, 0, 0, 2)),
        ([2.0, 2.0, math.inf, math.nan], (2.0, 2.0, 2.0, 2, 1, 1)),
    ],
)
def test_values_that_have_no_ordinary_interval(values, expected):
    found = interval(values)
    told = (found.mean, found.low, found.high, found.n, found.missing, found.infinite)
    assert told == pytest.approx(expected, nan_ok=True)
    assert not (found.n == 1 and found.leaves_out_zero)  # one case proves nothing


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32) | st.sampled_from([math.nan, math.inf]), max_size=40))
def test_the_mean_is_inside_and_every_value_is_counted(values):
    found = interval(values, resamples=99)
    assert found.n + found.missing + found.infinite == len(values)
    assert not found.low > found.high
    if found.n > 1:
        finite = [v for v in values if math.isfinite(v)]
        slack = 1e-9 * max(map(abs, finite))
        assert found.low >= min(finite) - slack or found.n < statistics.FEW
        assert found.low - slack <= found.mean <= found.high + slack


def test_equal_input_gives_equal_output():
    values = RNG.normal(size=50)
    assert interval(values) == interval(values)
    assert interval(values).low != interval(values, seed=1).low


def by_id(values) -> dict[str, float]:
    return {f"{i:03}": float(v) for i, v in enumerate(values)}


def test_pairs_are_compared_on_the_cases_that_both_have():
    found = paired({"a": 1.0, "b": 5.0, "c": math.nan, "e": 2.0}, {"b": 3.0, "a": 2.0, "c": 9.0, "d": 9.0, "e": 2.0})
    assert found.n == 3
    assert found.difference.mean == pytest.approx((-1 + 2 + 0) / 3)
    assert (found.wins, found.ties) == pytest.approx((1 / 3, 1 / 3))
    assert not found.certain


def test_a_small_difference_shows_between_pairs_that_vary_a_lot():
    base = RNG.normal(25, 5, 80)
    ours = base + RNG.normal(0.5, 0.5, 80)
    alone = interval(ours)
    assert alone.low < base.mean() < alone.high  # apart, they cannot be told from one another
    found = paired(by_id(ours), by_id(base))
    assert found.certain
    assert found.difference.low > 0.3
    assert found.wins > 0.75


def test_which_way_is_better_turns_the_wins_and_not_the_difference():
    a, b = by_id(RNG.normal(0, 1, 30)), by_id(RNG.normal(3, 1, 30))
    higher, lower = paired(a, b), paired(a, b, better="lower")
    assert higher.difference == lower.difference
    assert higher.wins + lower.wins == pytest.approx(1)
    assert lower.wins > 0.9
    with pytest.raises(ValueError, match="'more', but it must be"):
        paired(a, b, better="more")


def test_infinite_scores_win_without_a_size():
    kept, changed = by_id([math.inf] * 20), by_id([math.inf] * 2 + [40.0] * 18)
    found = paired(kept, changed)
    assert (found.wins, found.ties) == (0.9, 0.1)
    assert found.certain
    assert (found.difference.infinite, found.difference.n) == (18, 2)
    same = paired(kept, kept)
    assert (same.difference.mean, same.ties, same.certain) == (0.0, 1.0, False)


def test_no_case_in_common():
    found = paired({"a": 1.0}, {"b": 1.0})
    assert found.n == 0
    assert math.isnan(found.wins)
    assert not found.certain


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.mean(0) - b.mean(0)).square().sum())


def test_cases_of_a_set_are_drawn_whole():
    """Two crops a case, +1 and −1: their mean is 0 in every draw of whole cases."""
    results = torch.tensor([[1.0], [-1.0]]).repeat(6, 1)
    rows = [np.array([2 * i, 2 * i + 1]) for i in range(6)]
    assert (set_samples(results, torch.zeros_like(results), rows, gap, 50) == 0).all()


def test_a_sets_interval_stands_at_its_distance_and_is_the_spread_of_its_draws():
    generator = torch.Generator().manual_seed(0)
    references = torch.randn(40, 8, generator=generator)
    results = references + 0.5 + 0.5 * torch.randn(40, 8, generator=generator)
    rows = [np.array([i]) for i in range(40)]
    samples = set_samples(results, references, rows, gap, 200)
    assert samples[0] == pytest.approx(gap(results, references))
    found = set_interval(samples, 40)
    assert found.low < found.mean == samples[0] < found.high
    low, high = np.quantile(samples[1:], [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low)
    assert (samples == set_samples(results, references, rows, gap, 200)).all()


def test_two_sets_are_drawn_alike():
    generator = torch.Generator().manual_seed(1)
    references = torch.randn(30, 4, generator=generator)
    results = references + torch.randn(30, 4, generator=generator)
    rows = [np.array([i]) for i in range(30)]
    a, b = (set_samples(results + more, references, rows, gap, 60) for more in (0.0, 3.0))
    same = set_paired(a, a, 30)
    assert (same.difference.mean, same.difference.low, same.difference.high, same.certain) == (0, 0, 0, False)
    worse = set_paired(b, a, 30)
    assert worse.certain
    assert worse.difference.low > 0
    assert math.isnan(worse.wins)


def test_one_case_has_a_distance_and_no_interval():
    samples = set_samples(torch.ones(1, 2), torch.zeros(1, 2), [np.array([0])], gap)
    found = set_interval(samples, 1)
    assert (found.mean, found.n) == (2.0, 1)
    assert math.isnan(found.low)
    with pytest.raises(ValueError, match="no case has features"):
        set_samples(torch.ones(0, 2), torch.zeros(0, 2), [], gap)
