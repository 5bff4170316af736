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
    PEOPLE,
    PHOTO,
    PROMPTED,
    erase,
    erasing,
    erasing_with_checkpoint,
    results,
)
from scripts.omni_graphs import OMNI_GRAPHS

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


NOTE_SMART = """## SmartEraser: an eraser that sees what it erases
The network is shown the whole photo, and the object once more as the last word of its prompt (arXiv 2501.08279). **Photo** and \
**Who goes** are pictures of the same size; white, or any value but 0, goes.

| file | into | licence |
|---|---|---|
| SmartEraser's *unet* as *smarteraser* | models/diffusion_models | not stated; its code is under MIT |
| SmartEraser's *text_encoder* as *smarteraser* | models/text_encoders | the same |
| its *vae* as *smarteraser* | models/vae | the same |
| *clip_mlp_weight*, made a safetensors file | models/smarteraser | the same; the help page of MILD SmartEraser has the command |
| *openai/clip-vit-large-patch14* | models/clip_vision | MIT |

It was trained so: **cfg 1.5**, 50 steps of ddim, **denoise 1**. Where several people go, *crop: each part* shows them one at a time.
"""


def smart_eraser() -> Graph:
    """SmartEraser's checkpoint on one photo."""
    shown = {"clip": Out("clip", "CLIP"), "clip_vision": Out("eye", "CLIP_VISION"), "vae": Out("vae", "VAE")}
    nodes = {
        "photo": Node("LoadImage", "Photo", (40, 120), (300, 340), {"image": PHOTO}),
        "people": Node("LoadImageMask", "Who goes", (40, 520), (300, 340), {"image": PEOPLE, "channel": "red"}),
        "mask": Node("ThresholdMask", "Whatever is not 0", (40, 920), (300, 70), {"mask": Out("people", "MASK"), "value": 0.0}),
        "model": Node("UNETLoader", "SmartEraser", (500, 120), (320, 90), {"unet_name": "smarteraser.safetensors"}),
        "clip": Node(
            "CLIPLoader", "Its text encoder", (500, 270), (320, 110), {"clip_name": "smarteraser.safetensors", "type": "stable_diffusion"}
        ),
        "eye": Node(
            "CLIPVisionLoader", "What looks at the object", (500, 440), (320, 60), {"clip_name": "clip-vit-large-patch14.safetensors"}
        ),
        "vae": Node("VAELoader", "VAE", (500, 560), (320, 60), {"vae_name": "smarteraser.safetensors"}),
        "told": Node(
            "MILDSmartEraser",
            "What goes",
            (900, 120),
            (340, 330),
            {**shown, "image": Out("photo", "IMAGE"), "mask": Out("mask", "MASK"), "projector": "clip_mlp_weight.safetensors"},
        ),
        "sample": Node(
            "KSampler",
            "Erase",
            (1300, 120),
            (300, 440),
            {
                "model": Out("model", "MODEL"),
                "positive": Out("told", "positive"),
                "negative": Out("told", "negative"),
                "latent_image": Out("told", "latent"),
                "steps": 50,
                "cfg": 1.5,
                "sampler_name": "ddim",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        ),
        "decode": Node(
            "MILDDecodeLayers",
            "Back into the photo",
            (1680, 120),
            (480, 140),
            {"samples": Out("sample", "LATENT"), "plan": Out("told", "plan"), "vae": Out("vae", "VAE")},
        ),
        "compose": Node("MILDComposeLayers", "Picture", (1680, 320), (480, 700), {"layers": Out("decode", "layers")}),
        "compare": replace(results()["compare"], at=(2220, 120)),
        "picture": replace(results()["picture"], at=(2220, 660)),
    }
    groups = (
        Group("1  Photo and who goes", (20, 40), (340, 980)),
        Group("2  Model", (480, 40), (360, 610), "#A88"),
        Group("3  Erase", (880, 40), (740, 560)),
        Group("4  Picture", (1660, 40), (1060, 1060), "#8A8"),
    )
    return Graph("smarteraser", NOTE_SMART, nodes, groups).moved(0, 360)


NOTE_ERASE_DIFFUSION = """## Erase Diffusion
An inpainting model that was trained to walk away from whoever is still to be seen in the hole (arXiv 2503.07026), with attention that \
does not look from hole to hole (*method: self-rectifying*). Its authors published no weights; `mild_core/training/recipes/erasediff.toml` \
trains them.

| file | into | licence |
|---|---|---|
| the U-Net of your training, *erase_diffusion* | models/diffusion_models | that of your data and of Stable Diffusion 2 |
| *512-inpainting-ema* of Stable Diffusion 2, for its text encoder and VAE | models/checkpoints | CreativeML Open RAIL++-M |

1. **Photo** and **People**: a photograph, and a label map of the same size whose red value tells who is who.
2. **Who goes**: run once, then click the people in the photo.

It was trained without words: leave the prompt empty and **cfg at 1**. It completes nobody (*complete: nobody*).
"""


def erase_diffusion() -> Graph:
    """A U-Net of Erase Diffusion's training, layer by layer."""
    models = {
        "model": Node("UNETLoader", "Erase Diffusion", (500, 40), (320, 90), {"unet_name": "erase_diffusion.safetensors"}),
        "rest": Node(
            "CheckpointLoaderSimple", "Text encoder and VAE", (500, 190), (320, 130), {"ckpt_name": "512-inpainting-ema.safetensors"}
        ),
        "background": Node("CLIPTextEncode", "No words", (900, 120), (340, 130), {"clip": Out("rest", "CLIP"), "text": ""}),
    }
    prompts = {"positive": Out("background", "CONDITIONING"), "negative": Out("background", "CONDITIONING"), "vae": Out("rest", "VAE")}
    nodes = erasing(models, prompts, {"steps": 25, "cfg": 1.0, "denoise": 0.9}, "as sampled", encoding={"complete": "nobody"})
    nodes["attend"] = _with(nodes["attend"], method="self-rectifying")
    group = Group("3  Model", (480, -40), (780, 380), "#A88")
    return erase("erasediff", NOTE_ERASE_DIFFUSION, group, nodes)


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


PAPERS = (magic_eraser_with_mini(), magic_eraser_with_checkpoint(), erase_diffusion(), smart_eraser(), *OMNI_GRAPHS)
