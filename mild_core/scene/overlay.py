"""A picture of a scene that tells an artist which number is who."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .colours import distinct_colour
from .masks import deepest, grow
from .people import Person, Scene

__all__ = ["colour_of", "number_people", "numbered", "tinted"]


def number_people(scene: Scene) -> Tensor:
    """The photo with everybody tinted, outlined and numbered; who goes is hatched out. IMAGE [1, H, W, 3]."""
    return numbered(tinted(scene), scene)[None]


def colour_of(person: Person) -> tuple[float, float, float]:
    """The colour that a person is shown in: red, green and blue in 0..1."""
    return distinct_colour(person.number)


def tinted(scene: Scene) -> Tensor:
    """The photo with everybody tinted and outlined; who goes is hatched out. [H, W, 3], on the CPU."""
    image = scene.photo[0].cpu().clamp(0, 1)
    height, width = scene.size
    period = max(min(height, width) // 80, 2)
    line = max(min(height, width) / 300, 1)
    for person in scene.people:
        colour = torch.tensor(colour_of(person))
        box = person.seen.box.grown(math.ceil(line)).clip(height, width)
        visible, there = person.seen.cut(box).cpu(), box.view(image)
        stripes = (torch.arange(box.top, box.bottom)[:, None] + torch.arange(box.left, box.right)) // period % 2 == 0
        tint = torch.where(stripes & (person.id in scene.erased), 0.75, 0.3)[..., None]
        there.copy_(torch.where(visible[..., None], torch.lerp(there, colour.expand_as(there), tint), there))
        there[grow(visible, line) & ~visible] = colour
    return image


def numbered(image: Tensor, scene: Scene) -> Tensor:
    """A picture [H, W, 3] of the scene with everybody's number where they are broadest."""
    height, width = scene.size
    picture = Image.fromarray((image * 255).round().to(torch.uint8).numpy())
    draw = ImageDraw.Draw(picture)
    for person in scene.people:
        x, y, room = deepest(person.seen)
        size = int(np.clip(room, 14, min(height, width) / 8 + 14))
        draw.text(
            (x, y),
            str(person.number),
            fill="white",
            stroke_fill="black",
            stroke_width=max(size // 10, 1),
            font=ImageFont.load_default(size),
            anchor="mm",
        )
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)
