"""Jobs on the workers of a Ray cluster, so that nothing is lost when one of them dies.

A worker is an actor with a copy of the work, which it opens once and then does one job at a time. What can happen to a job:

    done                     its result
    UnfitError               failed at once: its input is wrong, and will be the next time
    any other exception      tried again after a while that doubles each time, `retries` times; then failed
    its worker dies          tried again on another worker; a job that has seen `deaths` workers die has failed
    LostError                the same: the worker says itself that it is of no more use
    longer than `limit`      its worker is killed, as above
    StopError                no job would go better (a full disk, a graph that is refused): those at work are let finish, and it is raised

Nothing here says where results go: the work puts them where they belong before it answers, each whole or not at all, so that a job
that is done twice, because its worker died between the two, leaves the same as one done once.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol

from .cluster import Cluster, require_ray

__all__ = ["GOES_ON", "Job", "LostError", "Outcome", "Policy", "StopError", "UnfitError", "Work", "run_jobs"]

LONGEST_PAUSE = 60.0  # seconds between two tries
GOES_ON = "what is done is safe, and the same command goes on from there"
FAREWELL = 30.0  # seconds that workers have to close
FAILED_STARTS = 3  # workers in a row that do not get as far as their first job before the run is given up


class UnfitError(ValueError):
    """A job cannot be done, and will not be however often it is tried: its input is wrong."""


class LostError(RuntimeError):
    """The worker can do no more jobs."""


class StopError(RuntimeError):
    """No job can be done: something that all of them need is missing."""


@dataclass(frozen=True)
class Job:
    """What a worker gets. Picklable.

    Attributes:
        id: that no other job has.
        payload: whatever the work wants to know.
        parts: jobs that are done in place of this one where it fails, so that one bad part costs the others nothing.
    """

    id: str
    payload: Any = None
    parts: tuple[Job, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        reason: why it failed; "" where it did not.
        tries: how often it was begun.
        seconds: that its last try took in the worker; nan where the worker died.
        worker: the name of the worker that had it last.
        result: what the work gave for it.
    """

    id: str
    status: Literal["done", "failed"]
    reason: str = ""
    tries: int = 1
    seconds: float = float("nan")
    worker: str = ""
    result: Any = None

    @property
    def how(self) -> dict[str, Any]:
        """For a line of the manifest: tries, seconds (None where nobody knows) and worker."""
        return {"tries": self.tries, "seconds": None if math.isnan(self.seconds) else round(self.seconds, 3), "worker": self.worker}


class Work(Protocol):
    """What workers do. Picklable; each worker has a copy of its own."""

    def open(self, worker: str) -> None:
        """Called once in a worker of that name, before its first job. Raises StopError where no other worker would fare better."""

    def do(self, job: Job) -> Any:
        """Do a job; what its outcome's result will be. Called again for a job that a worker died of."""

    def close(self) -> None:
        """Called in the end, but not in a worker that dies."""


@dataclass(frozen=True)
class Policy:
    """What is done when something goes wrong.

    Raises ValueError for a number out of its range.
    """

    retries: int = 2  # after the first try
    pause: float = 1.0  # seconds before the second try
    deaths: int = 2  # workers that may die of a job
    limit: float = float("inf")  # seconds that a try may take

    def __post_init__(self):
        for name, least in (("retries", 0), ("pause", 0.0), ("deaths", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if not self.limit > 0:
            raise ValueError(f"limit is {self.limit}, but it must be more than 0 seconds")


def run_jobs(work: Work, jobs: Iterable[Job], cluster: Cluster, policy: Policy | None = None) -> Generator[Outcome, None, None]:
    """Do the jobs; the outcome of each as it ends, in no order.

    Of `jobs` no more is taken than workers are free, so that it may be as long as it likes. Closing the generator kills the workers.

    Raises StopError, see above.
    """
    run = _Run(work, iter(jobs), cluster, policy or Policy())
    try:
        yield from run.outcomes()
        run.close_workers()
    finally:
        run.kill_workers()


# -- in a worker -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answer:
    """What a worker says: exceptions are told in words, since another process may not know their types."""

    kind: Literal["done", "unfit", "stop", "lost", "error"]
    text: str = ""
    seconds: float = 0.0
    result: Any = None


class _Worker:
    """The actor."""

    def __init__(self, work: Work, name: str):
        self._work, self._name = work, name

    def open(self) -> _Answer:
        return _told(lambda: self._work.open(self._name))

    def do(self, job: Job) -> _Answer:
        return _told(lambda: self._work.do(job))

    def close(self) -> _Answer:
        return _told(self._work.close)


def _told(call: Any) -> _Answer:
    begin = time.perf_counter()
    try:
        result = call()
    except StopError as error:
        return _Answer("stop", str(error))
    except LostError as error:
        return _Answer("lost", str(error))
    except UnfitError as error:
        return _Answer("unfit", str(error), time.perf_counter() - begin)
    except Exception as error:  # whatever it is, the worker lives
        return _Answer("error", f"{type(error).__name__}: {error}", time.perf_counter() - begin)
    return _Answer("done", "", time.perf_counter() - begin, result)


# -- in the driver -----------------------------------------------------------------------------------------------------


@dataclass
class _Task:
    """A job and what it went through."""

    job: Job
    tries: int = 0
    deaths: int = 0


@dataclass(eq=False)
class _Seat:
    """A worker's place, and the worker that has it now."""

    name: str
    actor: Any
    task: _Task | None = None  # None while it opens, or when it is free
    since: float = 0.0
    overdue: bool = False


@dataclass
class _Run:
    work: Work
    jobs: Iterator[Job]
    cluster: Cluster
    policy: Policy

    seats: list[_Seat] = field(default_factory=list)
    busy: dict[Any, _Seat] = field(default_factory=dict)  # by what the worker was asked
    free: deque[_Seat] = field(default_factory=deque)
    due: deque[_Task] = field(default_factory=deque)
    later: list[tuple[float, int, _Task]] = field(default_factory=list)  # a heap by time
    order: Iterator[int] = field(default_factory=itertools.count)
    starts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    failed_starts: int = 0
    exhausted: bool = False
    stopped: str = ""

    def __post_init__(self):
        self.ray = require_ray()
        self.actor = self.ray.remote(_Worker)

    def outcomes(self) -> Iterator[Outcome]:
        for first in [task for _ in range(self.cluster.workers) if (task := self._next()) is not None]:
            self.due.append(first)
            self._start()
        while self._goes_on:
            self._hand_out()
            yield from self._wait()
        if self.stopped:
            raise StopError(self.stopped)

    def close_workers(self) -> None:
        """Let them close, and wait for it a while."""
        asked = [seat.actor.close.remote() for seat in self.seats]
        if asked:
            self.ray.wait(asked, num_returns=len(asked), timeout=FAREWELL)

    def kill_workers(self) -> None:
        for seat in self.seats:
            self.ray.kill(seat.actor)
        self.seats.clear()

    @property
    def _goes_on(self) -> bool:
        at_work = any(seat.task is not None for seat in self.busy.values())
        return at_work or (self._has_more and not self.stopped)

    @property
    def _has_more(self) -> bool:
        """Whether there may be a task for a worker that is free."""
        return bool(self.due or self.later or not self.exhausted)

    def _next(self) -> _Task | None:
        """The next task: one that waits, or of a new job."""
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            self.due.append(heapq.heappop(self.later)[2])
        if self.due:
            return self.due.popleft()
        job = None if self.exhausted else next(self.jobs, None)
        self.exhausted = job is None
        return None if job is None else _Task(job)

    def _start(self, seat: _Seat | None = None) -> None:
        """A worker, in the place of one who died or in one of its own."""
        name = f"worker-{next(self.starts)}"
        actor = self.actor.options(**self.cluster.resources).remote(self.work, name)
        if seat is None:
            seat = _Seat(name, actor)
            self.seats.append(seat)
        seat.name, seat.actor, seat.overdue = name, actor, False
        self.busy[actor.open.remote()] = seat

    def _hand_out(self) -> None:
        while self.free and not self.stopped:
            task = self._next()
            if task is None:
                return
            seat = self.free.popleft()
            task.tries += 1
            seat.task, seat.since, seat.overdue = task, time.monotonic(), False
            self.busy[seat.actor.do.remote(task.job)] = seat

    def _wait(self) -> Iterator[Outcome]:
        """Until something happens; what came of it."""
        answered, _ = self.ray.wait(list(self.busy), num_returns=1, timeout=self._patience()) if self.busy else ([], [])
        if not self.busy and self.later:  # all are free, and what is left has to wait
            time.sleep(max(0.0, self.later[0][0] - time.monotonic()))
        for asked in answered:
            seat = self.busy.pop(asked)
            try:
                answer = self.ray.get(asked)
            except self.ray.exceptions.RayError as error:
                yield from self._died(seat, _why(error))
            else:
                yield from self._answered(seat, answer)
        self._kill_overdue()

    def _patience(self) -> float:
        """Seconds to wait for an answer before something else is to be done."""
        until = [self.later[0][0]] if self.later and self.free else []
        until += [seat.since + self.policy.limit for seat in self.busy.values() if seat.task is not None and not seat.overdue]
        return max(0.01, min([*until, time.monotonic() + 60.0]) - time.monotonic())

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for seat in self.busy.values():
            if seat.task is not None and not seat.overdue and now - seat.since > self.policy.limit:
                seat.overdue = True
                self.ray.kill(seat.actor)

    def _answered(self, seat: _Seat, answer: _Answer) -> Iterator[Outcome]:
        if answer.kind == "lost":
            self.ray.kill(seat.actor)
            yield from self._died(seat, answer.text)
            return
        task, seat.task = seat.task, None
        if answer.kind == "stop":
            self.stopped = self.stopped or answer.text
        elif task is None:
            yield from self._opened(seat, answer)
            return
        self.free.append(seat)
        if task is None:
            return
        told = partial(Outcome, task.job.id, tries=task.tries, seconds=answer.seconds, worker=seat.name)
        if answer.kind == "done":
            yield told("done", result=answer.result)
        elif answer.kind == "unfit" or (answer.kind == "error" and task.tries - task.deaths > self.policy.retries):
            yield from self._failed(told("failed", answer.text), task.job)
        elif answer.kind == "error":
            pause = min(LONGEST_PAUSE, self.policy.pause * 2.0 ** (task.tries - task.deaths - 1))
            heapq.heappush(self.later, (time.monotonic() + pause, next(self.order), task))

    def _opened(self, seat: _Seat, answer: _Answer) -> Iterator[Outcome]:
        if answer.kind == "done":
            self.failed_starts = 0
            self.free.append(seat)
        else:
            self.ray.kill(seat.actor)
            yield from self._died(seat, answer.text)

    def _died(self, seat: _Seat, why: str) -> Iterator[Outcome]:
        task = seat.task
        if task is None:
            self.failed_starts += 1
            if self.failed_starts >= FAILED_STARTS:
                self.stopped = self.stopped or f"{self.failed_starts} workers in a row could not begin; the last: {why}"
        else:
            task.deaths += 1
            if seat.overdue:
                why = f"it took longer than {self.policy.limit:g} s"
            if task.deaths >= self.policy.deaths:
                said = f"brought down {task.deaths} workers; the last: {why}" if task.deaths > 1 else f"brought its worker down: {why}"
                yield from self._failed(Outcome(task.job.id, "failed", said, task.tries, worker=seat.name), task.job)
            else:
                self.due.append(task)
        seat.task = None
        if self._has_more and not self.stopped:
            self._start(seat)
        else:
            self.seats.remove(seat)

    def _failed(self, outcome: Outcome, job: Job) -> Iterator[Outcome]:
        if job.parts:
            self.due.extend(map(_Task, job.parts))
        else:
            yield outcome


def _why(error: Exception) -> str:
    """What Ray says of a death, without where and of whom."""
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    for word in ("The actor is dead because ", "Worker exit detail: "):
        said = said.rpartition(word)[2] or said
    return said[:300]
