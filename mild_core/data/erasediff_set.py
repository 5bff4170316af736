"""A set of removal pairs of Erase Diffusion, built in parallel, resumable, the same bytes each time.

    erasures.json   what the set was made with; a folder made with anything else is not gone on with
    datasheet.md    what is in it, how it was made, what is real in it
    index.csv       one line a pair
    sheet.jpg       24 of the pairs to look at
    input/ …        the pairs, or 000000.tar … with them, as the sets of `olrd_files` have them, and read by the same programs

See `building`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .building import claim, notes_of, versions, write_whole
from .erasediff import ErasePair, make_erase_pair
from .erasediff_datasheet import erase_datasheet
from .library import split_of
from .olrd_files import PairStore, about, pair_files
from .olrd_photos import PanopticPhoto, Part, load_panoptic, panoptic_photos
from .olrd_set import OlrdSettings
from .pair_set import as_csv, fingerprint, in_turn_from, make_missing, pair_store, show_and_describe
from .workers import ONE_PROCESS, Workers

__all__ = ["FORMAT", "build_erase_pairs", "erase_pair_of_seed", "photos_to_erase_from"]

FORMAT = 1  # of the files and of how pairs are made: one more whenever a seed gives another pair
COLUMNS = ("id", "seed", "photo", "object", "tag", "width", "height", "share", "down", "right", "scale", "turn", "caption")
# a map that tells people alone: each value is somebody, and what is nobody is background
PEOPLE: dict[str, Any] = {"panoptic": {"0": "background"} | {str(value): "person" for value in range(1, 256)}, "things": range(1, 256)}


def build_erase_pairs(
    photos: Path, out: Path, settings: OlrdSettings, annotations: Path | None = None, workers: Workers = ONE_PROCESS
) -> None:
    """Let workers build the set of these settings, or what is missing of it. Progress goes to stderr.

    Args:
        photos: folder of photos, see `photos_to_erase_from`.
        out: folder of the set.
        annotations: COCO's panoptic JSON; None for another folder.

    Raises ValueError when a photo cannot be read, no photo gives a pair, or `out` holds a set made otherwise; FileNotFoundError when
    there are no photos. KeyboardInterrupt is passed on when what was finished is safe.
    """
    _entries.cache_clear()  # what is there may have changed since another build
    entries = _entries(photos, annotations, settings.part)
    claim(out, "erasures", {"format": FORMAT, **asdict(settings), "photos": fingerprint(entries), "versions": versions()})
    store = make_missing(out, settings, partial(_make, photos, annotations, out, settings), workers)
    _finish(photos, out, settings, store, len(entries))


def photos_to_erase_from(photos: Path, annotations: Path | None, part: Part) -> tuple[PanopticPhoto, ...]:
    """The photos of a folder whose things are known, in the order of their names: those of `panoptic_photos`, and besides, without
    COCO's JSON, every NAME.jpg with a NAME.png that tells people apart by values 1, 2, … alone; of these all else is background.

    Raises FileNotFoundError when there are none, ValueError when index.json or COCO's JSON is something else.
    """
    if annotations is not None:
        return panoptic_photos(photos, annotations, part)
    listed = panoptic_photos(photos, None, "all") if (photos / "index.json").is_file() else ()
    known = {entry.name for entry in listed}
    masks = [path for path in sorted(photos.glob("*.png")) if path.stem not in known and path.with_suffix(".jpg").is_file()]
    plain = [PanopticPhoto(path.stem, path.with_suffix(".jpg"), path, PEOPLE, path) for path in masks]
    kept = [entry for entry in (*listed, *plain) if part in ("all", split_of(entry.photo))]
    if not kept:
        told = "" if part == "all" else f" of the {part} split"
        raise FileNotFoundError(
            f"{photos} holds no photo{told} with a mask: it must have NAME.jpg with NAME.png, or index.json and its maps"
        )
    return tuple(sorted(kept, key=lambda entry: entry.name))


def erase_pair_of_seed(entries: Sequence[PanopticPhoto], seed: int, long_side: int = 0) -> tuple[ErasePair, PanopticPhoto]:
    """The pair of that seed, and the photo it is made of. Seeds in a row take the photos in turn, in a shuffled order.

    Where a photo gives no pair the others are tried at random, each once. Raises ValueError when none of them does.
    """
    rng = np.random.default_rng(seed)
    for number in tuple(in_turn_from(len(entries), seed, rng)):  # the whole order is drawn before a pair is
        pair = make_erase_pair(*load_panoptic(entries[number], long_side), rng)
        if pair is not None:
            return pair, entries[number]
    raise ValueError(f"none of the {len(entries)} photos has an object, whole and of a fit size, and free background for it")


@lru_cache(maxsize=1)
def _entries(photos: Path, annotations: Path | None, part: Part) -> tuple[PanopticPhoto, ...]:
    return photos_to_erase_from(photos, annotations, part)


def _make(photos: Path, annotations: Path | None, out: Path, settings: OlrdSettings, number: int) -> int:
    """Make and write the unit of that number."""
    entries = _entries(photos, annotations, settings.part)
    store = pair_store(out, settings)
    pairs = {}
    for seed in store.units[number]:
        pair, source = erase_pair_of_seed(entries, seed, settings.long_side)
        pairs[seed] = pair_files(pair, {**about(pair, source, seed), "scale": round(pair.scale, 4), "turn": round(pair.turn, 2)})
    store.write(number, pairs)
    return number


def _finish(photos: Path, out: Path, settings: OlrdSettings, store: PairStore, available: int) -> None:
    descriptions = show_and_describe(out, store, settings.seeds, _title)
    write_whole(out / "index.csv", as_csv(COLUMNS, map(_line, descriptions)))
    write_whole(out / "datasheet.md", erase_datasheet(descriptions, asdict(settings), available, notes_of(photos)))


def _title(told: dict[str, Any]) -> str:
    return f"{told['id']} {told['object']} x{told['scale']:.2f} {told['turn']:+.0f} deg on {told['tag']}"


def _line(told: dict[str, Any]) -> list[Any]:
    where = [told[name] for name in ("id", "seed", "photo", "object", "tag")]
    return [*where, *told["size"], told["share"], *told["shift"], told["scale"], told["turn"], told["caption"]]
