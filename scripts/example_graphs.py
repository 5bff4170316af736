"""The example graphs, each described once: nodes by name, what they are connected to, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["GRAPHS", "PEOPLE", "PHOTO", "Graph", "Group", "Node", "Out"]

CONTROLNET = "control_v11p_sd15_openpose_fp16.safetensors"
ADAPTER = "mild_morphology.safetensors"  # comes with the pack
PHOTO, PEOPLE = "mild-demo.png", "mild-demo-people.png"  # what `make serve` puts into the input folder


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
Nothing to download: MILD Mini Model comes with the pack. Keep **cfg at 1** and **denoise below 1**. It says where things are; \
*Layers of the photo* paints them with patches of the photo (*detail: copied*).
"""
NOTE_CHECKPOINT = """
Any checkpoint works, an inpainting one best: put it into *models/checkpoints* and choose it in *Checkpoint*. The default \
is Stable Diffusion 1.5 inpainting. The prompts say what is behind everybody, and what people look like.
"""


NOTE_SHADOWS = """
**Their shadows** proposes a mask of the shadows of who goes; the node shows it in pink. What it marks goes too. Where it is \
wrong, lower *sensitivity* or *reach*, or put a mask of your own in its place.
"""


NOTE_POSE = """
**Their bodies** lays a skeleton over everybody; one of a pose node may be connected to *poses*. **What layers are told of \
bodies** draws it for each layer, hidden limbs too, for any OpenPose ControlNet: put one into *models/controlnet*. The default is \
Stable Diffusion 1.5's.
"""
NOTE_GUIDED = """
**Their bodies** lays a skeleton over everybody, and **What layers are told of bodies** draws pose, clothes and relations for the \
adapter that comes with the pack: the model then knows what it completes.
"""


def erase(
    name: str,
    note: str,
    models: dict[str, Node],
    prompts: dict[str, Out],
    sampling: dict[str, Any],
    detail: str,
    model_group: Group,
    shadows: bool = False,
    told: tuple[str, str] | None = None,
) -> Graph:
    """The graph of all examples: only the model, where its prompts come from, who paints the detail, shadows and guidance differ.

    Args:
        told: a ControlNet's file, and which of the guidance maps it is told.
    """
    file, kind = told or ("", "")
    effects = {"effects": Node("MILDFindEffects", "Their shadows", (420, 1540), (400, 400), {"scene": Out("scene", "scene")})}
    guidance = {
        "maps": Node("MILDGuidanceMaps", "What layers are told of bodies", (900, 1420), (340, 380), {"plan": Out("encode", "plan")}),
        "net": Node("ControlNetLoader", "ControlNet", (1300, 1250), (300, 90), {"control_net_name": file}),
        "pose": Node(
            "ControlNetApplyAdvanced",
            "Told to each layer",
            (1300, 1420),
            (300, 220),
            {
                "positive": Out("encode", "positive"),
                "negative": Out("encode", "negative"),
                "control_net": Out("net", "CONTROL_NET"),
                "image": Out("maps", kind),
            },
        ),
    }
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
        "bodies": Node("MILDMorphology", "Their bodies", (420, 1060), (400, 420), {"scene": Out("scene", "scene")}),
        **(effects if shadows else {}),
        **models,
        "encode": Node(
            "MILDEncodeLayers",
            "Pathways",
            (900, 480),
            (340, 450),
            {"scene": Out("bodies", "scene"), **prompts, **({"effects": Out("effects", "effects")} if shadows else {})},
        ),
        **(guidance if told else {}),
        "control": Node(
            "MILDLayerControl",
            "How strongly, how many at a time",
            (1300, 980),
            (300, 180),
            {"model": Out("model", "model" if "MILD" in models["model"].type else "MODEL"), "plan": Out("encode", "plan")},
        ),
        "attend": Node(
            "MILDModulateAttention",
            "Look at the surroundings, not at other people",
            (900, 980),
            (340, 370),
            {"model": Out("control", "model"), "plan": Out("encode", "plan"), "method": "sma"},
        ),
        "sample": Node(
            "KSampler",
            "Denoise all pathways",
            (1300, 480),
            (300, 320),
            {
                "model": Out("attend", "model"),
                "positive": Out("pose" if told else "encode", "positive"),
                "negative": Out("pose" if told else "encode", "negative"),
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
            (280, 140),
            {"samples": Out("sample", "LATENT"), "plan": Out("encode", "plan"), "vae": prompts["vae"], "detail": detail},
        ),
        "compose": Node("MILDComposeLayers", "Picture of the layers", (1660, 680), (280, 90), {"layers": Out("decode", "layers")}),
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
        "changed": Node("MaskPreview", "What changed", (1660, 840), (280, 280), {"mask": Out("compose", "changed")}),
    }
    groups = (
        Group("1  Photo and people", (20, 400), (340, 860)),
        Group("2  Who goes", (400, 400), (440, 1560 if shadows else 1100), "#8A8"),
        model_group,
        Group("4  Erase", (880, 400), (740, 1420 if told else 980)),
        Group("5  Layers and picture", (1640, 400), (840, 930), "#8A8"),
    )
    return Graph(name, note, nodes, groups)


def erase_with_mini(name: str, note: str, shadows: bool = False, told: tuple[str, str] | None = None) -> Graph:
    return erase(
        name,
        note,
        {"model": Node("MILDMiniModel", "Model", (500, 120), (320, 130))},
        {
            "positive": Out("model", "positive"),
            "negative": Out("model", "negative"),
            "vae": Out("model", "vae"),
            "person_positive": Out("model", "person"),
        },
        {"steps": 4, "cfg": 1.0, "denoise": 0.4},
        "copied",
        Group("3  Model", (480, 40), (360, 230), "#A88"),
        shadows,
        told,
    )


MINI = erase_with_mini("erase", NOTE + NOTE_MINI)
GUIDED = erase_with_mini("erase_guided", NOTE + NOTE_MINI + NOTE_GUIDED, told=(ADAPTER, "guidance"))
SHADOWS = erase_with_mini("erase_shadows", NOTE + NOTE_MINI + NOTE_SHADOWS, shadows=True)


def erase_with_checkpoint(name: str, note: str, told: tuple[str, str] | None = None) -> Graph:
    return erase(
        name,
        note,
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
                "CLIPTextEncode",
                "Not wanted",
                (1660, 120),
                (280, 130),
                {"clip": Out("model", "CLIP"), "text": "person, people, figure, text"},
            ),
        },
        {
            "positive": Out("background", "CONDITIONING"),
            "negative": Out("negative", "CONDITIONING"),
            "vae": Out("model", "VAE"),
            "person_positive": Out("person", "CONDITIONING"),
        },
        {"steps": 25, "cfg": 5.0, "denoise": 0.9},
        "as sampled",
        Group("3  Model and prompts", (480, 40), (1480, 230), "#A88"),
        told=told,
    )


CHECKPOINT = erase_with_checkpoint("erase_checkpoint", NOTE + NOTE_CHECKPOINT)
POSE = erase_with_checkpoint("erase_pose", NOTE + NOTE_CHECKPOINT + NOTE_POSE, told=(CONTROLNET, "pose"))
GRAPHS = (MINI, SHADOWS, GUIDED, CHECKPOINT, POSE)
