"""A layer as painting programs know it: pixels at an offset, with a name, an opacity and a blend mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from ..scene.box import Box

__all__ = ["BLENDS", "Blend", "Raster"]

Blend = Literal[
    "normal", "multiply", "screen", "overlay", "darken", "lighten", "color-dodge", "color-burn", "hard-light", "soft-light",
    "difference", "exclusion", "hue", "saturation", "color", "luminosity",
]  # fmt: skip
"""The blend modes of W3C's Compositing and Blending Level 1, by its names; PSD and OpenRaster have each of them."""
BLENDS: tuple[Blend, ...] = get_args(Blend)


@dataclass(frozen=True, eq=False)
class Raster:
    """One layer of a picture of several.

    Attributes:
        name: what an artist reads; any text.
        id: a person's id, "background" or "backdrop".
        box: where it lies on the canvas, in pixels; it may reach beyond the canvas.
        colour: [h, w, 3] float32 in 0..1, straight (not premultiplied).
        alpha: [h, w] float32 in 0..1.
        opacity: 0..1, which the whole layer's alpha is multiplied by.
        blend: how its colour is mixed with what lies below.
        visible: whether the picture shows it.
    """

    name: str
    id: str
    box: Box
    colour: Tensor
    alpha: Tensor
    opacity: float = 1.0
    blend: Blend = "normal"
    visible: bool = True
