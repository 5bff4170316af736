"""Make the training pairs, in parallel, resumably: a shard that is there is not made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

__all__ = ["prepare"]

SHARD = 32  # pairs a file


def prepare(
    photos: Path, out: Path, count: int, size: int, workers: int, split: str = "train", first_seed: int = 0, guided: bool = False
) -> None:
    """Write `count` pairs (rounded up to whole shards of 32) of `size` px from the photographs of `split` under `out`.

    Guided, they are the adapter's pairs, else the bundled model's.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = [first_seed + start for start in range(0, count, SHARD) if not _shard_path(out, first_seed + start).exists()]
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        jobs = [pool.submit(_make_shard, photos, out, size, split, start, guided) for start in wanted]
        for done, job in enumerate(as_completed(jobs), start=1):
            job.result()
            print(f"shard {done}/{len(jobs)}", flush=True)


def _shard_path(out: Path, start: int) -> Path:
    return out / f"pairs-{start:08d}.safetensors"


def _one_thread() -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.nice(5)


def _make_shard(photos: Path, out: Path, size: int, split: str, start: int, guided: bool) -> None:
    from ..data.guided import make_guided_pair
    from ..data.library import PhotoLibrary
    from ..data.pairs import Pair, make_pair, write_shard

    library = PhotoLibrary(photos, split)  # type: ignore[arg-type]
    persons = library.persons()
    make: Callable[[int], Pair]
    make = partial(make_guided_pair, persons, size) if guided else partial(make_pair, library, persons, size)
    write_shard(_shard_path(out, start), [make(seed) for seed in range(start, start + SHARD)])
