"""A picture of panoptic labels: each segment in a colour of its own, with the word for it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .colours import distinct_colour
from .masks import deepest
from .panoptic import Panoptic
from .part import Part

__all__ = ["draw_panoptic"]

TINT = 0.55  # share of the colour over the photo
SMALLEST = 0.002  # of the photo: a smaller segment gets its colour, but no word


def draw_panoptic(photo: Tensor, panoptic: Panoptic) -> Tensor:
    """The photo [H, W, 3] in 0..1 with every segment tinted, and named where it is broadest. IMAGE [1, H, W, 3], on the CPU.

    People and other things that are alike have different colours; what nobody labelled keeps its own.
    Raises ValueError for labels of another size.
    """
    panoptic.check_size((photo.shape[0], photo.shape[1]), "the photo")
    labels, image = panoptic.labels.cpu(), photo[..., :3].cpu().float().clamp(0, 1)
    colours = torch.zeros(max((segment.id for segment in panoptic.segments), default=0) + 1, 3)
    for place, segment in enumerate(panoptic.segments):  # by place: ids may be far apart
        colours[segment.id] = torch.tensor(distinct_colour(place))
    tinted = torch.where((labels > 0)[..., None], torch.lerp(image, colours[labels], TINT), image)
    return _named(tinted, panoptic)[None]


def _named(image: Tensor, panoptic: Panoptic) -> Tensor:
    height, width = panoptic.size
    picture = Image.fromarray((image * 255).round().to(torch.uint8).numpy())
    draw = ImageDraw.Draw(picture)
    labels, areas = panoptic.labels.cpu(), panoptic.areas()
    for segment in panoptic.segments:
        if areas[segment.id] < SMALLEST * height * width:
            continue
        x, y, room = deepest(Part.of(labels == segment.id))
        size = int(np.clip(room / 2, 10, min(height, width) / 20 + 10))
        font = ImageFont.load_default(size)
        draw.text((x, y), segment.word, fill="white", stroke_fill="black", stroke_width=max(size // 8, 1), font=font, anchor="mm")
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)
