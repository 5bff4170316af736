"""Paste-back, seams, RGBA layers."""

from .layers import Layer, Layers, Picture, check_rows, compose, make_layers, rgba_batch
from .seam import Seam

__all__ = ["Layer", "Layers", "Picture", "Seam", "check_rows", "compose", "make_layers", "rgba_batch"]
