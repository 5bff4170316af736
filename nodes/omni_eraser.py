"""OmniEraser as nodes: FLUX.1-dev that takes people or things away with their shadows and reflections."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..mild_core.models.omni_eraser import padded, split, told
from . import host
from .host.omni_eraser import encode_flux, tell, widen
from .types import schema

__all__ = ["OmniEraser"]


class OmniEraser(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDOmniEraser",
            display_name="MILD OmniEraser",
            description="Makes FLUX.1-dev an eraser with OmniEraser's LoRA: it is shown the photo without what goes, what goes, and where. "
            "Takes shadows and reflections away too, though the mask does not cover them. Sample with 28 steps and cfg 1.",
            search_aliases=["omnieraser", "flux", "object removal", "shadow removal", "erase", "inpaint", "video4removal"],
            inputs=[
                io.Model.Input("model", tooltip="FLUX.1-dev."),
                io.Combo.Input(
                    "lora_name",
                    options=host.lora_names(),
                    tooltip="OmniEraser's pytorch_lora_weights.safetensors in models/loras, as published, or one of your own training. "
                    "That of its ControlNet version goes into Load LoRA instead.",
                ),
                io.Float.Input(
                    "strength", default=1.0, min=0.0, max=2.0, step=0.05, tooltip="Of the LoRA. It was trained for 1; 0 is plain FLUX.1."
                ),
                io.Vae.Input("vae", tooltip="The VAE of FLUX.1."),
                io.Image.Input(
                    "image",
                    tooltip="The photo, best of about a megapixel, or several. A side that is no multiple of 16 is filled up to one, "
                    "on the right and below.",
                ),
                io.Mask.Input(
                    "mask",
                    tooltip="What goes, in the photo's size: the person or thing, without its shadow. One for all photos, or one for each.",
                ),
                io.Conditioning.Input(
                    "positive",
                    tooltip="It was trained with: There is nothing here. And with FluxGuidance at 3.5, before or behind this node.",
                ),
                io.Conditioning.Input("negative", tooltip="Not used at cfg 1: the same prompt will do."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For the sampler, with both prompts from here."),
                io.Conditioning.Output(display_name="positive", tooltip="The prompt, and what the model is told of the photo."),
                io.Conditioning.Output(display_name="negative", tooltip="The same for the negative prompt."),
                io.Latent.Output(
                    display_name="latent", tooltip="The photo. Sample it with denoise 1: with less, what goes shines through."
                ),
            ],
        )

    @classmethod
    def execute(cls, model, lora_name, strength, vae, image, mask, positive, negative) -> io.NodeOutput:
        hole = _hole(mask, image)
        widened = widen(model, host.load_lora(lora_name), strength)
        photo, hole = padded(image[..., :3], hole)
        samples, *apart = (encode_flux(vae, pictures) for pictures in (photo, *split(photo, hole[..., None], black=0.0)))
        background, removed = (model.model.process_latent_in(latent) for latent in apart)
        channels = told(background, removed, hole[:, None])
        return io.NodeOutput(widened, tell(positive, channels), tell(negative, channels), {"samples": samples})


def _hole(mask: Tensor, image: Tensor) -> Tensor:
    """The mask as bool [B, H, W], one for each picture. Raises ValueError where mask and image do not fit."""
    mask = mask.reshape(-1, *mask.shape[-2:]) > 0.5
    if mask.shape[1:] != image.shape[1:3]:
        sizes = ["×".join(map(str, side)) for side in (mask.shape[1:], image.shape[1:3])]
        raise ValueError(f"mask is {sizes[0]}, but it must be {sizes[1]}, as the image is")
    if len(mask) not in (1, len(image)):
        raise ValueError(f"mask has {len(mask)} masks, but it must have 1 or {len(image)}, as many as image has pictures")
    return mask.expand(len(image), -1, -1).to(image.device)
