"""The scene: one photograph and the people in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .box import Box
from .part import Part
from .pose import Pose

__all__ = ["InFront", "Person", "Relation", "Scene"]


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a scene. Masks are kept in the person's box, and given out as big as the photo.

    Attributes:
        id: stable name made from the mask that came in, so that it survives reordering: "p" and eight hex digits.
        number: how the person is called in a choice such as "1,3": the mask's place in the batch, or its value.
        seen: bool, the pixels that show this person; no pixel shows two.
        soft: float32 in 0..1, the soft edge of the mask that came in; 0 where the pixel shows somebody else.
        body: bool, the whole body: `seen` and what somebody nearer hides.
        label: what a detector called it, or "".
        pose: the joints; None where nobody looked.
        parsing: uint8, what each pixel of the body shows (clothes, skin, …) as a label from 1 on; 0 where unknown. None
            where nobody looked.
        claimed: bool, all that the mask that came in says, even where somebody nearer is; None where it says no more than `seen`.
    """

    id: str
    number: int
    seen: Part
    soft: Part
    body: Part
    label: str = ""
    pose: Pose | None = None
    parsing: Part | None = None
    claimed: Part | None = None

    @property
    def visible(self) -> Tensor:
        """`seen`, [H, W] bool."""
        return self.seen.whole

    @property
    def alpha(self) -> Tensor:
        """`soft`, [H, W] float32."""
        return self.soft.whole

    @property
    def whole(self) -> Tensor:
        """`body`, [H, W] bool."""
        return self.body.whole

    @property
    def hidden_part(self) -> Part:
        """Bool, the part of the body that somebody nearer hides."""
        return Part(self.body.box, self.body.pixels & ~self.seen.cut(self.body.box), self.body.size).tight()

    @property
    def hidden(self) -> Tensor:
        """`hidden_part`, [H, W] bool."""
        return self.hidden_part.whole

    @property
    def box(self) -> Box:
        return self.body.box

    @property
    def area(self) -> int:
        return self.seen.area


class InFront(NamedTuple):
    """That one person is in front of another, and how sure that is."""

    nearer: str  # id
    farther: str  # id
    confidence: float  # 0.5, a toss-up, to 1, what the artist said
    touching: bool  # whether their masks touch or overlap: else nothing in the picture depends on it


class Relation(NamedTuple):
    """How two people, or a person and an object, stand to each other in the picture."""

    one: str  # id of a person; of two people the nearer
    other: str  # id of a person, or "object 1", "object 2", …
    in_front: float  # how sure it is that the one is nearer, 0.5 to 1; of an object 0.5: nobody looked
    distance: float  # pixels between what is seen of the two; 0 where they touch or overlap
    contact: float  # pixels, the length of the line along which they touch
    overlap: float  # share of the other's whole body, or of the object, that lies within the one's whole body
    hands: tuple[str, ...]  # whose hands reach what is seen of the other: "one's right", "other's left", …


@dataclass(frozen=True, eq=False)
class Scene:
    """One photograph and its people in depth order.

    Attributes:
        photo: IMAGE [1, H, W, 3] in 0..1.
        people: nearest first.
        erased: ids of those who go.
        opacity: [H, W] in 0..1, the photo's own alpha channel; None when it came without one.
        order: how sure the depth order is, for everybody and everybody farther, nearest first; empty where nobody looked.
        relations: of everybody who is near somebody or an object; empty where nobody looked.
        objects: bool, what people may hold or stand behind; "object 1" is the first.
    """

    photo: Tensor
    people: tuple[Person, ...]
    erased: frozenset[str] = frozenset()
    opacity: Tensor | None = None
    order: tuple[InFront, ...] = ()
    relations: tuple[Relation, ...] = ()
    objects: tuple[Part, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return int(self.photo.shape[1]), int(self.photo.shape[2])

    @property
    def staying(self) -> tuple[Person, ...]:
        return tuple(p for p in self.people if p.id not in self.erased)

    @property
    def going(self) -> tuple[Person, ...]:
        return tuple(p for p in self.people if p.id in self.erased)

    def person(self, id: str) -> Person:
        """Raises KeyError when nobody has that id."""
        for person in self.people:
            if person.id == id:
                return person
        raise KeyError(f"nobody in this scene has the id {id!r}")

    def union(self, people: tuple[Person, ...]) -> Tensor:
        """[H, W] bool: where any of these is visible."""
        out = torch.zeros(self.size, dtype=torch.bool, device=self.photo.device)
        for person in people:
            person.seen.add_to(out)
        return out

    def erasing(self, ids: frozenset[str]) -> Scene:
        """The same scene with another choice of who goes."""
        for id in ids:
            self.person(id)
        return replace(self, erased=ids)
