"""Who is in a scene, for a picture to pick them from: facts for each person, and whose each pixel is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .masks import deepest
from .people import Scene

__all__ = ["list_people", "map_owners", "shown_size"]


def shown_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Height and width, made smaller so that no side is longer than `longest`."""
    height, width = size
    scale = min(longest / max(size), 1)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def list_people(scene: Scene) -> list[dict[str, Any]]:
    """For everybody, nearest first, as JSON holds it: `id`, `number`, `label`; `area`, the share of the photo that shows them;
    `depth`, 0 = nearest; `erased`; `box` of what is seen, left, top, right, bottom; `at`, x and y where they are broadest.
    Pixels are the photo's.
    """
    height, width = scene.size
    return [
        {
            "id": person.id,
            "number": person.number,
            "label": person.label,
            "area": person.area / (height * width),
            "depth": depth,
            "erased": person.id in scene.erased,
            "box": list(person.seen.box),
            "at": list(deepest(person.seen)[:2]),
        }
        for depth, person in enumerate(scene.people)
    ]


def map_owners(scene: Scene, size: tuple[int, int]) -> Tensor:
    """Whose each pixel is, at another size: 0 nobody's, 1 the nearest person's, and so on.

    uint8 [h, w, 3] on the CPU: red is the index's low byte, green its high byte, so that a browser reads it from a PNG exactly.
    Every pixel is the one of the photo that lies under its middle.
    """
    owners = torch.zeros(scene.size, dtype=torch.int32, device=scene.photo.device)
    for index, person in enumerate(scene.people, start=1):
        person.seen.box.view(owners)[person.seen.pixels] = index
    rows, columns = (_middles(full, small).to(owners.device) for full, small in zip(scene.size, size, strict=True))
    owners = owners[rows][:, columns].cpu()
    return torch.stack([owners % 256, owners // 256, torch.zeros_like(owners)], -1).to(torch.uint8)


def _middles(full: int, small: int) -> Tensor:
    """For each of `small` pixels in a row, which of `full` lies under its middle. int64 [small]"""
    return ((2 * torch.arange(small) + 1) * full) // (2 * small)
