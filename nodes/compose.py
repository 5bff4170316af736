"""Denoised rows to layers, and layers to the picture."""

from __future__ import annotations

from comfy_api.latest import io

from ..mild_core.compose import check_rows, compose, make_layers, rgba_batch
from ..mild_core.fill import copy_detail
from . import host
from .plan import each_row
from .types import LayersSocket, PlanSocket, schema

__all__ = ["ComposeLayers", "DecodeLayers"]


class DecodeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDDecodeLayers",
            display_name="MILD Decode Layers",
            description="Decodes the sampler's batch and puts each row back on its crop: a clean background, and each person whole.",
            search_aliases=["stitch", "layers", "erase"],
            inputs=[
                io.Latent.Input("samples", tooltip="From the sampler."),
                PlanSocket.Input("plan", tooltip="From the MILD Encode Layers that made the latent."),
                io.Vae.Input("vae", tooltip="The VAE that the latent was encoded with."),
                io.Combo.Input(
                    "detail",
                    options=["as sampled", "copied"],
                    default="as sampled",
                    optional=True,
                    tooltip="as sampled: what the sampler made. copied: what it made says where things are, and patches of the same photo, "
                    "never of other people, paint them: for models whose pictures come out soft, such as MILD Mini Model.",
                ),
                io.Combo.Input(
                    "seam",
                    options=["matched", "poisson", "feather"],
                    default="matched",
                    optional=True,
                    tooltip="How what was painted meets the photo. matched: in colour, sharpness and grain, as the photo has them around "
                    "the hole. poisson: besides, without any step at the edge. feather: blended as it is.",
                ),
            ],
            outputs=[LayersSocket.Output(display_name="layers", tooltip="The background and every person, each as big as the photo.")],
        )

    @classmethod
    def execute(cls, samples, plan, vae, detail="as sampled", seam="matched") -> io.NodeOutput:
        rows = vae.decode(samples["samples"])
        rows = rows.reshape(-1, *rows.shape[-3:])  # video VAEs decode to frames; a row is one picture
        if detail == "copied":
            check_rows(plan, rows)  # before the work, not after it
            rows = each_row(plan, lambda index, pathway, told: copy_detail(plan, pathway, rows[index], on_level=told))
        with host.progress(len(plan.pathways)) as report:
            return io.NodeOutput(make_layers(plan, rows, seam=seam, on_row=lambda done, _: report(done)))


class ComposeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDComposeLayers",
            display_name="MILD Compose Layers",
            description="The picture without the people who go. Pixels outside the holes are the photo's own, bit for bit.",
            search_aliases=["merge layers", "composite", "erase"],
            inputs=[LayersSocket.Input("layers", tooltip="From MILD Decode Layers.")],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The clean picture."),
                io.Mask.Output(display_name="changed", tooltip="What differs from the photo, and how much of it; 0 elsewhere."),
                io.Image.Output(
                    display_name="layers_rgba",
                    tooltip="The layers as a batch of pictures with alpha: the background, then everybody from far to near.",
                ),
            ],
        )

    @classmethod
    def execute(cls, layers) -> io.NodeOutput:
        picture = compose(layers)
        return io.NodeOutput(picture.image[None], picture.changed[None], rgba_batch(layers))
