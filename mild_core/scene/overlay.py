"""A picture of a scene that tells an artist which number is who."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .masks import distance_inside, grow
from .people import Scene

__all__ = ["number_people"]

GOLDEN_ANGLE = 0.381966  # turns of the hue circle between neighbours: no two of many people look alike


def number_people(scene: Scene) -> Tensor:
    """The photo with everybody tinted, outlined and numbered; who goes is hatched out. IMAGE [1, H, W, 3]."""
    image = scene.photo[0].cpu().clamp(0, 1)
    height, width = scene.size
    period = max(min(height, width) // 80, 2)
    line = max(min(height, width) / 300, 1)
    marks = []
    for person in scene.people:
        colour = torch.tensor(colorsys.hsv_to_rgb(person.number * GOLDEN_ANGLE % 1, 0.75, 1.0))
        box = person.seen.box.grown(math.ceil(line)).clip(height, width)
        visible, there = person.seen.cut(box).cpu(), box.view(image)
        stripes = (torch.arange(box.top, box.bottom)[:, None] + torch.arange(box.left, box.right)) // period % 2 == 0
        tint = torch.where(stripes & (person.id in scene.erased), 0.75, 0.3)[..., None]
        there.copy_(torch.where(visible[..., None], torch.lerp(there, colour.expand_as(there), tint), there))
        there[grow(visible, line) & ~visible] = colour
        depth = distance_inside(F.pad(visible, [1] * 4))[1:-1, 1:-1]  # the frame is an edge too: a number at it would be cut
        deepest = int(depth.argmax())
        marks.append((box.left + deepest % box.width, box.top + deepest // box.width, person.number, float(depth.max())))
    picture = Image.fromarray((image * 255).round().to(torch.uint8).numpy())
    draw = ImageDraw.Draw(picture)
    for x, y, number, room in marks:
        size = int(np.clip(room, 14, min(height, width) / 8 + 14))
        font = ImageFont.load_default(size)
        draw.text((x, y), str(number), fill="white", stroke_fill="black", stroke_width=max(size // 10, 1), font=font, anchor="mm")
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
