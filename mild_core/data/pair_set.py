"""What builders of sets of removal pairs share: where pairs go, what of them is missing, and the lists made of them in the end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .building import tell, write_whole
from .olrd_files import PairFolders, PairShards, PairStore, read_picture
from .olrd_sheet import SheetEntry, contact_sheet
from .workers import Workers

__all__ = ["PairSettings", "as_csv", "fingerprint", "in_turn_from", "make_missing", "pair_store", "show_and_describe"]

SHOWN = 24  # pairs on the sheet


class PairSettings(Protocol):
    """What the settings of all these sets have."""

    @property
    def seeds(self) -> range: ...
    @property
    def per_shard(self) -> int: ...


class Photo(Protocol):
    """A photo and what is read with it."""

    @property
    def name(self) -> str: ...
    @property
    def files(self) -> Iterable[Path]: ...


def pair_store(out: Path, settings: PairSettings) -> PairStore:
    """Where the pairs lie: tars, or plain folders."""
    return PairShards(out, settings.seeds, settings.per_shard) if settings.per_shard else PairFolders(out, settings.seeds)


def fingerprint(entries: Iterable[Photo]) -> str:
    """Of the names and sizes of all files that are read: reading a million photographs would take longer than many builds."""
    digest = hashlib.sha256()
    for entry in entries:
        for path in entry.files:
            digest.update(f"{entry.name}\0{path.name}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def make_missing(out: Path, settings: PairSettings, make: Callable[[int], int], workers: Workers) -> PairStore:
    """Let the workers make the units that are not there, by their numbers; the store with all of them."""
    store = pair_store(out, settings)
    store.open()
    missing = {number: f"{store.unit} {number:06d}" for number in store.units if not store.is_complete(number)}
    if missing:
        for name in ("index.csv", "datasheet.md", "sheet.jpg"):
            (out / name).unlink(missing_ok=True)
        tell(workers(make, missing), len(missing), f"{store.unit}s")
        store.open()
    return store


def in_turn_from(count: int, seed: int, rng: np.random.Generator) -> Iterator[int]:
    """In which order a seed tries so many photos: seeds in a row begin with the photos in turn, shuffled, and go on at random."""
    first = int(_shuffled(count)[seed % count])
    yield first
    yield from (int(number) for number in rng.permutation(count) if number != first)


@lru_cache(maxsize=2)
def _shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(count)


def show_and_describe(out: Path, store: PairStore, seeds: range, title: Callable[[dict[str, Any]], str]) -> list[dict[str, Any]]:
    """Write sheet.jpg; what the JSON of every pair says.

    Args:
        title: of a pair on the sheet, from what its JSON says.
    """
    descriptions: list[dict[str, Any]] = []
    shown: list[SheetEntry] = []
    wanted = {seeds[place * len(seeds) // SHOWN] for place in range(SHOWN)}
    for number, unit in store.units.items():
        found = {seed: json.loads(files["json"]) for seed, files in store.read(number, unit, ("json",)).items()}
        descriptions.extend(found.values())
        pictures = store.read(number, sorted(wanted & set(unit)), ("input.png", "truth.png", "mask.png"))
        shown.extend(_entry(files, found[seed], title) for seed, files in pictures.items())
    write_whole(out / "sheet.jpg", contact_sheet(shown))
    return descriptions


def _entry(files: dict[str, bytes], told: dict[str, Any], title: Callable[[dict[str, Any]], str]) -> SheetEntry:
    shown, truth, mask = (read_picture(files, what, told["id"]) for what in ("input", "truth", "mask"))
    return SheetEntry(shown, truth, mask, title(told).encode("ascii", "replace").decode())


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with its head."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
