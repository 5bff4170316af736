"""Files and folders that appear whole, under a name that nothing had before."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

__all__ = ["save_new"]


def save_new(folder: Path, name: Callable[[int], str], first: int, write: Callable[[Path], None]) -> Path:
    """Have `write` make a file or a folder, and put it into `folder` under the first free of the names of `first`, `first` + 1, …

    Whatever stops `write`, an interrupt too, leaves nothing behind. What is there already is never touched, not even if it came
    meanwhile.

    Args:
        write: makes a file or a folder at the path that it is given, in the same folder.
    """
    room = Path(tempfile.mkdtemp(prefix=".mild-", dir=folder))
    try:
        write(room / "made")
        return next(path for number in count(first) if _put(room / "made", path := folder / name(number)))
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _put(made: Path, path: Path) -> bool:
    """Move `made` to `path`, unless there is something, also if it came this moment."""
    if os.path.lexists(path):
        return False
    return _put_folder(made, path) if made.is_dir() else _put_file(made, path)


def _put_folder(made: Path, path: Path) -> bool:
    try:
        made.rename(path)  # no system puts a folder onto a file, or onto a folder that holds anything
    except OSError:
        if os.path.lexists(path):
            return False
        raise
    return True


def _put_file(made: Path, path: Path) -> bool:
    try:
        path.open("x").close()  # ours from here on, so that it may be replaced
    except FileExistsError:
        return False
    try:
        made.replace(path)
    except BaseException:
        path.unlink()
        raise
    return True
