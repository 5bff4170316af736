"""Folders of workers, which go when their process has ended, even where it was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["scratch_folder"]

PREFIX = "mild-batch-"


def scratch_folder() -> Path:
    """A new folder of this process; those of processes that have ended are deleted."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def _lives(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)
