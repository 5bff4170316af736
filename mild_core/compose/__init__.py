"""Paste-back, seams, RGBA layers."""

from .layers import Layer, Layers, Picture, compose, make_layers

__all__ = ["Layer", "Layers", "Picture", "compose", "make_layers"]
