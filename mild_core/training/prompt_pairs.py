"""The pairs of prompt tuning, read from a folder: what to erase, from what, to what, and the words for it.

    input/ID.png   the photo with an object shifted onto its background     mask/ID.png   the shifted object, white
    truth/ID.png   the photo                                               truth/ID.txt  its caption, where somebody wrote one
    index.csv      a line for each pair: id, tag (what the background is: "sky", "grass"), caption (may be empty)

That is the plain layout of the removal pairs in data/. A caption in a file of its own comes before the one in the index, so that a
captioner can be run later, or another one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..scene.background_prompt import TEMPLATES, UNKNOWN, write_prompt

__all__ = ["INDEX", "TOKEN", "ErasurePair", "ErasurePairs", "PairsAhead", "Words", "read_index", "short_prompt"]

TOKEN = "R*"  # the paper's placeholder for the concept "background completion"
INDEX = "index.csv"
THREADS = 4


class Words(NamedTuple):
    """What is told of a pair."""

    id: str
    tag: str
    caption: str  # "" where nobody wrote one


class ErasurePair(NamedTuple):
    """One pair at the training size. Colours are in -1..1."""

    input: Tensor  # [3, S, S]
    truth: Tensor  # [3, S, S]
    hole: Tensor  # [1, S, S], 0 or 1


def short_prompt(tag: str, token: str = TOKEN) -> str:
    """ "A photo of R* sky" (MagicEraser, section 4.3)."""
    return write_prompt(TEMPLATES[0], tag or UNKNOWN, token)


def read_index(folder: Path) -> list[Words]:
    """What is told of each pair of a folder. Raises as `ErasurePairs` does."""
    path = folder / INDEX
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no {INDEX}: it is no folder of removal pairs")
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        missing = {"id", "tag"} - set(lines.fieldnames or ())
        if missing:
            raise ValueError(f"{path} has no column {' and '.join(sorted(missing))}, but it must have id and tag")
        words = [Words(line["id"], line["tag"] or "", _caption(folder, line)) for line in lines]
    if not words:
        raise ValueError(f"{path} lists no pairs, but training needs one at least")
    return words


def _caption(folder: Path, line: dict[str, str]) -> str:
    path = folder / "truth" / f"{line['id']}.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else (line.get("caption") or "").strip()


class ErasurePairs:
    """The pairs of a folder, resized to `size`×`size` pixels whatever their own shape, as the paper does.

    Attributes:
        words: what is told of each pair.

    Raises FileNotFoundError when the folder has no index, ValueError when the index lacks a column or holds no pair.
    """

    def __init__(self, folder: Path, size: int):
        self.folder = folder
        self.size = size
        self.words = read_index(folder)

    def __len__(self) -> int:
        return len(self.words)

    def read(self, row: int) -> ErasurePair:
        """The pair of a line of the index. Raises FileNotFoundError when a picture of it is missing."""
        name = f"{self.words[row].id}.png"
        shown, truth = (self._pixels(self.folder / part / name) for part in ("input", "truth"))
        return ErasurePair(shown, truth, self._hole(self.folder / "mask" / name))

    def _pixels(self, path: Path) -> Tensor:
        import numpy as np
        from PIL import Image

        with Image.open(path) as picture:
            resized = picture.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 127.5 - 1

    def _hole(self, path: Path) -> Tensor:
        import numpy as np
        from PIL import Image

        with Image.open(path) as picture:
            resized = picture.convert("L").resize((self.size, self.size), Image.Resampling.NEAREST)
        return (torch.from_numpy(np.array(resized)) > 127)[None].float()


class PairsAhead:
    """Reads the pairs of the next step while this one is computed.

    Args:
        pairs: what is read.
        rows_of: the number of a step to the lines of the index that it wants.
    """

    def __init__(self, pairs: ErasurePairs, rows_of: Callable[[int], list[int]]):
        self.pairs = pairs
        self.rows_of = rows_of
        self._pool = ThreadPoolExecutor(THREADS)
        self._coming: dict[int, list[Future[ErasurePair]]] = {}

    def batch(self, step: int) -> ErasurePair:
        """The pairs of the step, stacked: [B, 3, S, S], [B, 3, S, S], [B, 1, S, S]."""
        wanted = self._coming.pop(step, None) or self._begin(step)
        self._coming = {step + 1: self._begin(step + 1)}
        return ErasurePair(*(torch.stack(part) for part in zip(*(one.result() for one in wanted), strict=True)))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, step: int) -> list[Future[ErasurePair]]:
        return [self._pool.submit(self.pairs.read, row) for row in self.rows_of(step)]
