"""Who makes the units of a set: this process, or several.

A unit is what is made and written together, a scene or a tar of them, and has a number. Making it writes it, whole or not at all, so that
it matters to nobody who made it, or whether it was made twice.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Protocol

import cv2
import torch

__all__ = ["ONE_PROCESS", "Processes", "Units", "Workers", "one_thread"]

Units = Mapping[int, str]
"""What is to be made: numbers, each with what it is called where it fails."""


class Workers(Protocol):
    """Makes the units of a set."""

    def __call__(self, make: Callable[[int], int], units: Units) -> Iterator[int]:
        """Make all of them, each with one thread; the number of each, as it is finished, in no order.

        Args:
            make: what makes and writes the unit of a number, and gives the number back. Picklable where workers are other processes; on
                other machines its paths must be absolute, and lead to the same files.

        Raises what `make` raises, or RuntimeError, where a unit fails.
        """


@dataclass(frozen=True)
class Processes:
    """Processes of this machine; one is the process that asks.

    Interrupted, or when a unit fails: what runs is let finish, the rest is not begun. Raises ValueError for fewer than one.
    """

    jobs: int = 1

    def __post_init__(self):
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}, but it must be at least 1")

    def __call__(self, make: Callable[[int], int], units: Units) -> Iterator[int]:
        if self.jobs == 1 or len(units) < 2:
            yield from _made_here(make, units)
            return
        pool = ProcessPoolExecutor(min(self.jobs, len(units)), multiprocessing.get_context("spawn"), _begin)
        try:
            for job in as_completed([pool.submit(make, number) for number in units]):
                yield job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


ONE_PROCESS = Processes()


def one_thread() -> None:
    """From here on this process computes with one thread: several might add in another order, and give other bytes."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _made_here(make: Callable[[int], int], units: Units) -> Iterator[int]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    one_thread()
    try:
        for number in units:
            yield make(number)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the work
    one_thread()
