"""The manifest of bulk work: how each input ended.

    manifest.jsonl      one line for each input, by id, when a run has ended
    manifest/000017.jsonl   lines of a run that is under way, or was cut off; later ones count

A line is {"id", "status": "done", "failed" or "skipped", "reason", "tries", "seconds", "worker", …}, with what else the work wants to say
of it. Files are only ever written whole, since nothing can be added to an object in a bucket; a run that is killed loses the lines of
the last seconds, never a result: what was done is told by the results themselves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Literal

from .places import Place

__all__ = ["MANIFEST", "Journal", "Status", "read_manifest"]

Status = Literal["done", "failed", "skipped"]
MANIFEST = "manifest.jsonl"
SEGMENTS = "manifest"  # folder
SEGMENT_LINES = 2000
SEGMENT_SECONDS = 2.0  # between two writes


class Journal:
    """The manifest in a place, to read, and to add to. Only one run may have it.

    It keeps the last line of each input, as text: half a gigabyte for a million.
    """

    def __init__(self, place: Place):
        self.place = place
        self._last = dict(_lines(place))
        self._number = max((_number(name) for name in _segments(place)), default=0)
        self._new: list[str] = []
        self._written = time.monotonic()

    def entry(self, id: str) -> dict[str, Any]:
        """What the last line of an input says; nothing where there is none."""
        return json.loads(self._last[id]) if id in self._last else {}

    def add(self, id: str, status: Status, reason: str = "", **more: Any) -> None:
        """A line; it is written within seconds."""
        line = json.dumps({"id": id, "status": status, "reason": reason, **more}, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._last[id] = line
        self._new.append(line)
        if len(self._new) >= SEGMENT_LINES or time.monotonic() - self._written > SEGMENT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the lines that are not yet written."""
        self._written = time.monotonic()
        if not self._new:
            return
        self.place.write(f"{SEGMENTS}/{self._number + 1:06d}.jsonl", "".join(self._new).encode())
        if len(self._new) >= SEGMENT_LINES:
            self._number += 1
            self._new.clear()

    def close(self) -> None:
        """Write all as one file, in the order of ids."""
        self.flush()
        self.place.write(MANIFEST, "".join(self._last[id] for id in sorted(self._last)).encode())
        for name in list(_segments(self.place)):
            self.place.remove(name)
        self._number, self._new = 0, []


def read_manifest(place: Place) -> dict[str, dict[str, Any]]:
    """The last line of each input, by id; nothing where there is no manifest.

    Raises ValueError, which names the line, for one that is none.
    """
    return {id: json.loads(line) for id, line in _lines(place)}


def _lines(place: Place) -> Iterator[tuple[str, str]]:
    """The lines with their ids, the older first."""
    for name in [*([MANIFEST] if place.exists(MANIFEST) else []), *_segments(place)]:
        for number, line in enumerate(place.read(name).decode("utf-8").split("\n"), start=1):
            if not line:
                continue
            try:
                yield json.loads(line)["id"], line + "\n"
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{place.title}/{name}, line {number}, is no line of a manifest: remove it") from None


def _segments(place: Place) -> Iterator[str]:
    yield from sorted(found.name for found in place.files(SEGMENTS) if found.name.endswith(".jsonl"))


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(".jsonl"))
