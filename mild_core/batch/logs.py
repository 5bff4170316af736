"""What a worker tells of its work, in a file of its own."""

from __future__ import annotations

import contextlib
import platform
import time

from .places import Place

__all__ = ["WorkerLog"]

SECONDS = 10.0  # between two writes: an object in a bucket can only be written whole
MOST_LINES = 20_000


class WorkerLog:
    """`worker-1.log` in a place, with the time of each line."""

    def __init__(self, place: Place, worker: str):
        self._place, self._name = place, f"{worker}.log"
        self._lines: list[str] = []
        self._written = 0.0
        self.say(f"{worker} on {platform.node()}")

    def say(self, text: str, now: bool = False) -> None:
        """A line; it is written within seconds, or `now`. A log that cannot be written stops nothing."""
        self._lines = [*self._lines[-MOST_LINES:], f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n"]
        if now or time.monotonic() - self._written > SECONDS:
            self._written = time.monotonic()
            with contextlib.suppress(OSError):
                self._place.write(self._name, "".join(self._lines).encode())
