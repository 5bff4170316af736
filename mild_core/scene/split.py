"""From masks to a scene: who is there, who stands in front, who owns which pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .choice import parse_order
from .masks import components
from .people import Person, Scene

__all__ = ["MaskedPerson", "Separation", "from_masks", "from_segs", "split_people"]

Separation = Literal["auto", "by mask", "by part", "by value"]


@dataclass(frozen=True, eq=False)
class MaskedPerson:
    """A mask [H, W] in 0..1 that came in, and the number it goes by."""

    number: int
    mask: Tensor
    label: str = ""


def from_masks(masks: Tensor, separate: Separation = "auto") -> list[MaskedPerson]:
    """People out of a MASK [B, H, W] or [H, W].

    Args:
        separate: "by mask": each mask of the batch is a person, numbered by its place, from 1.
            "by part": each connected part of the union is a person, numbered from the largest.
            "by value": the mask is a label map; values k/255 are person k (as Load Image (as Mask) gives an 8-bit PNG).
            "auto": by mask for a batch, by part for a single mask.
    """
    masks = masks.float().reshape(-1, *masks.shape[-2:])
    if separate == "auto":
        separate = "by mask" if len(masks) > 1 else "by part"
    if separate == "by mask":
        return [MaskedPerson(number, mask) for number, mask in enumerate(masks, start=1)]
    if separate == "by part":
        union = masks.amax(0)
        return [MaskedPerson(n, union * part) for n, part in enumerate(components(union), start=1)]
    if separate == "by value":
        if len(masks) != 1:
            raise ValueError(f"people masks are a batch of {len(masks)}, but to separate them by value there must be one label map")
        values = (masks[0] * 255).round().long()
        return [MaskedPerson(int(v), (values == v).float()) for v in values.unique() if v > 0]
    raise ValueError(f"separate is {separate!r}, but it must be one of auto, by mask, by part, by value")


def from_segs(segs: tuple) -> list[MaskedPerson]:
    """People out of Impact Pack's SEGS: ((height, width), [SEG]), each SEG with `cropped_mask`, `crop_region`
    (left, top, right, bottom) and `label`. Numbered by their place, from 1."""
    (height, width), segments = segs
    people = []
    for number, segment in enumerate(segments, start=1):
        left, top, right, bottom = (int(v) for v in segment.crop_region)
        cropped = torch.as_tensor(np.asarray(segment.cropped_mask), dtype=torch.float32).reshape(-1, bottom - top, right - left)[0]
        mask = torch.zeros(height, width)
        mask[top:bottom, left:right] = cropped
        people.append(MaskedPerson(number, mask, str(segment.label or "")))
    return people


def split_people(photo: Tensor, found: Sequence[MaskedPerson], *, depth_order: str = "", smallest: float = 0.0) -> Scene:
    """The scene of a photo and the masks of its people; nobody is erased yet.

    Depth order, nearest first: the order given (`2,1,3`), else whoever's mask reaches lower in the picture is nearer (people
    stand on the same ground). Of those who reach equally low, as everybody does whom the frame cuts, it is whose convex hull
    others cover less of, then the larger. A pixel that several masks claim belongs to the nearest of them. What a nearer
    person hides of somebody is taken to be the part of the convex hull of their visible pixels that nearer people cover.

    Args:
        photo: IMAGE [1, H, W, 3] in 0..1; an alpha channel is dropped.
        found: the people; masks are true above 0.5. Empty masks, and masks under `smallest`, are passed over and keep their number.
        smallest: share of the photo (0..1) under which a mask is a speck, not a person.
    Raises ValueError for a batch of photos, for masks of another size, and when no mask holds anybody.
    """
    if photo.ndim != 4 or photo.shape[0] != 1 or photo.shape[-1] < 3:
        raise ValueError(f"photo is {'×'.join(map(str, photo.shape))}, but it must be one picture of 1×height×width×3")
    photo = photo[..., :3].float()
    height, width = photo.shape[1:3]
    for person in found:
        if person.mask.shape != (height, width):
            rows, columns = person.mask.shape
            raise ValueError(f"people masks are {columns}×{rows} but the photo is {width}×{height}: they must be the same size")
    people = _named(found, max(smallest * height * width, 1))
    if not people:
        raise ValueError("people masks hold nobody: they are empty, or every part is smaller than the smallest person")
    anybody = torch.stack([p.visible for p in people]).any(0)
    people = parse_order(depth_order, people) or sorted(people, key=lambda p: _nearness(p, anybody))
    return Scene(photo, tuple(_with_bodies(_with_owners(people))))


def _named(found: Sequence[MaskedPerson], smallest: float) -> list[Person]:
    """People with ids, not yet with owners: everybody's `visible` is what their own mask claims."""
    people: list[Person] = []
    for one in found:
        claimed = one.mask > 0.5
        if claimed.sum() < smallest:
            continue
        id = "p" + hashlib.sha256(np.packbits(claimed.cpu().numpy()).tobytes()).hexdigest()[:8]
        twins = sum(p.id.split("-")[0] == id for p in people)
        people.append(Person(f"{id}-{twins}" if twins else id, one.number, claimed, one.mask.float().clamp(0, 1), claimed, one.label))
    return people


def _nearness(person: Person, anybody: Tensor) -> tuple[int, float, int, str]:
    """A key that sorts people nearest first; `anybody` [H, W] is where any of them is."""
    rows = person.visible.any(1).nonzero()
    hull = _hull(person.visible)
    covered = (hull & anybody & ~person.visible).sum() / hull.sum()
    return -int(rows[-1]), float(covered), -person.area, person.id


def _with_owners(people: Sequence[Person]) -> list[Person]:
    """Give each pixel to the nearest who claims it. Somebody of whom nothing is left to see is gone."""
    taken = torch.zeros_like(people[0].visible)
    owners = []
    for person in people:
        visible = person.visible & ~taken
        # soft edges stay soft, but never over somebody nearer
        alpha = torch.where(taken, torch.zeros_like(person.alpha), person.alpha)
        taken = taken | person.visible
        if visible.any():
            owners.append(replace(person, visible=visible, alpha=alpha))
    return owners


def _with_bodies(people: Sequence[Person]) -> list[Person]:
    """Guess everybody's whole body from the hull of what is visible, where somebody nearer covers it."""
    nearer = torch.zeros_like(people[0].visible)
    bodies = []
    for person in people:
        claimed = person.whole  # where masks overlapped, the mask itself says what is hidden
        hidden = (claimed | _hull(person.visible)) & nearer
        bodies.append(replace(person, whole=person.visible | hidden))
        nearer = nearer | person.visible
    return bodies


def _hull(mask: Tensor) -> Tensor:
    """The convex hull of a mask [H, W]. Bool."""
    import cv2

    points = mask.nonzero().flip(1).cpu().numpy().astype(np.int32)
    out = np.zeros(tuple(mask.shape), np.uint8)
    cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return torch.from_numpy(out > 0).to(mask.device)
