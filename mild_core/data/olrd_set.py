"""A set of removal pairs, built in parallel, resumable, the same bytes each time.

    pairs.json      what the set was made with; a folder made with anything else is not gone on with
    datasheet.md    what is in it, how it was made, what is real in it
    index.csv       one line a pair
    sheet.jpg       24 of the pairs to look at
    input/ …        the pairs, or 000000.tar … with them; see `olrd_files`

See `building`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from .building import claim, notes_of, versions, write_whole
from .olrd import OlrdPair, make_olrd_pair
from .olrd_datasheet import olrd_datasheet
from .olrd_files import PairStore, about, pair_files
from .olrd_photos import PanopticPhoto, Part, load_panoptic, panoptic_photos
from .pair_set import as_csv, fingerprint, in_turn_from, make_missing, pair_store, show_and_describe
from .workers import ONE_PROCESS, Workers

__all__ = ["FORMAT", "OlrdSettings", "build_pairs", "pair_of_seed"]

FORMAT = 1  # of the files and of how pairs are made: one more whenever a seed gives another pair
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


def build_pairs(photos: Path, out: Path, settings: OlrdSettings, annotations: Path | None = None, workers: Workers = ONE_PROCESS) -> None:
    """Let workers build the set of these settings from photos with panoptic labels, or what is missing of it.

    Progress goes to stderr.

    Args:
        photos: folder of photos, see `olrd_photos`.
        out: folder of the set.
        annotations: COCO's panoptic JSON; None for photos with index.json.

    Raises ValueError when a photo cannot be read, no photo gives a pair, or `out` holds a set made otherwise; FileNotFoundError when
    there are no photos. KeyboardInterrupt is passed on when what was finished is safe.
    """
    _entries.cache_clear()  # what is there may have changed since another build
    entries = _entries(photos, annotations, settings.part)
    header = {"format": FORMAT, **asdict(settings), "photos": fingerprint(entries), "versions": versions()}
    claim(out, "pairs", header)
    store = make_missing(out, settings, partial(_make, photos, annotations, out, settings), workers)
    _finish(photos, out, settings, store, len(entries))


def pair_of_seed(entries: Sequence[PanopticPhoto], seed: int, long_side: int = 0) -> tuple[OlrdPair, PanopticPhoto]:
    """The pair of that seed, and the photo it is made of. Seeds in a row take the photos in turn, in a shuffled order.

    Where a photo gives no pair the others are tried at random, each once. Raises ValueError when none of them does.
    """
    rng = np.random.default_rng(seed)
    for number in in_turn_from(len(entries), seed, rng):
        pair = make_olrd_pair(*load_panoptic(entries[number], long_side), rng)
        if pair is not None:
            return pair, entries[number]
    raise ValueError(f"none of the {len(entries)} photos has a thing, whole and of a fit size, and free background for it")


@lru_cache(maxsize=1)
def _entries(photos: Path, annotations: Path | None, part: Part) -> tuple[PanopticPhoto, ...]:
    return panoptic_photos(photos, annotations, part)


def _make(photos: Path, annotations: Path | None, out: Path, settings: OlrdSettings, number: int) -> int:
    """Make and write the unit of that number."""
    entries = _entries(photos, annotations, settings.part)
    store = pair_store(out, settings)
    pairs = {}
    for seed in store.units[number]:
        pair, source = pair_of_seed(entries, seed, settings.long_side)
        pairs[seed] = pair_files(pair, about(pair, source, seed))
    store.write(number, pairs)
    return number


def _finish(photos: Path, out: Path, settings: OlrdSettings, store: PairStore, available: int) -> None:
    descriptions = show_and_describe(out, store, settings.seeds, _title)
    write_whole(out / "index.csv", as_csv(COLUMNS, map(_line, descriptions)))
    write_whole(out / "datasheet.md", olrd_datasheet(descriptions, asdict(settings), available, notes_of(photos)))


def _title(told: dict[str, Any]) -> str:
    return f"{told['id']} {told['object']} on {', '.join(told['tags'])}"


def _line(told: dict[str, Any]) -> list[Any]:
    where = [told[name] for name in ("id", "seed", "photo", "object", "tag")]
    return [*where, *told["size"], told["share"], *told["shift"], told["caption"]]
