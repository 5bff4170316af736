"""What the demo erases people from: its own scene, or somebody's photo with masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from mild_core.scene import MaskedPerson, Scene, Separation, from_masks, split_people
from scripts.demo_scene import DemoScene, demo_scene

__all__ = ["DemoInputs", "from_files", "own_scene"]

MOST_PEOPLE = 255  # values that a label map of 8 bits has


@dataclass(frozen=True, eq=False)
class DemoInputs:
    """A photo, who is in it, and what is known of the truth.

    Attributes:
        photo: [H, W, 3] uint8.
        people: [H, W] uint8, a label map (`separate` is "by value") or one mask with everybody ("by part").
        truth: the scene behind the photo, where it is known.
    """

    photo: np.ndarray
    people: np.ndarray
    separate: Separation
    truth: DemoScene | None = None

    def scene(self, smallest: float) -> Scene:
        """The scene that MILD Split People makes of these."""
        masks = torch.from_numpy(self.people).float()[None] / 255
        return split_people(_as_image(self.photo), from_masks(masks, self.separate), smallest=smallest)


def own_scene() -> DemoInputs:
    """The demo's own scene."""
    scene = demo_scene()
    return DemoInputs(scene.photo, scene.labels, "by value", scene)


def from_files(photo: Path, masks: Sequence[Path]) -> DemoInputs:
    """A photo, turned upright as its EXIF says, and its people.

    Args:
        masks: one picture: a label map, or where 255 is its commonest value beside 0, one mask with everybody. Several: each
            is one person, white, numbered by its place; where they overlap, the nearer person has the pixel.
    Raises ValueError when a mask has another size than the upright photo, or is none.
    """
    with Image.open(photo) as picture:
        turned = picture.getexif().get(0x0112, 1) > 1
        upright = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    size = f"{upright.shape[1]}×{upright.shape[0]}" + (" (upright, as its EXIF says)" if turned else "")
    if not masks:
        raise ValueError(f"photo {photo.name} has no masks: name a PNG with its people, or several with one each")
    if len(masks) > MOST_PEOPLE:
        raise ValueError(f"masks are {len(masks)} files, but there can be at most {MOST_PEOPLE}")
    planes = []
    for path in masks:
        plane = _plane(path)
        if plane.shape != upright.shape[:2]:
            raise ValueError(f"mask {path.name} is {plane.shape[1]}×{plane.shape[0]} but the photo is {size}: they must be the same size")
        planes.append(plane)
    if len(planes) > 1:
        return DemoInputs(upright, _label_map(upright, planes), "by value")
    values, counts = np.unique(planes[0][planes[0] > 0], return_counts=True)
    everybody = len(values) > 0 and values[counts.argmax()] == 255
    return DemoInputs(upright, planes[0], "by part" if everybody else "by value")


def _plane(path: Path) -> np.ndarray:
    """The values [H, W] uint8 of a mask: grey, palette indices, or 0 and 255 of a picture of one bit."""
    with Image.open(path) as picture:
        values = np.array(picture)
        if picture.mode == "1":
            return values.astype(np.uint8) * 255
        if picture.mode in ("RGB", "RGBA"):
            if (values[..., :3] != values[..., :1]).any():
                raise ValueError(f"mask {path.name} is a picture in colour, but it must be grey or have a palette")
            return values[..., 0].copy()
        if picture.mode in ("P", "L", "I", "I;16") and values.max(initial=0) <= MOST_PEOPLE:
            return values.astype(np.uint8)
    raise ValueError(f"mask {path.name} is of mode {picture.mode}, but it must be a grey or palette picture of 8 bits")


def _label_map(photo: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
    """One label map of several masks, each pixel the nearest person's."""
    masks = [torch.from_numpy(plane).float() / max(int(plane.max()), 1) for plane in planes]
    found = [MaskedPerson(number, mask) for number, mask in enumerate(masks, start=1)]
    labels = np.zeros(photo.shape[:2], np.uint8)
    for person in split_people(_as_image(photo), found).people:
        labels[person.visible.numpy()] = person.number
    return labels


def _as_image(photo: np.ndarray) -> torch.Tensor:
    """[H, W, 3] uint8 as IMAGE [1, H, W, 3] in 0..1."""
    return torch.from_numpy(photo).float()[None] / 255
