"""A set of removal pairs, built in parallel, resumable, the same bytes each time.

    pairs.json      what the set was made with; a folder made with anything else is not gone on with
    datasheet.md    what is in it, how it was made, what is real in it
    index.csv       one line a pair
    sheet.jpg       24 of the pairs to look at
    input/ …        the pairs, or 000000.tar … with them; see `olrd_files`

See `building`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from .building import check_jobs, claim, made, notes_of, tell, versions, write_whole
from .olrd import OlrdPair, make_olrd_pair
from .olrd_datasheet import olrd_datasheet
from .olrd_files import PairFolders, PairShards, PairStore, about, pair_files, read_picture
from .olrd_photos import PanopticPhoto, Part, load_panoptic, panoptic_photos
from .olrd_sheet import SheetEntry, contact_sheet

__all__ = ["FORMAT", "OlrdSettings", "build_pairs", "pair_of_seed"]

FORMAT = 1  # of the files and of how pairs are made: one more whenever a seed gives another pair
SHOWN = 24  # pairs on the sheet
COLUMNS = ("id", "seed", "photo", "object", "tag", "width", "height", "share", "down", "right", "caption")


@dataclass(frozen=True)
class OlrdSettings:
    """What decides the bytes of a set, with the photos.

    Raises ValueError for a number out of its range.
    """

    count: int
    first: int = 0  # seed
    part: Part = "train"
    long_side: int = 0  # pixels, of longer photos; 0 leaves them as they are
    per_shard: int = 0  # pairs in a tar; 0 for plain folders

    def __post_init__(self):
        for name, least in (("count", 1), ("first", 0), ("long_side", 0), ("per_shard", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if self.part not in get_args(Part):
            raise ValueError(f'part is "{self.part}", but it must be one of {", ".join(get_args(Part))}')

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.count)


def build_pairs(photos: Path, out: Path, settings: OlrdSettings, annotations: Path | None = None, jobs: int = 1) -> None:
    """Build the set of these settings from photos with panoptic labels, or what is missing of it, in that many processes.

    Progress goes to stderr.

    Args:
        photos: folder of photos, see `olrd_photos`.
        out: folder of the set.
        annotations: COCO's panoptic JSON; None for photos with index.json.

    Raises ValueError when jobs is less than 1, a photo cannot be read, no photo gives a pair, or `out` holds a set made otherwise;
    FileNotFoundError when there are no photos. KeyboardInterrupt is passed on when what was finished is safe.
    """
    check_jobs(jobs)
    _entries.cache_clear()  # what is there may have changed since another build
    entries = _entries(photos, annotations, settings.part)
    header = {"format": FORMAT, **asdict(settings), "photos": _hash_of(photos, entries), "versions": versions()}
    claim(out, "pairs", header)
    store = _store(out, settings)
    store.open()
    missing = [number for number in range(len(store.units)) if not store.is_complete(number)]
    if missing:
        for name in ("index.csv", "datasheet.md", "sheet.jpg"):
            (out / name).unlink(missing_ok=True)
    what = "shards" if settings.per_shard else "pairs"
    tell(made(partial(_make, photos, annotations, out, settings), missing, jobs), len(missing), what)
    _finish(photos, out, settings, store, len(entries))


def pair_of_seed(entries: Sequence[PanopticPhoto], seed: int, long_side: int = 0) -> tuple[OlrdPair, PanopticPhoto]:
    """The pair of that seed, and the photo it is made of. Seeds in a row take the photos in turn, in a shuffled order.

    Where a photo gives no pair the others are tried at random, each once. Raises ValueError when none of them does.
    """
    rng = np.random.default_rng(seed)
    first = int(_order(len(entries))[seed % len(entries)])
    for number in _from(first, len(entries), rng):
        pair = make_olrd_pair(*load_panoptic(entries[number], long_side), rng)
        if pair is not None:
            return pair, entries[number]
    raise ValueError(f"none of the {len(entries)} photos has a thing, whole and of a fit size, and free background for it")


@lru_cache(maxsize=2)
def _order(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(count)


def _from(first: int, count: int, rng: np.random.Generator) -> Iterator[int]:
    yield first
    yield from (int(number) for number in rng.permutation(count) if number != first)


def _store(out: Path, settings: OlrdSettings) -> PairStore:
    return PairShards(out, settings.seeds, settings.per_shard) if settings.per_shard else PairFolders(out, settings.seeds)


@lru_cache(maxsize=1)
def _entries(photos: Path, annotations: Path | None, part: Part) -> tuple[PanopticPhoto, ...]:
    return panoptic_photos(photos, annotations, part)


def _make(photos: Path, annotations: Path | None, out: Path, settings: OlrdSettings, number: int) -> int:
    """Make and write the unit of that number."""
    entries = _entries(photos, annotations, settings.part)
    store = _store(out, settings)
    pairs = {}
    for seed in store.units[number]:
        pair, source = pair_of_seed(entries, seed, settings.long_side)
        pairs[seed] = pair_files(pair, about(pair, source, seed))
    store.write(number, pairs)
    return number


def _hash_of(photos: Path, entries: Sequence[PanopticPhoto]) -> str:
    """Of the names and sizes of all files that are read: reading a million photographs would take longer than many builds."""
    digest = hashlib.sha256()
    for entry in entries:
        for path in entry.files:
            digest.update(f"{entry.name}\0{path.name}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def _finish(photos: Path, out: Path, settings: OlrdSettings, store: PairStore, available: int) -> None:
    descriptions: list[dict[str, Any]] = []
    shown: list[SheetEntry] = []
    wanted = {settings.seeds[place * settings.count // SHOWN] for place in range(SHOWN)}
    for number, unit in enumerate(store.units):
        found = {seed: json.loads(files["json"]) for seed, files in store.read(number, unit, ("json",)).items()}
        descriptions.extend(found.values())
        pictures = store.read(number, sorted(wanted & set(unit)), ("input.png", "truth.png", "mask.png"))
        shown.extend(_entry(files, found[seed]) for seed, files in pictures.items())
    write_whole(out / "sheet.jpg", contact_sheet(shown))
    write_whole(out / "index.csv", _index(descriptions))
    write_whole(out / "datasheet.md", olrd_datasheet(descriptions, asdict(settings), available, notes_of(photos)))


def _entry(files: dict[str, bytes], told: dict[str, Any]) -> SheetEntry:
    shown, truth, mask = (read_picture(files, what, told["id"]) for what in ("input", "truth", "mask"))
    title = f"{told['id']} {told['object']} on {', '.join(told['tags'])}"
    return SheetEntry(shown, truth, mask, title.encode("ascii", "replace").decode())


def _index(descriptions: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for told in descriptions:
        where = [told[name] for name in ("id", "seed", "photo", "object", "tag")]
        table.writerow([*where, *told["size"], told["share"], *told["shift"], told["caption"]])
    return text.getvalue()
