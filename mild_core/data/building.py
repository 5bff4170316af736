"""What builders of sets share: work that can be stopped and gone on with, and the same bytes each time. Who does it: `workers`.

A set is a folder with NAME.json, which holds what decides its bytes; a folder made with anything else is not gone on with. What is
written is written beside its place and moved there when it is whole. Nothing in the files tells when, where or by how many workers
they were made.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import torch

__all__ = ["claim", "notes_of", "sweep", "tell", "unfinished", "versions", "write_whole"]

UNFINISHED = ".part"


def versions() -> dict[str, str]:
    """Of the libraries that decide the bytes of pictures."""
    return {"opencv": cv2.__version__, "numpy": np.__version__, "pillow": PIL.__version__, "torch": torch.__version__.split("+")[0]}


def claim(out: Path, what: str, header: Mapping[str, Any]) -> None:
    """Write WHAT.json with this header into `out`, which is made where it is missing; nothing where it is there and says the same.

    Args:
        what: the set is made of, in the plural: "scenes".
        header: what decides the bytes of the set.

    Raises ValueError where WHAT.json says otherwise or cannot be read, or the folder holds files but no WHAT.json.
    """
    path = out / f"{what}.json"
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{path} cannot be read: delete it if the folder holds nothing that is wanted") from None
        for name in {**header, **there}:
            if there.get(name) != header.get(name):
                raise ValueError(f"{out} holds {what} made with {name} {there.get(name)}, but now {name} is {header.get(name)}")
        return
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds files but no {what}.json: it must be empty, or a set of {what} to go on with")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(header, indent=1) + "\n")


def sweep(*folders: Path) -> None:
    """Delete what an interrupted run left unfinished directly in these folders."""
    for folder in folders:
        for left_over in folder.glob(f"*{UNFINISHED}"):
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:
                left_over.unlink()


def tell(finished: Iterator[int], count: int, what: str) -> None:
    """Go through what is finished, and tell on stderr how many of `count` there are and how long the rest will take."""
    begin = time.monotonic()
    for done, _ in enumerate(finished, start=1):
        rate = done / max(time.monotonic() - begin, 1e-6)
        left = (count - done) / rate
        end = "\n" if done == count or not sys.stderr.isatty() else "\r"
        if end == "\r" or done == count or done % max(count // 50, 1) == 0:
            print(f"{done}/{count} {what}, {rate:.1f} a second, {left / 60:.1f} minutes left ", end=end, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def notes_of(photos: Path) -> dict[str, str]:
    """What a folder of photos says of itself: the texts of README and LICENSE files in it, by name."""
    found = [p for p in sorted(photos.iterdir()) if p.is_file() and p.stem.upper() in ("README", "LICENSE", "LICENSES")]
    return {path.name: path.read_text(encoding="utf-8", errors="replace").strip() for path in found}


def unfinished(path: Path) -> Path:
    """Where what will lie there is written until it is whole: a place of its own for every call, since two workers may be at the same."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{UNFINISHED}")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that what lies there is whole: the one before, or this one."""
    beside = unfinished(path)
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(beside, path)
