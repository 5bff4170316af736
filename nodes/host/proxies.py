"""Pictures for widgets, in ComfyUI's temp folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import folder_paths
import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["PROXY_SIDE", "save_proxy"]

FOLDER = "mild"
PROXY_SIDE = 1024  # pixels of the longest side of what a widget shows


def save_proxy(pixels: Tensor) -> dict[str, str]:
    """Write a picture as PNG for a widget to show. Equal pictures are one file, since its name is made from what it shows.

    Args:
        pixels: [h, w, 1], [h, w, 3] or [h, w, 4] (straight alpha), uint8 or float in 0..1; what is beyond is clamped.
    Returns {"filename", "subfolder", "type"}, as the frontend asks for it.
    Raises ValueError for another shape.
    """
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or 0 in pixels.shape:
        shape = "×".join(map(str, pixels.shape))
        raise ValueError(f"pixels are {shape}, but they must be height×width×1, 3 or 4, and not empty")
    array = _bytes(pixels)
    digest = hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()[:32]
    folder = Path(folder_paths.get_temp_directory()) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.png"
    if not path.exists():
        part = folder / f"{digest}.{os.getpid()}.part"  # a browser must never read half a file
        Image.fromarray(array).save(part, format="PNG", compress_level=4)
        part.replace(path)
    return {"filename": path.name, "subfolder": FOLDER, "type": "temp"}


def _bytes(pixels: Tensor) -> np.ndarray:
    """[h, w], [h, w, 3] or [h, w, 4] uint8."""
    if pixels.dtype != torch.uint8:
        pixels = pixels.detach().float().nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8)
    array = pixels.cpu().contiguous().numpy()
    return array[..., 0] if array.shape[-1] == 1 else array
