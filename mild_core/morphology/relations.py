"""How people stand to each other and to objects: who touches whom and where, who hides whom, whose hand lies on what.

Everything is geometry on masks that are there already. Distances and contact are measured in the photo as `scene.depth` looks
at it: one longer than PHOTO_SIDE is looked at in a whole fraction of its size, and what comes out is given in pixels of the
photo, as exact as that fraction. Shares of bodies and reaching hands are measured in the photo itself. No step needs a mask as
big as a large photo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, floor, sqrt
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.depth import PHOTO_SIDE, REACH, shrunk
from ..scene.masks import distance_inside
from ..scene.part import Part
from ..scene.people import Person, Relation, Scene
from ..scene.pose import JOINTS
from ..scene.resize import averaged

__all__ = ["Grip", "Hand", "between_people", "contact_lines", "grips", "in_words", "relate", "relation_channels"]

WITHIN = 0.25  # of a height: as far as a forearm and its hand reach (0.146 + 0.108 of the stature; Drillis and Contini 1966)
FOREARM = 0.146  # of a height, where the elbow is not known (the same)
HAND = 0.35  # of a forearm: from the wrist to the middle of the hand, and from there to its rim
BREADTH = 0.25  # of a forearm: a hand so near lies on what it is near to
SEEN = 0.3  # confidence of a joint that is taken for seen
CLOSE = 0.1  # of a height: what is farther from where two touch knows nothing of it
SIDES = ("right", "left")  # as in Pose.hands
IN_FRONT, ITSELF, BEHIND = 1.0, 0.5, 0.25  # what a person's pathway is told of a pixel that shows somebody


def relate(scene: Scene, objects: Tensor | None = None) -> Scene:
    """The scene with its `relations` and `objects`.

    Two people are near, and related, when the gap between what is seen of them is less than a quarter of the taller's height,
    which is as far as a forearm and hand bridge, or when their boxes overlap: then no crop shows one without the other. An
    object is near somebody by that person's height alone, for it does not reach out itself, and its box says little: that of
    a fence holds the whole street; or when it lies on a part of their body that is hidden.

    Relations of people come first, in the order of `scene.people`, then those to objects. `in_front` is what `scene.order`
    says. A hand counts when it was seen (a confidence of 0.3, not guessed) and lies on what is seen of the other, or within a
    hand's breadth of it; a pose told from the silhouette shows no hands.

    Args:
        objects: MASK [N, H, W] or [H, W] in 0..1, as big as the photo, true above 0.5. An object may lie on people; it takes
            no pixels from them. An empty one has no relations, and keeps its number and its place among `scene.objects`.
    Raises ValueError for objects of another shape than the photo's.
    """
    things = _objects(objects, scene)
    views = [_view(person.seen) for person in scene.people]
    there = {f"object {k}": thing for k, thing in enumerate(things, start=1) if thing.area}
    of_things = [_view(thing) for thing in there.values()]
    sure = {(pair.nearer, pair.farther): pair.confidence for pair in scene.order}
    people: list[Relation] = []
    held: list[Relation] = []
    for n, one in enumerate(scene.people):
        others = scene.people[n + 1 :]
        within = [WITHIN * max(one.box.height, other.box.height) for other in others]
        for k, gap, contact, overlap in _measured(one, views[n], [other.body for other in others], views[n + 1 :], within):
            other = others[k]
            if gap < within[k] or _apart(one.box, other.box) < 0:
                hands = (*_reaching("one", one, other.seen), *_reaching("other", other, one.seen))
                people.append(Relation(one.id, other.id, sure.get((one.id, other.id), 0.5), gap, contact, overlap, hands))
        near = WITHIN * one.box.height
        for k, gap, contact, overlap in _measured(one, views[n], [*there.values()], of_things, [near] * len(there)):
            name = [*there][k]
            if gap < near or overlap > 0:
                hands = (*_reaching("one", one, there[name]),)
                held.append(Relation(one.id, name, 0.5, gap, contact, overlap, hands))
    return replace(scene, relations=(*people, *held), objects=things)


def in_words(scene: Scene) -> str:
    """A line for each relation, people by their numbers, such as `1 is in front of 2 (92 %), touching over 41 px, 12 % hidden;
    right hand of 1 on 2` or `right hand of 2 on object 1, overlap 30 %`."""
    names = {person.id: str(person.number) for person in scene.people}
    lines = []
    for relation in scene.relations:
        one, other, share = names[relation.one], names.get(relation.other, relation.other), f"{100 * relation.overlap:.0f} %"
        hands = ", ".join(_hands_in_words(relation, names))
        if relation.other in names:
            sure = f"{100 * relation.in_front:.0f}"
            words = [f"{one} is beside {other}" if sure == "50" else f"{one} is in front of {other} ({sure} %)"]
            words += [f"touching over {relation.contact:.0f} px"] * (relation.contact > 0)
            words += [f"{relation.distance:.0f} px apart"] * (relation.distance > 0)
            words += [f"{share} hidden" if sure != "50" else f"{share} of {other} hidden"] * (share != "0 %")
            lines.append(", ".join(words) + (f"; {hands}" if hands else ""))
            continue
        touch = f"{one} touches {other}" + (f" over {relation.contact:.0f} px" if relation.contact else "")
        words = [hands or (f"{one} is {relation.distance:.0f} px from {other}" if relation.distance else touch)]
        lines.append(", ".join(words + [f"overlap {share}"] * (share != "0 %")))
    return "\n".join(lines)


def relation_channels(scene: Scene, person_id: str | None, crop: Box, size: int) -> Tensor:
    """What a pathway is told of who stands where: [3, size, size] float32 in 0..1, on the photo's device.

    Averaged over areas where the crop is shrunk, bilinear where it is enlarged; beyond the photo all is 0.

    Channel 0, depth of what is seen: of a person's pathway 1 who is in front of them, 0.5 they themselves, 0.25 who is behind;
        of the background's 1 the nearest of n people, down to 1/n the farthest. 0 where nobody is.
    Channel 1, contact of people: of a person's pathway 1 where they touch somebody, down to 0 at a tenth of their height from
        there; of the background's the lines of contact themselves.
    Channel 2, objects: of a person's pathway 1 on those that touch them, and 0.5 about the hands that others have on them; of
        the background's 1 on all.

    Args:
        person_id: whose pathway; None is the background's.
        crop: a square of the photo; may reach beyond it.
    Raises KeyError when nobody has that id, ValueError for a crop that is no square and a size of no pixels.
    """
    if crop.width != crop.height or crop.width < 1:
        raise ValueError(f"crop is {crop.width}×{crop.height}, but it must be a square")
    if size < 1:
        raise ValueError(f"size is {size}, but it must be 1 pixel or more")
    if person_id is None:
        count = len(scene.people)
        planes = [
            _painted(crop, ((person.seen, (count - rank) / count) for rank, person in enumerate(scene.people))),
            _painted(crop, ((line, 1.0) for line in contact_lines(scene, between_people(scene)))),
            _painted(crop, ((thing, 1.0) for thing in scene.objects)),
        ]
    else:
        person = scene.person(person_id)
        place = scene.people.index(person)
        depth = ((p.seen, IN_FRONT if n < place else BEHIND if n > place else ITSELF) for n, p in enumerate(scene.people))
        mine = [relation for relation in scene.relations if person_id in (relation.one, relation.other)]
        met = contact_lines(scene, [relation for relation in between_people(scene) if relation in mine])
        touched = [r.other for r in mine if r.other.startswith("object ") and r.distance == 0]
        hands_on = [grip.hand for relation in mine for grip in grips(scene, relation) if grip.on == person_id]
        planes = [
            _painted(crop, depth),
            _painted(crop, ((_closeness(line, CLOSE * person.box.height), 1.0) for line in met)),
            _painted(crop, [*((_seen(scene, name), 1.0) for name in touched), *((_disc(hand, scene.size), 0.5) for hand in hands_on)]),
        ]
    return averaged(torch.stack(planes), size).to(scene.photo.device)


# --- what is near, and where it touches


class _View(NamedTuple):
    """What is seen of somebody or of an object, in the photo as it is looked at."""

    mask: Part  # bool, on the CPU
    step: int  # pixels of the photo, a side, that are one of these
    size: tuple[int, int]  # of the photo itself


class _Contact(NamedTuple):
    """Where two views touch."""

    line: Part  # bool, the pixels of both that meet, in the photo as it is looked at
    length: float  # pixels of the photo


def _objects(masks: Tensor | None, scene: Scene) -> tuple[Part, ...]:
    if masks is None:
        return ()
    height, width = scene.size
    if masks.ndim not in (2, 3) or masks.shape[-2:] != scene.size:
        given = "×".join(map(str, masks.shape))
        raise ValueError(f"objects are {given}, but they must be masks of {height}×{width}, as the photo is, or a batch of these")
    return tuple(Part.of(mask.to(scene.photo.device) > 0.5) for mask in masks.reshape(-1, height, width))


def _view(seen: Part) -> _View:
    step = ceil(max(seen.size) / PHOTO_SIDE)
    small = shrunk(seen)
    pixels = small.pixels.bool()
    if not pixels.any():  # so thin that no pixel is half covered: it is there all the same
        rows, columns = seen.pixels.cpu().nonzero(as_tuple=True)
        pixels[(rows + seen.box.top) // step - small.box.top, (columns + seen.box.left) // step - small.box.left] = True
    return _View(replace(small, pixels=pixels), step, seen.size)


def _apart(one: Box, other: Box) -> int:
    """Pixels between two boxes, across or down, whichever is more; negative where they overlap."""
    between = one.inside(other)
    return -min(between.width, between.height)


def _measured(
    one: Person, view: _View, bodies: Sequence[Part], views: Sequence[_View], within: Sequence[float]
) -> Iterator[tuple[int, float, float, float]]:
    """The place, distance, contact and overlap (as in Relation) of each who may be so near; of the others by far no pixel is looked at."""
    touch = (REACH + 2) * view.step  # between boxes of small people who touch: pixels in reach, and those cut by the step
    maybe = [k for k, body in enumerate(bodies) if _apart(one.box, body.box) < max(within[k], touch)]
    for k, gap in zip(maybe, _gaps(view, [views[k] for k in maybe]), strict=True):
        yield k, gap, _contact(view, views[k]).length if gap == 0 else 0.0, _overlap(one.body, bodies[k])


def _gaps(one: _View, others: Sequence[_View]) -> list[float]:
    """Pixels of the photo between one and each of the others; 0 where they touch or overlap."""
    if not others:
        return []
    window = one.mask.box
    for other in others:
        window = window.union(other.mask.box)
    away = distance_inside(~one.mask.cut(window))
    gaps = []
    for other in others:
        nearest = float(other.mask.box.moved(-window.left, -window.top).view(away)[other.mask.pixels].min())
        # the distance is from the middle of a pixel to that of another: of two side by side it is 1, and nothing lies between
        gaps.append(0.0 if nearest <= REACH else one.step * (nearest - 1))
    return gaps


def _overlap(one: Part, other: Part) -> float:
    """The share (0..1) of the other bool mask that lies within the one."""
    both = one.box.inside(other.box)
    if both.width <= 0 or both.height <= 0:
        return 0.0
    return int((one.cut(both) & other.cut(both)).sum()) / other.area


def _contact(one: _View, other: _View) -> _Contact:
    """Where the outlines of two meet. Pixels that both have are the other's: an object lies on whoever it is seen with."""
    window = one.mask.box.grown(ceil(REACH)).inside(other.mask.box.grown(ceil(REACH)))
    theirs = other.mask.cut(window).numpy()
    mine = one.mask.cut(window).numpy() & ~theirs
    met = _meeting(mine, theirs), _meeting(theirs, mine)
    line = Part(window, torch.from_numpy(met[0] | met[1]), one.mask.size)
    return _Contact(line, one.step * (_length(met[0]) + _length(met[1])) / 2)


def _meeting(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The pixels of `one` [h, w] bool that are the nearest to some pixel of the other, and in reach of it.

    To take all pixels in reach would make a contact longer by the reach at each of its ends.
    """
    met, waiting = np.zeros_like(one), other
    for ring in _rings():
        hits = [(waiting & _shifted(one, -down, -right), down, right) for down, right in ring]
        for hit, down, right in hits:
            met |= _shifted(hit, down, right)
            waiting = waiting & ~hit
    return met


def _rings() -> list[list[tuple[int, int]]]:
    """The steps (down, right) within REACH, those of one length together, shortest first."""
    reach = range(-int(REACH), int(REACH) + 1)
    steps = [(down, right) for down in reach for right in reach if 0 < down**2 + right**2 <= REACH**2]
    lengths = sorted({down**2 + right**2 for down, right in steps})
    return [[(down, right) for down, right in steps if down**2 + right**2 == length] for length in lengths]


def _shifted(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    """The mask [h, w] moved; what comes in from beyond is False."""
    out = np.zeros_like(mask)
    height, width = mask.shape
    out[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = mask[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return out


def _length(line: np.ndarray) -> float:
    """Of thin lines [h, w] bool, in pixels: each pixel is 1 long, and a step across a corner √2. At most 8 % too long."""
    steps = 0
    for right in (1, -1):
        corner = line & _shifted(line, 1, right)
        steps += int((corner & ~_shifted(line, 1, 0) & ~_shifted(line, 0, right)).sum())
    return int(line.sum()) + (sqrt(2) - 1) * steps


# --- hands


class Hand(NamedTuple):
    """A hand that was seen."""

    side: str  # of SIDES
    x: float  # pixels of the photo, the middle of the hand
    y: float
    forearm: float  # pixels, its length

    @property
    def radius(self) -> float:
        """From the middle of the hand to its rim, in pixels."""
        return HAND * self.forearm


class Grip(NamedTuple):
    """A hand that lies on somebody or something."""

    whose: str  # id
    side: str
    on: str  # id, or "object 1", …
    hand: Hand


def _hands(person: Person) -> Iterator[Hand]:
    """The hands that were seen: the mean of their points, else what lies beyond the wrist. A silhouette does not show any."""
    pose = person.pose
    if pose is None or pose.source == "silhouette":
        return
    seen = (pose.joints[:, 2] >= SEEN) & ~pose.guessed
    for n, side in enumerate(SIDES):
        elbow, wrist = JOINTS.index(f"{side} elbow"), JOINTS.index(f"{side} wrist")
        along = pose.joints[wrist, :2] - pose.joints[elbow, :2]
        whole = bool(seen[elbow] and seen[wrist])
        forearm = float(along.norm()) if whole else FOREARM * person.box.height
        points = pose.hands[n][pose.hands[n][:, 2] >= SEEN] if pose.hands is not None else pose.joints[:0]
        if len(points):
            x, y = points[:, :2].mean(0).tolist()
        elif seen[wrist]:
            x, y = (pose.joints[wrist, :2] + HAND * whole * along).tolist()
        else:
            continue
        yield Hand(side, x, y, forearm)


def _reaching(name: str, person: Person, seen: Part) -> list[str]:
    """The person's hands that lie on a bool mask: "one's right", …, for a person who goes by the name of "one"."""
    return [f"{name}'s {hand.side}" for hand in _hands(person) if _on(hand, seen)]


def _on(hand: Hand, seen: Part) -> bool:
    near = max(BREADTH * hand.forearm, REACH)
    around = Box(floor(hand.x - near), floor(hand.y - near), ceil(hand.x + near) + 1, ceil(hand.y + near) + 1).inside(seen.box)
    if around.width <= 0 or around.height <= 0:
        return False
    rows, columns = seen.cut(around).nonzero(as_tuple=True)
    away = (columns + around.left - hand.x) ** 2 + (rows + around.top - hand.y) ** 2
    return bool((away <= near**2).any())


def grips(scene: Scene, relation: Relation) -> Iterator[Grip]:
    """The relation's hands, as far as the poses still have them."""
    for words in relation.hands:
        name, side = words.split("'s ")
        whose, on = (relation.one, relation.other) if name == "one" else (relation.other, relation.one)
        for hand in _hands(scene.person(whose)):
            if hand.side == side:
                yield Grip(whose, side, on, hand)


def _hands_in_words(relation: Relation, names: dict[str, str]) -> list[str]:
    one, other = names[relation.one], names.get(relation.other, relation.other)
    found = []
    for name, whose, on in (("one", one, other), ("other", other, one)):
        sides = [side for side in SIDES if f"{name}'s {side}" in relation.hands]
        if sides:
            found.append(f"both hands of {whose} on {on}" if len(sides) == 2 else f"{sides[0]} hand of {whose} on {on}")
    return found


# --- channels


def _seen(scene: Scene, name: str) -> Part:
    """What is seen of a person, by id, or of "object 1", …"""
    if name.startswith("object "):
        return scene.objects[int(name.removeprefix("object ")) - 1]
    return scene.person(name).seen


def between_people(scene: Scene) -> list[Relation]:
    """The relations of people, without those to objects."""
    return [relation for relation in scene.relations if not relation.other.startswith("object ")]


def contact_lines(scene: Scene, relations: Sequence[Relation]) -> Iterator[Part]:
    """Bool masks of where the two of each relation touch, in the photo."""
    views: dict[str, _View] = {}
    for relation in relations:
        if not relation.contact:
            continue
        for name in (relation.one, relation.other):
            views[name] = views.get(name) or _view(_seen(scene, name))
        line, step = _contact(views[relation.one], views[relation.other]).line.tight(), views[relation.one].step
        large = Part(Box(*(n * step for n in line.box)), line.pixels.repeat_interleave(step, 0).repeat_interleave(step, 1), scene.size)
        inside = large.box.clip(*scene.size)
        yield replace(large, box=inside, pixels=large.cut(inside))


def _closeness(line: Part, pixels: float) -> Part:
    """1 on a bool mask, down to 0 that many pixels away."""
    window = line.box.grown(ceil(pixels)).clip(*line.size)
    return Part(window, (1 - distance_inside(~line.cut(window)) / pixels).clamp(0, 1), line.size)


def _disc(hand: Hand, size: tuple[int, int]) -> Part:
    """Bool, as large as a hand."""
    radius = max(hand.radius, REACH)
    box = Box(floor(hand.x - radius), floor(hand.y - radius), ceil(hand.x + radius) + 1, ceil(hand.y + radius) + 1).clip(*size)
    if box.width <= 0 or box.height <= 0:
        return Part(Box(0, 0, 0, 0), torch.zeros(0, 0, dtype=torch.bool), size)
    rows, columns = torch.arange(box.top, box.bottom)[:, None] - hand.y, torch.arange(box.left, box.right) - hand.x
    return Part(box, rows**2 + columns**2 <= radius**2, size)


def _painted(crop: Box, parts: Iterator[tuple[Part, float]] | Sequence[tuple[Part, float]]) -> Tensor:
    """Masks times their weights in a crop, the greatest of each pixel: [h, w] float32."""
    out = torch.zeros(crop.height, crop.width)
    for part, weight in parts:
        box = part.box.inside(crop)
        if box.width > 0 and box.height > 0:
            there = box.moved(-crop.left, -crop.top).view(out)
            there.copy_(there.maximum(part.cut(box).cpu() * weight))
    return out
