"""From masks to a scene: who is there, who stands in front, who owns which pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .box import Box
from .choice import parse_order
from .depth import Depth, given_order, order_people
from .masks import components, hull
from .part import Part
from .people import Person, Scene

__all__ = ["MaskedPerson", "Separation", "from_masks", "from_segs", "split_people"]

FAINTEST = 1 / 255  # a softer edge than 8 bits can hold is none
Separation = Literal["auto", "by mask", "by part", "by value"]


@dataclass(frozen=True, eq=False)
class MaskedPerson:
    """A mask [H, W] in 0..1 that came in, and the number it goes by."""

    number: int
    mask: Tensor | Part
    label: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.mask.size if isinstance(self.mask, Part) else (self.mask.shape[0], self.mask.shape[1])

    def soft(self, device: torch.device) -> Part:
        """The mask in float32, without what is less than one of 255 steps.

        Raises ValueError when it holds NaN or an infinity.
        """
        values = self.mask.pixels if isinstance(self.mask, Part) else self.mask
        if not values.sum(dtype=torch.float32).isfinite():
            raise ValueError(f"people masks hold NaN or infinity in the mask of person {self.number}, but must hold numbers in 0 to 1")
        part = self.mask if isinstance(self.mask, Part) else Part.of(self.mask)
        pixels = part.pixels.to(device, torch.float32)
        return Part(part.box, (pixels * (pixels >= FAINTEST)).clamp(max=1), part.size).tight()


def from_masks(masks: Tensor, separate: Separation = "auto") -> list[MaskedPerson]:
    """People out of a MASK [B, H, W] or [H, W].

    Args:
        separate: "by mask": each mask of the batch is a person, numbered by its place, from 1.
            "by part": each connected part of the union is a person, numbered from the largest.
            "by value": the mask is a label map; values k/255 are person k (as Load Image (as Mask) gives an 8-bit PNG).
            "auto": by mask for a batch, by part for a single mask.
    Raises ValueError for another number of dimensions, and for a batch of label maps.
    """
    if masks.ndim not in (2, 3, 4) or (masks.ndim == 4 and 1 not in masks.shape[1::2]):
        raise ValueError(f"people masks are {'×'.join(map(str, masks.shape))}, but they must be batch×height×width")
    if masks.ndim == 4:  # some nodes give masks a channel, first or last
        masks = masks[:, 0] if masks.shape[1] == 1 else masks[..., 0]
    masks = masks.reshape(-1, *masks.shape[-2:])
    if separate == "auto":
        separate = "by mask" if len(masks) > 1 else "by part"
    if separate == "by mask":
        return [MaskedPerson(number, mask) for number, mask in enumerate(masks, start=1)]
    if separate == "by part":
        union = masks.float().amax(0)
        found = components(union)
        return [MaskedPerson(n, replace(part, pixels=part.box.view(union) * part.pixels)) for n, part in enumerate(found, start=1)]
    if separate == "by value":
        if len(masks) != 1:
            raise ValueError(f"people masks are a batch of {len(masks)}, but to separate them by value there must be one label map")
        values = (masks[0].float().clamp(0, 1).nan_to_num() * 255).round().to(torch.uint8)
        there = torch.bincount(values.flatten().int(), minlength=256).nonzero()[:, 0].tolist()
        return [MaskedPerson(value, Part.of(values == value)) for value in there if value]
    raise ValueError(f"separate is {separate!r}, but it must be one of auto, by mask, by part, by value")


def from_segs(segs: tuple) -> list[MaskedPerson]:
    """People out of Impact Pack's SEGS: ((height, width), [SEG]), each SEG with `cropped_mask`, `crop_region`
    (left, top, right, bottom) and `label`. Numbered by their place, from 1."""
    (height, width), segments = segs
    people = []
    for number, segment in enumerate(segments, start=1):
        box = Box(*(int(v) for v in segment.crop_region))
        cropped = torch.as_tensor(np.asarray(segment.cropped_mask), dtype=torch.float32).reshape(-1, box.height, box.width)[0]
        inside = box.clip(height, width)
        part = Part(inside, inside.moved(-box.left, -box.top).view(cropped), (height, width))
        people.append(MaskedPerson(number, part, str(segment.label or "")))
    return people


def split_people(photo: Tensor, found: Sequence[MaskedPerson], *, depth_order: str = "", smallest: float = 0.0) -> Scene:
    """The scene of a photo and the masks of its people; nobody is erased yet.

    Depth order, nearest first: the order given (`2,1,3`), else the one that the masks tell (`depth.order_people`): who cuts
    whose outline, who covers or cuts off parts of whom, who reaches lower, who is larger. Where ids are given that leave people
    out, those named change places among themselves and everybody else keeps theirs. The scene's `order` says how sure each
    pair is. A pixel that several masks claim belongs to the nearest of them. What a nearer person hides of somebody is
    taken to be the part of the convex hull of their visible pixels that nearer people cover.

    Args:
        photo: IMAGE [1, H, W, 3 or 4] in 0..1; an alpha channel is kept apart.
        found: the people; masks are true above 0.5. Empty masks, and masks under `smallest`, are passed over and keep their number.
        smallest: share of the photo (0..1) under which a mask is a speck, not a person.
    Raises ValueError for a batch of photos, for values that are no numbers, for masks of another size, and when no mask holds anybody.
    """
    if photo.ndim != 4 or photo.shape[0] != 1 or photo.shape[-1] not in (3, 4):
        raise ValueError(f"photo is {'×'.join(map(str, photo.shape))}, but it must be one picture of 1×height×width×3")
    if not photo.isfinite().all():
        raise ValueError("photo holds NaN or infinity, but must hold numbers in 0 to 1")
    height, width = photo.shape[1:3]
    for person in found:
        if person.size != (height, width):
            rows, columns = person.size
            raise ValueError(f"people masks are {columns}×{rows} but the photo is {width}×{height}: they must be the same size")
    people = _named(found, max(smallest * height * width, 1), photo.device)
    if not people:
        raise ValueError("people masks hold nobody: they are empty, or every part is smaller than the smallest person")
    named = parse_order(depth_order, people)
    depth = given_order(named) if len(named) == len(people) else _rearranged(order_people(people), named)
    shown = tuple(_with_bodies(_with_owners(depth.people)))
    ids = {p.id for p in shown}
    order = tuple(pair for pair in depth.pairs if {pair.nearer, pair.farther} <= ids)
    opacity = photo[0, ..., 3].float() if photo.shape[-1] == 4 else None
    return Scene(photo[..., :3].float(), shown, opacity=opacity, order=order)


def _rearranged(told: Depth, named: Sequence[Person]) -> Depth:
    """Those named take, in their order, the places that they have among all; everybody else keeps theirs.

    Of two who are named the order is certain. Of others it is as sure as the masks tell, and a toss-up where they tell otherwise.
    """
    if not named:
        return told
    ids, turn = {p.id for p in named}, iter(named)
    people = tuple(next(turn) if p.id in ids else p for p in told.people)
    seen = {(pair.nearer, pair.farther): pair for pair in told.pairs}
    pairs = []
    for near, far in combinations((p.id for p in people), 2):
        pair = seen.get((near, far)) or seen[far, near]._replace(nearer=near, farther=far, confidence=0.5)
        pairs.append(pair._replace(confidence=1.0) if {near, far} <= ids else pair)
    return Depth(people, tuple(pairs))


def _named(found: Sequence[MaskedPerson], smallest: float, device: torch.device) -> list[Person]:
    """People with ids, not yet with owners: everybody's `seen` is what their own mask claims."""
    people: list[Person] = []
    for one in found:
        soft = one.soft(device)
        claimed = replace(soft, pixels=soft.pixels > 0.5).tight()
        if claimed.area < smallest:
            continue
        place = np.array([*claimed.size, *claimed.box], np.int32).tobytes()
        id = "p" + hashlib.sha256(place + np.packbits(claimed.pixels.cpu().numpy()).tobytes()).hexdigest()[:8]
        twins = sum(p.id.split("-")[0] == id for p in people)
        people.append(Person(f"{id}-{twins}" if twins else id, one.number, claimed, soft, claimed, one.label))
    return people


def _with_owners(people: Sequence[Person]) -> list[Person]:
    """Give each pixel to the nearest who claims it. Somebody of whom nothing is left to see is gone."""
    taken = torch.zeros(people[0].seen.size, dtype=torch.bool, device=people[0].seen.pixels.device)
    owners = []
    for person in people:
        seen, soft = person.seen, person.soft
        mine = replace(seen, pixels=seen.pixels & ~seen.box.view(taken)).tight()
        # soft edges stay soft, but never over somebody nearer
        edge = replace(soft, pixels=soft.pixels * ~soft.box.view(taken)).tight()
        seen.add_to(taken)
        if mine.area:
            owners.append(replace(person, seen=mine, soft=edge, claimed=seen if mine.area < seen.area else None))
    return owners


def _with_bodies(people: Sequence[Person]) -> list[Person]:
    """Guess everybody's whole body from the hull of what is visible, where somebody nearer covers it."""
    nearer = torch.zeros(people[0].seen.size, dtype=torch.bool, device=people[0].seen.pixels.device)
    bodies = []
    for person in people:
        box = person.body.box  # where masks overlapped, the mask itself says what is hidden
        seen = person.seen.cut(box)
        body = seen | ((person.body.pixels | hull(seen)) & box.view(nearer))
        bodies.append(replace(person, body=replace(person.body, pixels=body).tight()))
        person.seen.add_to(nearer)
    return bodies
