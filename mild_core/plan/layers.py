"""The layer plan: the pathways of a scene, ready to be encoded as one latent batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.masks import grow
from ..scene.part import Part
from ..scene.people import Person, Scene
from ..scene.resize import averaged, resized
from .crops import clusters, crop_around
from .regions import RegionMap

__all__ = ["Completion", "LayerPlan", "Pathway", "Role", "make_plan"]

Role = Literal["background", "person"]
Completion = Literal["nobody", "staying", "all"]
PERSON_OVERLAP = 2.0  # pixels by which a person's hole reaches into what is visible: the edge holds the other's colour
OTHERS_EDGE = 2.0  # pixels of a row: so far beside a mask the soft edge still has that person's colour
NOISES = 16  # of each role: two people may get the same one, which harms nobody, and a sampler draws them all
SMALLEST_HOLE = 12  # pixels of area; a smaller hidden part is an edge of the masks, not a part of a body


@dataclass(frozen=True, eq=False)
class Pathway:
    """One row of the latent batch.

    Attributes:
        role: which prompt it is denoised with.
        person: the person's id, None for the background.
        hole: bool, what is denoised.
        paste: bool, the part of the hole that this row is the answer for; another row may be for the rest.
        source: bool, what the hole may be filled from.
        crop: the square of the photo that the row shows.
        regions: hole, own, other, rest at working size.
        batch_index: which of the sampler's noises the row gets; it comes from the person's id, so that it stays the same
            when other people come or go.
    """

    role: Role
    person: str | None
    hole: Part
    paste: Part
    source: Part
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

    @property
    def plans(self) -> tuple[LayerPlan, ...]:
        """The photos that the rows are of, which here is one."""
        return (self,)

    @property
    def hole(self) -> Part:
        """Everything of the background that is denoised. Bool."""
        for pathway in self.pathways:
            if pathway.role == "background":
                return pathway.hole
        return Part.of(torch.zeros(self.scene.size, dtype=torch.bool, device=self.scene.photo.device))

    def working_image(self, pathway: Pathway, image: Tensor, size: int | None = None) -> Tensor:
        """The row's view of a picture [H, W, C]: [S, S, C], of the working size or another."""
        size = size or self.working_size
        return resized(pathway.crop.cut(image).float(), size, size)

    def working_hole(self, pathway: Pathway, size: int | None = None) -> Tensor:
        """The row's hole: [S, S] bool, true where any of the pixel is in it."""
        return _share(pathway, pathway.hole, size or self.working_size) > 0

    def working_others(self, pathway: Pathway, size: int | None = None) -> Tensor:
        """Where the row shows people it is not for: [S, S] bool, outside its hole, with the `OTHERS_EDGE` pixels around them.

        Beyond the photo they repeat, as the photo does.
        """
        people = self.scene.union(tuple(p for p in self.scene.people if p.id != pathway.person))
        shown = averaged(pathway.crop.cut(people).double()[None], size or self.working_size)[0]
        return grow(shown > 0, OTHERS_EDGE) & ~self.working_hole(pathway, size)

    def working_source(self, pathway: Pathway, size: int | None = None) -> Tensor:
        """What the row may be filled from: [S, S] bool, true where all of the pixel is source and in the photo."""
        return _share(pathway, pathway.source, size or self.working_size) >= 1


def _share(pathway: Pathway, mask: Part, size: int) -> Tensor:
    return averaged(mask.cut(pathway.crop).double()[None], size)[0]


def make_plan(
    scene: Scene,
    *,
    working_size: int,
    grow_by: float = 6.0,
    feather: float = 4.0,
    context: float = 1.6,
    complete: Completion = "all",
    effects: Tensor | None = None,
) -> LayerPlan:
    """The pathways of a scene.

    Background: a row for each cluster of what is erased, grown by `grow_by` pixels but not into people who stay.
    Person: a row for those of whom somebody nearer hides a part.

    Args:
        working_size: pixels a side of a row, a multiple of 8.
        grow_by: pixels the erased masks grow, to take the soft edge and the light it throws with them.
        feather: pixels over which the hole's edge is blended into the photo.
        context: length of a crop in lengths of its hole, at least 1.
        complete: who gets a row: "nobody"; of those "staying" whoever somebody who goes hides, which the picture needs; or
            "all" whom anybody hides, so that every layer is whole.
        effects: MASK [H, W] or [1, H, W], true above 0.5: shadows and reflections that go with the people.
    Raises ValueError when there is nothing to denoise, and for an option or a mask that is none.
    """
    height, width = scene.size
    staying, everybody = scene.union(scene.staying), scene.union(scene.people)
    gone = scene.union(scene.going)
    if effects is not None:
        gone = gone | _of_photo(effects, scene)
    erased = grow(gone, grow_by) & ~staying
    hole, source = Part.of(erased), Part.of(~everybody & ~erased)
    pathways = []
    for part in clusters(erased, working_size, context):
        crop = crop_around(part.box, height, width, working_size, context)
        regions = RegionMap.of(working_size, crop.cut_mask(erased), crop.cut_mask(~everybody), crop.cut_mask(staying))
        pathways.append(Pathway("background", None, hole, part, source, crop, regions, 2 * _noise_of_part(part, scene)))
    for person in _completed(scene, complete):
        part = _person_hole(person)
        crop = crop_around(person.box, height, width, working_size, context)
        visible = Part(person.box, person.seen.cut(person.box) & ~part.cut(person.box), person.seen.size)
        own = visible.cut(crop)
        labels = None if person.parsing is None else person.parsing.cut(crop)
        regions = RegionMap.of(working_size, part.cut(crop), own, crop.cut_mask(everybody) & ~own, labels)
        pathways.append(Pathway("person", person.id, part, part, visible, crop, regions, 2 * _noise(person.id) + 1))
    if not pathways:
        raise ValueError("there is nothing to denoise: nobody is erased, and there is nobody to complete")
    return LayerPlan(scene, tuple(pathways), working_size, feather)


def _of_photo(effects: Tensor, scene: Scene) -> Tensor:
    """The mask [H, W] as bool, on the photo's device."""
    height, width = scene.size
    if effects.shape[-2:] != scene.size or effects.numel() != height * width:
        raise ValueError(f"effects are {'×'.join(map(str, effects.shape))}, but they must be one mask of {height}×{width}, as the photo is")
    return effects.reshape(height, width).to(scene.photo.device) > 0.5


def _completed(scene: Scene, complete: Completion) -> list[Person]:
    """Who gets a row, nearest first."""
    if complete not in ("nobody", "staying", "all"):
        raise ValueError(f"complete is {complete!r}, but it must be one of nobody, staying, all")
    if complete == "nobody":
        return []
    hidden = [p for p in scene.people if p.hidden_part.area >= SMALLEST_HOLE]
    if complete == "all":
        return hidden
    gone = scene.union(scene.going)
    return [p for p in hidden if p.id not in scene.erased and _area_in(p.hidden_part, gone) >= SMALLEST_HOLE]


def _area_in(part: Part, mask: Tensor) -> int:
    return int((part.box.view(mask) & part.pixels).sum())


def _person_hole(person: Person) -> Part:
    """What is denoised of a person."""
    hidden = person.hidden_part.cut(person.box)
    return Part(person.box, grow(hidden, PERSON_OVERLAP) & person.body.pixels, person.body.size).tight()


def _noise(id: str) -> int:
    return int(id[1:9], 16) % NOISES


def _noise_of_part(part: Part, scene: Scene) -> int:
    """The noise of whoever in this part of the hole comes first by id; 0 when it is nobody, but an effect."""
    ids = [p.id for p in scene.going if (part.cut(p.seen.box) & p.seen.pixels).any()]
    return _noise(min(ids)) if ids else 0
