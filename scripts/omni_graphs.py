"""The graphs of OmniEraser (arXiv 2501.07397): FLUX.1-dev on the whole photo, its ControlNet version, and crop by crop."""

from __future__ import annotations

from scripts.graph import Graph, Group, Node, Out
from scripts.graph_parts import PEOPLE, PHOTO, erase, erasing

__all__ = ["OMNI_GRAPHS", "omnieraser", "omnieraser_controlnet", "omnieraser_layers"]

NOTE_OMNI_ERASER = """## OmniEraser: erase with shadow and reflection
FLUX.1-dev with OmniEraser's LoRA paints the whole photo anew, without what the mask covers and without its shadow, which the mask need \
not cover. **Photo** and **Who goes** are pictures of the same size; white, or any value but 0, goes. Both are scaled to a megapixel first.

| file | into | licence |
|---|---|---|
| *flux1-dev* | models/diffusion_models | FLUX.1-dev's, not commercial |
| *clip_l*, *t5xxl* | models/text_encoders | MIT, Apache-2.0 |
| *ae* | models/vae | Apache-2.0 |
| *theSure/Omnieraser*, pytorch_lora_weights, as *omnieraser* | models/loras | Apache-2.0 by its card; made of FLUX.1-dev |

Keep the prompt, 28 steps, guidance 3.5, **cfg at 1** and **denoise at 1**: it was trained so.
"""
NOTE_OMNI_CONTROLNET = """## OmniEraser, ControlNet version
Alimama's inpainting ControlNet for FLUX.1-dev, and the LoRA that OmniEraser's authors trained for it, through stock nodes alone. Keeps \
more of the photo than OmniEraser does, and takes away what the mask covers and no more.

| file | into | licence |
|---|---|---|
| *flux1-dev* | models/diffusion_models | FLUX.1-dev's, not commercial |
| *clip_l*, *t5xxl* | models/text_encoders | MIT, Apache-2.0 |
| *ae* | models/vae | Apache-2.0 |
| *alimama-creative/FLUX.1-dev-Controlnet-Inpainting-Beta*, diffusion_pytorch_model, as *flux1-dev-inpainting-beta* | models/controlnet \
| FLUX.1-dev's, not commercial |
| *theSure/Omnieraser_Controlnet_version*, controlnet_flux_pytorch_lora_weights, as *omnieraser_controlnet* | models/loras \
| made of FLUX.1-dev |

Its authors' settings: 28 steps, guidance 3.5, **cfg 1**, ControlNet at **0.9**.
"""
NOTE_OMNI_LAYERS = """## OmniEraser, layer by layer
1. **Photo** and **People**: a photograph, and a label map of the same size whose red value tells who is who.
2. **Who goes**: run once, then click the people in the photo.

Every hole has its own crop at FLUX.1's working size; what is not in a hole stays the photo's, bit for bit. A \
shadow goes only where a mask covers it: connect MILD Find Effects to *effects*. OmniEraser completes nobody (*complete: nobody*). Which \
files it needs is said in the graph *omnieraser*.
"""


FLUX_PROMPT = "There is nothing here."  # OmniEraser's
OMNI_SAMPLING = {"seed": 24, "steps": 28, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}


def flux_dev(top: int) -> dict[str, Node]:
    """FLUX.1-dev with OmniEraser's prompt, as a column of nodes from there down."""
    return {
        "model": Node("UNETLoader", "FLUX.1-dev", (500, top), (320, 90), {"unet_name": "flux1-dev.safetensors"}),
        "clip": Node(
            "DualCLIPLoader",
            "Text encoders",
            (500, top + 150),
            (320, 130),
            {"clip_name1": "clip_l.safetensors", "clip_name2": "t5xxl_fp8_e4m3fn.safetensors", "type": "flux"},
        ),
        "vae": Node("VAELoader", "VAE", (500, top + 340), (320, 60), {"vae_name": "ae.safetensors"}),
        "prompt": Node("CLIPTextEncode", "Prompt", (500, top + 460), (320, 130), {"clip": Out("clip", "CLIP"), "text": FLUX_PROMPT}),
        "guided": Node(
            "FluxGuidance",
            "Guidance",
            (500, top + 650),
            (320, 60),
            {"conditioning": Out("prompt", "CONDITIONING"), "guidance": 3.5},
        ),
    }


def photo_and_mask() -> dict[str, Node]:
    """A photo and a mask of everybody in its label map, both of a megapixel and with sides of whole tokens."""
    size = {"megapixels": 1.0, "resolution_steps": 16}
    return {
        "photo": Node("LoadImage", "Photo", (40, 120), (300, 340), {"image": PHOTO}),
        "people": Node("LoadImage", "Who goes", (40, 520), (300, 340), {"image": PEOPLE}),
        "scaled": Node(
            "ImageScaleToTotalPixels",
            "A megapixel",
            (40, 920),
            (300, 130),
            {"image": Out("photo", "IMAGE"), "upscale_method": "lanczos", **size},
        ),
        "scaled_people": Node(
            "ImageScaleToTotalPixels",
            "The same",
            (40, 1110),
            (300, 130),
            {"image": Out("people", "IMAGE"), "upscale_method": "nearest-exact", **size},
        ),
        "values": Node("ImageToMask", "Their values", (40, 1300), (300, 70), {"image": Out("scaled_people", "IMAGE"), "channel": "red"}),
        "mask": Node("ThresholdMask", "Whatever is not 0", (40, 1430), (300, 70), {"mask": Out("values", "MASK"), "value": 0.0}),
    }


def erasing_whole_photo(name: str, note: str, told: dict[str, Node], model: Out, prompts: str, latent: Out) -> Graph:
    """FLUX.1-dev that paints the whole photo anew.

    Args:
        told: what makes an eraser of it. model, latent: what is sampled.
        prompts: the node that gives both prompts.
    """
    given = {"model": model, "positive": Out(prompts, "positive"), "negative": Out(prompts, "negative"), "latent_image": latent}
    nodes = {
        **photo_and_mask(),
        **flux_dev(120),
        **told,
        "sample": Node("KSampler", "Paint the photo anew", (1300, 120), (300, 440), {**given, **OMNI_SAMPLING}),
        "decode": Node("VAEDecode", "Picture", (1300, 620), (300, 60), {"samples": Out("sample", "LATENT"), "vae": Out("vae", "VAE")}),
        "compare": Node(
            "MILDBeforeAfter",
            "Before and after",
            (1680, 120),
            (480, 480),
            {"before": Out("scaled", "IMAGE"), "after": Out("decode", "IMAGE")},
        ),
        "picture": Node(
            "SaveImage", "Picture", (1680, 660), (480, 420), {"images": Out("decode", "IMAGE"), "filename_prefix": "mild/picture"}
        ),
    }
    groups = (
        Group("1  Photo and who goes", (20, 40), (340, 1480)),
        Group("2  Model and prompt", (480, 40), (360, 810), "#A88"),
        Group("3  Erase", (880, 40), (740, 700)),
        Group("4  Picture", (1660, 40), (520, 1060), "#8A8"),
    )
    return Graph(name, note, nodes, groups).moved(0, 360)


def omnieraser() -> Graph:
    """OmniEraser on the whole photo."""
    given = {"lora_name": "omnieraser.safetensors", "positive": Out("guided", "CONDITIONING"), "negative": Out("guided", "CONDITIONING")}
    photo = {"model": Out("model", "MODEL"), "vae": Out("vae", "VAE"), "image": Out("scaled", "IMAGE"), "mask": Out("mask", "MASK")}
    told = {"omni": Node("MILDOmniEraser", "OmniEraser", (900, 120), (340, 260), {**photo, **given})}
    return erasing_whole_photo("omnieraser", NOTE_OMNI_ERASER, told, Out("omni", "model"), "omni", Out("omni", "latent"))


def omnieraser_controlnet() -> Graph:
    """The ControlNet version of OmniEraser, of stock nodes alone."""
    lora = {"model": Out("model", "MODEL"), "lora_name": "omnieraser_controlnet.safetensors", "strength_model": 1.0}
    given = {"vae": Out("vae", "VAE"), "image": Out("scaled", "IMAGE"), "mask": Out("mask", "MASK"), "strength": 0.9}
    prompts = {"positive": Out("guided", "CONDITIONING"), "negative": Out("guided", "CONDITIONING")}
    told = {
        "lora": Node("LoraLoaderModelOnly", "OmniEraser's LoRA", (900, 120), (340, 90), lora),
        "net": Node("ControlNetLoader", "ControlNet", (900, 270), (340, 60), {"control_net_name": "flux1-dev-inpainting-beta.safetensors"}),
        "told": Node(
            "ControlNetInpaintingAliMamaApply",
            "Told what goes",
            (900, 390),
            (340, 220),
            {"control_net": Out("net", "CONTROL_NET"), **given, **prompts},
        ),
        # its noise drowns it: only its size counts
        "start": Node(
            "VAEEncode", "As large as the photo", (900, 670), (340, 50), {"pixels": Out("scaled", "IMAGE"), "vae": Out("vae", "VAE")}
        ),
    }
    return erasing_whole_photo("omnieraser_controlnet", NOTE_OMNI_CONTROLNET, told, Out("lora", "MODEL"), "told", Out("start", "LATENT"))


def omnieraser_layers() -> Graph:
    """OmniEraser in the crops of a plan: far apart people are separate, and nothing else of the photo changes."""
    prompts = {"positive": Out("guided", "CONDITIONING"), "negative": Out("guided", "CONDITIONING"), "vae": Out("vae", "VAE")}
    encoding = {"complete": "nobody", "initialize": "smooth", "show_others": True}  # its network is shown the photo as it is
    nodes = erasing(flux_dev(-620), prompts, OMNI_SAMPLING, "as sampled", encoding=encoding)
    del nodes["attend"]  # whose gains were found without it
    nodes["crops"] = Node(
        "MILDCropImage", "What each layer sees", (900, 980), (340, 60), {"plan": Out("encode", "plan"), "image": Out("photo", "IMAGE")}
    )
    nodes["omni"] = Node(
        "MILDOmniEraser",
        "OmniEraser",
        (900, 1100),
        (340, 260),
        {
            "model": Out("model", "MODEL"),
            "lora_name": "omnieraser.safetensors",
            "vae": Out("vae", "VAE"),
            "image": Out("crops", "crops"),
            "mask": Out("crops", "holes"),
            "positive": Out("encode", "positive"),
            "negative": Out("encode", "negative"),
        },
    )
    nodes["control"].inputs["model"] = Out("omni", "model")
    nodes["sample"].inputs.update(model=Out("control", "model"), positive=Out("omni", "positive"), negative=Out("omni", "negative"))
    order = ["crops", "omni", "control", "sample", "decode", "compose"]
    nodes = {name: node for name, node in nodes.items() if name not in order} | {name: nodes[name] for name in order}
    return erase("omnieraser_layers", NOTE_OMNI_LAYERS, Group("3  Model and prompt", (480, -700), (360, 810), "#A88"), nodes)


OMNI_GRAPHS = (omnieraser(), omnieraser_controlnet(), omnieraser_layers())
