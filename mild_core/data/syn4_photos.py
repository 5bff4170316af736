"""Photos whose things are told apart, for instances and for backgrounds, in the layouts that people have.

    NAME.jpg, NAME.png              values 1, 2, … are things, 0 is none of them; they are people, or
    CLASS/NAME.jpg, CLASS/NAME.png  what the folder is called
    with index.json, COCO's JSON    panoptic labels, as `olrd_photos` reads them

A background may have no map. A photo that index.json gives no panoptic labels has its NAME.png.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ..scene.panoptic import Panoptic, Segment
from .library import load_labels, read_photo, split_of
from .olrd_photos import PanopticPhoto, Part, load_panoptic, panoptic_photos

__all__ = ["ThingsPhoto", "fitted", "load_things", "things_photos"]

ENDINGS = (".jpg", ".jpeg", ".webp")  # .png is a map
PERSON = ("person", 1)  # what a map beside a photo shows, and its number in COCO


@dataclass(frozen=True)
class ThingsPhoto:
    """A photo and what tells its things apart."""

    name: str  # its path in the folder, without the ending
    photo: Path
    labels: Path | None = None  # a map of values 1, 2, …
    word: str = PERSON[0]  # what these are
    panoptic: PanopticPhoto | None = None

    @property
    def files(self) -> list[Path]:
        """All that is read of it."""
        return self.panoptic.files if self.panoptic else [self.photo, *([self.labels] if self.labels else [])]


def things_photos(folder: Path, part: Part, annotations: Path | None = None, mapped: bool = True) -> tuple[ThingsPhoto, ...]:
    """The photos of a folder, in the order of their names.

    Args:
        folder: of photos, and of folders of photos that are called by the class of their things.
        part: "train" or "held-out" for one of the two splits that `library` tells from names; "all".
        annotations: COCO's panoptic JSON, for photos that have one.
        mapped: only those whose things are told apart.

    Raises FileNotFoundError when there are none, ValueError when a JSON is something else.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder, but it must be one of photos")
    found = {} if annotations is None else {p.photo: p for p in panoptic_photos(folder, annotations, "all")}
    if annotations is None and _tells_panoptic(folder / "index.json"):
        found = {p.photo: p for p in panoptic_photos(folder, None, "all")}
    photos = []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.suffix.lower() not in ENDINGS or part not in ("all", split_of(path)):
            continue
        name, labels = path.relative_to(folder).with_suffix("").as_posix(), path.with_suffix(".png")
        word = PERSON[0] if path.parent == folder else path.parent.name
        entry = ThingsPhoto(name, path, labels if labels.is_file() else None, word, found.get(path))
        if entry.panoptic or entry.labels or not mapped:
            photos.append(entry)
    if not photos:
        told = "" if part == "all" else f" of the {part} split"
        how = "NAME.jpg with a map of its things, NAME.png" if mapped else "NAME.jpg"
        raise FileNotFoundError(f"{folder} holds no photo{told}: there must be {how}")
    return tuple(photos)


def load_things(entry: ThingsPhoto) -> tuple[np.ndarray, Panoptic]:
    """A photo [H, W, 3] uint8 and its panoptic labels; without a map all is unknown.

    Raises ValueError, which names it, when a file cannot be read or their sizes differ.
    """
    if entry.panoptic is not None:
        return load_panoptic(entry.panoptic)
    photo = read_photo(entry.photo)
    if entry.labels is None:
        return photo, Panoptic.of(torch.zeros(photo.shape[:2], dtype=torch.long), ())
    values = load_labels.__wrapped__(entry.labels)  # not kept: there may be a million
    if values.shape != photo.shape[:2]:
        size = f"{values.shape[1]}×{values.shape[0]}"
        raise ValueError(f"{entry.labels} is {size}, but its photo is {photo.shape[1]}×{photo.shape[0]}")
    number = PERSON[1] if entry.word == PERSON[0] else 0
    segments = [Segment(int(value), entry.word, number, True) for value in np.unique(values) if value]
    return photo, Panoptic.of(torch.from_numpy(values.astype(np.int64)), segments)


def fitted(photo: np.ndarray, panoptic: Panoptic, size: int) -> tuple[np.ndarray, Panoptic]:
    """The largest square in the middle of a photo and of its labels, at `size`×`size` pixels (the shorter side first, then the cut)."""
    height, width = photo.shape[:2]
    scale = size / min(height, width)
    shape = (max(round(width * scale), size), max(round(height * scale), size))
    pixels = cv2.resize(photo, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    exact = panoptic.labels.numpy().astype(np.float64)  # holds any id, and OpenCV can resize it
    labels = cv2.resize(exact, shape, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.int64)
    top, left = (shape[1] - size) // 2, (shape[0] - size) // 2
    part = np.s_[top : top + size, left : left + size]
    return np.ascontiguousarray(pixels[part]), Panoptic.of(torch.from_numpy(labels[part].copy()), panoptic.segments)


def _tells_panoptic(listing: Path) -> bool:
    """Whether an index.json tells of panoptic labels; other lists may lie there."""
    try:
        told = json.loads(listing.read_text(encoding="utf-8"))
        return any("panoptic" in entry for entry in told)
    except (OSError, ValueError, TypeError):
        return False
