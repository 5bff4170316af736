"""The benchmark of truth scenes, built in parallel, resumable, the same bytes each time.

    scenes.json      what the set was made with; a folder made with anything else is not gone on with
    datasheet.md     what is in it, how it was made, what is real in it
    index.csv        one line a scene
    000123/ …        one folder a scene, named by its seed; see `scene_files`

A scene is written beside its place and moved there when it is whole, so that a folder of that name holds a whole scene. What lies
there broken is made again. Nothing in the files tells when, where or by how many processes they were made.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import torch

from .casting import members
from .datasheet import datasheet
from .difficulty import LEVELS
from .ground import places_to_stand
from .library import PhotoLibrary, Split, load_labels, load_photo
from .recipe import MOST_PEOPLE, benchmark_recipe
from .scene_files import is_complete, read_description, write_scene
from .scenes import make_scene

__all__ = ["FORMAT", "Settings", "build_scenes"]

FORMAT = 1  # of the files and of how scenes are made: one more whenever a seed gives another scene
UNFINISHED = ".part"
TAGS = ("people", *LEVELS, "erased")


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a set, with the library.

    Raises ValueError for a number out of its range.
    """

    count: int
    first: int = 0  # seed
    split: Split = "held-out"
    short_side: int = 384
    most_people: int = MOST_PEOPLE

    def __post_init__(self):
        for name, least in (("count", 1), ("first", 0), ("short_side", 64), ("most_people", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if self.split not in ("train", "held-out"):
            raise ValueError(f'split is "{self.split}", but it must be train or held-out')

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.count)


def build_scenes(photos: Path, out: Path, settings: Settings, jobs: int = 1) -> None:
    """Build the set of these settings from a photo library, or what is missing of it, in that many processes.

    Progress goes to stderr. Raises ValueError when jobs is less than 1, a photo cannot be read, or `out` holds a set made with other
    settings, another library or other versions; KeyboardInterrupt is passed on when what was finished is safe.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, but it must be at least 1")
    library = PhotoLibrary(photos, settings.split)
    _check_readable(library)
    _claim(out, _header(library, photos, settings))
    for left_over in out.glob(f"*{UNFINISHED}"):
        shutil.rmtree(left_over)
    missing = [seed for seed in settings.seeds if not is_complete(out / scene_id(seed), scene_id(seed), seed)]
    for name in ("index.csv", "datasheet.md"):
        if missing:
            (out / name).unlink(missing_ok=True)
    begin = time.monotonic()
    for done, _ in enumerate(_made(photos, out, settings, missing, jobs), start=1):
        _tell(done, len(missing), time.monotonic() - begin)
    _finish(photos, out, settings, library)


def scene_id(seed: int) -> str:
    """The name of a scene's folder."""
    return f"{seed:06d}"


def _made(photos: Path, out: Path, settings: Settings, seeds: list[int], jobs: int) -> Iterator[int]:
    """The seeds of scenes as they are finished."""
    if jobs == 1 or len(seeds) < 2:
        yield from _made_here(photos, out, settings, seeds)
        return
    pool = ProcessPoolExecutor(min(jobs, len(seeds)), multiprocessing.get_context("spawn"), _worker_begins)
    try:
        for job in as_completed([pool.submit(_make, photos, out, settings, seed) for seed in seeds]):
            yield job.result()
    finally:  # also when interrupted, or when a scene failed: what runs is let finish, the rest is not begun
        pool.shutdown(wait=True, cancel_futures=True)


def _made_here(photos: Path, out: Path, settings: Settings, seeds: list[int]) -> Iterator[int]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    _one_thread()
    try:
        for seed in seeds:
            yield _make(photos, out, settings, seed)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _worker_begins() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the work
    _one_thread()


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


_libraries: dict[tuple[Path, Split], PhotoLibrary] = {}  # of this process, whose people are cut out once


def _make(photos: Path, out: Path, settings: Settings, seed: int) -> int:
    library = _libraries.setdefault((photos, settings.split), PhotoLibrary(photos, settings.split))
    scene = make_scene(library, seed, short_side=settings.short_side, recipe=benchmark_recipe(seed, settings.most_people))
    id = scene_id(seed)
    unfinished, finished = out / (id + UNFINISHED), out / id
    for folder in (unfinished, finished):
        if folder.exists():
            shutil.rmtree(folder)
    unfinished.mkdir()
    write_scene(scene, unfinished, id)
    unfinished.rename(finished)
    return seed


def _check_readable(library: PhotoLibrary) -> None:
    """Raise ValueError, which names it, when a photo that scenes are made of cannot be read."""
    for place in library.places:
        load_photo(place)
    for photo, labels in library.people:
        height, width = load_photo(photo).shape[:2]
        masks = load_labels(labels).shape
        if masks != (height, width):
            raise ValueError(f"{labels} is {masks[1]}×{masks[0]}, but its photo is {width}×{height}")


def _header(library: PhotoLibrary, photos: Path, settings: Settings) -> dict[str, Any]:
    """What decides the bytes of a set."""
    digest = hashlib.sha256()
    for path in sorted([*library.places, *(file for pair in library.people for file in pair)]):
        digest.update(f"{path.relative_to(photos).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    versions = {"opencv": cv2.__version__, "numpy": np.__version__, "pillow": PIL.__version__, "torch": torch.__version__.split("+")[0]}
    return {"format": FORMAT, **asdict(settings), "library": digest.hexdigest(), "versions": versions}


def _claim(out: Path, header: dict[str, Any]) -> None:
    """Write scenes.json, or raise ValueError where there is one that says otherwise."""
    path = out / "scenes.json"
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{path} cannot be read: delete it if the folder holds nothing that is wanted") from None
        for name in header:
            if there.get(name) != header[name]:
                raise ValueError(f"{out} holds scenes made with {name} {there.get(name)}, but now {name} is {header[name]}")
        return
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds files but no scenes.json: it must be empty, or a set of scenes to go on with")
    out.mkdir(parents=True, exist_ok=True)
    _write_whole(path, json.dumps(header, indent=1) + "\n")


def _finish(photos: Path, out: Path, settings: Settings, library: PhotoLibrary) -> None:
    descriptions = [read_description(out / scene_id(seed)) for seed in settings.seeds]
    _write_whole(out / "index.csv", _index(descriptions))
    available = {"people": len(members(library)), "places": len(places_to_stand(library))}
    _write_whole(out / "datasheet.md", datasheet(descriptions, asdict(settings), available, _notes(photos)))


def _index(descriptions: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "seed", "place", "width", "height", "erase", *TAGS])
    for told in descriptions:
        erase = " ".join(map(str, told["erase"]))
        table.writerow([told["id"], told["seed"], told["place"], *told["size"], erase, *(told["tags"][tag] for tag in TAGS)])
    return text.getvalue()


def _notes(photos: Path) -> dict[str, str]:
    """What the library says of itself: the texts of README and LICENSE files in its folder, by name."""
    found = [p for p in sorted(photos.iterdir()) if p.is_file() and p.stem.upper() in ("README", "LICENSE", "LICENSES")]
    return {path.name: path.read_text(encoding="utf-8", errors="replace").strip() for path in found}


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    os.replace(unfinished, path)


def _tell(done: int, count: int, seconds: float) -> None:
    rate = done / max(seconds, 1e-6)
    left = (count - done) / rate
    end = "\n" if done == count or not sys.stderr.isatty() else "\r"
    if end == "\r" or done == count or done % max(count // 50, 1) == 0:
        print(f"{done}/{count} scenes, {rate:.1f} a second, {left / 60:.1f} minutes left ", end=end, file=sys.stderr, flush=True)
