"""What the runs of one benchmark say: every eraser's mean in every measure, how sure it is, and who is better than whom.

Pure data: `table.py` writes it as Markdown, `report.py` as a page. All erasers of a measure are compared on the cases that each of
them has a score for, so that nobody gains by failing on the hard ones; what is left out is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from ..metrics.catalog import METRICS, READINGS
from .protocols import PROTOCOLS, check_one_protocol
from .statistics import Interval, Paired, interval, paired, set_interval, set_paired, set_samples
from .store import RunResult

__all__ = ["Eraser", "Measure", "Score", "Summary", "Tagged", "measure_of", "scores_by_id", "summarize"]

REGIONS = {"full": "whole picture", "hole": "hole", "box": "hole's box", "background": "background"}
TAG_VALUES = 12
"""A tag with more values than this, or with less than two cases a value, names cases rather than kinds of cases, and gets no table."""
ORDINAL = (
    "none",
    "no",
    "slight",
    "light",
    "low",
    "few",
    "small",
    "some",
    "medium",
    "partial",
    "heavy",
    "high",
    "many",
    "large",
    "full",
    "yes",
)
"""Values of tags in their order of degree; others are in the order of their numbers and letters."""


@dataclass(frozen=True)
class Measure:
    """What is measured: `key` is "name.region", `better` is "higher" or "lower". `title` and `region` are in words, the latter "" where
    the title says enough: a metric that is taken in one region only."""

    key: str
    title: str
    region: str
    unit: str
    better: str
    of_sets: bool = False

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    @property
    def label(self) -> str:
        return f"{self.title}, {self.region}" if self.region else self.title


@dataclass(frozen=True)
class Score:
    """One eraser's cell in one measure's column.

    Attributes:
        mean: over the cases in common, with its interval. For a measure of sets, the distance.
        missing: this eraser's cases that have no score in this measure.
        rank: 1 is best; equal means share a rank. By the median where some eraser has infinite scores.
        tied: not the best, but its paired interval against the best holds 0: they cannot be told apart.
    """

    mean: Interval
    missing: int
    rank: int
    tied: bool

    @property
    def best(self) -> bool:
        return self.rank == 1


@dataclass(frozen=True)
class Eraser:
    """One run: how many cases it was given, and by id what went wrong; by measure why it is skipped."""

    name: str
    about: str
    cases: int
    errors: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


Tagged: TypeAlias = dict[str, dict[str, dict[str, dict[str, Interval]]]]
"""Means by tag, value of the tag, measure and eraser."""


@dataclass(frozen=True)
class Summary:
    """All numbers of a report. Dictionaries by measure hold those that at least one eraser has, in the order of `measures`.

    Attributes:
        cases: number of the benchmark's cases, those that failed included.
        scores: by measure and eraser; an eraser without this measure is not in it.
        common: by measure, the number of cases that all of its erasers have.
        tags: by tag and value, the number of cases; tags that tell kinds of cases only.
        against: by measure and eraser, the comparison with the baseline, eraser − baseline; the baseline itself is not in it.
        skipped: by measure, by reason, the erasers that lack it.
    """

    bench: str
    bench_key: str
    protocol: str
    protocol_title: str
    protocol_source: str
    cases: int
    erasers: tuple[Eraser, ...]
    measures: tuple[Measure, ...]
    scores: dict[str, dict[str, Score]]
    common: dict[str, int]
    tags: dict[str, dict[str, int]]
    by_tag: Tagged
    baseline: str | None
    against: dict[str, dict[str, Paired]]
    skipped: dict[str, dict[str, tuple[str, ...]]]
    level: float

    def measure(self, key: str) -> Measure:
        for measure in self.measures:
            if measure.key == key:
                return measure
        raise ValueError(f"no measure is called {key!r}; there are {', '.join(m.key for m in self.measures)}")


def measure_of(key: str) -> Measure:
    """What a measure's key, "name.region" or "name", means. A key that nobody knows stands for itself, higher is better."""
    name, _, region = key.partition(".")
    metric = METRICS.get(name) or READINGS.get(key)
    if metric is None:
        return Measure(key, name, REGIONS.get(region, region), "", "higher")
    where = REGIONS.get(region, region) if len(metric.regions) > 1 else ""
    return Measure(key, metric.title, where, metric.unit, metric.better, metric.distance is not None)


def scores_by_id(run: RunResult, key: str) -> dict[str, float]:
    """A run's scores in one measure by case id; cases that failed or have no number are left out."""
    if key == "seconds":
        found = {row.id: row.seconds for row in run.rows if not row.error}
    else:
        found = {row.id: row.scores[key] for row in run.rows if not row.error and key in row.scores}
    return {i: float(v) for i, v in found.items() if not math.isnan(v)}


def summarize(
    runs: Sequence[RunResult],
    baseline: str | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    set_resamples: int = 100,
) -> Summary:
    """Bring the runs of one benchmark and protocol together.

    Args:
        runs: at least one, each of another eraser; they are shown in this order.
        baseline: the eraser that the others are compared with; None for no comparison.
        level: confidence of all intervals.
        resamples: redrawn samples for a mean; set_resamples: for a distance between sets, which takes far longer; 0 for no interval.
    Raises ValueError when there is no run, two have one name, they are of different benchmarks or protocols, they share no case
    that went well, or the baseline is none of them.
    """
    protocol = _check(runs, baseline)
    table = {key: found for key in _keys(runs) if (found := _common(runs, key))}
    measures = tuple(measure_of(key) for key in table)
    sets = _sets(runs, set_resamples)
    measures = _in_order([*measures, *(measure_of(key) for key in sets)], protocol)
    compare = partial(_compare, table, sets, level, resamples)

    scores: dict[str, dict[str, Score]] = {}
    against: dict[str, dict[str, Paired]] = {}
    common: dict[str, int] = {}
    for measure in measures:
        if measure.key in sets:
            samples, common[measure.key] = sets[measure.key]
            means = {name: set_interval(s, common[measure.key], level) for name, s in samples.items()}
            order = {name: [found.mean] for name, found in means.items()}
        else:
            by_eraser = table[measure.key]
            common[measure.key] = len(next(iter(by_eraser.values())))
            means = {name: interval(_array(s), level, resamples) for name, s in by_eraser.items()}
            order = _order(by_eraser, means)
        ranks = _ranks(order, measure.better)
        best = min(ranks, key=lambda name: ranks[name])
        missing = {run.eraser: len(run.rows) - _told(run, measure) for run in runs}
        tied = {name: ranks[name] > 1 and not compare(measure, name, best).certain for name in ranks}
        scores[measure.key] = {name: Score(means[name], missing[name], ranks[name], tied[name]) for name in ranks}
        if baseline in ranks:
            against[measure.key] = {name: compare(measure, name, baseline) for name in ranks if name != baseline}

    tags = _tags(runs)
    known = PROTOCOLS.get(protocol)
    return Summary(
        bench=runs[0].bench,
        bench_key=runs[0].bench_key,
        protocol=protocol,
        protocol_title=known.title if known else protocol,
        protocol_source=known.source if known else "",
        cases=len({row.id for run in runs for row in run.rows}),
        erasers=tuple(_eraser(run) for run in runs),
        measures=measures,
        scores=scores,
        common=common,
        tags={tag: {value: len(ids) for value, ids in values.items()} for tag, values in tags.items()},
        by_tag=_by_tag(table, tags, level, resamples),
        baseline=baseline,
        against=against,
        skipped=_skipped(runs, {m.key for m in measures}),
        level=level,
    )


def _check(runs: Sequence[RunResult], baseline: str | None) -> str:
    """The one protocol of all runs. Raises ValueError as `summarize` says."""
    if not runs:
        raise ValueError("there is no run to summarize, but there must be at least one")
    names = [run.eraser for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two runs are of the eraser {twice!r}, but each must have a name of its own")
    if baseline is not None and baseline not in names:
        raise ValueError(f"the baseline is {baseline!r}, but it must be one of the erasers {', '.join(names)}")
    first = runs[0]
    protocol = check_one_protocol([run.protocol for run in runs])
    for run in runs:
        if run.bench_key != first.bench_key:
            raise ValueError(
                f"{first.eraser} was run on benchmark {first.bench} ({first.bench_key}) but {run.eraser} on {run.bench} ({run.bench_key}): "
                "scores of different cases are not comparable"
            )
    well = [{row.id for row in run.rows if not row.error} for run in runs]
    if not set.intersection(*well):
        told = ", ".join(f"{run.eraser} {len(ids)}" for run, ids in zip(runs, well, strict=True))
        raise ValueError(f"no case went well with every eraser (cases that did: {told}), but there must be one to compare them on")
    return protocol


def _keys(runs: Sequence[RunResult]) -> list[str]:
    """Measures that any row has, time last. Those of sets are no score of a row."""
    sets = {"seconds", *(key for run in runs for key in run.sets)}
    return [*dict.fromkeys(key for run in runs for row in run.rows for key in row.scores if key not in sets), "seconds"]


def _in_order(measures: Sequence[Measure], protocol: str) -> tuple[Measure, ...]:
    """The protocol's own measures first, in the order of its table; then the others as they came; time last."""
    known = PROTOCOLS.get(protocol)
    place = {key: i for i, key in enumerate(known.measures if known else ())}
    late = len(place)
    return tuple(sorted(measures, key=lambda m: place.get(m.key, late + (m.key in READINGS) + (m.key == "seconds"))))


def _common(runs: Sequence[RunResult], key: str) -> dict[str, dict[str, float]]:
    """By eraser and case id, on the cases that all erasers which have this measure have. Empty where there is no such case."""
    found = {run.eraser: scores for run in runs if (scores := scores_by_id(run, key))}
    if not found:
        return {}
    ids = [i for i in next(iter(found.values())) if all(i in scores for scores in found.values())]
    return {name: {i: scores[i] for i in ids} for name, scores in found.items()} if ids else {}


def _array(scores: Mapping[str, float]) -> np.ndarray:
    return np.array(list(scores.values()), np.float64)


def _sets(runs: Sequence[RunResult], resamples: int) -> dict[str, tuple[dict[str, np.ndarray], int]]:
    """By measure of sets: the samples of every eraser, drawn alike, and the number of cases, of which a set needs two."""
    found = {}
    for key in dict.fromkeys(key for run in runs for key in run.sets):
        metric = METRICS.get(key.partition(".")[0])
        having = [run for run in runs if key in run.sets]
        rows = {run.eraser: _rows_by_id(run, key) for run in having}
        ids = [i for i in rows[having[0].eraser] if all(i in of for of in rows.values())]
        if metric is None or metric.distance is None or len(ids) < 2:
            continue
        samples = {
            run.eraser: set_samples(*run.sets[key], [rows[run.eraser][i] for i in ids], metric.distance, resamples) for run in having
        }
        found[key] = (samples, len(ids))
    return found


def _rows_by_id(run: RunResult, key: str) -> dict[str, np.ndarray]:
    """Which rows of a measure's features belong to each case: as many as it has crops."""
    found: dict[str, list[int]] = {}
    for row, i in enumerate(run.set_ids[key]):
        found.setdefault(i, []).append(row)
    return {i: np.array(rows) for i, rows in found.items()}


def _compare(
    table: dict[str, dict[str, dict[str, float]]],
    sets: dict[str, tuple[dict[str, np.ndarray], int]],
    level: float,
    resamples: int,
    measure: Measure,
    a: str,
    b: str,
) -> Paired:
    if measure.key in sets:
        samples, n = sets[measure.key]
        return set_paired(samples[a], samples[b], n, level)
    scores = table[measure.key]
    return paired(scores[a], scores[b], measure.better, level, resamples)


def _order(by_eraser: dict[str, dict[str, float]], means: dict[str, Interval]) -> dict[str, list[float]]:
    """What erasers are ranked by: the mean; where it leaves infinite scores out, the median and then their number."""
    if not any(found.infinite for found in means.values()):
        return {name: [found.mean] for name, found in means.items()}
    return {name: [float(np.median(_array(s))), float(means[name].infinite)] for name, s in by_eraser.items()}


def _ranks(order: dict[str, list[float]], better: str) -> dict[str, int]:
    """1 for the best; equal scores share the better rank. In the order of the ranks."""
    names = sorted(order, key=lambda name: order[name], reverse=better == "higher")
    ranks: dict[str, int] = {}
    for place, name in enumerate(names):
        equal = place > 0 and order[names[place - 1]] == order[name]
        ranks[name] = ranks[names[place - 1]] if equal else place + 1
    return ranks


def _told(run: RunResult, measure: Measure) -> int:
    """Cases that have a score in this measure."""
    return len(set(run.set_ids[measure.key])) if measure.key in run.sets else len(scores_by_id(run, measure.key))


def _eraser(run: RunResult) -> Eraser:
    return Eraser(run.eraser, run.about, len(run.rows), {row.id: row.error for row in run.rows if row.error}, dict(run.skipped))


def _skipped(runs: Sequence[RunResult], shown: set[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By measure and reason, the erasers that lack it; also measures whose scores have no case in common."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for run in runs:
        for key, reason in run.skipped.items():
            of = found.setdefault(key, {})
            of[reason] = (*of.get(reason, ()), run.eraser)
    for key in dict.fromkeys([*_keys(runs), *(key for run in runs for key in run.sets)]):
        if key in shown or key in found or key == "seconds":
            continue
        having = tuple(run.eraser for run in runs if key in run.sets or scores_by_id(run, key))
        found[key] = {
            "too few cases have it with every eraser" if having else "no case has a score": having or tuple(r.eraser for r in runs)
        }
    return found


def _tags(runs: Sequence[RunResult]) -> dict[str, dict[str, list[str]]]:
    """By tag and value, the ids of the cases; only tags that divide the cases into few kinds."""
    rows = {row.id: row for run in runs for row in run.rows}
    found: dict[str, dict[str, list[str]]] = {}
    for i, row in rows.items():
        for tag, value in row.tags.items():
            found.setdefault(tag, {}).setdefault(value, []).append(i)
    kinds = {tag: values for tag, values in found.items() if 2 <= len(values) <= min(TAG_VALUES, len(rows) // 2)}
    return {tag: {value: kinds[tag][value] for value in sorted(kinds[tag], key=_degree)} for tag in kinds}


def _degree(value: str) -> tuple[int, list[tuple[int, float, str]]]:
    """Orders values of a tag: by degree, by number, by letters."""
    place = ORDINAL.index(value.lower()) if value.lower() in ORDINAL else len(ORDINAL)
    parts = re.findall(r"\d+(?:\.\d+)?|\D+", value)
    return place, [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]


def _by_tag(table: dict[str, dict[str, dict[str, float]]], tags: dict[str, dict[str, list[str]]], level: float, resamples: int) -> Tagged:
    """Means on the cases in common that have each value of each tag. Distances between sets are left out: a few cases are no set."""
    return {
        tag: {
            value: {
                key: {
                    name: interval([scores[i] for i in ids if i in scores], level, resamples)
                    for name, scores in by_eraser.items()
                    if any(i in scores for i in ids)
                }
                for key, by_eraser in table.items()
            }
            for value, ids in values.items()
        }
        for tag, values in tags.items()
    }
