"""Photos with panoptic maps small enough for tests, in both layouts: what is where in them is known."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mild_core.scene.panoptic import Panoptic, Segment

PERSON, SKY, GRASS, CAR = 1, 187, 193, 3
NAMES = {PERSON: "person", CAR: "car", SKY: "sky-other-merged", GRASS: "grass-merged"}
THINGS = (PERSON, CAR)


def scene_of(seed: int, size: tuple[int, int] = (96, 128)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo of noise [H, W, 3] with sky above grass, two people who touch and a car, its categories [H, W], its people [H, W]."""
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[:height, :width]
    values = np.where(y < 0.45 * height, SKY, GRASS).astype(np.uint8)
    people = np.zeros(size, np.uint8)
    left, top = width * rng.uniform(0.12, 0.2), height * rng.uniform(0.35, 0.5)
    for number, middle in enumerate((left, left + 13), start=1):
        people[(abs(x - middle) < 7) & (abs(y - top) < 0.2 * height)] = number
    values[people > 0] = PERSON
    values[(abs(x - 0.55 * width) < 9) & (abs(y - 0.7 * height) < 7)] = CAR
    values[(abs(x - 0.9 * width) < 6) & (abs(y - 0.2 * height) < 6)] = 0
    colours = np.zeros((256, 3))
    colours[[PERSON, CAR, SKY, GRASS]] = (200, 40, 40), (40, 40, 200), (120, 170, 220), (60, 150, 50)
    photo = colours[values] + 40 * people[..., None] + rng.integers(-20, 20, (*size, 3))
    return photo.clip(0, 255).astype(np.uint8), values, people


def panoptic_of(seed: int, size: tuple[int, int] = (96, 128)) -> tuple[np.ndarray, Panoptic]:
    """The photo of `scene_of` and its labels: 1 sky, 2 grass, 3 and 4 the people, 5 the car."""
    photo, values, people = scene_of(seed, size)
    labels = np.zeros(size, np.int64)
    for label, mask in enumerate((values == SKY, values == GRASS, people == 1, people == 2, values == CAR), start=1):
        labels[mask] = label
    kinds = (SKY, GRASS, PERSON, PERSON, CAR)
    segments = [Segment(label, NAMES[kind], kind, kind in THINGS) for label, kind in enumerate(kinds, start=1)]
    return photo, Panoptic.of(torch.from_numpy(labels), segments)


def make_indexed(root: Path, count: int = 5) -> Path:
    """A folder of photos, maps of categories, people's maps and index.json."""
    root.mkdir(parents=True, exist_ok=True)
    listed: list[dict] = [{"name": "no_map", "people": 0}]
    for number in range(count):
        photo, values, people = scene_of(number)
        name = f"photo{number}"
        for path, picture in ((f"{name}.jpg", photo), (f"{name}_panoptic.png", values), (f"{name}.png", people)):
            Image.fromarray(picture).save(root / path)
        told = {str(value): NAMES[value] for value in NAMES}
        listed.append({"name": name, "panoptic": told, "things": list(THINGS)})
    (root / "photo1.txt").write_text("A meadow\nunder a clear sky.\n")
    (root / "index.json").write_text(json.dumps(listed))
    return root


def make_coco(root: Path, count: int = 3) -> tuple[Path, Path]:
    """The same photos in COCO's own layout: the folder of photos, and the JSON. The first photo's car is a crowd."""
    photos, maps = root / "val", root / "panoptic_val"
    photos.mkdir(parents=True)
    maps.mkdir()
    images, annotations = [], []
    for number in range(count):
        photo, panoptic = panoptic_of(number)
        Image.fromarray(photo).save(photos / f"photo{number}.jpg")
        ids = panoptic.labels.numpy() * 70001  # all three colours are used
        Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)).save(maps / f"photo{number}.png")
        told = [
            {"id": s.id * 70001, "category_id": s.category, "iscrowd": int(number == 0 and s.category == CAR)} for s in panoptic.segments
        ]
        images.append({"id": 10 + number, "file_name": f"photo{number}.jpg"})
        annotations.append({"image_id": 10 + number, "file_name": f"photo{number}.png", "segments_info": told})
    categories = [{"id": value, "name": name, "isthing": int(value in THINGS)} for value, name in NAMES.items()]
    listing = root / "panoptic_val.json"
    listing.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return photos, listing
