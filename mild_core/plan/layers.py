"""The layer plan: the pathways of a scene, ready to be encoded as one latent batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box
from ..scene.masks import grow
from ..scene.people import Person, Scene
from ..scene.resize import resized
from .crops import clusters, crop_around
from .regions import RegionMap

__all__ = ["LayerPlan", "Pathway", "Role", "make_plan"]

Role = Literal["background", "person"]
PERSON_OVERLAP = 2.0  # pixels by which a person's hole reaches into what is visible: the edge holds the other's colour
SMALLEST_HOLE = 12  # pixels of area; a smaller hidden part is an edge of the masks, not a part of a body


@dataclass(frozen=True, eq=False)
class Pathway:
    """One row of the latent batch.

    Attributes:
        role: which prompt it is denoised with.
        person: the person's id, None for the background.
        hole: [H, W] bool over the photo, what is denoised.
        paste: [H, W] bool, the part of the hole that this row is the answer for; another row may be for the rest.
        source: [H, W] bool, what the hole may be filled from.
        crop: the square of the photo that the row shows.
        regions: hole, own, other, rest at working size.
        batch_index: which of the sampler's noises the row gets; stays the same when other pathways come or go.
    """

    role: Role
    person: str | None
    hole: Tensor
    paste: Tensor
    source: Tensor
    crop: Box
    regions: RegionMap
    batch_index: int


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """How a scene is denoised, and what it takes to put the result back.

    Attributes:
        scene: the scene it was made for.
        pathways: the rows of the batch, in order.
        working_size: pixels a side of every row.
        feather: pixels over which a hole's edge is blended, outside the hole.
    """

    scene: Scene
    pathways: tuple[Pathway, ...]
    working_size: int
    feather: float

    def working_image(self, pathway: Pathway, image: Tensor, size: int | None = None) -> Tensor:
        """The row's view of a picture [H, W, C]: [S, S, C], of the working size or another."""
        size = size or self.working_size
        return resized(pathway.crop.cut(image).float(), size, size)

    def working_hole(self, pathway: Pathway, size: int | None = None) -> Tensor:
        """The row's hole: [S, S] bool, true where any of the pixel is in it."""
        return _share(pathway, pathway.hole, size or self.working_size) > 0

    def working_source(self, pathway: Pathway, size: int | None = None) -> Tensor:
        """What the row may be filled from: [S, S] bool, true where all of the pixel is source and in the photo."""
        return _share(pathway, pathway.source, size or self.working_size) >= 1


def _share(pathway: Pathway, mask: Tensor, size: int) -> Tensor:
    cut = pathway.crop.cut_mask(mask).double()[None, None]
    if cut.shape[-1] >= size:
        return F.adaptive_avg_pool2d(cut, (size, size))[0, 0]
    return F.interpolate(cut, (size, size), mode="bilinear", align_corners=False)[0, 0]


def make_plan(scene: Scene, *, working_size: int, grow_by: float = 6.0, feather: float = 4.0, context: float = 1.6) -> LayerPlan:
    """The pathways of a scene.

    Background: a row for each cluster of what is erased, grown by `grow_by` pixels but not into people who stay.
    Person: a row for everybody of whom somebody nearer hides a part.

    Args:
        working_size: pixels a side of a row, a multiple of 8.
        grow_by: pixels the erased masks grow, to take the soft edge and the light it throws with them.
        feather: pixels over which the hole's edge is blended into the photo.
        context: length of a crop in lengths of its hole, at least 1.
    Raises ValueError when there is nothing to denoise.
    """
    height, width = scene.size
    staying, everybody = scene.union(scene.staying), scene.union(scene.people)
    erased = grow(scene.union(scene.going), grow_by) & ~staying if scene.going else torch.zeros_like(everybody)
    pathways = []
    for index, part in enumerate(clusters(erased, working_size, context)):
        crop = crop_around(Box.around(part), height, width, working_size, context)
        source = ~everybody & ~erased
        regions = RegionMap.of(crop, working_size, hole=erased, own=~everybody, other=staying)
        pathways.append(Pathway("background", None, erased, part, source, crop, regions, 2 * index))
    for person in scene.people:
        hole = _person_hole(person)
        if hole is None:
            continue
        crop = crop_around(person.box, height, width, working_size, context)
        visible = person.visible & ~hole
        regions = RegionMap.of(crop, working_size, hole=hole, own=visible, other=everybody & ~visible)
        pathways.append(Pathway("person", person.id, hole, hole, visible, crop, regions, 2 * person.number - 1))
    if not pathways:
        raise ValueError("there is nothing to denoise: nobody is erased, and nobody stands in front of anybody")
    return LayerPlan(scene, tuple(pathways), working_size, feather)


def _person_hole(person: Person) -> Tensor | None:
    """What is denoised of a person, or None when nothing to speak of is hidden."""
    if int(person.hidden.sum()) < SMALLEST_HOLE:
        return None
    return grow(person.hidden, PERSON_OVERLAP) & person.whole
