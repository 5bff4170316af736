"""A summary as one page that needs no other file and no network: tables, plots, and pictures of the best and the worst.

Equal runs give an equal file: nothing is drawn by chance, and no date is in it but the one that is given.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .pictures import gallery
from .statistics import Interval, Paired
from .store import RunResult, put
from .summary import Summary, measure_of, scores_by_id
from .table import decimals

__all__ = ["page_data", "wanted_cases", "write_report"]

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("dom", "marks", "tip", "table", "forest", "tags", "curve", "scatter", "sheets", "zoom", "main")
DRAWN = 1000
"""Cases that plots draw at most, picked at even steps; a file with more points would be slow to open."""


def write_report(
    summary: Summary,
    runs: Sequence[RunResult],
    out: Path,
    stamp: str = "",
    side: int = 640,
    max_bytes: int = 10_000_000,
    each: int = 4,
) -> Path:
    """Write the page and return where it lies.

    Args:
        summary: of these runs.
        out: the file, or a folder, in which it is then report.html.
        stamp: a date or a commit, to be shown; none unless given.
        side: longest side of pictures in pixels. max_bytes: what all pictures may take; those least wanted are left out.
        each: how many worst, best and median cases of each eraser are wanted.
    """
    path = out if out.suffix == ".html" else out / "report.html"
    data = page_data(summary, runs, stamp, side, max_bytes, each)
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    script = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    parts = {"title": html.escape(f"{summary.bench}: erasers compared"), "style": style, "script": script, "data": _embedded(data)}
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PAGE / "page.html").read_text(encoding="utf-8"))
    put(path, page.encode())
    return path


def wanted_cases(summary: Summary, runs: Sequence[RunResult], each: int) -> list[str]:
    """Ids of the worst, best and median cases of every eraser in the first measure that cases have a score in, most wanted first."""
    measure = next((m for m in summary.measures if not m.of_sets), None)
    if measure is None:
        return []
    sign = -1 if measure.better == "higher" else 1
    orders = []
    for run in runs:
        scores = scores_by_id(run, measure.key)
        best_first = sorted(scores, key=lambda i: (sign * scores[i], i))
        middle = (len(best_first) - 1) / 2
        median = sorted(best_first, key=lambda i: abs(best_first.index(i) - middle))
        orders += [best_first[::-1], best_first, median]
    return list(dict.fromkeys(order[place] for place in range(each) for order in orders if place < len(order)))


def page_data(summary: Summary, runs: Sequence[RunResult], stamp: str, side: int, max_bytes: int, each: int) -> dict[str, Any]:
    """What the page's scripts read. Numbers have five digits, nan is None and infinity a word."""
    tags = {row.id: dict(row.tags) for run in runs for row in run.rows}
    wanted = wanted_cases(summary, runs, each)
    every = max(1, math.ceil(len(tags) / DRAWN))
    ids = sorted({*sorted(tags)[::every], *wanted})
    return {
        "bench": summary.bench,
        "key": summary.bench_key,
        "protocolTitle": summary.protocol_title,
        "protocolSource": summary.protocol_source,
        "cases": summary.cases,
        "level": summary.level,
        "baseline": summary.baseline,
        "stamp": stamp,
        "side": side,
        "erasers": [{"name": e.name, "about": e.about, "cases": e.cases, "errors": sorted(e.errors.items())} for e in summary.erasers],
        "measures": _measures(summary),
        "cells": _cells(summary),
        "against": _against(summary),
        "tags": summary.tags,
        "byTag": _by_tag(summary),
        "skipped": [
            {"key": key, "label": measure_of(key).label, "reason": reason, "erasers": names}
            for key, reasons in summary.skipped.items()
            for reason, names in reasons.items()
        ],
        "ids": ids,
        "caseTags": {i: tags[i] for i in ids},
        "scores": _scores(summary, runs, ids),
        "pictures": gallery(runs, wanted, side, max_bytes),
    }


def _measures(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "key": m.key,
            "title": m.title,
            "region": m.region,
            "unit": m.unit,
            "better": m.better,
            "ofSets": m.of_sets,
            "digits": decimals([score.mean.mean for score in summary.scores[m.key].values()]),
            "common": summary.common[m.key],
        }
        for m in summary.measures
    ]


def _cells(summary: Summary) -> dict[str, Any]:
    def cell(score: Any) -> dict[str, Any]:
        mean = score.mean
        return {"interval": _ends(mean), "n": mean.n, "infinite": mean.infinite, "rank": score.rank, "tied": score.tied}

    return {key: {name: cell(score) for name, score in by_eraser.items()} for key, by_eraser in summary.scores.items()}


def _against(summary: Summary) -> dict[str, Any]:
    def told(found: Paired) -> dict[str, Any]:
        return {
            "interval": _ends(found.difference),
            "wins": _number(found.wins),
            "ties": _number(found.ties),
            "certain": found.certain,
        }

    return {key: {name: told(found) for name, found in by_eraser.items()} for key, by_eraser in summary.against.items()}


def _by_tag(summary: Summary) -> dict[str, Any]:
    return {
        tag: {
            value: {
                key: {name: {"interval": _ends(found), "n": found.n + found.infinite} for name, found in by_eraser.items()}
                for key, by_eraser in by_measure.items()
            }
            for value, by_measure in values.items()
        }
        for tag, values in summary.by_tag.items()
    }


def _scores(summary: Summary, runs: Sequence[RunResult], ids: Sequence[str]) -> dict[str, dict[str, list[float | str | None]]]:
    """By measure and eraser, in the order of ids; measures of sets have none."""
    found: dict[str, dict[str, list[float | str | None]]] = {}
    for measure in summary.measures:
        for run in runs:
            scores = scores_by_id(run, measure.key)
            if scores and not measure.of_sets:
                found.setdefault(measure.key, {})[run.eraser] = [_number(scores.get(i, math.nan)) for i in ids]
    return found


def _ends(found: Interval) -> list[float | str | None]:
    return [_number(found.mean), _number(found.low), _number(found.high)]


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(f"{value:.5g}") if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _embedded(data: dict[str, Any]) -> str:
    """JSON that may stand within a script element: no `<` is left for `</script` or `<!--`."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
