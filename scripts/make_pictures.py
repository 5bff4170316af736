"""Make the pictures of the help pages and the thumbnails of the example graphs, from what the graphs really show.

    python3 scripts/bootstrap.py scripts/make_pictures.py [--only thumbnails | nodes]

Starts ComfyUI and a headless Chromium. Graphs that the bundled model runs get what came out of them, above it what went in; the
others, whose checkpoints are not there, a view of the graph.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import requests
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.remote import Server  # noqa: E402
from scripts.example_graphs import PHOTO  # noqa: E402
from scripts.serve import put_demo  # noqa: E402

WORKFLOWS, PICTURES = ROOT / "workflows", ROOT / "web" / "docs" / "pictures"
SIDE = 512  # pixels of a thumbnail
CORNER, VIEWED = 180, 1200  # pixels of the page: where pictures begin, clear of the frontend's bars, and what a thumbnail shows
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
RUNNABLE = ("erase", "erase_shadows", "erase_guided", "recompose", "erase_batch", "magiceraser")
SHOWN_ONLY = (
    "erase_checkpoint",
    "erase_pose",
    "erase_flux_fill",
    "magiceraser_checkpoint",
    "erasediff",
    "smarteraser",
    "omnieraser",
    "omnieraser_layers",
    "omnieraser_controlnet",
)
NODES = {  # picture: (graph, node's type)
    "people_picker": ("erase", "MILDSplitPeople"),
    "bodies": ("erase", "MILDMorphology"),
    "preview": ("erase", "KSampler"),
    "before_after": ("erase", "MILDBeforeAfter"),
    "flex_composer": ("recompose", "MILDComposeLayers"),
    "save_layers": ("recompose", "MILDSaveLayers"),
    "shadows": ("erase_shadows", "MILDFindEffects"),
    "guidance": ("erase_guided", "MILDGuidanceMaps"),
    "panoptic": ("magiceraser", "MILDPanoptic"),
}
VIEW = """({ at, to, scale }) => {
    const { ds } = window.app.canvas;
    ds.scale = scale;
    ds.offset = [0, 1].map(axis => to[axis] / scale - at[axis]);
    window.app.canvas.setDirty(true, true);
}"""
ALONE = """type => {
    const shown = window.app.graph.nodes.find(each => each.type === type);
    for (const each of window.app.graph.nodes) {
        each.at ??= [...each.pos];
        each.pos = each === shown ? each.at : [each.at[0] - 9000, each.at[1]];
    }
    return [shown.id, shown.at];
}"""
RUN = """async () => {
    const done = new Promise((resolve, reject) => {
        window.app.api.addEventListener("execution_success", resolve, { once: true });
        window.app.api.addEventListener("execution_error", event => reject(event.detail.exception_message), { once: true });
    });
    for (const node of window.app.graph.nodes) node.widgets?.filter(each => each.name === "erase" && each.value === "1")
        .forEach(each => { each.value = "1,3"; });
    await window.app.queuePrompt(0, 1);
    await done;
}"""


FILES = {  # what the graphs that are only shown name; empty, so that they look as they do where the files are there
    "checkpoints": ["sd-v1-5-inpainting.safetensors"],
    "clip_vision": ["clip-vit-large-patch14.safetensors"],
    "controlnet": ["control_v11p_sd15_openpose_fp16.safetensors", "flux1-dev-inpainting-beta.safetensors"],
    "diffusion_models": ["flux1-fill-dev.safetensors", "flux1-dev.safetensors", "smarteraser.safetensors"],
    "loras": ["omnieraser.safetensors", "omnieraser_controlnet.safetensors"],
    "smarteraser": ["clip_mlp_weight.safetensors"],
    "text_encoders": ["clip_l.safetensors", "t5xxl_fp8_e4m3fn.safetensors", "smarteraser.safetensors"],
    "vae": ["ae.safetensors", "smarteraser.safetensors"],
    "inpaint": ["big-lama.safetensors"],
}


def put_files(models: Path) -> None:
    for folder, names in FILES.items():
        (models / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (models / folder / name).touch()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def square(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """One picture above another, each cut to its lower part, where the people are."""
    made = Image.new("RGB", (SIDE, SIDE))
    for top, picture in ((0, upper), (SIDE // 2 + 1, lower)):
        part = picture.crop((0, picture.height - picture.width // 2, picture.width, picture.height))
        made.paste(part.resize((SIDE, SIDE // 2 - 1), Image.Resampling.LANCZOS), (0, top))
    return made


def thumbnail_of_run(server: Server, name: str) -> Image.Image:
    graph = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    pictures = [opened(server.view(file)) for file in server.run(graph)["picture"]["images"]]
    if len(pictures) == 1:
        pictures.insert(0, Image.open(server.input / PHOTO).convert("RGB"))
    return square(*pictures[:2])


def load(page: Any, name: str) -> None:
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_timeout(2000)


def thumbnail_of_graph(page: Any, name: str) -> Image.Image:
    """The graph from its models to its picture, as the artist sees it."""
    load(page, name)
    page.evaluate(VIEW, {"at": [390, -110], "to": [CORNER, CORNER], "scale": 0.9})
    page.wait_for_timeout(1500)
    view = opened(page.screenshot())
    return view.crop((CORNER, CORNER, CORNER + VIEWED, CORNER + VIEWED)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def pictures_of_nodes(page: Any, name: str) -> None:
    """Run a graph in the page, and keep how its nodes look."""
    load(page, name)
    page.evaluate(RUN)
    page.wait_for_timeout(2000)
    for picture, (graph, kind) in NODES.items():
        if graph == name:
            save(picture_of_node(page, kind), PICTURES / f"{picture}.jpg")


def picture_of_node(page: Any, kind: str) -> Image.Image:
    node, at = page.evaluate(ALONE, kind)
    page.evaluate(VIEW, {"at": at, "to": [CORNER, CORNER], "scale": 1})
    page.wait_for_timeout(1500)
    return opened(page.locator(f'[data-node-id="{node}"]').first.screenshot())


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=82, optimize=True)
    print(f"wrote {path.relative_to(ROOT)}: {picture.width}×{picture.height}, {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("thumbnails", "nodes"))
    only = parser.parse_args().only
    from playwright.sync_api import sync_playwright

    with Server() as server, sync_playwright() as playwright:
        put_demo(server.input)
        put_files(server.base / "models")
        for name, value in {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": True, "Comfy.Minimap.Visible": False}.items():
            requests.post(f"{server.url}/settings/{name}", json=value, timeout=30).raise_for_status()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1400})
        page.goto(server.url)
        page.wait_for_function("() => !!window.LiteGraph?.registered_node_types['MILDSplitPeople'] && !!window.app?.extensionManager")
        if only != "nodes":
            for name in RUNNABLE:
                save(thumbnail_of_run(server, name), WORKFLOWS / f"{name}.jpg")
            for name in SHOWN_ONLY:
                save(thumbnail_of_graph(page, name), WORKFLOWS / f"{name}.jpg")
        if only != "thumbnails":
            for name in dict.fromkeys(graph for graph, _ in NODES.values()):
                pictures_of_nodes(page, name)
        browser.close()


if __name__ == "__main__":
    main()
