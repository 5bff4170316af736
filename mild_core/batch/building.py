"""Sets built by the workers of a Ray cluster: the builders of data/, each unit of a set a job of the engine.

What is built is the same bytes as in one process. The set's folder gets a manifest besides, which says of every unit that was made how that
went (`journal`); what is missing of the set is told by its own files, so that the same command goes on with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data.__main__ import main
from ..data.workers import Units, Workers, one_thread
from .cluster import Cluster, joined, require_ray
from .engine import Job, Outcome, Policy, StopError, UnfitError, run_jobs
from .journal import MANIFEST, Journal
from .local_place import FULL, LocalPlace

__all__ = ["RayWorkers", "build"]

SHARED = """The photos and the folder of the set must lie where every machine of the cluster finds them under the same paths: on this
machine, or on a file system that all of them share. Left open, there is a worker for each processor of the cluster, and none has a GPU.
The workers change nothing in the files; manifest.jsonl, in the folder of the set, tells how each of its parts was made."""


def build(
    argv: Sequence[str] | None,
    add_options: Callable[[argparse.ArgumentParser], None],
    settings_of: Callable[[argparse.Namespace], tuple[Cluster, Policy]],
    prog: str = "mild-batch build",
) -> int:
    """The commands that build sets, with workers of a Ray cluster; the exit status as of `main` of data/.

    Args:
        add_options: adds to each command what tells about the cluster and the policy.
        settings_of: reads them. May raise ValueError.
    """

    def add(step: argparse.ArgumentParser) -> None:
        add_options(step)
        step.epilog = SHARED

    def workers_of(asked: argparse.Namespace) -> Workers:
        return RayWorkers(asked.out, *settings_of(asked))

    return main(argv, prog, add, workers_of)


@dataclass(frozen=True)
class RayWorkers:
    """Workers of a Ray cluster make the units of a set. One that dies is replaced, and what brings down several is set aside.

    Attributes:
        out: folder of the set, where the manifest goes.
        cluster: a number of workers that is left open is one for each processor, without graphics processors unless they are asked for.

    Raises RuntimeError in the end, which counts them and names the first, where units failed: all others are made by then. StopError
    when the disk is full.
    """

    out: Path
    cluster: Cluster = field(default_factory=Cluster)
    policy: Policy = field(default_factory=Policy)

    def __call__(self, make: Callable[[int], int], units: Units) -> Iterator[int]:
        if not units:
            return
        failed: list[Outcome] = []
        jobs = (Job(name, number) for number, name in units.items())
        with joined(replace(self.cluster, cpus=self.cluster.cpus or 1.0, gpus=self.cluster.gpus or 0.0)) as cluster:
            if not self.cluster.workers and not cluster.gpus:
                cluster = replace(cluster, workers=max(1, int(require_ray().cluster_resources().get("CPU", 1.0) // cluster.cpus)))
            journal = Journal(LocalPlace(str(self.out.absolute())))
            try:
                with closing(run_jobs(_Making(make), jobs, cluster, self.policy)) as outcomes:
                    for outcome in outcomes:
                        journal.add(outcome.id, outcome.status, outcome.reason, **outcome.how)
                        if outcome.status == "done":
                            yield outcome.result
                        else:
                            failed.append(outcome)
            finally:
                journal.close()
        if failed:
            first = failed[0]
            told = f"{len(failed)} of {len(units)} failed, the first: {first.id}: {first.reason.rstrip('.')}."
            raise RuntimeError(f"{told} {self.out / MANIFEST} names them all; the same command tries them again.")


@dataclass
class _Making:
    """The work of a worker: to make units."""

    make: Callable[[int], int]

    def open(self, worker: str) -> None:
        one_thread()

    def do(self, job: Job) -> Any:
        try:
            return self.make(job.payload)
        except ValueError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno:
                raise  # the file system failed, not what it holds
            raise UnfitError(str(error)) from error  # the same photos will say so again
        except OSError as error:
            if error.errno in FULL:
                raise StopError(f"{error}: make room, and give the same command again") from error
            raise

    def close(self) -> None:
        """Nothing is left to do."""
