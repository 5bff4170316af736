"""Shards as WebDataset reads them: tar files in which the files of a sample follow one another, called KEY.FIELD, where the key ends at the
first dot. The same files give the same bytes.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from .building import unfinished

__all__ = ["SHARD_ERRORS", "is_whole", "names_in", "read_shard", "shard_path", "sharded", "write_shard"]

SHARD_ERRORS = (OSError, tarfile.TarError, KeyError)  # that reading a shard may raise


def sharded(seeds: range, each: int) -> dict[int, range]:
    """The seeds of each shard by its number, so many in each but the last."""
    return {number: seeds[start : start + each] for number, start in enumerate(range(0, len(seeds), each))}


def shard_path(out: Path, number: int) -> Path:
    """Where the shard of that number lies in a set's folder."""
    return out / f"{number:06d}.tar"


def write_shard(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files (name, content) as a shard, whole or not at all. One is held at a time."""
    beside = unfinished(path)
    with tarfile.open(beside, mode="w", format=tarfile.PAX_FORMAT) as tar:  # names as long as they are
        for name, data in files:
            entry = tarfile.TarInfo(name)  # owner 0, mode 644, time 0
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    os.replace(beside, path)


def read_shard(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files of these names of a shard. Raises one of `SHARD_ERRORS` where one is missing, or the shard is or is broken."""
    with tarfile.open(path, "r:") as tar:
        return {name: _member(tar, name) for name in names}


def names_in(path: Path) -> list[str]:
    """The names of a shard's files. Raises one of `SHARD_ERRORS` where it is missing or broken."""
    with tarfile.open(path, "r:") as tar:
        return tar.getnames()


def is_whole(path: Path) -> bool:
    """Whether a shard is there and ends as one does: with a full record."""
    return path.is_file() and path.stat().st_size % tarfile.RECORDSIZE == 0


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.extractfile(name)  # KeyError where there is none
    if found is None:
        raise KeyError(name)
    return found.read()
