"""The Ray cluster that workers are actors of: one that is there, or one of our own on this machine."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Cluster", "joined", "require_ray"]

ROOT = Path(__file__).resolve().parents[2]
EXTRA = "pip install 'mild-layers[scale]'"
OWN = "local"  # as Ray calls a cluster that is begun here and ends with us
OBJECTS = 80 << 20  # bytes of shared memory of a cluster of our own: only jobs and answers go through it, and 75 MiB is the least
CARRIED = ("MILD_CORE", "MILD_PYTHON")  # of the environment, for workers of a cluster that was not begun here


def require_ray() -> ModuleType:
    """Ray. Raises ModuleNotFoundError, which says how it is installed, where it is not."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"bulk work needs Ray: {EXTRA}") from error
    return ray


@dataclass(frozen=True)
class Cluster:
    """Where workers run, and what each of them is given.

    Attributes:
        workers: how many; 0 for one for each graphics processor, or for each machine where there is none.
        cpus: processors of each, as Ray counts them; 0 for an even share of the smallest machine's.
        gpus: graphics processors of each; a share lets several workers have one together. None for one where there are any.
        memory: bytes of each that Ray keeps free for it; 0 for no claim.
        address: of the cluster, "auto" for the one that `ray start` has begun on this machine; "" for the one that RAY_ADDRESS names,
            else, as with "local", one of our own.
        dashboard: whether a cluster of our own shows Ray's page; None where its package is there.

    Raises ValueError for a number out of its range.
    """

    workers: int = 0
    cpus: float = 0.0
    gpus: float | None = None
    memory: int = 0
    address: str = ""
    dashboard: bool | None = None

    def __post_init__(self):
        for name in ("workers", "cpus", "gpus", "memory"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least 0")

    @property
    def resources(self) -> dict[str, Any]:
        """What Ray is told of each worker."""
        claims: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus or 0, "max_restarts": 0}
        return {**claims, "memory": self.memory} if self.memory else claims


@contextmanager
def joined(cluster: Cluster) -> Iterator[Cluster]:
    """Connected to the cluster for as long as the block runs; yields it with its own numbers in place of what was left open.

    Raises ValueError where no machine of it has what a worker needs, or there is none at the address.
    """
    ray = require_ray()
    if ray.is_initialized():  # a program that has its own cluster keeps it
        yield _fitted(ray, cluster)
        return
    os.environ["PYTHONPATH"] = _with_root(os.environ.get("PYTHONPATH", ""))  # workers of our own inherit it
    address = cluster.address or os.environ.get("RAY_ADDRESS") or OWN
    told = _own(cluster) if address == OWN else {"runtime_env": _environment()}
    logging.getLogger("ray").setLevel(logging.ERROR)
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **told)
    except ConnectionError as error:
        token = "" if "RAY_AUTH_MODE" in os.environ else "; one that asks for a token wants RAY_AUTH_MODE=token in the environment"
        raise ValueError(f"address is {address!r}, but no Ray cluster answers there: {error}{token}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has put its own in its place, which ends the program without a word
    try:
        yield _fitted(ray, cluster)
    finally:
        ray.shutdown()


def _own(cluster: Cluster) -> dict[str, Any]:
    """What a cluster of our own is begun with."""
    wanted = max(os.cpu_count() or 1, math.ceil(cluster.workers * cluster.cpus))  # more workers than processors share them
    return {"num_cpus": wanted, "object_store_memory": OBJECTS, "include_dashboard": cluster.dashboard}


def _fitted(ray: ModuleType, cluster: Cluster) -> Cluster:
    """With numbers in place of what was left open."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    everywhere = sum(machine.get("GPU", 0.0) for machine in machines)
    gpus = float(everywhere > 0) if cluster.gpus is None else cluster.gpus
    workers = cluster.workers or (max(1, int(everywhere / gpus)) if gpus else len(machines))
    least = min(machine.get("CPU", 1.0) for machine in machines)
    cpus = cluster.cpus or max(1.0, least / math.ceil(workers / len(machines)) // 1)
    found = replace(cluster, workers=workers, cpus=cpus, gpus=gpus)
    _check_fits(machines, found)
    return found


def _environment() -> dict[str, Any]:
    told = {name: os.environ[name] for name in CARRIED if name in os.environ}
    return {"env_vars": {**told, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH", ""))}}


def _with_root(path: str) -> str:
    """A search path on which this package is found without being installed."""
    parts = [part for part in path.split(os.pathsep) if part]
    return os.pathsep.join(dict.fromkeys([str(ROOT), *parts]))


def _check_fits(machines: Sequence[Mapping[str, float]], cluster: Cluster) -> None:
    needs = {"CPU": cluster.cpus, "GPU": cluster.gpus or 0.0, "memory": float(cluster.memory)}
    if any(all(machine.get(name, 0.0) >= need for name, need in needs.items()) for machine in machines):
        return
    there = "; ".join(", ".join(f"{machine.get(name, 0.0):g} {name}" for name in needs) for machine in machines)
    wanted = ", ".join(f"{need:g} {name}" for name, need in needs.items() if need)
    raise ValueError(f"a worker needs {wanted}, but the machines of the cluster have {there}")
