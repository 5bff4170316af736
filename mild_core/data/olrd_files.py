"""Removal pairs to files and back, as plain folders or as WebDataset shards. Both hold the same bytes.

    input/000123.png     RGB, the photo with the shifted thing
    truth/000123.png     RGB, the photo
    mask/000123.png      grey, 255 in the hole, which is all that the thing changes
    truth/000123.txt     the truth's caption, where its photo has one; there a captioner may write others
    about/000123.json    where the pair comes from, its tags and prompts; written last

A shard `000002.tar` holds the same files of a run of pairs as 000123.input.png, 000123.truth.png, 000123.mask.png and 000123.json, the
key up to the first dot, as WebDataset reads them. A shard's caption is in the JSON alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .building import sweep, write_whole
from .olrd import OlrdPair
from .olrd_photos import PanopticPhoto
from .png import ends_well, from_png, to_png
from .shards import SHARD_ERRORS, is_whole, read_shard, shard_path, sharded, write_shard

__all__ = ["PairFolders", "PairShards", "PairStore", "about", "pair_files", "pair_id", "read_picture"]

DIGITS = 6  # of shares
CHANNELS = {"input": 3, "truth": 3, "mask": 1}


def pair_id(seed: int) -> str:
    """The key of a pair's files."""
    return f"{seed:06d}"


def about(pair: OlrdPair, source: PanopticPhoto, seed: int) -> dict[str, Any]:
    """What the JSON of a pair says."""
    hole = pair.hole
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    return {
        "id": pair_id(seed),
        "seed": seed,
        "photo": source.name,
        "object": pair.segment.word,
        "shift": list(pair.shift),  # pixels (down, right)
        "size": [hole.shape[1], hole.shape[0]],
        "box": [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1],  # of the hole: left, top, right, bottom
        "share": round(float(hole.mean()), DIGITS),  # of the photo
        "tag": pair.tag,
        "tags": list(pair.tags),
        "prompt": pair.prompt,
        "question": pair.question,
        "caption": source.caption,
    }


def pair_files(pair: OlrdPair, told: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a pair: "input.png", "truth.png", "mask.png", "json"; the same pair gives the same bytes."""
    return {
        "input.png": to_png(pair.input),
        "truth.png": to_png(pair.truth),
        "mask.png": to_png(pair.hole.astype(np.uint8) * np.uint8(255)),
        "json": (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def read_picture(files: Mapping[str, bytes], what: str, name: str) -> np.ndarray:
    """The "input" or "truth" [H, W, 3], or the "mask" [H, W], uint8, of a pair's files. Raises ValueError, which names the pair."""
    return from_png(files.get(f"{what}.png", b""), CHANNELS[what], f"{what} of pair {name}")


class PairStore(Protocol):
    """Where pairs are kept, in units that are made and written together."""

    unit: str  # what one is called
    units: dict[int, range]  # the seeds of each, by the number that its files are called by

    def open(self) -> None:
        """Make what folders there must be, and delete what an interrupted run, or a worker that died, left unfinished."""

    def is_complete(self, number: int) -> bool:
        """Whether all files of the pairs of that unit are there, each to its end."""

    def write(self, number: int, pairs: Mapping[int, Mapping[str, bytes]]) -> None:
        """Write that unit: the files of each seed's pair."""

    def read(self, number: int, seeds: Iterable[int], names: Sequence[str]) -> dict[int, dict[str, bytes]]:
        """The files of these names of pairs in that unit. Raises one of SHARD_ERRORS where one is missing or broken."""


class PairFolders:
    """Pairs in plain folders; every pair is a unit, and its seed the number."""

    unit = "pair"

    def __init__(self, out: Path, seeds: range):
        self.out = out
        self.units = {seed: range(seed, seed + 1) for seed in seeds}
        self.folders = {"input.png": out / "input", "truth.png": out / "truth", "mask.png": out / "mask", "json": out / "about"}

    def open(self) -> None:
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        sweep(self.out, *self.folders.values())

    def is_complete(self, number: int) -> bool:
        (seed,) = self.units[number]
        pictures = (self._path(seed, name) for name in self.folders if name != "json")
        return _tells(self, number) and all(map(ends_well, pictures))

    def write(self, number: int, pairs: Mapping[int, Mapping[str, bytes]]) -> None:
        for seed, files in pairs.items():
            caption = json.loads(files["json"])["caption"]
            if caption:
                write_whole(self.folders["truth.png"] / f"{pair_id(seed)}.txt", caption + "\n")
            for name in self.folders:  # the JSON last
                write_whole(self._path(seed, name), files[name])

    def read(self, number: int, seeds: Iterable[int], names: Sequence[str]) -> dict[int, dict[str, bytes]]:
        return {seed: {name: self._path(seed, name).read_bytes() for name in names} for seed in seeds}

    def _path(self, seed: int, name: str) -> Path:
        return self.folders[name] / f"{pair_id(seed)}.{name.rpartition('.')[2]}"


class PairShards:
    """Pairs in tar files of so many each; every tar is a unit."""

    unit = "shard"

    def __init__(self, out: Path, seeds: range, each: int):
        self.out = out
        self.units = sharded(seeds, each)

    def open(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        sweep(self.out)

    def is_complete(self, number: int) -> bool:
        return is_whole(shard_path(self.out, number)) and _tells(self, number)

    def write(self, number: int, pairs: Mapping[int, Mapping[str, bytes]]) -> None:
        named = ((f"{pair_id(seed)}.{name}", data) for seed, files in pairs.items() for name, data in files.items())
        write_shard(shard_path(self.out, number), named)

    def read(self, number: int, seeds: Iterable[int], names: Sequence[str]) -> dict[int, dict[str, bytes]]:
        keys = {seed: {name: f"{pair_id(seed)}.{name}" for name in names} for seed in seeds}
        found = read_shard(shard_path(self.out, number), [key for named in keys.values() for key in named.values()])
        return {seed: {name: found[key] for name, key in named.items()} for seed, named in keys.items()}


def _tells(store: PairStore, number: int) -> bool:
    """Whether the JSON of each pair of that unit is there and is that pair's."""
    try:
        told = store.read(number, store.units[number], ("json",))
        return all(json.loads(files["json"])["seed"] == seed for seed, files in told.items())
    except (*SHARD_ERRORS, ValueError, TypeError):
        return False
