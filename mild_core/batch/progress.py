"""What a person sees while a bulk run goes on: a line with a bar, the rate, the failures and the time that is left."""

from __future__ import annotations

import sys

from tqdm import tqdm

__all__ = ["Bar"]

SECONDS = 0.5  # between two states of the line on a terminal
SECONDS_IN_FILES = 30.0


class Bar:
    """A bar for so many photos."""

    def __init__(self, photos: int):
        seconds = SECONDS if sys.stderr.isatty() else SECONDS_IN_FILES
        self._bar = tqdm(total=photos, unit=" photo", mininterval=seconds, maxinterval=seconds, dynamic_ncols=True, smoothing=0.05)
        self._failed = 0

    def ended(self, status: str) -> None:
        if status == "failed":
            self._failed += 1
            self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()
