"""The bundled model's pairs for the chain: square crops of removal pairs around their holes, with the fill it is conditioned on.

The fill takes most of the time, so it is made once and kept in shards, as for the model's own training; a shard that is there is not
made again. A pair has besides the picture with the object, from which its path begins.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data.library import load_labels, load_photo
from ..data.pairs import ROLES, Pair, read_shards, write_shard
from ..fill import exemplar_fill
from .prompt_pairs import read_index

__all__ = ["ChainBatch", "ChainPair", "ChainPairs", "crop_pair", "prepare"]

SHARD = 16  # pairs a file
AROUND = (1.3, 2.2)  # times the hole's longer side: of the photo's crop, as a plan crops holes with their surroundings
GROWN = (1, 6)  # pixels at the training size: masks at use are wider than who is erased


@dataclass(frozen=True)
class ChainPair(Pair):
    shown: Tensor  # [S, S, 3] uint8, the truth with the object on it


class ChainBatch(NamedTuple):
    """Rows of pairs. Colours are in -1..1."""

    truth: Tensor  # [B, 3, S, S]
    shown: Tensor  # [B, 3, S, S], equal to the truth outside the hole
    fill: Tensor  # [B, 3, S, S], the same
    hole: Tensor  # [B, 1, S, S]
    role: Tensor  # [B]


class ChainPairs:
    """All pairs of a folder of shards in memory, as bytes. Raises FileNotFoundError when there are none."""

    def __init__(self, folder: Path):
        shards = list(read_shards(folder))
        if not shards or "shown" not in shards[0]:
            raise FileNotFoundError(f"{folder} holds no shards of pairs with their objects: run the prepare-chain step first")
        self.shards = {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}

    def __len__(self) -> int:
        return len(self.shards["role"])

    def batch(self, count: int, generator: torch.Generator) -> ChainBatch:
        """Random pairs, half of them mirrored, all of them a little brighter or duller than they are."""
        rows = torch.randint(len(self), (count,), generator=generator)
        mirror = torch.rand(count, generator=generator) < 0.5
        gain = 1 + 0.15 * torch.randn(count, 1, 1, 1, generator=generator)
        lift = 0.1 * torch.randn(count, 3, 1, 1, generator=generator)
        pictures = (self.shards[name][rows].float().permute(0, 3, 1, 2) / 127.5 - 1 for name in ("truth", "shown", "fill"))
        hole = self.shards["hole"][rows][:, None].float()
        seen = [*((picture * gain + lift).clamp(-1, 1) for picture in pictures), hole]
        truth, shown, fill, hole = (torch.where(mirror[:, None, None, None], x.flip(-1), x) for x in seen)
        return ChainBatch(truth, shown, fill, hole, self.shards["role"][rows])


def prepare(pairs: Path, out: Path, size: int = 256, workers: int = 2) -> None:
    """Write every pair of a folder of removal pairs, in shards of 16, `size` px square. Raises as `read_index` does."""
    names = [words.id for words in read_index(pairs)]
    out.mkdir(parents=True, exist_ok=True)
    wanted = [first for first in range(0, len(names), SHARD) if not _path(out, first).exists()]
    make = partial(_make_shard, pairs, out, size)
    if workers == 1:
        for first in wanted:
            make(first, names[first : first + SHARD])
        return
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        for job in as_completed([pool.submit(make, first, names[first : first + SHARD]) for first in wanted]):
            job.result()


def crop_pair(truth: np.ndarray, shown: np.ndarray, hole: np.ndarray, size: int, rng: np.random.Generator) -> ChainPair:
    """A square crop around the hole of a pair, its hole grown a little and filled from what is around.

    Args:
        truth, shown: [H, W, 3] uint8. hole: [H, W] bool.
        size: pixels a side of the crop; what lies beyond the frame repeats the frame's pixels.
    """
    import cv2

    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = int(np.clip(longer * rng.uniform(*AROUND), 32, max(longer, *hole.shape)))
    top, left = (int((ends[0] + ends[-1] - side) / 2 + rng.uniform(-0.15, 0.15) * (side - longer)) for ends in (rows, columns))
    top, left = (int(np.clip(at, 0, max(whole - side, 0))) for at, whole in zip((top, left), hole.shape, strict=True))

    def square(picture: np.ndarray, how: int) -> np.ndarray:
        lines = (np.clip(np.arange(at, at + side), 0, whole - 1) for at, whole in zip((top, left), hole.shape, strict=True))
        return cv2.resize(np.ascontiguousarray(picture[np.ix_(*lines)]), (size, size), interpolation=how)

    smooth = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    plain, object_on_it = square(truth, smooth), square(shown, smooth)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(rng.integers(*GROWN)) + 1,) * 2)
    where = cv2.dilate(square(hole.astype(np.uint8), cv2.INTER_AREA if side > size else cv2.INTER_NEAREST), disc) > 0
    where |= (plain != object_on_it).any(2)  # what resampling spread
    seed = int(rng.integers(1 << 31))
    fill = exemplar_fill(torch.from_numpy(plain.astype(np.float32) / 255), torch.from_numpy(where), torch.from_numpy(~where), seed=seed)
    pictures = (torch.from_numpy(plain), (fill * 255).round().byte(), torch.from_numpy(where))
    return ChainPair(*pictures, ROLES.index("background"), torch.from_numpy(object_on_it))


def _path(out: Path, first: int) -> Path:
    return out / f"pairs-{first:08d}.safetensors"


def _make_shard(pairs: Path, out: Path, size: int, first: int, names: Sequence[str]) -> None:
    made = []
    for number, name in enumerate(names, start=first):
        truth, shown = (load_photo(pairs / part / f"{name}.png") for part in ("truth", "input"))
        made.append(crop_pair(truth, shown, load_labels(pairs / "mask" / f"{name}.png") > 127, size, np.random.default_rng(number)))
    write_shard(_path(out, first), made)


def _one_thread() -> None:
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.nice(5)
