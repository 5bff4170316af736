"""PixelHacker's prompt (arXiv 2504.20438): no words, but 20 learnt vectors for what a picture may be made of.

Guidance goes from one half of them to the other: ε̂ = ε(background) + w·[ε(foreground) − ε(background)], w = 4.5. The foreground's
are 0-9, the background's 10-19, and it is the foreground that is asked for, however that sounds: names and order are the published
code's. A vector becomes a token of the attention by the network's own projection (`encoder_hid_proj`), which ComfyUI's UNet lacks.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["BACKGROUND", "CATEGORIES", "FOREGROUND", "PROJECTION", "TABLE", "load_tokens", "parse_ids"]

TABLE = "embedding_layer.weight"
PROJECTION = ("encoder_hid_proj.weight", "encoder_hid_proj.bias")
CATEGORIES = 20
FOREGROUND, BACKGROUND = "0-9", "10-19"


def load_tokens(path: Path) -> Tensor:
    """The tokens [N, D] of a safetensors file with `embedding_layer.weight` [N, E], and `encoder_hid_proj` to D where it is there.

    Raises ValueError when it is none of that kind.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(path))
    except SafetensorError as error:
        raise ValueError(f"{path.name} must be a safetensors file, but it cannot be read as one: {error}") from error
    table = tensors.get(TABLE)
    if table is None or table.ndim != 2:
        raise ValueError(f"{path.name} lacks {TABLE}, but a table of PixelHacker's embeddings must have a vector for each category there")
    if PROJECTION[0] not in tensors:
        return table.float()
    weight, bias = tensors[PROJECTION[0]], tensors.get(PROJECTION[1])
    if weight.shape[-1] != table.shape[-1]:
        raise ValueError(f"{path.name} projects vectors of {weight.shape[-1]} numbers, but the table's are of {table.shape[-1]}")
    return torch.nn.functional.linear(table.float(), weight.float(), None if bias is None else bias.float())


def parse_ids(words: str, count: int, name: str) -> list[int]:
    """Numbers of categories from text such as `0-9` or `3, 5, 7-8`.

    Raises ValueError, which names the input, when it is none, or names a category that is not among `count`.
    """
    found: list[int] = []
    for word in re.split(r"[,\s]+", re.sub(r"\s*-\s*", "-", words.strip())):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < count:
            raise ValueError(f"{name} names {word!r}, but it must be numbers from 0 to {count - 1}, or rising ranges such as 0-9")
        found.extend(range(first, last + 1))
    return found
