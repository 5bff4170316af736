"""Pictures of floats as pictures of whole numbers, 8 or 16 bit, and as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .raster import Raster

__all__ = ["Depth", "check_canvas", "levels", "png", "rgba_levels"]

Depth = Literal[8, 16]
PNG_HEAD = 33  # bytes of the signature and of the header chunk, after which text may stand


def levels(values: Tensor, depth: Depth) -> np.ndarray:
    """Numbers in 0..1 as the nearest of the 256 or 65536 levels, halves up; uint8 or uint16 of the same shape.

    Levels that were divided by their highest, as ComfyUI loads pictures, come back as they were. ComfyUI's own Save Image gives those
    the same and rounds what lies between two levels down, so that a painted pixel may be one level darker there.
    """
    highest = 2**depth - 1
    # adding the half before cutting off is exact enough: 24 bits of float32 hold 16 and some of the fraction
    nearest = values.detach().to("cpu", torch.float32).mul(highest).add_(0.5).clamp_(0, highest)
    return nearest.numpy().astype(np.uint8 if depth == 8 else np.uint16)


def rgba_levels(raster: Raster, depth: Depth) -> np.ndarray:
    """A layer's pixels [h, w, 4] at that depth, straight; its opacity is not in them."""
    out = np.empty((*raster.alpha.shape, 4), np.uint8 if depth == 8 else np.uint16)
    out[..., :3], out[..., 3] = levels(raster.colour, depth), levels(raster.alpha, depth)
    return out


def png(pixels: np.ndarray, text: Mapping[str, str] | None = None) -> bytes:
    """A PNG file of pixels [h, w, 3 or 4], uint8 or uint16, with `text` in it by keyword, the way ComfyUI keeps its workflow.

    Without a pixel there is no PNG: an empty picture becomes a transparent pixel.
    """
    import cv2
    from PIL.PngImagePlugin import PngInfo, putchunk

    if not pixels.size:
        pixels = np.zeros((1, 1, pixels.shape[-1]), pixels.dtype)
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[-1] == 4 else cv2.COLOR_RGB2BGR
    # Pillow has no colour of 16 bit
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, order))
    if not done:
        raise ValueError(f"picture is {pixels.shape[0]}×{pixels.shape[1]}, which is too large for a PNG")
    info, chunks = PngInfo(), BytesIO()
    for keyword, value in (text or {}).items():
        info.add_text(keyword, value)
    for kind, data, *_ in info.chunks:
        putchunk(chunks, kind, data)
    file = encoded.tobytes()
    return file[:PNG_HEAD] + chunks.getvalue() + file[PNG_HEAD:]


def check_canvas(rasters: Sequence[Raster], size: tuple[int, int], picture: Tensor, depth: int) -> None:
    """Raises ValueError unless layers and flattened picture are pixels of that canvas (height, width), and depth is 8 or 16."""
    if depth not in (8, 16):
        raise ValueError(f"depth is {depth}, but it must be 8 or 16 bit")
    if picture.ndim != 3 or tuple(picture.shape[:2]) != tuple(size) or picture.shape[2] not in (3, 4):
        raise ValueError(f"picture is {_by(picture.shape)}, but it must be the canvas's {_by(size)} with 3 or 4 channels")
    for raster in rasters:
        box = (raster.box.height, raster.box.width)
        if tuple(raster.colour.shape) != (*box, 3) or tuple(raster.alpha.shape) != box:
            raise ValueError(
                f"layer {raster.name!r} has a box of {_by(box)}, but colour of {_by(raster.colour.shape)} and alpha of "
                f"{_by(raster.alpha.shape)}: they must be the box's size, with 3 channels of colour"
            )


def _by(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))
