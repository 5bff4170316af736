"""Units of a set for tests: what happens to each is written in a file that is called by its number."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import torch

from mild_core.data.library import read_photo


def make_unit(folder: Path, number: int) -> int:
    """Do what FOLDER/NUMBER.todo says, or write FOLDER/NUMBER: how many threads there are."""
    with open(folder / f"{number}.tries", "a") as tries:
        tries.write("x")
    todo = folder / f"{number}.todo"
    what = todo.read_text() if todo.exists() else ""
    if what == "unfit":
        raise ValueError(f"photo {number} is no picture")
    if what == "die":
        os._exit(9)
    if what == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "x.png")
    if what == "unreachable":
        read_photo(folder / "nowhere.jpg")
    (folder / str(number)).write_text(f"{torch.get_num_threads()} {cv2.getNumThreads()}")
    return number


def tries_of(folder: Path, number: int) -> int:
    return (folder / f"{number}.tries").stat().st_size
