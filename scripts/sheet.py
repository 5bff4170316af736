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

from mild_core.remote import Server  # noqa: E402
from mild_core.scene import Scene  # noqa: E402
from mild_core.scene.overlay import number_people  # noqa: E402
from scripts.demo import GRAPH, erase  # noqa: E402
from scripts.demo_inputs import from_files  # noqa: E402

NAMES = (
    "coco_000000000077,coco_000000000165,coco_000000000192,coco_000000000241,coco_000000000328,coco_000000000488,"
    "coco_000000000536,penn_FudanPed00036,penn_FudanPed00063,penn_PennPed00007,penn_PennPed00013,penn_PennPed00051"
)
HEIGHT, GAP, HEADER = 300, 6, 24  # pixels
SQUARE = 12  # of the chequered ground of a layer
ROWS = 4  # of a sheet


def who_goes(scene: Scene) -> int:
    """The number of the nearest person who hides somebody, else of the largest."""
    hidden = torch.zeros(scene.size, dtype=torch.bool)
    for person in scene.people:
        hidden |= person.hidden
    hiding = [p for p in scene.people if (p.visible & hidden).sum() > 50]
    return (hiding[0] if hiding else max(scene.people, key=lambda p: p.area)).number


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


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
            inputs = from_files(path, [path.with_suffix(".png")])
            graph = json.loads(GRAPH.read_text(encoding="utf-8"))
            scene = inputs.scene(graph["scene"]["inputs"]["smallest"])
            number = who_goes(scene)
            background, *people = erase(server, inputs, scene, "all", graph).layers.items()
            picture = erase(server, inputs, scene, str(number), graph).after
            numbered = Image.fromarray((number_people(scene)[0] * 255).round().to(torch.uint8).numpy())
            cells = [(name, numbered), (background[0], opened(background[1])), (f"without {number}", opened(picture))]
            cells += [(who, chequered(Image.open(io.BytesIO(layer)))) for who, layer in people]
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
