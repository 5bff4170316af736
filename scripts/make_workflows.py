"""Write the graphs of example_graphs.py in both formats, or check that the files are in step with it.

    python3 scripts/bootstrap.py scripts/make_workflows.py [--check | --thumbnail out/demo]

workflows/NAME.json is what an artist opens (litegraph, version 0.4); workflows/api/NAME.json is the same graph for pipelines.
Which widgets a node has, in which order and with which defaults, comes from a running server's /object_info.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from scripts.comfy import Server  # noqa: E402
from scripts.example_graphs import GRAPHS, Graph, Out  # noqa: E402

WORKFLOWS = ROOT / "workflows"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
SEEDS = {"seed", "noise_seed"}  # INT widgets behind which the frontend puts a control_after_generate


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


def thumbnail(demo: Path) -> Image.Image:
    """Before above after, without the upper quarter that holds nobody: a square of 512 pixels."""
    square = Image.new("RGB", (512, 512))
    for top, name in ((0, "before.png"), (257, "after.png")):
        with Image.open(demo / name) as picture:
            lower = picture.crop((0, picture.height - picture.width // 2, picture.width, picture.height))
            square.paste(lower.resize((512, 255), Image.Resampling.LANCZOS), (0, top))
    return square


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not in step")
    parser.add_argument("--thumbnail", type=Path, metavar="FOLDER", help="write only erase.jpg, from what the demo made")
    arguments = parser.parse_args()
    if arguments.thumbnail:
        thumbnail(arguments.thumbnail).save(WORKFLOWS / "erase.jpg", quality=75)
        return 0
    check = arguments.check
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
    sys.exit(main())
