"""Where SmartEraser looks: the crops of a photo that its network denoises, as a layer plan.

SmartEraser's demo scales the photo's short side to 512 pixels and cuts a square of 512 around the mask; a mask that is longer
than the short side gets the whole photo, padded with white. In pixels of the photo that is a square as long as one of its sides.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ..plan.layers import LayerPlan, Pathway, make_plan
from ..plan.regions import RegionMap
from ..scene.box import Box
from ..scene.part import Part
from ..scene.people import Scene
from ..scene.resize import resized
from ..scene.split import MaskedPerson, split_people

__all__ = ["Crop", "eraser_plan", "row_picture", "window_around"]

Crop = Literal["around the mask", "each part", "none"]
FEATHER = 4.0  # pixels over which the edge of the hole is blended into the photo; the demo blurs its mask by 5


def eraser_plan(photo: Tensor, mask: Tensor, crop: Crop, working_size: int = 512, context: float = 1.6) -> LayerPlan:
    """The plan by which what is under a mask is erased from a photo.

    Args:
        photo: IMAGE [1, H, W, 3 or 4] in 0..1.
        mask: [H, W], true above 0.5: what is erased, grown already.
        crop: "around the mask": one square, as SmartEraser's demo takes it. "each part": a square for each part of the mask that
            is far from the others, `context` times as long as the part. "none": the whole photo in its own shape.
        working_size: pixels a side of a row, but for "none".
    Raises ValueError when the mask is empty, is of another size, or crop is none of these.
    """
    if crop not in get_args(Crop):
        raise ValueError(f"crop is {crop!r}, but it must be one of {', '.join(get_args(Crop))}")
    scene = split_people(photo, [MaskedPerson(1, mask.float())])
    scene = scene.erasing(frozenset(person.id for person in scene.people))
    if crop == "each part":
        return make_plan(scene, working_size=working_size, grow_by=0, feather=FEATHER, context=context, complete="nobody")
    box = Box(0, 0, scene.size[1], scene.size[0]) if crop == "none" else window_around(Box.around(mask > 0.5), *scene.size)
    return LayerPlan(scene, (_pathway(scene, box, working_size),), working_size, FEATHER)


def _pathway(scene: Scene, crop: Box, size: int) -> Pathway:
    erased = scene.union(scene.going)
    hole = Part.of(erased)
    masks = [_stretched(crop.cut_mask(mask), size) for mask in (erased, ~erased)]
    regions = RegionMap.of_masks(masks[0], masks[1], torch.zeros_like(masks[0]))
    return Pathway("background", None, hole, hole, Part.of(~erased), crop, regions, 0)


def _stretched(mask: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(mask[None, None].float(), (size, size), mode="area")[0, 0]


def window_around(hole: Box, height: int, width: int) -> Box:
    """The square of a photo that SmartEraser's demo shows its network for that hole.

    As long as the photo's short side, around the middle of the hole, inside the photo. Where the hole is longer, as long as the long
    side, with the photo in its middle: then it reaches beyond the photo.
    """
    short, long = min(height, width), max(height, width)
    if hole.longest > short:
        left, top = (width - long) // 2, (height - long) // 2
        return Box(left, top, left + long, top + long)
    left = min(max((hole.left + hole.right - short) // 2, 0), width - short)
    top = min(max((hole.top + hole.bottom - short) // 2, 0), height - short)
    return Box(left, top, left + short, top + short)


def row_picture(plan: LayerPlan, pathway: Pathway, height: int, width: int) -> tuple[Tensor, Tensor]:
    """What a row shows in that size: the photo [height, width, 3], white beyond its frame, and the hole [height, width] bool."""
    crop, photo = pathway.crop, plan.scene.photo[0]
    there = crop.cut_mask(torch.ones(plan.scene.size, dtype=torch.bool, device=photo.device))
    picture = torch.where(there[..., None], crop.cut(photo), torch.ones((), dtype=photo.dtype, device=photo.device))
    hole = pathway.hole.cut(crop)[None, None].float()
    return resized(picture, height, width), _covered(hole, height, width)


def _covered(hole: Tensor, height: int, width: int) -> Tensor:
    """The hole [1, 1, h, w] in another size, true where any of the pixel is in it."""
    mode = {"mode": "area"} if hole.shape[-2] >= height and hole.shape[-1] >= width else {"mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(hole, (height, width), **mode)[0, 0] > 0
