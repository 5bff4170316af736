"""Where the pairs of a video lie: in plain folders with those of all videos, or in a WebDataset tar of their own.

    input/NAME_000123.png, truth/…, mask/…                                  frame 123 of the video NAME
    NAME.tar: NAME_000123.input.png, .truth.png, .mask.png, .json           the same; the dots of a NAME are hyphens in a key

A video that gives no pair has no tar.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .building import unfinished, write_whole
from .png import ends_well
from .shards import SHARD_ERRORS, is_whole, names_in, read_shard, write_shard

__all__ = ["KINDS", "ClipFiles", "ClipInFolders", "ClipInTar", "check_keys", "files_of"]

KINDS = ("input", "truth", "mask")


class ClipFiles(Protocol):
    """The files of the pairs of one video."""

    def id(self, frame: int) -> str:
        """What the pair of that frame is called."""

    def write(self, frame: int, kind: str, picture: bytes) -> None:
        """Write a picture of the pair of that frame: PNG, of a kind of KINDS."""

    def finish(self, pairs: Sequence[Mapping[str, Any]]) -> None:
        """All pictures are written; what is told of each pair, in their order, with its "id" and "frame"."""

    def is_complete(self, ids: Sequence[str]) -> bool:
        """Whether all files of the pairs of these ids are there, each to its end."""

    def read(self, id: str) -> dict[str, bytes]:
        """The pictures of a pair: "input.png", "truth.png", "mask.png". Raises one of SHARD_ERRORS where one is missing."""


class ClipInFolders:
    """In plain folders."""

    def __init__(self, out: Path, clip: Path):
        self.out, self.name = out, clip.stem

    def id(self, frame: int) -> str:
        return f"{self.name}_{frame:06d}"

    def write(self, frame: int, kind: str, picture: bytes) -> None:
        write_whole(self.out / kind / f"{self.id(frame)}.png", picture)

    def finish(self, pairs: Sequence[Mapping[str, Any]]) -> None:
        """Nothing is left to do."""

    def is_complete(self, ids: Sequence[str]) -> bool:
        return all(ends_well(self.out / kind / f"{id}.png") for id in ids for kind in KINDS)

    def read(self, id: str) -> dict[str, bytes]:
        return {f"{kind}.png": (self.out / kind / f"{id}.png").read_bytes() for kind in KINDS}


class ClipInTar:
    """In a tar. Pictures come as the frames do, so that they wait in a folder beside it until they are put in order."""

    def __init__(self, out: Path, clip: Path):
        self.path, self.key = out / f"{clip.stem}.tar", _key(clip)
        self.waiting = unfinished(self.path)

    def id(self, frame: int) -> str:
        return f"{self.key}_{frame:06d}"

    def write(self, frame: int, kind: str, picture: bytes) -> None:
        self.waiting.mkdir(exist_ok=True)
        (self.waiting / f"{self.id(frame)}.{kind}.png").write_bytes(picture)

    def finish(self, pairs: Sequence[Mapping[str, Any]]) -> None:
        if pairs:
            write_shard(self.path, self._in_order(pairs))
            shutil.rmtree(self.waiting)

    def is_complete(self, ids: Sequence[str]) -> bool:
        wanted = {f"{id}.{end}" for id in ids for end in (*(f"{kind}.png" for kind in KINDS), "json")}
        try:
            return not ids or (is_whole(self.path) and set(names_in(self.path)) == wanted)
        except SHARD_ERRORS:
            return False

    def read(self, id: str) -> dict[str, bytes]:
        found = read_shard(self.path, [f"{id}.{kind}.png" for kind in KINDS])
        return {name[len(id) + 1 :]: data for name, data in found.items()}

    def _in_order(self, pairs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
        for pair in pairs:
            for kind in KINDS:
                name = f"{pair['id']}.{kind}.png"
                yield name, (self.waiting / name).read_bytes()
            told = {**pair, "tag": "", "caption": ""}  # as the pairs of other sets tell
            yield f"{pair['id']}.json", (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def files_of(clip: Path, out: Path, tars: bool) -> ClipFiles:
    """The files of a video's pairs in a set's folder: those of a tar, or in plain folders."""
    return ClipInTar(out, clip) if tars else ClipInFolders(out, clip)


def check_keys(clips: Iterable[Path]) -> None:
    """Raise ValueError for two videos whose pairs would have one key in tars."""
    seen: dict[str, Path] = {}
    for clip in clips:
        other = seen.setdefault(_key(clip), clip)
        if other != clip:
            raise ValueError(f"in tars the pairs of {other.name} and {clip.name} would be called alike, {_key(clip)}_…: rename one of them")


def _key(clip: Path) -> str:
    return clip.stem.replace(".", "-")
