"""Paste-back, seams, RGBA layers, and layers composed by hand."""

from .arrangement import Arrangement, Placement, arrange_default, arrangement_text, parse_arrangement
from .layers import Layer, Layers, Picture, check_rows, compose, make_layers, rgba_batch, with_backdrop
from .raster import BLENDS, Blend, Raster
from .render import flatten, rasters
from .seam import Seam

__all__ = [
    "BLENDS",
    "Arrangement",
    "Blend",
    "Layer",
    "Layers",
    "Picture",
    "Placement",
    "Raster",
    "Seam",
    "arrange_default",
    "arrangement_text",
    "check_rows",
    "compose",
    "flatten",
    "make_layers",
    "parse_arrangement",
    "rasters",
    "rgba_batch",
    "with_backdrop",
]
