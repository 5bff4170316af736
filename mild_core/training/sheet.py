"""Sheets of samples, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["save_rows"]


def save_rows(path: Path, columns: Sequence[Tensor]) -> None:
    """Write pictures [B, 3, S, S] in -1..1, a column for each batch, as a PNG with a row for each pair."""
    from PIL import Image

    whole = torch.cat(list(torch.cat([column.float().cpu() for column in columns], 3)), 1)
    pixels = ((whole + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
