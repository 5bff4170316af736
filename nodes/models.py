"""The bundled model."""

from __future__ import annotations

from comfy_api.latest import io

from . import host
from .types import schema

__all__ = ["MiniModel"]


class MiniModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDMiniModel",
            display_name="MILD Mini Model",
            description="The small erasing model that ships with the pack: nothing to download. Use it like a checkpoint, with a "
            "stock KSampler at cfg 1 and denoise below 1.",
            search_aliases=["mild", "eraser", "inpaint model", "bundled model"],
            inputs=[],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For KSampler. Loaded and offloaded by ComfyUI like any checkpoint."),
                io.Vae.Output(
                    display_name="vae", tooltip="For MILD Encode Layers and MILD Decode Layers. Cuts pixels into patches; exact."
                ),
                io.Conditioning.Output(display_name="positive", tooltip="What background pathways are denoised with."),
                io.Conditioning.Output(display_name="person", tooltip="What people's pathways are denoised with."),
                io.Conditioning.Output(display_name="negative", tooltip="What guidance steers away from. Without effect at cfg 1."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        model, vae, conditioning = host.load_mini()
        return io.NodeOutput(model, vae, conditioning["background"], conditioning["person"], conditioning["none"])
