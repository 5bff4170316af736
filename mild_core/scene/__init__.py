"""Masks to people: ownership, depth order, ids, choice."""

from .box import Box
from .choice import choose
from .depth import in_words
from .part import Part
from .people import InFront, Person, Relation, Scene
from .pose import JOINTS, LIMBS, Pose
from .split import MaskedPerson, Separation, from_masks, from_segs, split_people

__all__ = [
    "JOINTS",
    "LIMBS",
    "Box",
    "InFront",
    "MaskedPerson",
    "Part",
    "Person",
    "Pose",
    "Relation",
    "Scene",
    "Separation",
    "choose",
    "from_masks",
    "from_segs",
    "in_words",
    "split_people",
]
