"""What a scene is asked to be. What it became is measured: see `difficulty`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["CELLS", "MOST_PEOPLE", "Camouflage", "Contact", "Occlusion", "Poses", "Recipe", "benchmark_recipe", "random_recipe"]

Occlusion = Literal["none", "light", "heavy"]
Contact = Literal["apart", "touching"]
Camouflage = Literal["any", "low", "high"]
Poses = Literal["any", "alike", "varied"]

MOST_PEOPLE = 6
_LAYOUTS: tuple[tuple[Occlusion, Contact], ...] = (("none", "apart"), ("none", "touching"), ("light", "touching"), ("heavy", "touching"))
CROWDED = 0.5  # how often somebody is put beside somebody else where nothing is asked


@dataclass(frozen=True)
class Recipe:
    """What a scene is asked to be. Who is hidden is touched, so that an occlusion goes with contact.

    Raises ValueError for no people, or somebody hidden by nobody near.
    """

    people: int
    occlusion: Occlusion = "none"
    contact: Contact = "apart"
    camouflage: Camouflage = "any"
    poses: Poses = "any"

    def __post_init__(self):
        if self.people < 1:
            raise ValueError(f"people is {self.people}, but it must be at least 1")
        if self.occlusion != "none" and self.contact == "apart":
            raise ValueError(f"occlusion is {self.occlusion} and contact apart, but who hides somebody touches them")


def _cells() -> tuple[tuple[Occlusion, Contact, Camouflage, Poses], ...]:
    """The grid but for the number of people, in an order in which neighbours differ."""
    camouflages: tuple[Camouflage, ...] = ("low", "high")
    poses: tuple[Poses, ...] = ("varied", "alike")
    cells = [(occlusion, contact, c, p) for c in camouflages for p in poses for occlusion, contact in _LAYOUTS]
    return tuple(cells[7 * n % len(cells)] for n in range(len(cells)))  # 7 and 16 share no factor: all, each once


CELLS = _cells()


def benchmark_recipe(seed: int, most_people: int = MOST_PEOPLE) -> Recipe:
    """The recipe of that seed. Seeds in a row go through 1, 2, … people, and through the whole grid in 16 such rounds."""
    around, people = divmod(seed, most_people)
    occlusion, contact, camouflage, poses = CELLS[(around + 5 * people) % len(CELLS)]
    if people == 0:
        return Recipe(1, camouflage=camouflage)
    return Recipe(people + 1, occlusion, contact, camouflage, poses)


def random_recipe(rng: np.random.Generator, fewest: int, most: int) -> Recipe:
    """So many people, both bounds included, beside each other or not, and anything else as it comes."""
    people = int(rng.integers(fewest, most + 1))
    if people == 1 or rng.random() >= CROWDED:
        return Recipe(people)
    occlusion, contact = _LAYOUTS[1 + int(rng.integers(len(_LAYOUTS) - 1))]
    return Recipe(people, occlusion, contact)
