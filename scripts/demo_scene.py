"""The demo's picture, whose truth is known: three copies of a portrait pasted on a photograph of a place.

Both photographs come with packages of the environment, so that nothing is downloaded:
    the place: scikit-learn's china.jpg, a photograph by danielbuechele, CC BY 2.0, flickr.com/photos/danielbuechele/6061409035
    the portrait: scikit-image's astronaut, Eileen Collins, a NASA photograph without known copyright restrictions
The portrait's mask and what the place shows are our own work: assets/astronaut_mask.png, assets/china_labels.png.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = ["SEGMENTS", "DemoScene", "demo_scene"]

ASSETS = Path(__file__).resolve().parents[1] / "assets"
MASK, STUFF = ASSETS / "astronaut_mask.png", ASSETS / "china_labels.png"
PERSON = 1  # COCO's category ids, here and in STUFF


class SegmentColour(NamedTuple):
    """How COCO's panoptic format shows a segment: by a colour that is its id."""

    colour: tuple[int, int, int]
    category_id: int

    @property
    def id(self) -> int:
        return self.colour[0] + 256 * self.colour[1] + 65536 * self.colour[2]


PEOPLE = tuple(SegmentColour(colour, PERSON) for colour in ((220, 20, 60), (250, 140, 20), (240, 210, 60)))  # nearest first
SEGMENTS = (
    *PEOPLE,
    SegmentColour((110, 170, 230), 187),  # sky
    SegmentColour((40, 80, 150), 178),  # water
    SegmentColour((60, 150, 70), 184),  # trees
    SegmentColour((150, 100, 90), 197),  # building
)
"""What the demo's photo shows, as its panoptic picture tells it."""


class Copy(NamedTuple):
    """Where a copy of the portrait stands."""

    scale: float  # of the portrait's 512 pixels
    centre: int  # column of the middle
    bottom: int  # row of the lower edge; the portrait is cut there, so it lies at or below the photo's own edge
    mirrored: bool


# nearest first: 1 stands in front of 2 and hides a third of her; 3 stands alone
COPIES = (Copy(0.37, 436, 455, True), Copy(0.62, 462, 444, False), Copy(0.37, 86, 436, False))


@dataclass(frozen=True, eq=False)
class DemoScene:
    """A photo and the truth behind it. Everybody's number is their place in `people`, from 1.

    Attributes:
        background: [H, W, 3] uint8, the place with nobody in it.
        people: [H, W, 4] uint8 each, nearest first: everybody whole, straight alpha.
        stuff: [H, W] uint8, what the place shows: COCO's category ids.
    """

    background: np.ndarray
    people: tuple[np.ndarray, ...]
    stuff: np.ndarray

    @property
    def photo(self) -> np.ndarray:
        """[H, W, 3] uint8: the place with everybody in it."""
        return self.without(())

    @property
    def labels(self) -> np.ndarray:
        """[H, W] uint8: the number of the person that a pixel shows, 0 for the place."""
        labels = np.zeros(self.background.shape[:2], np.uint8)
        for number, person in reversed(list(enumerate(self.people, start=1))):
            labels[person[..., 3] > 127] = number
        return labels

    @property
    def colours(self) -> np.ndarray:
        """[H, W, 3] uint8: `labels` in the red channel, and green and blue that an eye can tell apart."""
        shades = np.array([(0, 0), (190, 90), (110, 230), (230, 220)], np.uint8)
        return np.dstack([self.labels, shades[self.labels]])

    @property
    def panoptic(self) -> np.ndarray:
        """[H, W, 3] uint8: what the photo shows, in the colours of SEGMENTS."""
        labels, picture = self.labels, np.zeros_like(self.background)
        for segment in SEGMENTS[len(PEOPLE) :]:
            picture[self.stuff == segment.category_id] = segment.colour
        for number, segment in enumerate(PEOPLE, start=1):
            picture[labels == number] = segment.colour
        return picture

    def without(self, numbers: tuple[int, ...] | list[int]) -> np.ndarray:
        """[H, W, 3] uint8: the true picture when these people go."""
        image = self.background.astype(np.float32)
        for number, person in reversed(list(enumerate(self.people, start=1))):
            if number not in numbers:
                alpha = person[..., 3:].astype(np.float32) / 255
                image = image * (1 - alpha) + person[..., :3] * alpha
        return image.round().astype(np.uint8)

    def hidden(self, number: int) -> np.ndarray:
        """[H, W] bool: the part of a person that somebody nearer hides."""
        return (self.people[number - 1][..., 3] > 127) & (self.labels != number)


def demo_scene() -> DemoScene:
    """The scene, 640×427."""
    from skimage.data import astronaut
    from sklearn.datasets import load_sample_image

    place = np.array(load_sample_image("china.jpg"))
    portrait = np.dstack([astronaut(), np.asarray(Image.open(MASK))])
    people = tuple(_paste(portrait, copy, *place.shape[:2]) for copy in COPIES)
    return DemoScene(place, people, np.array(Image.open(STUFF)))


def _paste(portrait: np.ndarray, copy: Copy, height: int, width: int) -> np.ndarray:
    """The portrait as a layer [height, width, 4] of a photo of that size."""
    picture = Image.fromarray(portrait[:, ::-1] if copy.mirrored else portrait)
    side = round(picture.width * copy.scale)
    # resampled with premultiplied colour, so that the studio behind her does not shine through at the edge
    small = picture.convert("RGBa").resize((side, side), Image.Resampling.LANCZOS).convert("RGBA")
    layer = Image.new("RGBA", (width, height))
    layer.paste(small, (copy.centre - side // 2, copy.bottom - side))
    return np.array(layer)
