"""The example graphs, each described once: nodes by name, what they are connected to, and where they stand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scripts.graph import Blueprint, Graph, Group, In, Node, Out
from scripts.graph_parts import (
    MINI_GROUP,
    PANOPTIC,
    PEOPLE,
    PHOTO,
    PROMPTED,
    erase,
    erasing,
    erasing_with_checkpoint,
    erasing_with_mini,
    groups_around,
    texts,
)
from scripts.paper_graphs import PAPERS

__all__ = ["BLUEPRINTS", "GRAPHS", "MORE_PEOPLE", "MORE_PHOTO", "PANOPTIC", "PEOPLE", "PHOTO"]

CONTROLNET = "control_v11p_sd15_openpose_fp16.safetensors"
ADAPTER = "mild_morphology.safetensors"  # comes with the pack
MORE_PHOTO, MORE_PEOPLE = "mild-demo-2.png", "mild-demo-2-people.png"  # beside PHOTO and PEOPLE


NOTE = """## Erase people, keep the layers
1. **Photo**: choose a photograph.
2. **People**: choose a PNG of the same size whose red value tells who is who: 0 is nobody, 1, 2, … are the people (a *label map*). \
Masks from other nodes work too: connect a batch with one mask for each person and set *separate* to *by mask*.
3. **Who goes**: run once, then click the people in the photo. *erase* takes words too, such as *1,3* or *all but 2*.
4. Run. **Picture** is the photo without them, bit for bit the same elsewhere. **Layers** are the background and then everybody, \
whole, from far to near, as PNG with alpha. **Picture of the layers** puts them together anew by hand.
"""
NOTE_MINI = """
Nothing to download: MILD Mini Model comes with the pack. Keep **cfg at 1** and **denoise below 1**. It says where things are; \
*Layers of the photo* paints them with patches of the photo (*detail: copied*).
"""
NOTE_CHECKPOINT = """
Any checkpoint works, an inpainting one best: put it into *models/checkpoints* and choose it in *Checkpoint*. The default \
is Stable Diffusion 1.5 inpainting. The prompts say what is behind everybody, and what people look like.
"""


NOTE_FLUX_FILL = """
**Flux Fill** needs *flux1-fill-dev* in *models/diffusion_models*, *clip_l* and *t5xxl* in *models/text_encoders* and *ae* in \
*models/vae*. Its guidance is high by design; keep **cfg at 1**.
"""
NOTE_RECOMPOSE = (
    NOTE
    + """
**Put together anew**: all go from the background (*erase: all*), and everybody is painted whole (*complete: all*). In *Picture of the \
layers* move, scale, turn, flip and order them; click a thumbnail to put a layer on the canvas. What you see is what comes out; *For \
painting programs* keeps it as a PSD. With a photo of your own, *Reset all* clears the demo's composition.
"""
)
NOTE_BATCH = """## Many photos in one run
**Each photo with its masks and its choice** deals out the photos: everything behind it runs once for each. *erase* has a line for \
each photo, or one line for all. Photos of one size come as a batch; a list of photos of different sizes works too.

**Layers of all photos together** puts the layers of all photos into one latent batch, so that the sampler runs once for all of them. \
**Each photo's layers** takes them apart again. Layers share a batch where they have one size: keep *working_size* above 0.

*workflows/api/erase_batch.json* is the same graph for POST /prompt: put other file names into the Load Image nodes and queue it.
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


def erasing_with_flux_fill() -> dict[str, Node]:
    models = {
        "model": Node("UNETLoader", "Flux Fill", (500, 60), (320, 90), {"unet_name": "flux1-fill-dev.safetensors"}),
        "clip": Node(
            "DualCLIPLoader",
            "Text encoders",
            (500, 200),
            (320, 130),
            {"clip_name1": "clip_l.safetensors", "clip_name2": "t5xxl_fp8_e4m3fn.safetensors", "type": "flux"},
        ),
        "vae": Node("VAELoader", "VAE", (500, -40), (320, 60), {"vae_name": "ae.safetensors"}),
        **texts(Out("clip", "CLIP"), "an empty place with nobody in it", "a photo of a person, head to feet", ""),
        "guided_background": Node(
            "FluxGuidance", "Guidance", (900, 300), (340, 60), {"conditioning": Out("background", "CONDITIONING"), "guidance": 30.0}
        ),
        "guided_person": Node(
            "FluxGuidance", "Guidance", (1300, 300), (300, 60), {"conditioning": Out("person", "CONDITIONING"), "guidance": 30.0}
        ),
    }
    prompts = {
        "positive": Out("guided_background", "CONDITIONING"),
        "negative": Out("negative", "CONDITIONING"),
        "vae": Out("vae", "VAE"),
        "person_positive": Out("guided_person", "CONDITIONING"),
    }
    return erasing(models, prompts, {"steps": 20, "cfg": 1.0, "denoise": 1.0}, "as sampled")


COMPOSED: list[dict[str, Any]] = [  # of the demo's photo; people by their ids
    {"key": "1", "layer": "background"},
    {"key": "2", "layer": "pfd499ef7", "x": -300, "flip_x": True},
    {"key": "3", "layer": "p18cab0e2", "x": 440, "y": -35, "scale_x": 1.4, "scale_y": 1.4},
    {"key": "4", "layer": "pfdbd83ca", "x": -70, "y": -8, "scale_x": 1.1, "scale_y": 1.1},
]


def recompose() -> Graph:
    """Everybody whole, put together anew by hand, kept as layers."""
    nodes = erasing_with_mini(encoding={"complete": "all"})
    nodes["scene"].inputs["erase"] = "all"
    nodes["compose"].inputs["composition"] = json.dumps({"version": 1, "canvas": [640, 427], "layers": COMPOSED}, separators=(",", ":"))
    kept = {
        "keep": Node(
            "MILDSaveLayers",
            "For painting programs",
            (2720, 480),
            (440, 480),
            {"layers": Out("compose", "layers"), "filename_prefix": "mild/composed", "format": "psd"},
        )
    }
    graph = erase("recompose", NOTE_RECOMPOSE, MINI_GROUP, nodes)
    return Graph(graph.name, graph.note, {name: node for name, node in graph.nodes.items() if name != "layers"} | kept, graph.groups)


def batch() -> Graph:
    """Two photos in one run, each with its own choice."""
    photos = {
        "photo": Node("LoadImage", "Photo 1", (-660, 480), (300, 340), {"image": PHOTO}),
        "people": Node("LoadImage", "People 1", (-660, 880), (300, 340), {"image": PEOPLE}),
        "photo_2": Node("LoadImage", "Photo 2", (-320, 480), (300, 340), {"image": MORE_PHOTO}),
        "people_2": Node("LoadImage", "People 2", (-320, 880), (300, 340), {"image": MORE_PEOPLE}),
        "photos": Node("ImageBatch", "Photos", (40, 480), (300, 60), {"image1": Out("photo", "IMAGE"), "image2": Out("photo_2", "IMAGE")}),
        "maps": Node(
            "ImageBatch", "Label maps", (40, 600), (300, 60), {"image1": Out("people", "IMAGE"), "image2": Out("people_2", "IMAGE")}
        ),
        "masks": Node("ImageToMask", "Their values", (40, 720), (300, 70), {"image": Out("maps", "IMAGE"), "channel": "red"}),
        "each": Node(
            "MILDPhotoBatch",
            "Each photo with its masks and its choice",
            (40, 860),
            (300, 200),
            {"photos": Out("photos", "IMAGE"), "masks": Out("masks", "MASK"), "erase": "1\nall but 1"},
        ),
    }
    nodes = sharing_batches(erasing_with_mini(encoding={"working_size": 384}))  # of one size, so that they can share
    nodes["scene"].inputs.update({name: Out("each", name) for name in ("photo", "masks", "erase")})
    kept = {
        "picture": Node(
            "SaveImage", "Pictures", (2180, 480), (480, 420), {"images": Out("compose", "image"), "filename_prefix": "mild/batch"}
        ),
        "keep": Node(
            "MILDSaveLayers",
            "Layers",
            (2180, 980),
            (480, 420),
            {"layers": Out("compose", "layers"), "filename_prefix": "mild/batch", "format": "openraster"},
        ),
    }
    first, *rest = groups_around(MINI_GROUP, nodes)
    first = Group("1  Photos and people", (-680, 400), (1040, 860), first.color)
    rest = [replace(group, size=(740, 1220)) if group.title == "4  Erase" else group for group in rest]
    return Graph("erase_batch", NOTE_BATCH, {**photos, **nodes, **kept}, (first, *rest))


def sharing_batches(nodes: dict[str, Node]) -> dict[str, Node]:
    """What erases, with the layers of all photos sampled together."""
    told = {name: Out("encode", name) for name in ("positive", "negative", "latent", "plan")}
    samples = {"samples": Out("sample", "LATENT"), "plan": Out("join", "plan")}
    nodes["control"].inputs["plan"] = nodes["attend"].inputs["plan"] = Out("join", "plan")
    nodes["sample"].inputs.update(positive=Out("join", "positive"), negative=Out("join", "negative"), latent_image=Out("join", "latent"))
    nodes["decode"].inputs.update(samples=Out("part", "samples"), plan=Out("part", "plan"))
    between = {
        "encode": {"join": Node("MILDJoinLayers", "Layers of all photos together", (900, 1420), (340, 160), told)},
        "sample": {"part": Node("MILDPartLayers", "Each photo's layers", (1300, 1420), (300, 80), samples)},
    }
    return {name: node for before, own in nodes.items() for name, node in {before: own, **between.get(before, {})}.items()}


def blueprint() -> Blueprint:
    """All of the quick graph in one node."""
    nodes = erasing_with_mini()
    nodes["scene"].inputs.update(photo=In("photo"), masks=In("masks"), separate="auto")
    shown = (
        *(("scene", name) for name in ("erase", "separate", "depth_order")),
        *(("sample", name) for name in ("seed", "steps")),
    )
    return Blueprint(
        "Erase people",
        "Erases the people you choose from a photo, and gives the layers: with the small model that comes with MILD. It shows everybody's "
        "number; enter it to click people in the photo, or to compose the layers by hand.",
        nodes,
        {"photo": "photo", "masks": "people masks"},
        {name: Out("compose", name) for name in ("image", "layers_rgba", "layers")},
        shown,
        ("bodies",),  # everybody's number
        (440, 520),
    )


MINI = erase("erase", NOTE + NOTE_MINI, MINI_GROUP, erasing_with_mini())
GUIDED = erase("erase_guided", NOTE + NOTE_MINI + NOTE_GUIDED, MINI_GROUP, erasing_with_mini(told=(ADAPTER, "guidance")))
SHADOWS = erase("erase_shadows", NOTE + NOTE_MINI + NOTE_SHADOWS, MINI_GROUP, erasing_with_mini(shadows=True))
CHECKPOINT = erase("erase_checkpoint", NOTE + NOTE_CHECKPOINT, PROMPTED, erasing_with_checkpoint())
POSE = erase("erase_pose", NOTE + NOTE_CHECKPOINT + NOTE_POSE, PROMPTED, erasing_with_checkpoint(told=(CONTROLNET, "pose")))
FLUX_FILL = erase(
    "erase_flux_fill", NOTE + NOTE_FLUX_FILL, Group("3  Model and prompts", (480, -120), (1480, 500), "#A88"), erasing_with_flux_fill()
)
GRAPHS = (MINI, SHADOWS, GUIDED, CHECKPOINT, POSE, FLUX_FILL, recompose(), batch(), *PAPERS)
BLUEPRINTS = (blueprint(),)
