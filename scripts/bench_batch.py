"""What bulk erasing costs on this machine: photos a minute, the engine's own share, and memory.

    python scripts/bench_batch.py --photos DIR [--count 16] [--side 256] [--out out/bench]

Runs `mild-batch` on photos of people of a library: with one worker that has all processors, with two that share them, and with one whose
photos share the sampler's batches; then a graph that only loads and saves, and work that does nothing at all. Rates begin with the first
photo of every worker's that is done, so that starting ComfyUI and loading the model are told apart from the work.

Writes OUT/batch.json, and prints tables.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.batch.cluster import Cluster, joined  # noqa: E402
from mild_core.batch.engine import Job, Policy, run_jobs  # noqa: E402
from mild_core.batch.inputs import read_items  # noqa: E402
from mild_core.batch.places import place_of  # noqa: E402
from mild_core.batch.run import BulkRun, run_bulk  # noqa: E402
from mild_core.data.library import PhotoLibrary  # noqa: E402
from mild_core.remote import Server  # noqa: E402
from mild_core.remote.slots import load_graph  # noqa: E402

EMPTY: dict[str, dict[str, Any]] = {
    "photo": {"class_type": "LoadImage", "inputs": {"image": "none.png"}},
    "picture": {"class_type": "SaveImage", "inputs": {"images": ["photo", 0], "filename_prefix": "x"}},
}
JOBS = 2000  # that do nothing
REPEATED = 25  # of each photo, for the graph that only loads and saves
MIB = 1 << 20


class Nothing:
    """Work that does nothing."""

    def open(self, worker: str) -> None: ...

    def do(self, job: Job) -> None: ...

    def close(self) -> None: ...


@dataclass
class Clock:
    """In place of a bar: when each photo ended."""

    began: float
    ends: list[float] = field(default_factory=list)

    def ended(self, status: str) -> None:
        self.ends.append(time.perf_counter() - self.began)

    def close(self) -> None: ...


class Memory:
    """The most memory that the processes of a run had at a time, by what they are, in MiB that no other process shares."""

    def __init__(self) -> None:
        self.most: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            now: dict[str, list[float]] = defaultdict(list)
            for what, size in _processes():
                now[what].append(size)
            for what, sizes in now.items():
                each = max(sizes) if what in ("comfyui", "worker") else sum(sizes)
                self.most[what] = max(self.most.get(what, 0.0), each)


def _processes() -> Iterator[tuple[str, float]]:
    import psutil

    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            said, size = " ".join(process.cmdline()), process.memory_full_info().uss / MIB
        except psutil.Error:
            continue
        kinds = {"driver": process.pid == me.pid, "comfyui": "main.py" in said and "guard.py" not in said, "worker": "ray::_Worker" in said}
        yield next((kind for kind, is_it in kinds.items() if is_it), "ray" if "ray" in said else "other"), size


def measured(
    graph: dict[str, Any], source: Path, out: Path, workers: int, cpus: float, together: int = 1, people: bool = True
) -> dict[str, Any]:
    """One run: its rate, its start, and memory."""
    shutil.rmtree(out, ignore_errors=True)
    items = partial(read_items, str(source / "photos"), people=str(source / "people") if people else "")
    values = {"erase": "all"} if people else {}
    run = BulkRun(graph, items, place_of(str(out)), values=values, together=together)
    clock = Clock(time.perf_counter())
    with Memory() as memory:
        summary = run_bulk(run, Cluster(workers, cpus, 0, address="local", dashboard=False), Policy(), _quiet, lambda _: clock)
    if summary.counts["failed"]:
        raise RuntimeError(f"{summary.counts['failed']} photos failed: see {out / 'report.md'}")
    first = workers * together  # photos that also wait for ComfyUI and the model
    steady = (len(clock.ends) - first) / (clock.ends[-1] - clock.ends[first - 1])
    return {
        "workers": workers,
        "together": together,
        "photos": len(clock.ends),
        "a_minute": 60 * steady,
        "start": clock.ends[0],
        **memory.most,
    }


def _quiet(text: str) -> None: ...


def empty_by_itself(source: Path) -> float:
    """Seconds a photo of the graph that only loads and saves, in a ComfyUI that is asked directly."""
    with Server(python=os.environ["MILD_PYTHON"]) as server:
        names = []
        for path in sorted((source / "photos").iterdir()):
            shutil.copyfile(path, server.input / path.name)
            names.append(path.name)
        times = []
        for name in names:
            graph = copy.deepcopy(EMPTY)
            graph["photo"]["inputs"]["image"] = name
            begin = time.perf_counter()
            made = server.run(graph)
            server.view(made["picture"]["images"][0])
            times.append(time.perf_counter() - begin)
    return sum(times[1:]) / len(times[1:])


def jobs_a_second(workers: int) -> float:
    """Of the engine, with work that does nothing."""
    with joined(Cluster(workers, 1, 0, address="local", dashboard=False)) as cluster:
        ends: list[float] = []
        with closing(run_jobs(Nothing(), (Job(str(n)) for n in range(JOBS)), cluster)) as outcomes:
            for _ in outcomes:
                ends.append(time.perf_counter())
    return (JOBS - 1 - workers) / (ends[-1] - ends[workers])


def lay_out(library: Path, count: int, side: int, folder: Path) -> None:
    """Photos and masks of people of a library, of that short side."""
    people = PhotoLibrary(library, "held-out").people
    if len(people) < count:
        raise ValueError(f"count is {count}, but {library} holds {len(people)} photos of people for tests")
    for name in ("photos", "people"):
        (folder / name).mkdir(parents=True)
    for photo, labels in people[:count]:
        for path, kind, how in ((photo, "photos", Image.Resampling.LANCZOS), (labels, "people", Image.Resampling.NEAREST)):
            with Image.open(path) as picture:
                scale = side / min(picture.size)
                size = (round(picture.width * scale), round(picture.height * scale))
                picture.resize(size, how).save(folder / kind / f"{photo.stem}.png")


def repeat(photos: Path, folder: Path) -> None:
    """The same photos many times under other names, for what takes milliseconds."""
    folder.mkdir(parents=True)
    for path in photos.iterdir():
        for number in range(REPEATED):
            shutil.copyfile(path, folder / f"{number:03d}-{path.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library")
    parser.add_argument("--count", type=int, default=16, help="photos (default %(default)s)")
    parser.add_argument("--side", type=int, default=256, help="their short side in pixels (default %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench")
    asked = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")  # as a direct call is not nice either
    cores = os.cpu_count() or 1
    graph = load_graph(ROOT / "workflows" / "api" / "erase.json")
    with tempfile.TemporaryDirectory(prefix="mild-bench-") as folder:
        source, out = Path(folder) / "in", Path(folder) / "out"
        lay_out(asked.photos, asked.count, asked.side, source)
        many = Path(folder) / "many"
        repeat(source / "photos", many / "photos")
        erasing = [measured(graph, source, out, workers, cores / workers, together) for workers, together in ((1, 1), (2, 1), (1, 4))]
        empty = [measured(EMPTY, many, out, workers, cores / workers, people=False) for workers in (1, 2)]
        alone = empty_by_itself(many)
    told = {
        "photos": asked.count,
        "side": asked.side,
        "cores": cores,
        "erasing": erasing,
        "empty": empty,
        "empty_without_the_engine": 60 / alone,
        "jobs_a_second": {workers: jobs_a_second(workers) for workers in (1, 2)},
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "batch.json").write_text(json.dumps(told, indent=1) + "\n")
    _print(told)


def _print(told: dict[str, Any]) -> None:
    print(f"{told['photos']} photos of {told['side']} pixels, {told['cores']} processors\n")
    print("| graph | workers | together | photos a minute | ratio | first, s | MiB: ComfyUI | worker | Ray | driver |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, rows in (("erase", told["erasing"]), ("load and save", told["empty"])):
        for row in rows:
            ratio = row["a_minute"] / rows[0]["a_minute"]
            sizes = " | ".join(f"{row.get(kind, 0):.0f}" for kind in ("comfyui", "worker", "ray", "driver"))
            print(f"| {name} | {row['workers']} | {row['together']} | {row['a_minute']:.1f} | {ratio:.2f} | {row['start']:.0f} | {sizes} |")
    print(f"| load and save, without the engine | | | {told['empty_without_the_engine']:.1f} | | | | | | |")
    rates = told["jobs_a_second"]
    print(
        "\njobs that do nothing: "
        + ", ".join(f"{rates[workers]:.0f} a second with {workers} worker{'s' * (workers > 1)}" for workers in rates)
    )


if __name__ == "__main__":
    main()
