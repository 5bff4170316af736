"""Layers made for tests of files, and what strategies of hypothesis they come from."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from mild_core.compose.raster import BLENDS, Raster
from mild_core.scene.box import Box

__all__ = ["NAMES", "canvases", "noise", "painted", "stacks"]

NAMES = [
    "background",
    "person 1",
    "person 1",
    "Анна 人物 ünïcode",
    "שלום עולם\u200f",
    "👩‍👩‍👧 family",
    '</layer><script>alert("1")</script>&amp;',
    "../../../etc/passwd",
    "C:\\CON",
    "a\x00b\nc\ud800",
    "x" * 300,
    "",
]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Numbers in 0..1, some of them beyond its ends in neither direction."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def painted(name: str, box: tuple[int, int, int, int], seed: int = 0, **more: Any) -> Raster:
    """A layer of noise in that box (left, top, right, bottom)."""
    where = Box(*box)
    pixels = noise(where.height, where.width, 4, seed=seed)
    return Raster(name, f"id{seed}", where, pixels[..., :3].contiguous(), pixels[..., 3].contiguous(), **more)


@st.composite
def stacks(draw: st.DrawFn) -> list[Raster]:
    """A few layers, in the canvas, partly or wholly outside of it, or of no pixel at all."""
    layers = []
    for seed in range(draw(st.integers(1, 4))):
        left, top = draw(st.integers(-40, 60)), draw(st.integers(-40, 60))
        width, height = draw(st.integers(0, 37)), draw(st.integers(0, 37))
        raster = painted(
            draw(st.sampled_from(NAMES) | st.text(max_size=20)),
            (left, top, left + width, top + height),
            seed,
            opacity=draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
            blend=draw(st.sampled_from(BLENDS)),
            visible=draw(st.booleans()),
        )
        if draw(st.booleans()):
            raster.alpha.zero_()
        layers.append(raster)
    return layers


def canvases() -> st.SearchStrategy[tuple[int, int]]:
    """Heights and widths, odd ones too."""
    return st.tuples(st.integers(1, 40), st.integers(1, 40))
