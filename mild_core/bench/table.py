"""A summary as Markdown, for a README: one table of all erasers, and one by tag."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from .statistics import Interval
from .summary import Measure, Summary

__all__ = ["by_tag", "decimals", "markdown", "number", "written"]

Style = Literal["half", "ends"]
"""How an interval is written: 21.30 ± 0.45, or 21.30 [20.87, 21.77]."""


def decimals(means: Sequence[float]) -> int:
    """Digits after the point that tell a column's means apart: three to four digits in all."""
    largest = max((abs(mean) for mean in means if math.isfinite(mean)), default=0.0)
    return next((digits for digits, floor in ((0, 10000), (1, 1000), (2, 10), (3, 0.1)) if largest >= floor), 4)


def number(value: float, digits: int) -> str:
    """A number with so many digits after the point; ∞ and – for what is none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def written(found: Interval, digits: int, style: Style = "half") -> str:
    """A mean with its interval, where it has one, and a mark where infinite scores are left out."""
    mean = number(found.mean, digits)
    mark = f" ({found.infinite} × ∞)" if found.infinite and found.n else ""
    if math.isnan(found.low) or math.isinf(found.mean):
        return mean + mark
    if style == "ends":
        return f"{mean} [{number(found.low, digits)}, {number(found.high, digits)}]{mark}"
    return f"{mean} ± {number(found.half, digits)}{mark}"


def markdown(summary: Summary, measures: Sequence[str] | None = None, style: Style = "half") -> str:
    """One row for each eraser, one column for each measure, and below what one must know to believe it.

    Args:
        measures: keys of the columns; None for all.
        style: "half" for mean ± half of the interval's width, "ends" for mean [low, high].
    Raises ValueError when a measure is not in the summary.
    """
    columns = [summary.measure(key) for key in measures] if measures is not None else list(summary.measures)
    head = ["eraser", *(_title(measure) for measure in columns)]
    rows = [[_plain(eraser.name), *(_cell(summary, m, eraser.name, style) for m in columns)] for eraser in summary.erasers]
    return "\n".join([*_table(head, rows), "", *_notes(summary, columns)]) + "\n"


def by_tag(summary: Summary, measure: str, tag: str | None = None, style: Style = "half") -> str:
    """One row for each value of each tag (or of one), one column for each eraser. Raises ValueError for an unknown measure or tag."""
    column = summary.measure(measure)
    if tag is not None and tag not in summary.by_tag:
        raise ValueError(f"no tag is called {tag!r}; there are {', '.join(summary.by_tag) or 'none'}")
    names = [eraser.name for eraser in summary.erasers if eraser.name in summary.scores[measure]]
    digits = _digits(summary, column)
    rows = []
    for key, values in summary.by_tag.items():
        for value, found in values.items() if tag in (None, key) else ():
            cells = found.get(measure, {})
            count = max((cell.n + cell.infinite for cell in cells.values()), default=0)
            of = [written(cells[name], digits, style) if name in cells else "–" for name in names]
            rows.append([f"{_plain(key)}: {_plain(value)}", str(count), *of])
    return "\n".join([f"{_title(column)} by tag", "", *_table(["tag", "cases", *map(_plain, names)], rows)]) + "\n"


def _digits(summary: Summary, measure: Measure) -> int:
    return decimals([score.mean.mean for score in summary.scores[measure.key].values()])


def _title(measure: Measure) -> str:
    unit = f" ({measure.unit})" if measure.unit else ""
    return _plain(measure.label) + unit + " " + measure.arrow


def _cell(summary: Summary, measure: Measure, name: str, style: Style) -> str:
    score = summary.scores[measure.key].get(name)
    if score is None:
        return "–"
    text = written(score.mean, _digits(summary, measure), style)
    return f"**{text}**" if score.best else f"{text} ≈" if score.tied else text


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _notes(summary: Summary, columns: list[Measure]) -> list[str]:
    source = f" ({_plain(summary.protocol_source)})" if summary.protocol_source else ""
    notes = [
        f"{summary.cases} cases of {_plain(summary.bench)} (`{summary.bench_key}`), protocol {_plain(summary.protocol_title)}{source}. "
        f"Means with {summary.level:.0%} bootstrap intervals; bold: the best; ≈: not told apart from the best, case by case."
    ]
    fewer: dict[int, list[str]] = {}
    for measure in columns:
        if summary.common[measure.key] < summary.cases:
            fewer.setdefault(summary.common[measure.key], []).append(_plain(measure.label))
    if fewer:
        told = "; ".join(f"{count} in {', '.join(labels)}" for count, labels in fewer.items())
        notes.append(f"Erasers are compared on the cases in which each has a score: {told}.")
    for eraser in summary.erasers:
        if eraser.errors:
            notes.append(f"{_plain(eraser.name)} failed on {len(eraser.errors)} of {eraser.cases} cases.")
    for key, reasons in summary.skipped.items():
        for reason, names in reasons.items():
            who = "" if len(names) == len(summary.erasers) else f" for {_plain(', '.join(names))}"
            notes.append(f"Skipped{who}: {_plain(key)}: {_plain(reason)}.")
    return [f"- {note}" for note in notes]


def _plain(text: str) -> str:
    """Text as it is, on one line, without meaning to Markdown or HTML."""
    text = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)
