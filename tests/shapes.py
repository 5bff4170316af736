"""Pictures and masks made for tests."""

from __future__ import annotations

from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]


def disc(height: int, width: int, row: float, column: float, radius: float) -> torch.Tensor:
    """A disc as a mask [H, W], 0 or 1."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).float()


def stripes(height: int, width: int, period: int = 8) -> torch.Tensor:
    """A picture [H, W, 3] that a patch-based fill can continue: diagonal stripes in colour."""
    phase = (torch.arange(height)[:, None] + torch.arange(width)) % period / period
    return torch.stack([phase, 1 - phase, (phase * 2) % 1], -1)
