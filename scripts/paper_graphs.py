"""The graphs of the papers that this project stands on, with stock nodes wherever stock nodes exist."""

from __future__ import annotations

import json
from dataclasses import replace
from graphlib import TopologicalSorter

from scripts.demo_scene import SEGMENTS
from scripts.graph import Graph, Group, Node, Out
from scripts.graph_parts import (
    MINI_GROUP,
    MINI_MODEL,
    MINI_PROMPTS,
    PANOPTIC,
    PHOTO,
    PROMPTED,
    erasing,
    erasing_with_checkpoint,
    results,
)

__all__ = ["LAMA", "PAPERS"]

LAMA = "big-lama.safetensors"
STRENGTH = 0.9  # MagicEraser's: sampling begins at step ⌊T·s⌋ of T
LEGEND = json.dumps({"segments_info": [{"id": segment.id, "category_id": segment.category_id} for segment in SEGMENTS]})

NOTE_MAGIC = """## MagicEraser
What a network says of every pixel (*person*, *sky*, *trees*) leads all that follows (arXiv 2410.10207):
1. **What everything is** gives the people's masks. With a photo of your own, put a Mask2Former, OneFormer or EoMT into \
*models/panoptic*, choose it in *network*, and disconnect *labels*; the demo's photo has a map that was painted by hand.
2. **Who goes**: run once, then click the people in the photo.
3. **What holes begin as**: they are filled first, and sampling begins at **denoise 0.9** from there.
4. **What is background** turns the holes' attention to sky, trees and walls, and away from everything like what is erased \
(*method: refocus*).
"""
NOTE_MAGIC_MINI = """
Nothing to download: MILD Mini Model comes with the pack. It takes no words, so that the paper's prompts are left out here.
"""
NOTE_MAGIC_CHECKPOINT = """
**Checkpoint** is any inpainting checkpoint of Stable Diffusion 1.5 in *models/checkpoints*. **Behind them, in words** writes its prompt \
from what is around the holes, such as *A photo of sky*. A word and a LoRA that you have tuned (*make train-prompt*) make it the \
paper's: choose the word in *embedding*, and put a Load LoRA behind the checkpoint. **What holes begin as** is painted by LaMa from \
*models/inpaint*; *exemplar* in its place needs no file.
"""


def magic_eraser(nodes: dict[str, Node], background: str) -> dict[str, Node]:
    """A graph that erases, led by panoptic labels as MagicEraser has it, and without what the paper has not."""
    kept = {name: node for name, node in nodes.items() if name != "bodies"}
    fill = {"background": background, **({"network": LAMA} if background == "network" else {})}
    led = {
        "photo": Node("LoadImage", "Photo", (-360, 480), (300, 340), {"image": PHOTO}),
        "map": Node("LoadImage", "What the demo's photo shows", (-360, 880), (300, 340), {"image": PANOPTIC}),
        "panoptic": Node(
            "MILDPanoptic",
            "What everything is",
            (-20, 480),
            (380, 720),
            {"photo": Out("photo", "IMAGE"), "labels": Out("map", "IMAGE"), "labels_are": "segment ids", "legend": LEGEND},
        ),
        "fill": Node("MILDFillHoles", "What holes begin as", (420, 1320), (400, 140), fill),
        "regions": Node(
            "MILDPanopticRegions",
            "What is background",
            (900, 980),
            (340, 50),
            {"plan": Out("encode", "plan"), "panoptic": Out("panoptic", "panoptic")},
        ),
    }
    scene = {"masks": Out("panoptic", "masks"), "separate": "by mask", "erase": "1,3"}
    changed = {
        "scene": _with(kept["scene"], **scene),
        "encode": _with(kept["encode"], scene=Out("scene", "scene"), fill=Out("fill", "fill")),
        "attend": replace(_with(kept["attend"], plan=Out("regions", "plan"), method="refocus"), at=(900, 1120)),
    }
    return {**led, **kept, **changed}


def magic_eraser_with_mini() -> Graph:
    sampling = {"steps": 9, "cfg": 1.0, "denoise": STRENGTH}  # of 10
    nodes = magic_eraser(erasing(MINI_MODEL, MINI_PROMPTS, sampling, "copied"), "exemplar")
    return _graph("magiceraser", NOTE_MAGIC + NOTE_MAGIC_MINI, nodes, MINI_GROUP)


def magic_eraser_with_checkpoint() -> Graph:
    nodes = magic_eraser(erasing_with_checkpoint(), "network")
    told = Node(
        "MILDBackgroundPrompt",
        "Behind them, in words",
        (420, 1520),
        (400, 300),
        {"scene": Out("scene", "scene"), "panoptic": Out("panoptic", "panoptic")},
    )
    said = {
        "background": _with(nodes["background"], text=Out("words", "prompt")),
        "sample": _with(nodes["sample"], steps=45, denoise=STRENGTH),  # of 50
    }
    return _graph("magiceraser_checkpoint", NOTE_MAGIC + NOTE_MAGIC_CHECKPOINT, {**nodes, "words": told, **said}, PROMPTED)


def _graph(name: str, note: str, nodes: dict[str, Node], model: Group) -> Graph:
    groups = (
        Group("1  What the photo shows", (-380, 400), (760, 860)),
        Group("2  Who goes, and what comes behind them", (400, 400), (440, 1460 if "words" in nodes else 1100), "#8A8"),
        model,
        Group("4  Erase", (880, 400), (740, 1120)),
        Group("5  Picture", (1640, 400), (1540, 1060), "#8A8"),
    )
    return Graph(name, note, _as_they_run({**nodes, **results()}), groups)


def _as_they_run(nodes: dict[str, Node]) -> dict[str, Node]:
    before = {name: [value.node for value in node.inputs.values() if isinstance(value, Out)] for name, node in nodes.items()}
    return {name: nodes[name] for name in TopologicalSorter(before).static_order()}


def _with(node: Node, **inputs: object) -> Node:
    return replace(node, inputs={**node.inputs, **inputs})


PAPERS = (magic_eraser_with_mini(), magic_eraser_with_checkpoint())
