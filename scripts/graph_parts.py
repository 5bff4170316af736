"""What the example graphs are put together from: what erases, who chooses, the models, and what is shown in the end."""

from __future__ import annotations

from typing import Any

from scripts.graph import Graph, Group, Node, Out

__all__ = [
    "MINI_GROUP",
    "MINI_MODEL",
    "MINI_PROMPTS",
    "MINI_SAMPLING",
    "PANOPTIC",
    "PEOPLE",
    "PHOTO",
    "PROMPTED",
    "erase",
    "erasing",
    "erasing_with_checkpoint",
    "erasing_with_mini",
    "groups_around",
    "one_photo",
    "results",
    "texts",
]

# what `make serve` puts into the input folder
PHOTO, PEOPLE, PANOPTIC = "mild-demo.png", "mild-demo-people.png", "mild-demo-panoptic.png"


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


PROMPTED = Group("3  Model and prompts", (480, 40), (1480, 230), "#A88")
