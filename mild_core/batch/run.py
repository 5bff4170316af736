"""A bulk run: inputs through a graph, on the workers of a cluster, into a place.

    OUT/results/…             see `results`
    OUT/manifest.jsonl        see `journal`
    OUT/graphs/8a61c7d0.json  each graph that results are made with, as it was given; the manifest names it and the values put into it
    OUT/logs/worker-1.log     what each worker did, of the last run
    OUT/report.md             see `report`

What is done is told by the results that are there. An input is done again where the manifest says that it was made of other files than
those that are there now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..remote import Graph
from .cluster import Cluster, joined
from .engine import GOES_ON, Job, Outcome, Policy, StopError, run_jobs
from .graphs import BulkGraph, bulk_graph
from .items import Item, Value
from .journal import Journal
from .places import FullError, Place
from .report import Summary
from .results import RESULTS, fingerprint, finished, stem
from .sharing import why_not_shared
from .worker import GraphWork, Photo

__all__ = ["BulkRun", "run_bulk"]

Told = Callable[[str], None]


@dataclass(frozen=True)
class BulkRun:
    """What is done with which inputs.

    Attributes:
        graph: in API format.
        items: the inputs, anew each time it is called, in the same order.
        out: where all of it goes.
        slots: slot to "NODE.input", in place of what would be found.
        values: by slot, for inputs that bring none of their own.
        asked_for: slots that the user named, which the graph must have.
        together: photos that share a batch.
        most: crops in a batch, at most; 0 for no bound.
        leave_failed: do not try again what failed in an earlier run.
    """

    graph: Graph
    items: Callable[[], Iterator[Item]]
    out: Place
    slots: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    asked_for: Sequence[str] = ()
    together: int = 1
    most: int = 0
    leave_failed: bool = False
    comfyui: Path | None = None

    def __post_init__(self):
        if self.together < 1:
            raise ValueError(f"together is {self.together}, but it must be at least 1 photo")


@dataclass
class _Todo:
    """What a run has to do, and what is done already."""

    jobs: int = 0
    photos: int = 0
    done: int = 0
    skipped: int = 0
    unused: set[str] = field(default_factory=set)  # columns that the graph has no slot for


def run_bulk(run: BulkRun, cluster: Cluster, policy: Policy, tell: Told, progress: Callable[[int], Any]) -> Summary:
    """Do what is not done yet. Ctrl-C ends it; what was done is safe.

    Args:
        tell: is told what a person should know, in lines.
        progress: called with the number of photos; gives something with `ended(status)`, called for each photo, and `close()`.

    Raises ValueError for a graph or a source that is wrong, StopError where nothing more can be done.
    """
    bulk = bulk_graph(run.graph, run.slots, [*run.values, *run.asked_for, *_columns(run)])
    for name in (*run.values, *run.asked_for):
        bulk.slot(name)
    if run.together > 1 and (reason := why_not_shared(bulk)):
        raise ValueError(f"together is {run.together}, but photos cannot share a batch in this graph: {reason}")
    run.out.sweep()
    journal = Journal(run.out)
    planner = _Planner(run, bulk, journal)
    summary = Summary(run.out.title)
    try:
        todo = planner.count()
        _write_graph(run, planner.graph)
        summary.begin(todo.done, todo.skipped)
        _tell_plan(todo, tell)
        if todo.jobs:
            _do(planner, cluster, policy, summary, tell, progress(todo.photos))
    finally:
        summary.end()
        _finish(journal, run.out, summary, tell)
    return summary


def _do(planner: _Planner, cluster: Cluster, policy: Policy, summary: Summary, tell: Told, bar: Any) -> None:
    run = planner.run
    try:
        with joined(cluster) as found:
            tell(f"{found.workers} worker{'s' * (found.workers != 1)}, {found.cpus:g} processors and {found.gpus:g} GPUs each")
            work = GraphWork(planner.bulk, run.out.sub(RESULTS), run.out.sub("logs"), found.cpus, run.comfyui, run.most)
            with closing(run_jobs(work, planner.jobs(), found, policy)) as outcomes:
                for outcome in outcomes:
                    for told in _entries(outcome):
                        planner.journal.add(**told, **planner.made.pop(told["id"], {}))
                        bar.ended(told["status"])
                        summary.ended(told, outcome)
    except FullError as error:
        raise StopError(f"{error}; {GOES_ON}") from error
    finally:
        bar.close()


def _entries(outcome: Outcome) -> list[dict[str, Any]]:
    """Lines of the manifest for an outcome: one for each photo of a job."""
    if outcome.status == "failed":
        return [{"id": outcome.id, "status": "failed", "reason": outcome.reason, **outcome.how}]
    share = replace(outcome, seconds=outcome.seconds / len(outcome.result)).how
    return [{"status": "done", **share, **told} for told in outcome.result]


class _Planner:
    """Which inputs are still to be done, in which jobs. Goes through the inputs anew each time, and keeps none of them."""

    def __init__(self, run: BulkRun, bulk: BulkGraph, journal: Journal):
        self.run, self.bulk, self.journal = run, bulk, journal
        self.graph = fingerprint(bulk.graph, bulk.slots, {})
        self.made: dict[str, dict[str, Any]] = {}  # of photos at work, what the manifest says they are made of
        self._there = finished(found.name for found in run.out.sub(RESULTS).files())
        self._prints: dict[tuple, str] = {}

    def count(self) -> _Todo:
        todo = _Todo()
        for photos in self._groups(todo):
            done = [photo for photo in photos if self._is_done(photo)]
            self._note(done)
            missing = len(photos) - len(done)
            todo.done += len(done)
            todo.photos += missing
            todo.jobs += bool(missing)
        return todo

    def jobs(self) -> Iterator[Job]:
        """All photos that were together the first time are together again, so that the bytes are the same."""
        for number, photos in enumerate(self._groups(_Todo())):
            if all(map(self._is_done, photos)):
                continue
            for photo in photos:
                self.made[photo.id] = self._made_of(photo)
            singles = tuple(Job(photo.id, (photo,)) for photo in photos)
            yield singles[0] if len(photos) == 1 else Job(f"{photos[0].id} and {len(photos) - 1} more ({number})", photos, singles)

    def _groups(self, todo: _Todo) -> Iterator[tuple[Photo, ...]]:
        """Photos in their order; those of one group have the same slots."""
        group: list[Photo] = []
        for photo in self._photos(todo):
            alike = not group or (set(group[0].files), set(group[0].values)) == (set(photo.files), set(photo.values))
            if group and (len(group) == self.run.together or not alike):
                yield tuple(group)
                group = []
            group.append(photo)
        if group:
            yield tuple(group)

    def _photos(self, todo: _Todo) -> Iterator[Photo]:
        for item in self.run.items():
            todo.unused |= set(item.values) - set(self.bulk.slots)
            problem = item.problem or self._lacks(item)
            if problem:
                todo.skipped += 1
                before = self.journal.entry(item.id)
                if (before.get("status"), before.get("reason")) != ("skipped", problem):
                    self.journal.add(item.id, "skipped", problem)
                continue
            given = {**self.run.values, **item.values}
            values = {name: value for name, value in given.items() if name in self.bulk.slots}
            files = {name: source for name, source in item.files.items() if name in self.bulk.slots}
            yield Photo(item.id, stem(item.id, self._print(values)), files, values)

    def _lacks(self, item: Item) -> str:
        """What an input must have for this graph, and has not."""
        for slot in ("photo", "people"):
            wanted = slot in self.bulk.slots and self.bulk.slots[slot] != self.bulk.slots["photo"]
            if (wanted or slot == "photo") and slot not in item.files:
                return f"it has no {slot}, which the graph wants in node {self.bulk.slots[slot][0]}"
        return ""

    def _print(self, values: Mapping[str, Value]) -> str:
        key = tuple(sorted(values.items()))
        if key not in self._prints:
            if len(self._prints) > 10_000:
                self._prints.clear()
            self._prints[key] = fingerprint(self.bulk.graph, self.bulk.slots, values)
        return self._prints[key]

    def _is_done(self, photo: Photo) -> bool:
        entry = self.journal.entry(photo.id)
        same = entry.get("made_as") == photo.stem
        if same and entry["status"] == "failed" and self.run.leave_failed:
            return True
        if photo.stem not in self._there:
            return False
        if not same or entry["status"] != "done":
            return True  # done, by a run that was killed before it could say so, or long ago
        return entry["made_of"] == self._made_of(photo)["made_of"]

    def _note(self, done: Iterable[Photo]) -> None:
        """Have a line of each that is done: a run that was killed may have come no further than the result."""
        for photo in done:
            if photo.stem in self._there and self.journal.entry(photo.id).get("made_as") != photo.stem:
                self.journal.add(photo.id, "done", **self._made_of(photo))

    def _made_of(self, photo: Photo) -> dict[str, Any]:
        stamps = {slot: source.stamp for slot, source in sorted(photo.files.items())}
        return {"made_as": photo.stem, "made_of": stamps, "graph": self.graph, "values": dict(sorted(photo.values.items()))}


def _columns(run: BulkRun) -> list[str]:
    """Names of the values that inputs bring, as far as the first thousand of them tell."""
    return sorted({name for item in islice(run.items(), 1000) for name in item.values})


def _write_graph(run: BulkRun, print: str) -> None:
    name = f"graphs/{print}.json"
    if not run.out.exists(name):
        run.out.write(name, json.dumps(run.graph, indent=1, ensure_ascii=False).encode())


def _tell_plan(todo: _Todo, tell: Told) -> None:
    parts = [f"{todo.photos} photos to do", f"{todo.done} done before", f"{todo.skipped} skipped"]
    tell(", ".join(part for part in parts if not part.startswith("0 ")) or "nothing to do: there are no photos")
    if todo.unused:
        tell(f"not used, since the graph has no slot of that name: {', '.join(sorted(todo.unused))}")


def _finish(journal: Journal, out: Place, summary: Summary, tell: Told) -> None:
    try:
        journal.close()
        out.write("report.md", summary.text().encode())
    except FullError as error:
        tell(f"{error}: the manifest and the report could not be written")
    tell(f"{time.strftime('%H:%M:%S')} {summary.line()}")
