"""Score erasers on a benchmark.

    python -m mild_core.bench BENCH --eraser telea --eraser exemplar --eraser ours=workflows/api/erase.json --out out/score

Erases the benchmark's people with each eraser, scores the pictures, prints a table and writes a page to look at. What is in OUT
already is not done again: after Ctrl-C, or with another eraser, another measure, or networks that were not there before, the
same command goes on. Erasers are [NAME=]telea, ns, exemplar, folder:PATH (pictures named by their case's id), or a graph's
file in ComfyUI's API format, which a real ComfyUI runs: one of our own, or the one that --url names.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..remote import Host
from .cases import Case
from .erasers import Eraser, EraserGoneError, Settings, parse_eraser
from .run import check_measures, check_run, key_of, left_out, run_eraser
from .store import RunFolder, read_runs

if TYPE_CHECKING:
    from .protocols import Protocol

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command. 0 when all is done; 1 when something is wrong, or an eraser could not go on; 130 when it was interrupted."""
    asked = _parse(argv)
    before = _stop_on_sigterm()
    host = Host(asked.url)
    try:
        gone = False if asked.report_only else _score(asked, host)
        _report(asked)
    except (ValueError, OSError) as error:
        _say(f"mild-score: {error}")
        return 1
    except KeyboardInterrupt:
        _say("mild-score: stopped; the same command goes on")
        return 130
    finally:
        host.close()
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    return int(gone)


def _score(asked: argparse.Namespace, host: Host) -> bool:
    """Run all erasers. Whether one of them could not go on."""
    from ..metrics.catalog import METRICS
    from ..metrics.networks import Networks
    from .layouts import read_layout

    protocol = _protocol(asked.protocol)
    settings = Settings(asked.give_effects, asked.seed, _slots(asked.slot), host)
    erasers = [parse_eraser(text, settings) for text in asked.eraser]
    _check_names(erasers, asked)
    layout, everything = read_layout(asked.bench, asked.layout)
    cases = _chosen(everything, asked.ids, asked.limit)
    measures = asked.measures or protocol.measures
    check_measures(measures, METRICS)
    bench, key = asked.bench.resolve().name, key_of(everything)
    for name in asked.again:
        RunFolder(asked.out / "runs" / name).remove()
    for eraser in erasers:
        check_run(asked.out, eraser, protocol.name, bench, key)
    networks = Networks(asked.networks, asked.device)
    _say(f"{len(cases)} of the {len(everything)} cases of {bench} ({layout}), judged by {protocol.title}")
    told = {"layout": layout, "give_effects": asked.give_effects, "seed": asked.seed, "slots": asked.slot}
    missing = left_out(measures, METRICS, networks, cases)
    for measure, why in missing.items():
        _say(f"{measure} is left out: {why}")
    gone = False
    for eraser in erasers:
        try:
            run = run_eraser(
                eraser,
                cases,
                protocol,
                METRICS,
                networks,
                asked.out,
                bench=bench,
                bench_key=key,
                measures=measures,
                settings=told,
                tell=_say,
            )
        except EraserGoneError as error:
            _say(f"{eraser.name} cannot go on: {error}")
            gone = True
            continue
        for measure, why in run.skipped.items():
            if measure not in missing:
                _say(f"{eraser.name}: {measure} {why}")
    return gone


def _report(asked: argparse.Namespace) -> None:
    """Print the table of all runs in OUT, and write the page."""
    from .report import write_report
    from .summary import summarize
    from .table import markdown

    runs = []
    for run in read_runs(asked.out):
        if any(not row.error for row in run.rows):
            runs.append(run)
        else:
            _say(f"{run.eraser} is not in the table: no picture of it went well")
    if not runs:
        raise ValueError(f"there is nothing to report in {asked.out}: no eraser has made a picture")
    summary = summarize(runs, asked.baseline)
    print(markdown(summary))
    _say(f"wrote {write_report(summary, runs, asked.out)}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mild-score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path, nargs="?", help="the benchmark's folder")
    parser.add_argument("--eraser", action="append", default=[], metavar="[NAME=]SPEC", help="what to score; may be given several times")
    parser.add_argument("--out", type=Path, required=True, help="folder of results, gone on with where it is there")
    parser.add_argument("--layout", default="auto", help="how the benchmark's files lie (default: told from what is there)")
    parser.add_argument("--protocol", default="scenes", help="by whose rules pictures are judged (default: %(default)s)")
    parser.add_argument("--measures", type=_listed, help="NAME.REGION,… in place of the protocol's own")
    parser.add_argument("--networks", type=Path, help="folder with the networks that some measures need")
    parser.add_argument("--device", default="cpu", help="where these networks run (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first so many cases")
    parser.add_argument("--ids", type=_listed, help="only these cases: ID,…")
    parser.add_argument("--baseline", help="the eraser that the others are compared with")
    parser.add_argument("--give-effects", action="store_true", help="give erasers the benchmark's mask of shadows and reflections")
    parser.add_argument("--url", default="", help="a running ComfyUI for graphs; its input folder keeps the pictures (default: our own)")
    parser.add_argument("--seed", type=int, help="of graphs, in place of the seeds that are written on their nodes")
    parser.add_argument(
        "--slot", action="append", default=[], metavar="[NAME:]SLOT=NODE[.input]", help="where a case goes in graphs, or in NAME's"
    )
    parser.add_argument("--again", action="append", default=[], metavar="NAME", help="throw this eraser's pictures away, erase anew")
    parser.add_argument("--report-only", action="store_true", help="table and page of what is in OUT; nothing is erased or scored")
    asked = parser.parse_args(argv)
    if asked.report_only == bool(asked.bench and asked.eraser):
        parser.error("give a benchmark and at least one --eraser, or --report-only without them")
    if asked.limit is not None and asked.limit < 1:
        parser.error(f"limit is {asked.limit}, but it must be at least 1")
    return asked


def _protocol(name: str) -> Protocol:
    from .protocols import PROTOCOLS

    if name not in PROTOCOLS:
        raise ValueError(f"protocol is {name!r}, but it must be one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _check_names(erasers: Sequence[Eraser], asked: argparse.Namespace) -> None:
    """Raises ValueError when two erasers have one name, or a name that is asked for is nobody's."""
    names = [eraser.name for eraser in erasers]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"two erasers are called {twice[0]!r}: name one of them with NAME=SPEC")
    there = {*names, *(path.parent.name for path in asked.out.glob("runs/*/run.json"))}
    if asked.baseline is not None and asked.baseline not in there:
        raise ValueError(f"baseline is {asked.baseline!r}, but it must be one of the erasers {', '.join(sorted(there))}")
    for name in asked.again:
        if name not in names:
            raise ValueError(f"again is {name!r}, but it must be one of the erasers {', '.join(names)}")


def _chosen(cases: Sequence[Case], ids: Sequence[str] | None, limit: int | None) -> list[Case]:
    """Those with the ids, or the first ones. Raises ValueError for an id that no case has."""
    by_id = {case.id: case for case in cases}
    for id in ids or ():
        if id not in by_id:
            raise ValueError(
                f"case {id!r} is asked for, but the benchmark has none of that id; its first is {next(iter(by_id), 'missing')}"
            )
    return [case for case in cases if ids is None or case.id in ids][:limit]


def _slots(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """By eraser's name, "" for all, what `[NAME:]SLOT=NODE[.input]` says."""
    slots: dict[str, dict[str, str]] = {}
    for text in texts:
        left, _, right = text.partition("=")
        name, _, slot = left.rpartition(":")
        if not slot or not right:
            raise ValueError(f"slot is {text!r}, but it must be [NAME:]SLOT=NODE[.input], such as photo=12.image")
        slots.setdefault(name, {})[slot] = right
    return slots


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _stop_on_sigterm():
    """Let a termination run through like an interrupt; the handler that was there before, None outside the main thread."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        return signal.signal(signal.SIGTERM, stop)
    except ValueError:
        return None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
