"""Training pairs for the adapter: a hidden person, and beside truth, fill and hole the guidance that is drawn of them at use.

The sketch is that of the bundled model's person pairs. The guidance is three RGB pictures of the body, pose, parsing and
relations, drawn from what is known at use: what is visible of the person, and who stands in front. It is drawn after the
sketch was mirrored, because colours of a pose and of a parsing tell left from right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..models.adapter import GUIDANCE_CHANNELS
from .pairs import ROLES, Pair, fill_sketch, mirror_at_random, sketch_person

__all__ = ["Guide", "GuidedPair", "find_guide", "make_guided_pair"]

Guide = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(own_visible, front, truth) to guidance: bool [S, S], bool [S, S] and uint8 RGB [S, S, 3] to [9, S, S] in 0..1."""


@dataclass(frozen=True)
class GuidedPair(Pair):
    guidance: Tensor  # [9, S, S] uint8: pose, parsing, relations, each RGB


def make_guided_pair(persons: list[tuple[Path, Path, int]], size: int, seed: int, guide: Guide) -> GuidedPair:
    """The pair of that seed, `size` px square, of one of `PhotoLibrary.persons()`; the same seed gives the same pair.

    Raises ValueError when the guide gives anything but [9, S, S] of finite values.
    """
    rng = np.random.default_rng(seed)
    while (sketch := sketch_person(persons, size, rng)) is None:
        pass
    sketch = mirror_at_random(sketch, rng)
    guidance = _as_bytes(guide(sketch.source, sketch.front, sketch.truth), size)
    fill = fill_sketch(sketch, rng)
    return GuidedPair(torch.from_numpy(sketch.truth), fill, torch.from_numpy(sketch.hole), ROLES.index("person"), guidance)


def find_guide(name: str) -> Guide:
    """The guide of that name, written `module:function`; names, unlike functions, can be given to other processes.

    Raises ValueError when there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"guide is {name!r}, but it must be module:function of a function that can be imported ({error})") from error


def _as_bytes(guidance: np.ndarray | Tensor, size: int) -> Tensor:
    drawn = torch.as_tensor(guidance, dtype=torch.float32)
    if drawn.shape != (GUIDANCE_CHANNELS, size, size) or not drawn.isfinite().all():
        given = "×".join(map(str, drawn.shape))
        raise ValueError(f"guidance is {given}, but it must be {GUIDANCE_CHANNELS}×{size}×{size} of finite values in 0..1")
    return (drawn.clamp(0, 1) * 255).round().byte()
