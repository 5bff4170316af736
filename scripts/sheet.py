"""A sheet of real photographs through the shipped graph: photo, background, every layer, picture with one person gone.

    python scripts/sheet.py --photos DIR [--names a,b,…] [--out out/sheet]

Each photo goes twice through workflows/api/erase.json in a real ComfyUI: with everybody erased, which gives the background and
everybody whole, and with one person erased, the nearest who hides somebody, else the largest. Writes OUT/NAME.png, a row for
each photo, and OUT/sheet-1.png, …, four rows each. The library is a folder with people/NAME.jpg and people/NAME.png, label maps.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.scene import Scene, from_masks, split_people  # noqa: E402
from mild_core.scene.overlay import number_people  # noqa: E402
from scripts.comfy import Server  # noqa: E402

GRAPH = ROOT / "workflows" / "api" / "erase.json"
NAMES = (
    "coco_000000000077,coco_000000000165,coco_000000000192,coco_000000000241,coco_000000000328,coco_000000000488,"
    "coco_000000000536,penn_FudanPed00036,penn_FudanPed00063,penn_PennPed00007,penn_PennPed00013,penn_PennPed00051"
)
HEIGHT, GAP, HEADER = 300, 6, 24  # pixels
SQUARE = 12  # of the chequered ground of a layer
ROWS = 4  # of a sheet


def scene_of(path: Path) -> tuple[Scene, bytes]:
    """The scene, nobody erased, and its label map as the PNG that the graph reads: the number in the red channel."""
    labels = np.asarray(Image.open(path.with_suffix(".png")).convert("L"))
    photo = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255)[None]
    scene = split_people(photo, from_masks(torch.from_numpy(labels.astype(np.float32) / 255)[None], "by value"), smallest=0.0005)
    return scene, as_png(Image.fromarray(np.dstack([labels] * 3)))


def as_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def who_goes(scene: Scene) -> int:
    """The number of the nearest person who hides somebody, else of the largest."""
    hidden = torch.zeros(scene.size, dtype=torch.bool)
    for person in scene.people:
        hidden |= person.hidden
    hiding = [p for p in scene.people if (p.visible & hidden).sum() > 50]
    return (hiding[0] if hiding else max(scene.people, key=lambda p: p.area)).number


def run(server: Server, photo: bytes, people: bytes, words: str) -> tuple[Image.Image, list[Image.Image]]:
    """The picture and the layers, bottom first."""
    graph = json.loads(GRAPH.read_text(encoding="utf-8"))
    graph["photo"]["inputs"]["image"] = server.upload(photo, "photo.png")
    graph["people"]["inputs"]["image"] = server.upload(people, "people.png")
    graph["scene"]["inputs"].update(erase=words, separate="by value")
    made = server.run(graph, lambda *_: None)
    (picture,), layers = ([_opened(server.view(file)) for file in made[name]["images"]] for name in ("picture", "layers"))
    return picture, layers


def _opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def chequered(layer: Image.Image) -> Image.Image:
    rows, columns = np.indices((layer.height, layer.width)) // SQUARE
    ground = np.where((rows + columns)[..., None] % 2, 205, 245).astype(np.uint8).repeat(3, 2)
    return Image.alpha_composite(Image.fromarray(ground).convert("RGBA"), layer.convert("RGBA")).convert("RGB")


def row_of(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures of one height side by side, each under its name."""
    small = [
        (name, picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS))
        for name, picture in cells
    ]
    row = Image.new("RGB", (sum(p.width + GAP for _, p in small) - GAP, HEADER + HEIGHT), "white")
    draw, font, left = ImageDraw.Draw(row), ImageFont.load_default(14), 0
    for name, picture in small:
        draw.text((left + picture.width / 2, HEADER / 2), name, fill="black", font=font, anchor="mm")
        row.paste(picture, (left, HEADER))
        left += picture.width + GAP
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with people/")
    parser.add_argument("--names", default=NAMES, help="of photos, without .jpg")
    parser.add_argument("--out", type=Path, default=Path("out/sheet"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with Server() as server:
        for name in asked.names.split(","):
            started = time.monotonic()
            path = asked.photos / "people" / f"{name}.jpg"
            scene, people = scene_of(path)
            photo = as_png(Image.open(path).convert("RGB"))
            number = who_goes(scene)
            _, layers = run(server, photo, people, "all")
            picture, _ = run(server, photo, people, str(number))
            numbered = Image.fromarray((number_people(scene)[0] * 255).round().to(torch.uint8).numpy())
            names = [f"person {p.number}" for p in reversed(scene.people)]
            cells = [(name, numbered), ("background", layers[0].convert("RGB")), (f"without {number}", picture.convert("RGB"))]
            cells += [(who, chequered(layer)) for who, layer in zip(names, layers[1:], strict=True)]
            rows.append(row_of(cells))
            rows[-1].save(asked.out / f"{name}.png")
            print(f"{name}: {len(scene.people)} people, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    for page, first in enumerate(range(0, len(rows), ROWS), start=1):
        some = rows[first : first + ROWS]
        sheet = Image.new("RGB", (max(r.width for r in some), sum(r.height + GAP for r in some)), "white")
        for place, row in enumerate(some):
            sheet.paste(row, (0, place * (HEADER + HEIGHT + GAP)))
        sheet.save(asked.out / f"sheet-{page}.png")


if __name__ == "__main__":
    main()
