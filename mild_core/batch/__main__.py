"""Bulk work on a Ray cluster: `mild-batch run` erases people from many photos, `mild-batch build` builds sets.

    mild-batch run workflows/api/erase.json photos --people masks --out erased
    mild-batch run mine.json list.csv --out s3://bucket/erased --address head:6379 --workers 16
    mild-batch build scenes --photos library --out scenes --count 100000 --workers 16

The same command goes on where it was stopped, and tries again what failed.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..remote.slots import load_graph
from .building import build
from .cluster import Cluster
from .engine import Policy, StopError
from .inputs import read_items
from .manifest import MANIFESTS
from .places import path_below, place_of
from .progress import Bar
from .run import BulkRun, run_bulk

__all__ = ["main"]

FAILED, WRONG, INTERRUPTED = 1, 2, 130  # exit statuses
GIB = 1 << 30


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 1 when photos failed, 2 for what cannot be done, 130 when interrupted."""
    told = list(sys.argv[1:] if argv is None else argv)
    if told[:1] == ["build"]:
        return build(told[1:], _add_build, lambda asked: (_cluster(asked), _policy(asked)))
    asked = _parser().parse_args(told)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(asked)
    except (ValueError, OSError, StopError, ImportError) as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("\nStopped. What was finished stays; the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mild-batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="many photos through a graph")
    run.add_argument("graph", type=Path, help="graph in API format: one of workflows/api, or yours (Workflow > Export (API))")
    run.add_argument(
        "source", help="a folder of pictures, a manifest (.csv, .jsonl, .parquet), or WebDataset tars; a path or s3://, gs://, abfs://"
    )
    run.add_argument("--out", required=True, help="folder of results, a path or s3://, gs://, abfs://")
    run.add_argument("--people", default="", help="folder of people's masks, named as the photos are: values 1, 2, … are the people")
    run.add_argument("--effects", default="", help="folder of masks of shadows and reflections that go too, named as the photos are")
    run.add_argument("--set", action="append", default=[], metavar="SLOT=VALUE", help="for photos that bring no value: --set erase=all")
    run.add_argument("--slot", action="append", default=[], metavar="SLOT=NODE.input", help="where values of that name go in the graph")
    run.add_argument("--column", action="append", default=[], metavar="SLOT=COLUMN", help="what a slot is called in the manifest")
    run.add_argument("--together", type=int, default=1, help="photos that share the sampler's batches (default %(default)s)")
    run.add_argument("--most-crops", type=int, default=0, help="crops in such a batch, at most (0: no bound)")
    run.add_argument("--leave-failed", action="store_true", help="do not try again what failed in an earlier run")
    run.add_argument("--comfyui", type=Path, help="an installed ComfyUI: its models, custom nodes and input pictures are used")
    _add_run(run)
    commands.add_parser("build", help="sets for training and benchmarks: mild-batch build --help")
    return parser


def _add_build(step: argparse.ArgumentParser) -> None:
    _add_cluster(step, "how many (0: one for each processor)", "processors of each (0: 1)", "GPUs of each (default: none)")
    step.set_defaults(limit=math.inf)  # a long video may take hours


def _add_run(step: argparse.ArgumentParser) -> None:
    _add_cluster(
        step,
        "how many (0: one for each GPU of the cluster, else one for each machine)",
        "processors of each (0: an even share of its machine)",
        "GPUs of each, 0.5 for two workers on one (default: 1 where there are any)",
    )


def _add_cluster(step: argparse.ArgumentParser, workers: str, cpus: str, gpus: str) -> None:
    """What tells about the cluster and what is done when something goes wrong."""
    group = step.add_argument_group("workers")
    group.add_argument("--workers", type=int, default=0, help=workers)
    group.add_argument("--cpus", type=float, default=0.0, help=cpus)
    group.add_argument("--gpus", type=float, help=gpus)
    group.add_argument("--memory", type=float, default=0.0, help="GiB of each that Ray keeps free for it (0: no claim)")
    group.add_argument(
        "--address", default="", help="of a Ray cluster; auto for the one on this machine (default: RAY_ADDRESS, else our own)"
    )
    group.add_argument("--no-dashboard", action="store_true", help="do not show Ray's page")
    group.add_argument("--retries", type=int, default=Policy.retries, help="after a first try that failed (default %(default)s)")
    group.add_argument("--pause", type=float, default=Policy.pause, help="seconds before the second try; doubles (default %(default)s)")
    group.add_argument("--limit", type=float, default=1800.0, help="seconds that a try may take (default %(default)s)")


def _cluster(asked: argparse.Namespace) -> Cluster:
    memory = int(asked.memory * GIB)
    return Cluster(asked.workers, asked.cpus, asked.gpus, memory, asked.address, False if asked.no_dashboard else None)


def _policy(asked: argparse.Namespace) -> Policy:
    return Policy(asked.retries, asked.pause, limit=asked.limit)


def _run(asked: argparse.Namespace) -> int:
    out = place_of(asked.out)
    if Path(asked.source).suffix.lower() not in (*MANIFESTS, ".tar") and path_below(out, place_of(asked.source)) is not None:
        raise ValueError(f"out is {out.title}, which is in the source: results would be taken for photos the next time")
    columns, values = _pairs("column", asked.column), _pairs("set", asked.set)
    items = partial(read_items, asked.source, people=asked.people, effects=asked.effects, columns=columns)
    run = BulkRun(
        graph=load_graph(asked.graph),
        items=items,
        out=out,
        slots=_pairs("slot", asked.slot),
        values=values,
        asked_for=[name for name in ("people", "effects") if getattr(asked, name)],
        together=asked.together,
        most=asked.most_crops,
        leave_failed=asked.leave_failed,
        comfyui=_installed(asked.comfyui),
    )
    summary = run_bulk(run, _cluster(asked), _policy(asked), partial(print, file=sys.stderr, flush=True), Bar)
    return FAILED if summary.counts["failed"] else 0


def _installed(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    if not (folder / "models").is_dir():
        raise ValueError(f"comfyui is {str(folder)!r}, but it must be an installed ComfyUI: a folder with models in it")
    return folder.absolute()


def _pairs(option: str, told: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in told]
    for text, (name, sign, _) in zip(told, pairs, strict=True):
        if not name or not sign:
            raise ValueError(f"--{option} is {text!r}, but it must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status) if status == INTERRUPTED else sys.exit(status)  # Ray's threads may hang on after an interrupt
