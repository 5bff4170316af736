"""Work for the engine's tests: what each job does is written in its payload."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mild_core.batch.engine import Job, LostError, StopError, UnfitError


@dataclass
class Errands:
    """Jobs that do what they are told, and note each try in a file of the folder."""

    folder: Path
    opens: str = ""  # what goes wrong when a worker opens

    def open(self, worker: str) -> None:
        self.note(f"open-{worker}")
        if self.opens == "stop":
            raise StopError("the model is not there")
        if self.opens == "error":
            raise RuntimeError("no port is free")
        if self.opens == "die":
            os._exit(3)

    def do(self, job: Job) -> Any:
        tries = self.note(f"job-{job.id}")
        what, _, number = str(job.payload).partition(" ")
        left = int(number or 1) - tries  # how often it still goes wrong
        if what == "unfit":
            raise UnfitError(f"{job.id} is no picture")
        if what == "stop":
            raise StopError("the disk is full")
        if what == "raise" and left >= 0:
            raise RuntimeError(f"try {tries}")
        if what == "die" and left >= 0:
            os._exit(9)
        if what == "lost" and left >= 0:
            raise LostError("ComfyUI has ended")
        if what == "hang" and left >= 0:
            time.sleep(3600)
        return f"{job.id} on try {tries}"

    def close(self) -> None:
        self.note("close")

    def note(self, name: str) -> int:
        path = self.folder / name
        with open(path, "a") as file:
            file.write("x")
        return path.stat().st_size
