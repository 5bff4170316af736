"""Region maps by MagicEraser's rule, from panoptic labels (arXiv 2410.10207, section 4.3, Fig. 3).

The paper labels what a pixel shows as mask, positive ("semantics belong to background") or negative ("semantics are similar
to the objects to be erased"); `attention.refocus` takes these as hole, own and other. Things that are neither, such as a car
where a person goes, and pixels that nobody labelled, are rest: attention to them stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..scene.coco_panoptic import PERSON
from ..scene.panoptic import Panoptic
from ..scene.people import Scene
from .layers import LayerPlan, Pathway
from .regions import RegionMap

__all__ = ["erased_words", "negative_and_positive", "with_panoptic_regions"]

RECOGNIZED = 0.5  # share of somebody's pixels that must show a class, or the network did not see them


def with_panoptic_regions(plan: LayerPlan, panoptic: Panoptic) -> LayerPlan:
    """The plan, with the background's region maps by the paper's rule: hole; own = positive; other = negative; rest.

    Rows of people keep theirs: what is missing of a person is painted from that person, not from the background.
    Raises ValueError for labels of another size than the photo's.
    """
    panoptic.check_size(plan.scene.size, "the plan's photo")
    negative, positive = negative_and_positive(panoptic, plan.scene)

    def painted(pathway: Pathway) -> Pathway:
        if pathway.role != "background":
            return pathway
        crop = pathway.crop
        shown = pathway.hole.cut(crop), crop.cut_mask(positive), crop.cut_mask(negative)
        return replace(pathway, regions=RegionMap.of(plan.working_size, *shown))

    return replace(plan, pathways=tuple(painted(pathway) for pathway in plan.pathways))


def negative_and_positive(panoptic: Panoptic, scene: Scene) -> tuple[Tensor, Tensor]:
    """Two masks [H, W] bool without a pixel in common, on the photo's device.

    Negative: everything of a class of what is erased, whoever is erased included, and everybody who stays, labelled or not.
    Positive: stuff that is not negative.
    """
    device = scene.photo.device
    alike = panoptic.of_words(erased_words(panoptic, scene)).to(device)
    negative = alike | scene.union(scene.people)
    return negative, panoptic.background.to(device) & ~negative


def erased_words(panoptic: Panoptic, scene: Scene) -> frozenset[str]:
    """The classes of what is erased: of everybody who goes, the class of thing that covers most of them.

    Where none covers half of somebody, they are a person whom the network did not see.
    """
    things = {segment.id: segment.word for segment in panoptic.segments if segment.thing}
    words: set[str] = set()
    for person in scene.going:
        seen = person.seen
        shown = seen.box.view(panoptic.labels)[seen.pixels.to(panoptic.labels.device)]
        pixels: dict[str, int] = {}
        for id, count in zip(*torch.unique(shown, return_counts=True), strict=True):
            if (word := things.get(int(id))) is not None:
                pixels[word] = pixels.get(word, 0) + int(count)
        best = max(pixels, key=lambda word: (pixels[word], word), default="")
        words |= {best} if pixels.get(best, 0) >= RECOGNIZED * seen.area else PERSON
    return frozenset(words)
