"""Write the example graphs, each from one description in both formats, or check that the files are in step with it.

    python3 scripts/bootstrap.py scripts/make_workflows.py [--check]

workflows/NAME.json is what an artist opens (litegraph, version 0.4); workflows/api/NAME.json is the same graph for pipelines.
Which widgets a node has, in which order and with which defaults, comes from a running server's /object_info.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / "workflows"
PHOTO, PEOPLE = "mild-demo.png", "mild-demo-people.png"  # what `make serve` puts into the input folder
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
SEEDS = {"seed", "noise_seed"}  # INT widgets behind which the frontend puts a control_after_generate


class Out(NamedTuple):
    """An output of a node, by the node's name and the output's."""

    node: str
    name: str


@dataclass(frozen=True)
class Node:
    type: str
    title: str
    at: tuple[int, int]
    size: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)  # an Out, or a widget's value where it is not the default


@dataclass(frozen=True)
class Group:
    title: str
    at: tuple[int, int]
    size: tuple[int, int]
    color: str = "#3f789e"


@dataclass(frozen=True)
class Graph:
    name: str
    note: str  # Markdown
    nodes: dict[str, Node]  # by name, in the order in which they run
    groups: tuple[Group, ...]


NOTE = """## Erase people, keep the layers
1. **Photo**: choose a photograph.
2. **People**: choose a PNG of the same size whose red value tells who is who: 0 is nobody, 1, 2, … are the people (a *label map*). \
Masks from other nodes work too: connect a batch with one mask for each person and set *separate* to *by mask*.
3. **Who goes**: run once and look at the numbers. Then write who goes into *erase*, such as *1,3* or *all but 2*.
4. Run. **Picture** is the photo without them, bit for bit the same elsewhere. **Layers** are the background and then everybody, \
whole, from far to near, as PNG with alpha.
"""
NOTE_MINI = """
Nothing to download: MILD Mini Model comes with the pack. Keep **cfg at 1** and **denoise below 1**.
"""
NOTE_CHECKPOINT = """
Any checkpoint works, an inpainting one best: put it into *models/checkpoints* and choose it in *Checkpoint*. The default \
is Stable Diffusion 1.5 inpainting. The prompts say what is behind everybody, and what people look like.
"""


def erase(name: str, note: str, models: dict[str, Node], prompts: dict[str, Out], sampling: dict[str, Any], model_group: Group) -> Graph:
    """The graph of all examples: only where the model and its prompts come from differs."""
    nodes = {
        "photo": Node("LoadImage", "Photo", (40, 480), (300, 340), {"image": PHOTO}),
        "people": Node("LoadImageMask", "People", (40, 880), (300, 360), {"image": PEOPLE, "channel": "red"}),
        "scene": Node(
            "MILDSplitPeople",
            "Who goes",
            (420, 480),
            (400, 520),
            {"photo": Out("photo", "IMAGE"), "masks": Out("people", "MASK"), "erase": "1", "separate": "by value"},
        ),
        **models,
        "encode": Node("MILDEncodeLayers", "Pathways", (900, 480), (340, 350), {"scene": Out("scene", "scene"), **prompts}),
        "sample": Node(
            "KSampler",
            "Denoise all pathways",
            (1300, 480),
            (300, 320),
            {
                "model": Out("model", "model" if "MILD" in models["model"].type else "MODEL"),
                "positive": Out("encode", "positive"),
                "negative": Out("encode", "negative"),
                "latent_image": Out("encode", "latent"),
                "sampler_name": "euler",
                "scheduler": "normal",
                **sampling,
            },
        ),
        "decode": Node(
            "MILDDecodeLayers",
            "Layers of the photo",
            (1660, 480),
            (280, 90),
            {"samples": Out("sample", "LATENT"), "plan": Out("encode", "plan"), "vae": prompts["vae"]},
        ),
        "compose": Node("MILDComposeLayers", "Picture of the layers", (1660, 640), (280, 90), {"layers": Out("decode", "layers")}),
        "picture": Node(
            "SaveImage",
            "Picture",
            (2020, 480),
            (440, 380),
            {"images": Out("compose", "image"), "filename_prefix": "mild/picture"},
        ),
        "layers": Node(
            "SaveImage",
            "Layers",
            (2020, 930),
            (440, 380),
            {"images": Out("compose", "layers_rgba"), "filename_prefix": "mild/layer"},
        ),
        "changed": Node("MaskPreview", "What changed", (1660, 800), (280, 280), {"mask": Out("compose", "changed")}),
    }
    groups = (
        Group("1  Photo and people", (20, 400), (340, 860)),
        Group("2  Who goes", (400, 400), (440, 620), "#8A8"),
        model_group,
        Group("4  Erase", (880, 400), (740, 450)),
        Group("5  Layers and picture", (1640, 400), (840, 930), "#8A8"),
    )
    return Graph(name, note, nodes, groups)


MINI = erase(
    "erase",
    NOTE + NOTE_MINI,
    {"model": Node("MILDMiniModel", "Model", (500, 120), (320, 130))},
    {
        "positive": Out("model", "positive"),
        "negative": Out("model", "negative"),
        "vae": Out("model", "vae"),
        "person_positive": Out("model", "person"),
    },
    {"steps": 20, "cfg": 1.0, "denoise": 0.5},
    Group("3  Model", (480, 40), (360, 230), "#A88"),
)
CHECKPOINT = erase(
    "erase_checkpoint",
    NOTE + NOTE_CHECKPOINT,
    {
        "model": Node("CheckpointLoaderSimple", "Checkpoint", (500, 120), (320, 130), {"ckpt_name": "sd-v1-5-inpainting.safetensors"}),
        "background": Node(
            "CLIPTextEncode",
            "Behind everybody",
            (900, 120),
            (340, 130),
            {"clip": Out("model", "CLIP"), "text": "empty scene, background, nobody"},
        ),
        "person": Node(
            "CLIPTextEncode",
            "People",
            (1300, 120),
            (300, 130),
            {"clip": Out("model", "CLIP"), "text": "photo of a person, whole body"},
        ),
        "negative": Node(
            "CLIPTextEncode", "Not wanted", (1660, 120), (280, 130), {"clip": Out("model", "CLIP"), "text": "person, people, figure, text"}
        ),
    },
    {
        "positive": Out("background", "CONDITIONING"),
        "negative": Out("negative", "CONDITIONING"),
        "vae": Out("model", "VAE"),
        "person_positive": Out("person", "CONDITIONING"),
    },
    {"steps": 25, "cfg": 5.0, "denoise": 0.9},
    Group("3  Model and prompts", (480, 40), (1480, 230), "#A88"),
)
GRAPHS = (MINI, CHECKPOINT)


class Input(NamedTuple):
    name: str
    type: str
    options: dict[str, Any]
    default: Any

    @property
    def is_widget(self) -> bool:
        return self.type in WIDGETS and not self.options.get("forceInput")


def inputs_of(info: dict[str, Any]) -> list[Input]:
    """A node's inputs in the order of its definition, from its entry of /object_info."""
    found = []
    for part in ("required", "optional"):
        for name, (kind, *rest) in info["input"].get(part, {}).items():
            options = rest[0] if rest else {}
            choices = kind if isinstance(kind, list) else options.get("options", [])
            default = options.get("default", choices[0] if choices else None)
            found.append(Input(name, "COMBO" if isinstance(kind, list) else kind, options, default))
    return found


def api_format(graph: Graph, info: dict[str, Any]) -> dict[str, Any]:
    """The graph for POST /prompt; node ids are the names."""
    out = {}
    for name, node in graph.nodes.items():
        inputs = {}
        for input in inputs_of(info[node.type]):
            value = node.inputs.get(input.name, input.default if input.is_widget else None)
            if isinstance(value, Out):
                value = [value.node, info[graph.nodes[value.node].type]["output_name"].index(value.name)]
            if value is not None:
                inputs[input.name] = value
        unknown = node.inputs.keys() - inputs.keys()
        if unknown:
            raise ValueError(f"{graph.name}: {node.type} has no input {', '.join(sorted(unknown))}")
        out[name] = {"class_type": node.type, "inputs": inputs, "_meta": {"title": node.title}}
    return out


def ui_format(graph: Graph, info: dict[str, Any]) -> dict[str, Any]:
    """The graph as the frontend saves it (litegraph 0.4)."""
    api = api_format(graph, info)
    ids = {name: number for number, name in enumerate(graph.nodes, start=1)}
    nodes: list[dict[str, Any]] = []
    links: list[list[Any]] = []
    for order, (name, node) in enumerate(graph.nodes.items()):
        sockets = [i for i in inputs_of(info[node.type]) if not i.is_widget]
        entry: dict[str, Any] = {
            "id": ids[name],
            "type": node.type,
            "title": node.title,
            "pos": list(node.at),
            "size": list(node.size),
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": [{"name": i.name, "type": i.type, "link": None} for i in sockets],
            "outputs": [
                {"name": n, "type": t, "slot_index": s, "links": []}
                for s, (n, t) in enumerate(zip(info[node.type]["output_name"], info[node.type]["output"], strict=True))
            ],
            "properties": {"Node name for S&R": node.type},
            "widgets_values": widget_values(inputs_of(info[node.type]), api[name]["inputs"]),
        }
        for slot, socket in enumerate(sockets):
            if socket.name not in api[name]["inputs"]:
                continue
            source, output = api[name]["inputs"][socket.name]
            source_entry = nodes[ids[source] - 1]
            link = [len(links) + 1, ids[source], output, ids[name], slot, socket.type]
            links.append(link)
            entry["inputs"][slot]["link"] = link[0]
            source_entry["outputs"][output]["links"].append(link[0])
        nodes.append(entry)
    nodes.append(note(graph, len(nodes) + 1))
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"mild-layers/{graph.name}")),
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [
            {"id": n, "title": g.title, "bounding": [*g.at, *g.size], "color": g.color, "font_size": 24, "flags": {}}
            for n, g in enumerate(graph.groups, start=1)
        ],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def widget_values(inputs: list[Input], values: dict[str, Any]) -> list[Any]:
    """The values of a node's widgets in the frontend's order, with the widgets that it adds by itself."""
    out = []
    for input in inputs:
        if not input.is_widget:
            continue
        out.append(values[input.name])
        if input.type == "INT" and (input.name in SEEDS or input.options.get("control_after_generate")):
            out.append("fixed")
    # the upload button comes last
    return out + ["image" for i in inputs if i.options.get("image_upload")]


def note(graph: Graph, id: int) -> dict[str, Any]:
    return {
        "id": id,
        "type": "MarkdownNote",
        "title": "What to do",
        "pos": [20, 0],
        "size": [420, 360],
        "flags": {},
        "order": id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [graph.note],
        "color": "#432",
        "bgcolor": "#653",
    }


def files(info: dict[str, Any]) -> dict[Path, str]:
    """What every file must hold, by its path."""
    out = {}
    for graph in GRAPHS:
        out[WORKFLOWS / f"{graph.name}.json"] = ui_format(graph, info)
        out[WORKFLOWS / "api" / f"{graph.name}.json"] = api_format(graph, info)
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in out.items()}


def out_of_step(info: dict[str, Any]) -> list[Path]:
    """The files that are missing or do not hold what they must."""
    return [p for p, text in files(info).items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def main() -> int:
    from scripts.comfy import Server

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not in step")
    check = parser.parse_args().check
    with Server() as server:
        info = server.object_info()
    old = out_of_step(info)
    for path in old:
        print(f"{'not in step' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files(info)[path], encoding="utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.exit(main())
