"""The photographs that scenes and training pairs are made of.

A library is a folder with `places/*.jpg` (pictures to put people on), optionally `misc/*.jpg` (more of the same, smaller),
and `people/NAME.jpg` with `people/NAME.png`, whose values 1, 2, … are the people. A fifth of the photographs, chosen by a
hash of their names, is held out: training never sees it, scores are taken on nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

__all__ = ["Cutout", "PhotoLibrary", "Split", "cut_out", "load_labels", "load_photo", "read_photo", "split_of"]

Split = Literal["train", "held-out"]
SMALLEST_PERSON = 90  # pixels high; a smaller cut-out would have to be blown up


@dataclass(frozen=True)
class Cutout:
    """One person of a photograph, cut to their box."""

    colour: np.ndarray  # [h, w, 3] uint8, the photograph in the person's box
    mask: np.ndarray  # [h, w] bool, the person
    whole: bool  # no frame of the photograph cuts the person off


def read_photo(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB. Raises ValueError, which names it, when the file cannot be read as a picture."""
    try:
        with Image.open(path) as photo:
            return np.asarray(photo.convert("RGB"))
    except OSError as error:  # of a broken picture Pillow does not say which
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error


@lru_cache(maxsize=256)
def load_photo(path: Path) -> np.ndarray:
    """`read_photo`, kept in memory for the next time."""
    return read_photo(path)


@lru_cache(maxsize=256)
def load_labels(path: Path) -> np.ndarray:
    """[H, W] of person values, 0 = nobody. Raises ValueError, which names it, when the file cannot be read, or has colours."""
    try:
        with Image.open(path) as labels:
            values = np.asarray(labels)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error
    if values.ndim != 2:
        raise ValueError(f"{path} has {values.shape[-1]} channels, but people masks must be one channel of values 0, 1, 2, …")
    return values


class PhotoLibrary:
    """The photographs of one split.

    Attributes:
        places: photographs to put people on.
        misc: more of them, at most 320 px; for texture.
        people: (photo, labels) paths of photographs with people.
    """

    def __init__(self, root: Path | str, split: Split):
        root = Path(root)
        self.places = [p for p in sorted((root / "places").glob("*.jpg")) if split_of(p) == split]
        self.misc = [p for p in sorted((root / "misc").glob("*.jpg")) if split_of(p) == split]
        photos = [p for p in sorted((root / "people").glob("*.jpg")) if split_of(p) == split]
        self.people = [(p, p.with_suffix(".png")) for p in photos if p.with_suffix(".png").exists()]
        if not self.places or not self.people:
            raise FileNotFoundError(f"{root} must hold places/*.jpg and people/*.jpg with people/*.png; found too few of them")

    def persons(self) -> list[tuple[Path, Path, int]]:
        """Every (photo, labels, value) of a person at least 90 px high."""
        found = []
        for photo, labels in self.people:
            values = load_labels(labels)
            for value in np.unique(values)[1:]:
                rows = np.flatnonzero((values == value).any(1))
                if rows[-1] - rows[0] >= SMALLEST_PERSON:
                    found.append((photo, labels, int(value)))
        return found


def cut_out(photo: Path, labels: Path, value: int) -> Cutout:
    """The person with that value, cut to their box."""
    colour, mask = load_photo(photo), load_labels(labels) == value
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    whole = top > 1 and left > 1 and bottom < mask.shape[0] - 1 and right < mask.shape[1] - 1
    return Cutout(colour[top:bottom, left:right], mask[top:bottom, left:right], bool(whole))


def split_of(path: Path) -> Split:
    """The split a photo belongs to, told from its name without its ending."""
    digest = hashlib.sha256(path.stem.encode()).digest()
    return "held-out" if digest[0] < 256 // 5 else "train"
