"""The example graphs, each described once: nodes by name, what they are connected to, and where they stand."""

from __future__ import annotations

import json
from typing import Any

from scripts.graph import Blueprint, Graph, Group, In, Node, Out

__all__ = ["BLUEPRINTS", "GRAPHS", "MORE_PEOPLE", "MORE_PHOTO", "PEOPLE", "PHOTO"]

CONTROLNET = "control_v11p_sd15_openpose_fp16.safetensors"
ADAPTER = "mild_morphology.safetensors"  # comes with the pack
# what `make serve` puts into the input folder
PHOTO, PEOPLE = "mild-demo.png", "mild-demo-people.png"
MORE_PHOTO, MORE_PEOPLE = "mild-demo-2.png", "mild-demo-2-people.png"


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


def erasing(
    models: dict[str, Node],
    prompts: dict[str, Out],
    sampling: dict[str, Any],
    detail: str,
    shadows: bool = False,
    told: tuple[str, str] | None = None,
    encoding: dict[str, Any] | None = None,
) -> dict[str, Node]:
    """What erases, from the photo to the picture: only the model, where its prompts come from, who paints the detail, shadows
    and guidance differ.

    Args:
        told: a ControlNet's file, and which of the guidance maps it is told.
        encoding: values of MILD Encode Layers that are not its defaults.
    """
    file, kind = told or ("", "")
    effects = {"effects": Node("MILDFindEffects", "Their shadows", (420, 1800), (400, 400), {"scene": Out("scene", "scene")})}
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
    return {
        "scene": Node(
            "MILDSplitPeople",
            "Who goes",
            (420, 480),
            (400, 780),
            {"photo": Out("photo", "IMAGE"), "masks": Out("people", "MASK"), "erase": "1", "separate": "by value"},
        ),
        "bodies": Node("MILDMorphology", "Their bodies", (420, 1320), (400, 420), {"scene": Out("scene", "scene")}),
        **(effects if shadows else {}),
        **models,
        "encode": Node(
            "MILDEncodeLayers",
            "Pathways",
            (900, 480),
            (340, 450),
            {
                "scene": Out("bodies", "scene"),
                **prompts,
                **({"effects": Out("effects", "effects")} if shadows else {}),
                **(encoding or {}),
            },
        ),
        **(guidance if told else {}),
        "control": Node(
            "MILDLayerControl",
            "How strongly, how many at a time",
            (1300, 980),
            (300, 200),
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
            (300, 440),
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
            (460, 140),
            {"samples": Out("sample", "LATENT"), "plan": Out("encode", "plan"), "vae": prompts["vae"], "detail": detail},
        ),
        "compose": Node("MILDComposeLayers", "Picture of the layers", (1660, 680), (460, 760), {"layers": Out("decode", "layers")}),
    }


def one_photo() -> dict[str, Node]:
    return {
        "photo": Node("LoadImage", "Photo", (40, 480), (300, 340), {"image": PHOTO}),
        "people": Node("LoadImageMask", "People", (40, 880), (300, 360), {"image": PEOPLE, "channel": "red"}),
    }


def results() -> dict[str, Node]:
    return {
        "compare": Node(
            "MILDBeforeAfter",
            "Before and after",
            (2180, 480),
            (480, 480),
            {"before": Out("photo", "IMAGE"), "after": Out("compose", "image")},
        ),
        "picture": Node(
            "SaveImage", "Picture", (2180, 1020), (480, 420), {"images": Out("compose", "image"), "filename_prefix": "mild/picture"}
        ),
        "layers": Node(
            "SaveImage", "Layers", (2720, 480), (440, 480), {"images": Out("compose", "layers_rgba"), "filename_prefix": "mild/layer"}
        ),
        "changed": Node("MaskPreview", "What changed", (2720, 1020), (440, 420), {"mask": Out("compose", "changed")}),
    }


def groups_around(model_group: Group, nodes: dict[str, Node]) -> tuple[Group, ...]:
    told, shadows = "maps" in nodes, "effects" in nodes
    return (
        Group("1  Photo and people", (20, 400), (340, 860)),
        Group("2  Who goes", (400, 400), (440, 1820 if shadows else 1360), "#8A8"),
        model_group,
        Group("4  Erase", (880, 400), (740, 1420 if told else 980)),
        Group("5  Layers and picture", (1640, 400), (1540, 1060), "#8A8"),
    )


def erase(name: str, note: str, model_group: Group, nodes: dict[str, Node]) -> Graph:
    """The graph of most examples: one photo in, picture and layers out."""
    return Graph(name, note, {**one_photo(), **nodes, **results()}, groups_around(model_group, nodes))


MINI_MODEL = {"model": Node("MILDMiniModel", "Model", (500, 120), (320, 130))}
MINI_PROMPTS = {
    "positive": Out("model", "positive"),
    "negative": Out("model", "negative"),
    "vae": Out("model", "vae"),
    "person_positive": Out("model", "person"),
}
MINI_SAMPLING = {"steps": 4, "cfg": 1.0, "denoise": 0.4}
MINI_GROUP = Group("3  Model", (480, 40), (360, 230), "#A88")


def erasing_with_mini(**more: Any) -> dict[str, Node]:
    return erasing(MINI_MODEL, MINI_PROMPTS, MINI_SAMPLING, "copied", **more)


def texts(clip: Out, empty: str, person: str, unwanted: str) -> dict[str, Node]:
    """The three prompts."""
    said = {
        "background": ("Behind everybody", 900, 340, empty),
        "person": ("People", 1300, 300, person),
        "negative": ("Not wanted", 1660, 280, unwanted),
    }
    return {
        name: Node("CLIPTextEncode", title, (left, 120), (width, 130), {"clip": clip, "text": text})
        for name, (title, left, width, text) in said.items()
    }


def erasing_with_checkpoint(**more: Any) -> dict[str, Node]:
    models = {
        "model": Node("CheckpointLoaderSimple", "Checkpoint", (500, 120), (320, 130), {"ckpt_name": "sd-v1-5-inpainting.safetensors"}),
        **texts(Out("model", "CLIP"), "empty scene, background, nobody", "photo of a person, whole body", "person, people, figure, text"),
    }
    prompts = {
        "positive": Out("background", "CONDITIONING"),
        "negative": Out("negative", "CONDITIONING"),
        "vae": Out("model", "VAE"),
        "person_positive": Out("person", "CONDITIONING"),
    }
    return erasing(models, prompts, {"steps": 25, "cfg": 5.0, "denoise": 0.9}, "as sampled", **more)


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
    nodes = erasing_with_mini()
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
    return Graph("erase_batch", NOTE_BATCH, {**photos, **nodes, **kept}, (first, *rest))


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
PROMPTED = Group("3  Model and prompts", (480, 40), (1480, 230), "#A88")
CHECKPOINT = erase("erase_checkpoint", NOTE + NOTE_CHECKPOINT, PROMPTED, erasing_with_checkpoint())
POSE = erase("erase_pose", NOTE + NOTE_CHECKPOINT + NOTE_POSE, PROMPTED, erasing_with_checkpoint(told=(CONTROLNET, "pose")))
FLUX_FILL = erase(
    "erase_flux_fill", NOTE + NOTE_FLUX_FILL, Group("3  Model and prompts", (480, -120), (1480, 500), "#A88"), erasing_with_flux_fill()
)
GRAPHS = (MINI, SHADOWS, GUIDED, CHECKPOINT, POSE, FLUX_FILL, recompose(), batch())
BLUEPRINTS = (blueprint(),)
