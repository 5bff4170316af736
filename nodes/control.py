"""What is different from layer to layer: strength, LoRAs, prompts, hints."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..mild_core.plan import AnyPlan
from ..mild_core.scene import choose
from . import host
from .types import PlanSocket, PromptsSocket, schema

__all__ = ["CropImage", "LayerControl", "LayerLora", "PersonPrompt", "rows_named"]

WHOSE = "background, people, all, or persons as in MILD Split People: 2, 1-3, all but 2"


def rows_named(words: str, plan: AnyPlan) -> list[int]:
    """Which rows of a plan the words name, in each photo. Raises ValueError when they name nobody who is there."""
    text = " ".join(words.lower().split())
    if text in ("background", "people", "all"):
        return [i for i, p in enumerate(plan.pathways) if text == "all" or (p.role == "background") == (text == "background")]
    named: list[bool] = []
    for one in plan.plans:
        ids = choose(text, one.scene.people)
        named += [p.person in ids for p in one.pathways]
    return [i for i, is_named in enumerate(named) if is_named]


class LayerControl(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDLayerControl",
            display_name="MILD Layer Control",
            description="How strongly background and people are repainted, how many layers are denoised at a time, and the whole photo as "
            "the sampler's preview. The layers come out the same however many run at a time, and with preview or without.",
            search_aliases=["denoise per layer", "out of memory", "vram", "sub batch", "live preview"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the sampler uses."),
                PlanSocket.Input("plan", tooltip="From MILD Encode Layers."),
                io.Float.Input(
                    "background",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the sampler's steps in which the background is painted, the last ones. Less keeps more of the first "
                    "guess. 1: all of the sampler's denoise; 0: the first guess as it is.",
                ),
                io.Float.Input("people", default=1.0, min=0.0, max=1.0, step=0.05, tooltip="The same for people who are completed."),
                io.Int.Input(
                    "at_a_time",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Layers denoised at a time. 0: as many as fit into memory; fewer where memory runs out on the way.",
                ),
                io.Boolean.Input(
                    "preview",
                    default=True,
                    optional=True,
                    tooltip="Show the whole photo on the sampler while it runs, with every layer as it is by then: people can be seen to "
                    "vanish. Whatever ComfyUI's own preview setting is; the result is the same. Off: ComfyUI's own preview.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For the sampler.")],
        )

    @classmethod
    def execute(cls, model, plan, background, people, at_a_time, preview=True) -> io.NodeOutput:
        model = host.limit_rows(model, len(plan.pathways), at_a_time)
        if background < 1 or people < 1:
            model = host.delay_rows(model, [background if p.role == "background" else people for p in plan.pathways])
        if preview:
            model = host.preview_layers(model, plan)
        return io.NodeOutput(model)


class LayerLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDLayerLora",
            display_name="MILD Layer LoRA",
            description="A LoRA for the background, for people, or for one person. Several of these act in the same pass, each on its "
            "own layers.",
            search_aliases=["lora", "regional lora", "lora per person"],
            inputs=[
                io.Model.Input("model", tooltip="The model, or another MILD Layer LoRA."),
                PlanSocket.Input("plan", tooltip="From MILD Encode Layers."),
                io.Combo.Input("lora_name", options=host.lora_names(), tooltip="A .safetensors file in models/loras."),
                io.Float.Input("strength", default=1.0, min=-10.0, max=10.0, step=0.05, tooltip="0 changes nothing."),
                io.String.Input("layers", default="background", tooltip=f"Whose layers: {WHOSE}."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For the sampler.")],
        )

    @classmethod
    def execute(cls, model, plan, lora_name, strength, layers) -> io.NodeOutput:
        rows = rows_named(layers, plan)
        if not rows or strength == 0:
            return io.NodeOutput(model)
        return io.NodeOutput(host.lora_rows(model, host.load_lora(lora_name), strength, rows, len(plan.pathways)))


class PersonPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPersonPrompt",
            display_name="MILD Person Prompt",
            description="A prompt for some people who are completed. Chain several; where two name the same person the later one counts.",
            search_aliases=["prompt per person", "regional prompt"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, such as: a man in a red jacket, from behind."),
                io.String.Input("people", default="1", tooltip="Who, as in MILD Split People: 2, 1-3, all but 2, or ids."),
                PromptsSocket.Input("before", optional=True, tooltip="From another MILD Person Prompt."),
            ],
            outputs=[PromptsSocket.Output(display_name="prompts", tooltip="For MILD Encode Layers.")],
        )

    @classmethod
    def execute(cls, positive, people, before=()) -> io.NodeOutput:
        return io.NodeOutput((*before, (people, positive)))


class CropImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDCropImage",
            display_name="MILD Crop Image",
            description="Cuts a picture as big as the photo, such as a depth map or a pose, into what each layer sees of it: the hint "
            "for an Apply ControlNet behind MILD Encode Layers.",
            search_aliases=["controlnet hint", "crop", "depth", "pose"],
            inputs=[
                PlanSocket.Input("plan", tooltip="From MILD Encode Layers."),
                io.Image.Input("image", tooltip="As big as the photo."),
            ],
            outputs=[
                io.Image.Output(display_name="crops", tooltip="A picture for each layer, in the order of the latent batch."),
                io.Mask.Output(display_name="holes", tooltip="The hole of each layer, as big as its crop: for nodes that erase by mask."),
            ],
        )

    @classmethod
    def execute(cls, plan, image) -> io.NodeOutput:
        height, width = plan.scene.size
        if image.shape[0] != 1 or image.shape[1:3] != (height, width):
            given = "×".join(map(str, image.shape))
            raise ValueError(f"image is {given}, but it must be one picture of {height}×{width}, as the photo is")
        crops = [plan.working_image(p, image[0].to(plan.scene.photo)) for p in plan.pathways]
        return io.NodeOutput(torch.stack(crops), torch.stack([plan.working_hole(p) for p in plan.pathways]).float())
