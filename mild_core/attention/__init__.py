"""Attention over regions: how a person's pathway is kept from looking at other people."""

from .gap import GapRecord, attention_gap, closer_gain
from .methods import METHODS, Method, redirection, refocus, self_rectifying, sma
from .widen import modulated_attention

__all__ = [
    "METHODS",
    "GapRecord",
    "Method",
    "attention_gap",
    "closer_gain",
    "modulated_attention",
    "redirection",
    "refocus",
    "self_rectifying",
    "sma",
]
