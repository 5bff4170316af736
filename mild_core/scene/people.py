"""The scene: one photograph and the people in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .box import Box

__all__ = ["Person", "Scene"]


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a scene.

    Attributes:
        id: stable name made from the mask that came in, so that it survives reordering: "p" and eight hex digits.
        number: how the person is called in a choice such as "1,3": the mask's place in the batch, or its value.
        visible: [H, W] bool, the pixels that show this person; no pixel shows two.
        alpha: [H, W] float32 in 0..1, the soft edge of the mask that came in; 0 where the pixel shows somebody else.
        whole: [H, W] bool, the whole body: `visible` and what somebody nearer hides.
        label: what a detector called it, or "".
    """

    id: str
    number: int
    visible: Tensor
    alpha: Tensor
    whole: Tensor
    label: str = ""

    @property
    def box(self) -> Box:
        return Box.around(self.whole)

    @property
    def hidden(self) -> Tensor:
        """[H, W] bool, the part of the body that somebody nearer hides."""
        return self.whole & ~self.visible

    @property
    def area(self) -> int:
        return int(self.visible.sum())


@dataclass(frozen=True, eq=False)
class Scene:
    """One photograph and its people in depth order.

    Attributes:
        photo: IMAGE [1, H, W, 3] in 0..1.
        people: nearest first.
        erased: ids of those who go.
    """

    photo: Tensor
    people: tuple[Person, ...]
    erased: frozenset[str] = frozenset()

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
            out |= person.visible
        return out

    def erasing(self, ids: frozenset[str]) -> Scene:
        """The same scene with another choice of who goes."""
        for id in ids:
            self.person(id)
        return replace(self, erased=ids)
