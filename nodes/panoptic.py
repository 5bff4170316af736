"""What every pixel of a photo shows, and what follows for attention and prompts."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io, ui

from ..mild_core.plan import LayerPlan
from ..mild_core.plan.panoptic_regions import with_panoptic_regions
from ..mild_core.scene import Scene
from ..mild_core.scene.background_prompt import TEMPLATES, background_tag, write_prompt
from ..mild_core.scene.panoptic import Panoptic, panoptic_in_words
from ..mild_core.scene.panoptic_labels import read_labels
from ..mild_core.scene.panoptic_picture import draw_panoptic
from .host.embeddings import embedding_names, embedding_word
from .host.networks import PANOPTIC, load_network, network_names, unknown_network
from .host.panoptic import find_panoptic
from .types import PanopticSocket, PlanSocket, SceneSocket, schema

__all__ = ["BackgroundPrompt", "FindPanoptic", "PanopticRegions"]

NO_NETWORK = NO_EMBEDDING = "none"


class FindPanoptic(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPanoptic",
            display_name="MILD Panoptic",
            description="Says for every pixel of a photo what it shows (person 1, person 2, sky, grass, …), with a panoptic network from "
            "your models folder or from a label map that you have. Gives the masks of the people, too.",
            search_aliases=["panoptic", "mask2former", "oneformer", "eomt", "segmentation", "label map", "coco"],
            has_intermediate_output=True,  # a cached run shows its picture again
            inputs=[
                io.Image.Input("photo", tooltip="One photograph."),
                io.Combo.Input(
                    "network",
                    options=[NO_NETWORK, *network_names(PANOPTIC)],
                    default=NO_NETWORK,
                    optional=True,
                    tooltip="A file in models/panoptic: model.safetensors with its config.json beside it, of a Mask2Former, OneFormer or "
                    "EoMT such as facebook/mask2former-swin-base-coco-panoptic. none: labels tell it.",
                ),
                io.MultiType.Input(
                    "labels",
                    types=[io.Image, io.Mask],
                    optional=True,
                    tooltip="A label map of the photo, as picture or mask, in place of the network.",
                ),
                io.Combo.Input(
                    "labels_are",
                    options=["category ids", "segment ids"],
                    default="category ids",
                    tooltip="category ids: a grey value for each class, 0 unknown. segment ids: COCO's coloured pictures, "
                    "R + 256 G + 65536 B for each segment, which need a legend.",
                ),
                io.String.Input(
                    "legend",
                    default="",
                    multiline=True,
                    tooltip="What the values of labels mean, as JSON: a name for each category id (empty: COCO's panoptic categories), or "
                    "COCO's annotation of the photo with its segments_info. The help page shows both.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="What the network is less sure of is left out. Lower it where people are missed.",
                ),
                io.Float.Input(
                    "overlap",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="A segment of which others take more than the rest of this share is dropped.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="masks", tooltip="A mask for each person, the largest first: for MILD Split People, by mask."),
                PanopticSocket.Output(display_name="panoptic", tooltip="For MILD Panoptic Regions and MILD Background Prompt."),
                io.Image.Output(display_name="picture", tooltip="The photo with every segment in a colour, and its name."),
                io.String.Output(display_name="words", tooltip="What is to be seen, largest first: sky 62 %, 2 × person 20 %."),
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return network in (None, NO_NETWORK) or unknown_network(PANOPTIC, network) or True

    @classmethod
    def execute(cls, photo, labels_are, legend, threshold, overlap, network=NO_NETWORK, labels=None) -> io.NodeOutput:
        if len(photo) != 1:
            raise ValueError(f"photo is a batch of {len(photo)}, but it must be one photograph")
        if labels is not None:
            panoptic = read_labels(labels, labels_are, legend)
        else:
            panoptic = find_panoptic(load_network(PANOPTIC, network), photo[0], threshold, overlap)
        picture = draw_panoptic(photo[0], panoptic)
        people = panoptic.people().float()
        masks = people if len(people) else torch.zeros(1, *panoptic.size)
        return io.NodeOutput(masks, panoptic, picture, panoptic_in_words(panoptic), ui=ui.PreviewImage(picture, cls=cls))


class PanopticRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPanopticRegions",
            display_name="MILD Panoptic Regions",
            description="Tells the background's layers by panoptic labels what they should be like (sky, grass, walls) and what not "
            "(all of the kind of what is erased), as MagicEraser does: for MILD Modulate Attention, method refocus.",
            search_aliases=["refocus", "magiceraser", "attention", "region map", "panoptic"],
            inputs=[
                PlanSocket.Input("plan", tooltip="From MILD Encode Layers."),
                PanopticSocket.Input("panoptic", tooltip="From MILD Panoptic, of the same photo."),
            ],
            outputs=[PlanSocket.Output(display_name="plan", tooltip="The same plan with these regions, for MILD Modulate Attention.")],
        )

    @classmethod
    def execute(cls, plan: LayerPlan, panoptic: Panoptic) -> io.NodeOutput:
        return io.NodeOutput(with_panoptic_regions(plan, panoptic))


class BackgroundPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDBackgroundPrompt",
            display_name="MILD Background Prompt",
            description="Writes the prompt of the background: what is around the people who go, such as: A photo of sky. Connect it to "
            "CLIP Text Encode.",
            search_aliases=["prompt", "magiceraser", "textual inversion", "embedding", "background", "tag"],
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People: who goes."),
                PanopticSocket.Input(
                    "panoptic",
                    optional=True,
                    tooltip="From MILD Panoptic, of the same photo: where the tag comes from. Not needed with a tag "
                    "of your own, or a template without one.",
                ),
                io.Combo.Input(
                    "template",
                    options=list(TEMPLATES),
                    default=TEMPLATES[0],
                    tooltip="The first two are MagicEraser's, with and without its embedding. The others are what OmniEraser, SmartEraser "
                    "and PowerPaint are prompted with.",
                ),
                io.String.Input(
                    "own_template",
                    default="",
                    tooltip="In place of template, where it is not empty: your own words, with tag and embedding in braces where these go, "
                    "as template has them.",
                ),
                io.Combo.Input(
                    "embedding",
                    options=[NO_EMBEDDING, *embedding_names()],
                    default=NO_EMBEDDING,
                    tooltip="A learned embedding in models/embeddings for the checkpoint's text encoder. none: the template without it.",
                ),
                io.String.Input("tag", default="", tooltip="In place of what panoptic tells, where it is not empty: such as beach."),
                io.Int.Input(
                    "most_words",
                    default=1,
                    min=1,
                    max=4,
                    tooltip="How many kinds of background the tag may name, each but the first with a quarter of what is around or more: "
                    "2 may give grass and trees.",
                ),
                io.Float.Input(
                    "reach",
                    default=0.25,
                    min=0.05,
                    max=4.0,
                    step=0.05,
                    tooltip="How far around each hole is looked, in lengths of the hole. At least 8 pixels.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="For CLIP Text Encode, and from there to positive of MILD Encode Layers."),
                io.String.Output(display_name="tag", tooltip="What the background is, such as sky."),
            ],
        )

    @classmethod
    def execute(
        cls, scene: Scene, template: str, own_template: str, embedding: str, tag: str, most_words: int, reach: float, panoptic: Any = None
    ) -> io.NodeOutput:
        words = own_template.strip() or template
        tag = tag.strip()
        if not tag and panoptic is not None:
            tag = _tag(scene, panoptic, reach, most_words)
        if "{tag}" in words and not tag:
            raise ValueError("panoptic is not connected and tag is empty, but the template has a {tag}: connect one or write the other")
        chosen = "" if embedding == NO_EMBEDDING else embedding_word(embedding)
        return io.NodeOutput(write_prompt(words, tag, chosen), tag)


def _tag(scene: Scene, panoptic: Panoptic, reach: float, most: int) -> str:
    panoptic.check_size(scene.size, "the scene's photo")
    return background_tag(panoptic, scene.union(scene.going), reach, most)
