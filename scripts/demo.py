"""Erase people from a photo in a real ComfyUI, and show what came out.

    python3 scripts/bootstrap.py scripts/demo.py [--out out/demo] [--photo PHOTO --masks MASK ...] [--erase 1,3]

Without a photo it takes its own scene, whose truth is known, and scores the result. It starts a ComfyUI, queues
workflows/api/erase.json, and leaves before.png, after.png, changed.png, layers/, score.json and index.html in the folder
--out, which is replaced as a whole or not at all.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.metrics import haarpsi, psnr, ssim  # noqa: E402
from mild_core.remote import GraphError, Server  # noqa: E402
from mild_core.scene import Scene, choose  # noqa: E402
from mild_core.scene.masks import grow  # noqa: E402
from scripts.demo_inputs import DemoInputs, from_files, own_scene  # noqa: E402
from scripts.demo_page import page  # noqa: E402

GRAPH = ROOT / "workflows" / "api" / "erase.json"
CREDIT = "the demo's own scene (place: danielbuechele, CC BY 2.0; portrait: NASA)"
MADE = {"before.png", "after.png", "changed.png", "layers", "score.json", "index.html"}


@dataclass(frozen=True, eq=False)
class Result:
    """What a run made: PNG files, and seconds by what they were spent on.

    Attributes:
        layers: by name, the background first, then everybody from far to near.
    """

    after: bytes
    changed: bytes
    layers: dict[str, bytes]
    seconds: dict[str, float]


def erase(server: Server, inputs: DemoInputs, scene: Scene, words: str, graph: dict[str, Any]) -> Result:
    """Run the graph on these inputs, telling what it does."""
    graph["photo"]["inputs"]["image"] = server.upload(as_png(inputs.photo), "photo.png")
    graph["people"]["inputs"]["image"] = server.upload(as_png(inputs.people), "people.png")
    graph["scene"]["inputs"].update(erase=words, separate=inputs.separate)
    started = time.monotonic()
    began: dict[str, float] = {}

    def on_progress(node: str, done: int, total: int) -> None:
        now = time.monotonic()
        title = graph[node]["_meta"]["title"]
        if node not in began:
            began[node] = now
            say(f"{title} …", now - started)
        elif node == "sample":
            say(f"{title}: step {done} of {total}", now - started)

    made = server.run(graph, on_progress)
    ended = time.monotonic()
    ends = [*list(began.values())[1:], ended]
    seconds = {graph[node]["_meta"]["title"]: end - began[node] for node, end in zip(began, ends, strict=True)}
    pictures = {node: [server.view(file) for file in made[node]["images"]] for node in ("picture", "changed", "layers")}
    names = ["background", *(f"person {person.number}" for person in reversed(scene.people))]
    layers = dict(zip(names, pictures["layers"], strict=True))
    return Result(pictures["picture"][0], pictures["changed"][0], layers, {**seconds, "all of the graph": ended - started})


def scores(inputs: DemoInputs, scene: Scene, result: Result, grown: float) -> dict[str, dict[str, dict[str, float]]]:
    """Scores inside the hole against the truth, for the result and for Telea's inpainting of the same hole.

    {what: {"MILD" or "Telea": {"psnr" in dB, "ssim", "haarpsi"}}}, where what is the picture, the background layer, and the
    hidden part of each person who stays.
    """
    import cv2

    truth = inputs.truth
    assert truth is not None
    hole = grow(scene.union(scene.going), grown) & ~scene.union(scene.staying)
    telea = cv2.inpaint(inputs.photo, hole.numpy().astype(np.uint8), 5, cv2.INPAINT_TELEA)
    layers = {name: as_array(data)[..., :3] for name, data in result.layers.items()}
    compared = {
        "picture": (as_array(result.after), truth.without([p.number for p in scene.going]), hole),
        "background": (layers["background"], truth.background, hole),
    }
    for person in scene.staying:
        hidden = torch.from_numpy(truth.hidden(person.number)) & scene.union(scene.going)
        if hidden.any():
            layer = truth.people[person.number - 1][..., :3]
            compared[f"person {person.number}, the hidden part"] = (layers[f"person {person.number}"], layer, hidden)
    return {
        what: {
            name: {measure.__name__: measure(unit(image), unit(true), where) for measure in (psnr, ssim, haarpsi)}
            for name, image in (("MILD", ours), ("Telea", telea))
        }
        for what, (ours, true, where) in compared.items()
    }


def untouched(inputs: DemoInputs, result: Result) -> int:
    """How many pixels outside `changed` are not the photo's own, bit for bit. Must be 0."""
    outside = as_array(result.changed)[..., 0] == 0
    return int((as_array(result.after)[..., :3] != inputs.photo).any(-1)[outside].sum())


def write(out: Path, inputs: DemoInputs, scene: Scene, result: Result, report: dict[str, Any]) -> None:
    """Write the folder beside its place, then put it there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".demo-") as scratch:
        fresh = Path(scratch, "new")
        (fresh / "layers").mkdir(parents=True)
        (fresh / "before.png").write_bytes(as_png(inputs.photo))
        (fresh / "after.png").write_bytes(result.after)
        (fresh / "changed.png").write_bytes(result.changed)
        files = {}
        going = {f"person {person.number}" for person in scene.going}
        for place, (name, data) in enumerate(result.layers.items()):
            files[name] = f"layers/{place:02d}-{name.replace(' ', '-')}.png"
            (fresh / files[name]).write_bytes(data)
        (fresh / "score.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (fresh / "index.html").write_text(page(report, files, going), encoding="utf-8")
        if out.exists():
            out.rename(Path(scratch, "old"))
        fresh.rename(out)


def check_out(out: Path) -> None:
    """Raises ValueError when replacing the folder would destroy what the demo did not make."""
    if out.exists() and (not out.is_dir() or {p.name for p in out.iterdir()} - MADE):
        raise ValueError(f"out is {str(out)!r}, which holds other files: it must be a new folder, or one that the demo made")


def say(text: str, seconds: float | None = None) -> None:
    print(f"[{seconds:6.1f} s] {text}" if seconds is not None else text, flush=True)


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def as_array(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def unit(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).float() / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="folder to write; replaced when the demo made it")
    parser.add_argument("--photo", type=Path, help="a photo of yours")
    parser.add_argument("--masks", type=Path, nargs="+", default=[], help="its people: one label map, or a mask for each person")
    parser.add_argument("--erase", help="who goes, such as 1,3 or all but 2 (default: 1,3 in the demo's scene, else 1)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    try:
        run(arguments.out.absolute(), arguments.photo, arguments.masks, arguments.erase)
    except (ValueError, OSError, GraphError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: stopped; nothing was written")


def run(out: Path, photo: Path | None, masks: list[Path], words: str | None) -> None:
    check_out(out)
    if photo is None and masks:
        raise ValueError("masks are given but no photo: name the photo that they belong to")
    inputs = from_files(photo, masks) if photo else own_scene()
    words = words or ("1" if photo else "1,3")
    graph = json.loads(GRAPH.read_text(encoding="utf-8"))
    scene = inputs.scene(graph["scene"]["inputs"]["smallest"])
    scene = scene.erasing(choose(words, scene.people))
    going = sorted(p.number for p in scene.going)
    height, width = scene.size
    say(f"photo {width}×{height} with {len(scene.people)} people; erasing {', '.join(map(str, going)) or 'nobody'}")
    say("starting ComfyUI …")
    started = time.monotonic()
    with Server() as server:
        boot = time.monotonic() - started
        say(f"ComfyUI answers after {boot:.0f} s at {server.url}")
        result = erase(server, inputs, scene, words, graph)
    report: dict[str, Any] = {
        "photo": photo.name if photo else CREDIT,
        "size": [width, height],
        "people_nearest_first": [p.number for p in scene.people],
        "erased": going,
        "seconds": {"start of ComfyUI": round(boot, 2), **{name: round(s, 2) for name, s in result.seconds.items()}},
        "pixels_changed_outside_the_hole": untouched(inputs, result),
        "scores": scores(inputs, scene, result, graph["encode"]["inputs"]["grow"]) if inputs.truth and scene.going else {},
    }
    write(out, inputs, scene, result, report)
    for what, by_method in report["scores"].items():
        told = ", ".join(f"{name} {s['psnr']:.2f} dB SSIM {s['ssim']:.4f} HaarPSI {s['haarpsi']:.4f}" for name, s in by_method.items())
        say(f"{what}: {told}")
    say(f"pixels outside the hole that differ from the photo: {report['pixels_changed_outside_the_hole']}")
    say(f"wrote {out / 'index.html'}")


if __name__ == "__main__":
    main()
