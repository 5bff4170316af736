"""How sure a mean is, and whether two erasers differ: bootstrap intervals over cases.

Cases are what is drawn: a benchmark is a sample of photos, and an interval says how far its mean would move had other photos
been picked. Two erasers are compared on the same cases, case by case, since photos differ far more than erasers do.

- Means: the bias-corrected and accelerated bootstrap (Efron, "Better bootstrap confidence intervals", JASA 1987), by
  scipy. Below FEW cases it is too narrow and above MANY needless: there the interval is Student's t.
- Distances between sets (FID, CMMD): cases are drawn with replacement and the distance is taken anew. Such distances grow when
  cases repeat, so the draws are shifted to have their median at the distance itself: the interval tells the spread, not the bias, which
  depends on the number of cases and is the same for all erasers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

__all__ = ["Interval", "Paired", "interval", "paired", "set_interval", "set_paired", "set_samples"]

FEW, MANY = 10, 1000
"""The bootstrap is used from FEW to MANY values."""


@dataclass(frozen=True)
class Interval:
    """A mean and where it lies with the asked confidence.

    Attributes:
        mean: over the finite values; infinite where all values are, nan where there is none.
        low, high: ends of the interval; nan where one value or none tells nothing about the spread.
        n: finite values that the mean is over.
        missing: values that were nan and are left out.
        infinite: values that were infinite and are left out, such as the PSNR of equal pictures.
    """

    mean: float
    low: float
    high: float
    n: int
    missing: int = 0
    infinite: int = 0

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2 if math.isfinite(self.mean) else 0.0

    @property
    def leaves_out_zero(self) -> bool:
        """Whether the whole interval is on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Paired:
    """How one eraser, a, compares with another, b, on the same cases.

    Attributes:
        difference: a − b, in the measure's unit. Where both are infinite it is 0.
        wins: share of the cases in which a is better, 0..1; nan for a distance between sets, which no case has.
        ties: share of the cases in which they are equal; nan as before.
        n: cases that both have.
        certain: whether they differ at the interval's confidence. Where one of the two is infinite in a case and the other is
            not, a difference has no size, and the shares of wins and losses decide.
    """

    difference: Interval
    wins: float
    ties: float
    n: int
    certain: bool


def interval(values: np.ndarray | Sequence[float], level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean of [N] values and its interval at confidence `level`. Nan and infinite values are left out and counted."""
    values = np.asarray(values, np.float64).ravel()
    finite = values[np.isfinite(values)]
    n, missing = len(finite), int(np.isnan(values).sum())
    infinite = len(values) - n - missing
    if not n:
        mean = float(values[~np.isnan(values)].mean()) if infinite and not _both_signs(values) else math.nan
        return Interval(mean, mean, mean, 0, missing, infinite)
    mean = float(finite.mean())
    if n == 1:
        low = high = math.nan
    elif np.ptp(finite) == 0:
        low = high = mean = float(finite[0])
    else:
        low, high = _ends(finite, level, resamples, seed)
    return Interval(mean, low, high, n, missing, infinite)


def _both_signs(values: np.ndarray) -> bool:
    return bool((values == np.inf).any() and (values == -np.inf).any())


def _ends(values: np.ndarray, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Of an interval of the mean of [N] finite values that are not all equal."""
    if FEW <= len(values) <= MANY:
        from scipy.stats import bootstrap

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of draws that are all equal, answered below
            found = bootstrap(
                (values,),
                np.mean,
                confidence_level=level,
                n_resamples=resamples,
                method="BCa",
                vectorized=True,
                random_state=np.random.default_rng(seed),
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return float(found.low), float(found.high)
    from scipy.stats import t

    reach = float(t.ppf((1 + level) / 2, len(values) - 1)) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def paired(
    a: Mapping[str, float],
    b: Mapping[str, float],
    better: str = "higher",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Paired:
    """Compare scores by case id, on the ids that both have a number for. `better` is "higher" or "lower"."""
    if better not in ("higher", "lower"):
        raise ValueError(f'better is {better!r}, but it must be "higher" or "lower"')
    ids = [i for i in a if i in b and not (math.isnan(a[i]) or math.isnan(b[i]))]
    left, right = np.array([a[i] for i in ids], np.float64), np.array([b[i] for i in ids], np.float64)
    equal = left == right
    gain = np.where(equal, 0.0, np.where(left > right, 1.0, -1.0)) * (1 if better == "higher" else -1)
    with np.errstate(invalid="ignore"):  # ∞ − ∞, which is answered by `equal`
        difference = interval(np.where(equal, 0.0, left - right), level, resamples, seed)
    sized = not difference.infinite
    certain = (difference if sized else interval(gain, level, resamples, seed)).leaves_out_zero
    n = len(ids)
    return Paired(difference, float((gain > 0).mean()) if n else math.nan, float(equal.mean()) if n else math.nan, n, certain)


def set_samples(
    results: Tensor,
    references: Tensor,
    rows: Sequence[np.ndarray],
    distance: Callable[[Tensor, Tensor], float],
    resamples: int = 100,
    seed: int = 0,
) -> np.ndarray:
    """A distance between two sets of features, and the distances of redrawn sets. [1 + resamples] float64

    Args:
        results, references: [M, D] and [L, D] features.
        rows: for each case, which rows of both are its own: one, or as many as it has crops. Cases are drawn whole.
        distance: of [·, D] results and references.
        seed: equal seeds draw the same cases, so that two erasers' samples can be subtracted.
    """
    from torch import as_tensor

    def of(cases: np.ndarray) -> float:
        picked = as_tensor(np.concatenate([rows[c] for c in cases]))
        return float(distance(results[picked], references[picked]))

    if not len(rows):
        raise ValueError("no case has features, but a distance between sets needs at least one")
    draws = np.random.default_rng(seed).integers(0, len(rows), (resamples if len(rows) > 1 else 0, len(rows)))
    return np.array([of(np.arange(len(rows))), *map(of, draws)], np.float64)


def set_interval(samples: np.ndarray, n: int, level: float = 0.95) -> Interval:
    """The interval of a distance between sets, of [1 + R] `set_samples` over n cases; its ends are nan where R is 0."""
    value, drawn = float(samples[0]), samples[1:][np.isfinite(samples[1:])]
    if not len(drawn) or not math.isfinite(value):
        return Interval(value, math.nan, math.nan, n)
    low, middle, high = np.quantile(drawn, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return Interval(value, float(value + low - middle), float(value + high - middle), n)


def set_paired(a: np.ndarray, b: np.ndarray, n: int, level: float = 0.95) -> Paired:
    """Compare two erasers by `set_samples` that were drawn with the same seed over the same n cases."""
    difference = set_interval(a - b, n, level)
    return Paired(difference, math.nan, math.nan, n, difference.leaves_out_zero)
