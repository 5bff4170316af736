"""One scene to files and back.

    photo.png        RGB, what the camera would see
    background.png   RGB, nobody and no shadow
    truth.png        RGB, the picture without those who go; only where somebody stays, else it is background.png
    people.png       grey, value n is the n-th person where nobody nearer hides them, nearest first; 0 nobody
    layer-1.png …    RGBA with straight alpha, everybody whole, cropped to their box
    shadow-1.png …   grey, cropped: the share of the light that person's shadow takes from the ground, 255 for all
    effects.png      grey, 255 where a shadow of those who go can be seen on what is nobody
    scene.json       what is in the files, and what the scene is

All are of 8 bits. Layers and shadows are exact; photo, background and truth are rounded to the nearest step. Where scenes lie, in folders
or in shards: `scene_store`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .arrange import visible_of
from .png import ends_well, from_png, to_png
from .scenes import Source, TrueScene

__all__ = ["files_of", "is_complete", "read_description", "read_scene", "scene_bytes", "write_scene"]

DIGITS = 6  # of measures


def write_scene(scene: TrueScene, folder: Path, id: str) -> None:
    """Write a scene's files into a folder that exists, scene.json last. The same scene gives the same bytes."""
    for name, data in scene_bytes(scene, id).items():
        (folder / name).write_bytes(data)


def scene_bytes(scene: TrueScene, id: str) -> dict[str, bytes]:
    """The files of a scene by name, scene.json last. The same scene gives the same bytes."""
    pictures = {"photo.png": _bytes(scene.photo), "background.png": _bytes(scene.background)}
    if scene.staying:
        pictures["truth.png"] = _bytes(scene.truth())
    numbers = torch.arange(1, len(scene.visible) + 1)[:, None, None]
    pictures["people.png"] = (scene.visible * numbers).sum(0).to(torch.uint8).numpy()
    pictures["effects.png"] = scene.effects().numpy().astype(np.uint8) * np.uint8(255)
    people = []
    for index, (layer, shadow) in enumerate(zip(scene.layers, scene.shadows, strict=True)):
        box, shadow_box = _box_of(layer[..., 3].numpy()), _box_of(shadow.numpy())
        pictures[f"layer-{index + 1}.png"] = _bytes(_cropped(layer, box))
        pictures[f"shadow-{index + 1}.png"] = _bytes(_cropped(shadow, shadow_box))
        source = scene.sources[index]
        seen = float(scene.visible[index].sum()) / max(float(scene.whole[index].sum()), 1)
        people.append(
            {
                "number": index + 1,
                "box": list(box),
                "shadow_box": list(shadow_box),
                "photo": source.photo,
                "value": source.value,
                "visible": round(seen, DIGITS),
            }
        )
    height, width = scene.photo.shape[:2]
    description = {
        "id": id,
        "seed": scene.seed,
        "place": scene.place,
        "size": [width, height],
        "erase": [index + 1 for index in scene.erase],
        "people": people,
        "order": "nearest first",
        "tags": dict(scene.tags),
        "measures": {name: None if value is None else round(value, DIGITS) for name, value in scene.measures.items()},
    }
    files = {name: to_png(picture) for name, picture in pictures.items()}
    return {**files, "scene.json": (json.dumps(description, indent=1) + "\n").encode()}


def read_scene(folder: Path) -> TrueScene:
    """The scene in a folder. Layers, shadows and masks as they were made; photo and background in steps of 1/255.

    Raises ValueError when a file is missing or is not what scene.json says.
    """
    told = read_description(folder)
    width, height = told["size"]
    layers, shadows = [], []
    for person in told["people"]:
        number = person["number"]
        layers.append(_placed(_read(folder / f"layer-{number}.png", 4), person["box"], (height, width), f"{folder}/layer-{number}.png"))
        shadow = _read(folder / f"shadow-{number}.png", 1)
        shadows.append(_placed(shadow, person["shadow_box"], (height, width), f"{folder}/shadow-{number}.png"))
    photo, background = (_read(folder / f"{name}.png", 3) for name in ("photo", "background"))
    for name, picture in (("photo", photo), ("background", background)):
        if picture.shape[:2] != (height, width):
            raise ValueError(f"{folder}/{name}.png is {picture.shape[1]}×{picture.shape[0]}, but scene.json says {width}×{height}")
    stack = np.stack(layers)
    whole = stack[..., 3] > 0.5
    return TrueScene(
        photo=torch.from_numpy(photo),
        background=torch.from_numpy(background),
        layers=torch.from_numpy(stack),
        whole=torch.from_numpy(whole),
        visible=torch.from_numpy(visible_of(whole)),
        name=f"{told['place']}-{told['seed']}",
        shadows=torch.from_numpy(np.stack(shadows)),
        erase=tuple(number - 1 for number in told["erase"]),
        place=told["place"],
        seed=told["seed"],
        sources=tuple(Source(person["photo"], person["value"]) for person in told["people"]),
        measures=told["measures"],
        tags=told["tags"],
    )


def read_description(folder: Path) -> dict[str, Any]:
    """What scene.json of a scene's folder says. Raises ValueError when there is none, or it cannot be read."""
    path = folder / "scene.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a scene's description: {error}") from None


def files_of(description: dict[str, Any]) -> list[str]:
    """The names of all files of a scene so described."""
    numbers = [person["number"] for person in description["people"]]
    truth = ["truth.png"] if set(numbers) - set(description["erase"]) else []
    cut = [f"{what}-{number}.png" for number in numbers for what in ("layer", "shadow")]
    return sorted(["photo.png", "background.png", *truth, "people.png", "effects.png", "scene.json", *cut])


def is_complete(folder: Path, id: str, seed: int) -> bool:
    """Whether a folder holds all files of the scene of that id and seed and no others, each to its end."""
    try:
        description = read_description(folder)
        names = files_of(description)
        if description["id"] != id or description["seed"] != seed or sorted(p.name for p in folder.iterdir()) != names:
            return False
    except (ValueError, KeyError, TypeError):
        return False
    return all(ends_well(folder / name) for name in names if name.endswith(".png"))


def _bytes(picture: Tensor) -> np.ndarray:
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _read(path: Path, channels: int) -> np.ndarray:
    """[h, w, channels], or [h, w] for one: float32 in 0..1."""
    data = path.read_bytes() if path.exists() else b""
    return from_png(data, channels, str(path)).astype(np.float32) / np.float32(255)


def _box_of(values: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is not 0; one pixel where all is."""
    rows, columns = np.flatnonzero((values > 0).any(1)), np.flatnonzero((values > 0).any(0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else (0, 0, 1, 1)


def _cropped(planes: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    left, top, right, bottom = box
    return planes[top:bottom, left:right]


def _placed(part: np.ndarray, box: list[int], size: tuple[int, int], name: str) -> np.ndarray:
    left, top, right, bottom = box
    if part.shape[:2] != (bottom - top, right - left):
        raise ValueError(f"{name} is {part.shape[1]}×{part.shape[0]}, but scene.json says {right - left}×{bottom - top}")
    out = np.zeros((*size, *part.shape[2:]), np.float32)
    out[top:bottom, left:right] = part
    return out
