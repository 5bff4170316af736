"""The classes of COCO's panoptic labels, and what a prompt calls them.

133 classes in the order in which networks number them: 80 things, which can be counted, then 53 kinds of stuff, which
cannot (Kirillov et al., "Panoptic Segmentation", CVPR 2019; categories of the COCO 2017 panoptic annotations).
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["CATEGORIES", "PERSON", "Category", "by_id", "category_named", "is_thing", "word_for"]


class Category(NamedTuple):
    """A class of COCO's panoptic labels."""

    id: int  # as COCO numbers it, 1 to 200
    name: str
    thing: bool


THINGS = (
    "1 person, 2 bicycle, 3 car, 4 motorcycle, 5 airplane, 6 bus, 7 train, 8 truck, 9 boat, 10 traffic light, 11 fire hydrant, "
    "13 stop sign, 14 parking meter, 15 bench, 16 bird, 17 cat, 18 dog, 19 horse, 20 sheep, 21 cow, 22 elephant, 23 bear, 24 zebra, "
    "25 giraffe, 27 backpack, 28 umbrella, 31 handbag, 32 tie, 33 suitcase, 34 frisbee, 35 skis, 36 snowboard, 37 sports ball, "
    "38 kite, 39 baseball bat, 40 baseball glove, 41 skateboard, 42 surfboard, 43 tennis racket, 44 bottle, 46 wine glass, 47 cup, "
    "48 fork, 49 knife, 50 spoon, 51 bowl, 52 banana, 53 apple, 54 sandwich, 55 orange, 56 broccoli, 57 carrot, 58 hot dog, "
    "59 pizza, 60 donut, 61 cake, 62 chair, 63 couch, 64 potted plant, 65 bed, 67 dining table, 70 toilet, 72 tv, 73 laptop, "
    "74 mouse, 75 remote, 76 keyboard, 77 cell phone, 78 microwave, 79 oven, 80 toaster, 81 sink, 82 refrigerator, 84 book, "
    "85 clock, 86 vase, 87 scissors, 88 teddy bear, 89 hair drier, 90 toothbrush"
)
STUFF = (
    "92 banner, 93 blanket, 95 bridge, 100 cardboard, 107 counter, 109 curtain, 112 door-stuff, 118 floor-wood, 119 flower, "
    "122 fruit, 125 gravel, 128 house, 130 light, 133 mirror-stuff, 138 net, 141 pillow, 144 platform, 145 playingfield, "
    "147 railroad, 148 river, 149 road, 151 roof, 154 sand, 155 sea, 156 shelf, 159 snow, 161 stairs, 166 tent, 168 towel, "
    "171 wall-brick, 175 wall-stone, 176 wall-tile, 177 wall-wood, 178 water-other, 180 window-blind, 181 window-other, "
    "184 tree-merged, 185 fence-merged, 186 ceiling-merged, 187 sky-other-merged, 188 cabinet-merged, 189 table-merged, "
    "190 floor-other-merged, 191 pavement-merged, 192 mountain-merged, 193 grass-merged, 194 dirt-merged, 195 paper-merged, "
    "196 food-other-merged, 197 building-other-merged, 198 rock-merged, 199 wall-other-merged, 200 rug-merged"
)
SPOKEN = {
    "floor-wood": "wooden floor",
    "playingfield": "playing field",
    "wall-brick": "brick wall",
    "wall-stone": "stone wall",
    "wall-tile": "tiled wall",
    "wall-wood": "wooden wall",
    "window-blind": "window blind",
    "tree-merged": "trees",
    "mountain-merged": "mountains",
    "rock-merged": "rocks",
    "flower": "flowers",
}
"""Names that are not yet words when their "-merged", "-other" and "-stuff" are gone."""
LISTED = (
    "ground, earth, terrain, field, sidewalk, path, runway, dirt track, land, hill, plant, vegetation, palm, water, lake, waterfall, "
    "swimming pool, skyscraper, hovel, tower, stairway, stage, pier, guard rail, tunnel, pole, column, railing, grandstand, "
    "windowpane, door, screen door, mirror, tree, carpet, parking, rail track, escalator, steps, bannister, awning"
)
ELSEWHERE = frozenset(LISTED.split(", "))
"""Stuff of ADE20K and Cityscapes that COCO calls by other words."""
PERSON = frozenset({"person", "people", "rider", "pedestrian"})
"""What label sets call a person."""


def _read(listed: str, thing: bool) -> list[Category]:
    pairs = (entry.split(" ", 1) for entry in listed.split(", "))
    return [Category(int(number), name, thing) for number, name in pairs]


CATEGORIES = (*_read(THINGS, True), *_read(STUFF, False))
_BY_ID = {category.id: category for category in CATEGORIES}
_BY_NAME = {category.name: category for category in CATEGORIES}


def by_id(number: int) -> Category | None:
    """The class that COCO gives that number, None where it gives it to none."""
    return _BY_ID.get(number)


def category_named(name: str) -> Category | None:
    """The class of that name, None where COCO has none."""
    return _BY_NAME.get(name)


def word_for(name: str) -> str:
    """What a prompt calls a class: `sky-other-merged` is "sky", `wall-brick` "brick wall", `earth, ground` "earth".

    Of names that are lists, as ADE20K's, the first; underscores are spaces.
    """
    name = name.strip().lower()
    if name in SPOKEN:
        return SPOKEN[name]
    first = re.split(r"[,;]", name)[0]
    first = re.sub(r"-(merged|stuff|other)\b", "", first)
    return re.sub(r"[\s_-]+", " ", first).strip()


_STUFF_WORDS = frozenset(word_for(category.name) for category in CATEGORIES if not category.thing) | ELSEWHERE


def is_thing(name: str) -> bool:
    """Whether a class can be counted: as COCO has it, and for names of other label sets whether their word is no stuff that is known."""
    known = category_named(name)
    return known.thing if known is not None else word_for(name) not in _STUFF_WORDS
