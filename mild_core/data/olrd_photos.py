"""Photos with panoptic label maps, in two layouts.

    NAME.jpg, NAME_panoptic.png, index.json   the map holds a category a pixel; index.json is a list of {"name": NAME, "panoptic":
                                              {category: its name}, "things": [categories]}. NAME.png, where it is there, tells
                                              the people of a photo apart by values 1, 2, …; other things are told apart where
                                              they do not touch
    COCO's own                                panoptic_X.json, and beside it the folder panoptic_X of its maps, whose colours are
                                              the segments' ids, R + 256·G + 256²·B

In both, NAME.txt beside a photo is its caption.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from PIL import Image

from ..scene.coco_panoptic import PERSON, word_for
from ..scene.panoptic import Panoptic, Segment
from ..scene.panoptic_labels import from_segment_ids
from .library import read_photo, split_of

__all__ = ["PanopticPhoto", "Part", "load_panoptic", "panoptic_photos", "things_apart"]

Part = Literal["train", "held-out", "all"]


@dataclass(frozen=True)
class PanopticPhoto:
    """A photo and where its labels are."""

    name: str
    photo: Path
    map: Path
    legend: Mapping[str, Any]  # what the map's values are, as the JSON says it of this photo
    people: Path | None = None  # a map that tells people apart

    @property
    def caption(self) -> str:
        """What the text file beside the photo says, in one line; empty where there is none."""
        path = self.photo.with_suffix(".txt")
        return " ".join(path.read_text(encoding="utf-8").split()) if path.is_file() else ""

    @property
    def files(self) -> list[Path]:
        """All that is read of it."""
        text = self.photo.with_suffix(".txt")
        return [path for path in (self.photo, self.map, self.people, text) if path is not None and path.is_file()]


def panoptic_photos(photos: Path, annotations: Path | None, part: Part) -> tuple[PanopticPhoto, ...]:
    """The photos in a folder that have a panoptic map, in the order of their names.

    Args:
        photos: folder of photos.
        annotations: COCO's panoptic JSON; None for a folder with index.json.
        part: "train" or "held-out" for one of the two splits that `library` tells from names; "all".

    Raises FileNotFoundError when there are none, ValueError when the JSON is something else.
    """
    listing = photos / "index.json" if annotations is None else annotations
    if not listing.is_file():
        raise FileNotFoundError(f"{listing} is not there: photos need their panoptic labels, by index.json or by COCO's panoptic JSON")
    try:
        told = json.loads(listing.read_text(encoding="utf-8"))
        found = _of_index(photos, told) if annotations is None else _of_coco(photos, annotations.with_suffix(""), told)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{listing} cannot be read as a list of photos with panoptic labels: {type(error).__name__}, {error}") from None
    kept = [entry for entry in found if entry.photo.is_file() and entry.map.is_file() and part in ("all", split_of(entry.photo))]
    if not kept:
        told_part = "" if part == "all" else f" of the {part} split"
        raise FileNotFoundError(
            f"{photos} holds no photo{told_part} with its panoptic map, of the {len(found)} that {listing.name} tells of"
        )
    return tuple(sorted(kept, key=lambda entry: entry.name))


def load_panoptic(entry: PanopticPhoto, long_side: int = 0) -> tuple[np.ndarray, Panoptic]:
    """A photo [H, W, 3] uint8 and its panoptic labels.

    Args:
        long_side: in pixels, to which a longer photo is made smaller; 0 leaves all as they are.

    Raises ValueError, which names it, when a file cannot be read or their sizes differ.
    """
    photo, values = read_photo(entry.photo), _read_map(entry.map)
    people = None if entry.people is None else _read_map(entry.people)
    for path, plane in ((entry.map, values), (entry.people, people)):
        if plane is not None and plane.shape[:2] != photo.shape[:2]:
            size = f"{plane.shape[1]}×{plane.shape[0]}"
            raise ValueError(f"{path} is {size}, but its photo is {photo.shape[1]}×{photo.shape[0]}")
    try:
        panoptic = _from_coco(values, entry.legend) if "segments_info" in entry.legend else _from_index(values, entry.legend, people)
    except ValueError as error:
        raise ValueError(f"{entry.map}: {error}") from None
    scale = long_side / max(panoptic.size)
    if not long_side or scale >= 1:
        return photo, panoptic
    height, width = (max(round(side * scale), 1) for side in panoptic.size)
    exact = panoptic.labels.numpy().astype(np.float64)  # holds any id, and OpenCV can resize it
    labels = cv2.resize(exact, (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.int64)
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), Panoptic.of(torch.from_numpy(labels), panoptic.segments)


def things_apart(values: np.ndarray, names: Mapping[int, str], things: Collection[int], people: np.ndarray | None = None) -> Panoptic:
    """Panoptic labels from a map of categories [H, W], integers.

    Args:
        names: of the categories; others are unknown.
        things: the categories that are things. Those of one category are apart where they do not touch.
        people: [H, W], values 1, 2, … for people and 0 for nobody, which tells people apart.
    """
    labels = np.zeros(values.shape, np.int64)
    segments: list[Segment] = []
    for value in sorted(set(names) & set(np.unique(values).tolist())):
        where = values == value
        for mask in _pieces(where, people if word_for(names[value]) in PERSON else None) if value in things else [where]:
            segments.append(Segment(len(segments) + 1, names[value], value, value in things))
            labels[mask] = len(segments)
    return Panoptic.of(torch.from_numpy(labels), segments)


def _pieces(where: np.ndarray, people: np.ndarray | None) -> list[np.ndarray]:
    masks = []
    if people is not None:
        masks = [where & (people == number) for number in np.unique(people[where & (people > 0)])]
        where = where & (people == 0)
    count, pieces = cv2.connectedComponents(where.astype(np.uint8), connectivity=8)
    return [*masks, *(pieces == number for number in range(1, count))]


def _from_index(values: np.ndarray, legend: Mapping[str, Any], people: np.ndarray | None) -> Panoptic:
    if values.ndim != 2:
        raise ValueError(f"a map of categories has {values.shape[2]} channels, but it must have one")
    names = {int(value): str(name) for value, name in legend["panoptic"].items()}
    return things_apart(values, names, set(map(int, legend["things"])), people)


def _from_coco(colours: np.ndarray, legend: Mapping[str, Any]) -> Panoptic:
    if colours.ndim != 3 or colours.shape[2] < 3:
        raise ValueError("a map of COCO's has no colours, but they are its segments' ids")
    return from_segment_ids(torch.from_numpy(colours[..., :3].copy()), legend)


def _of_index(photos: Path, told: list[dict[str, Any]]) -> list[PanopticPhoto]:
    if not isinstance(told, list):
        raise TypeError(f"it is a {type(told).__name__}, but it must be a list")
    found = []
    for entry in told:
        if "panoptic" not in entry:
            continue  # a photo without a map
        name, legend = entry["name"], {"panoptic": entry["panoptic"], "things": entry["things"]}
        people = photos / f"{name}.png"
        found.append(PanopticPhoto(name, photos / f"{name}.jpg", photos / f"{name}_panoptic.png", legend, _if_there(people)))
    return found


def _of_coco(photos: Path, maps: Path, told: dict[str, Any]) -> list[PanopticPhoto]:
    files = {entry["id"]: entry["file_name"] for entry in told["images"]}
    found = []
    for entry in told["annotations"]:
        photo = photos / files[entry["image_id"]]
        legend = {"segments_info": entry["segments_info"], "categories": told["categories"]}
        found.append(PanopticPhoto(photo.stem, photo, maps / entry["file_name"], legend))
    return found


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _read_map(path: Path) -> np.ndarray:
    """[H, W] or [H, W, channels] of a PNG."""
    try:
        with Image.open(path) as opened:
            return np.asarray(opened)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error
