"""Training pairs for the adapter: a hidden person, and beside truth, fill and hole the guidance that is drawn of them at use.

The sketch is that of the bundled model's person pairs. The guidance is three RGB pictures of the body, pose, parsing and
relations, drawn from what is known at use: what is visible of the person, and who stands in front. It is drawn after the
sketch was mirrored, because colours of a pose and of a parsing tell left from right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..models.adapter import GUIDANCE_CHANNELS
from ..morphology import adapter_hint, guide, understand
from ..scene import Box, MaskedPerson, split_people
from .pairs import ROLES, Pair, fill_sketch, mirror_at_random, sketch_person

__all__ = ["Guide", "GuidedPair", "guide_by_masks", "make_guided_pair"]

Guide = Callable[[np.ndarray, np.ndarray], Tensor]
"""(what is visible of the person, who is in front), each [S, S] bool, to guidance [9, S, S] in 0..1."""


@dataclass(frozen=True)
class GuidedPair(Pair):
    guidance: Tensor  # [9, S, S] uint8: pose, parsing, relations, each RGB


def guide_by_masks(visible: np.ndarray, front: np.ndarray) -> Tensor:
    """The guidance of whoever is behind, told from the two masks alone, as it is in use where no network helps. [9, S, S]"""
    size = len(visible)
    photo = torch.zeros(1, size, size, 3)
    masks = [MaskedPerson(n, torch.from_numpy(np.ascontiguousarray(mask)).float()) for n, mask in enumerate((front, visible), start=1)]
    scene = understand(split_people(photo, masks, depth_order="1,2"), silhouettes=False).scene
    person = next(p for p in scene.people if p.number == 2)
    drawn = guide(scene, person.id, Box(0, 0, size, size), size)
    return adapter_hint(drawn, person.id).permute(2, 0, 1)


def make_guided_pair(persons: list[tuple[Path, Path, int]], size: int, seed: int, guide: Guide = guide_by_masks) -> GuidedPair:
    """The pair of that seed, `size` px square, of one of `PhotoLibrary.persons()`; the same seed gives the same pair.

    Raises ValueError when the guide gives anything but [9, S, S] of finite values.
    """
    rng = np.random.default_rng(seed)
    while (sketch := sketch_person(persons, size, rng)) is None:
        pass
    sketch = mirror_at_random(sketch, rng)
    guidance = _as_bytes(guide(sketch.source, sketch.front), size)
    fill = fill_sketch(sketch, rng)
    return GuidedPair(torch.from_numpy(sketch.truth), fill, torch.from_numpy(sketch.hole), ROLES.index("person"), guidance)


def _as_bytes(guidance: Tensor, size: int) -> Tensor:
    if guidance.shape != (GUIDANCE_CHANNELS, size, size) or not guidance.isfinite().all():
        given = "×".join(map(str, guidance.shape))
        raise ValueError(f"guidance is {given}, but it must be {GUIDANCE_CHANNELS}×{size}×{size} of finite values in 0..1")
    return (guidance.float().clamp(0, 1) * 255).round().byte()
