"""Masks and label maps as files that ComfyUI reads, however a graph reads them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..data.png import to_png

__all__ = ["label_values", "mask_file"]


def mask_file(values: np.ndarray) -> bytes:
    """A PNG of values [H, W] uint8 that every way of reading a mask in ComfyUI reads as value/255."""
    return to_png(np.dstack([values, values, values, 255 - values]))


def label_values(data: bytes) -> np.ndarray | None:
    """The values [H, W] uint8 of a picture of one channel: grey, black and white, or numbered colours, whose numbers count.

    None for a picture of several channels, which only the graph knows how to read. Raises ValueError for values above 255, and OSError
    where it is no picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode == "1":
            return np.array(picture, np.uint8) * np.uint8(255)
        if picture.mode in ("L", "P"):
            return np.array(picture, np.uint8)
        if picture.mode.startswith("I"):
            values = np.array(picture)
            if values.max(initial=0) > 255 or values.min(initial=0) < 0:
                raise ValueError(f"the mask has values up to {values.max()}, but they must be 0 to 255")
            return values.astype(np.uint8)
        picture.load()
        return None
