"""Denoised rows to layers, and layers to the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..mild_core.compose import Layer, Layers, check_rows, compose, make_layers, parse_arrangement, rgba_batch, with_backdrop
from ..mild_core.fill import copy_detail
from ..mild_core.plan import one_photo
from ..mild_core.scene.resize import resized, resized_rgba
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
                io.Float.Input(
                    "fine_detail",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="Where detail is copied: the patches' share of the finest, below some 3 pixels; the rest is as sampled. 1: as "
                    "sharp as the photo. Less: softer, and nearer to what was there.",
                ),
            ],
            outputs=[LayersSocket.Output(display_name="layers", tooltip="The background and every person, each as big as the photo.")],
        )

    @classmethod
    def execute(cls, samples, plan, vae, detail="as sampled", seam="matched", fine_detail=1.0) -> io.NodeOutput:
        plan = one_photo(plan)  # before the work, not after it
        rows = vae.decode(samples["samples"])
        rows = rows.reshape(-1, *rows.shape[-3:])  # video VAEs decode to frames; a row is one picture
        if detail == "copied":
            check_rows(plan, rows)
            rows = each_row(plan, lambda index, pathway, told: copy_detail(plan, pathway, rows[index], fine=fine_detail, on_level=told))
        with host.progress(len(plan.pathways)) as report:
            return io.NodeOutput(make_layers(plan, rows, seam=seam, on_row=lambda done, _: report(done)))


class ComposeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDComposeLayers",
            display_name="MILD Compose Layers",
            description="The picture without the people who go, or as you compose it by hand: move, scale, turn, mirror and blend layers "
            "on the node. Pixels outside the holes are the photo's own, bit for bit, wherever you leave them in place.",
            search_aliases=["merge layers", "composite", "compositor", "flex composer", "erase", "move person"],
            inputs=[
                LayersSocket.Input("layers", tooltip="From MILD Decode Layers."),
                io.String.Input(
                    "composition",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Where the layers lie, as JSON; the composer on the node writes it. Empty: the picture without those who go.",
                ),
                io.Image.Input(
                    "backdrop",
                    optional=True,
                    tooltip="Another picture to stand in for the background, scaled to cover the photo and cut around its centre.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The clean picture, or what you composed."),
                io.Mask.Output(display_name="changed", tooltip="What differs from the photo, and how much of it; 0 elsewhere."),
                io.Image.Output(
                    display_name="layers_rgba",
                    tooltip="The layers as a batch of pictures with alpha: the backdrop if there is one, the background, then everybody "
                    "from far to near, all where they were cut.",
                ),
                LayersSocket.Output(display_name="layers", tooltip="The layers as they are composed, for MILD Save Layers."),
            ],
            has_intermediate_output=True,  # a cached run shows the layers again after a reload of the page
        )

    @classmethod
    def execute(cls, layers, composition="", backdrop=None) -> io.NodeOutput:
        arrangement = parse_arrangement(composition)  # before the work, not after it
        if backdrop is not None:
            if len(backdrop) != 1:
                raise ValueError(f"backdrop is a batch of {len(backdrop)} pictures, but it must be one picture")
            layers = with_backdrop(layers, backdrop[0])
        layers = replace(layers, arrangement=arrangement)
        picture = compose(layers)
        return io.NodeOutput(picture.image[None], picture.changed[None], rgba_batch(layers), layers, ui={"mild_layers": [shown(layers)]})


def shown(layers: Layers) -> dict[str, Any]:
    """What the Flex Composer shows: small pictures of the photo and of each layer, bottom first, and what each is called."""
    height, width = layers.scene.size
    scale = min(1.0, host.PROXY_SIDE / max(height, width))
    return {
        "canvas": [width, height],
        "scale": scale,
        "composed": layers.arrangement is not None,
        "layers": [_shown_layer(layer, scale) for layer in layers.stack],
        "photo": {"file": host.save_proxy(resized(layers.scene.photo[0], *_scaled(height, width, scale)))},
    }


def _shown_layer(layer: Layer, scale: float) -> dict[str, Any]:
    depths = {person.id: depth for depth, person in enumerate(layer.scene.people)}
    below = len(depths) + (layer.id == "backdrop")
    return {
        "id": layer.id,
        "name": layer.name,
        "label": layer.scene.person(layer.id).label if layer.person else "",
        "fingerprint": layer.fingerprint,
        "box": list(layer.box),
        "erased": layer.erased,
        "depth": depths.get(layer.id, below),
        "file": host.save_proxy(_proxy(layer, scale)),
    }


def _proxy(layer: Layer, scale: float) -> Tensor:
    """A layer cropped to its box and scaled, [h, w, 4] straight; one clear pixel where there is nothing of it."""
    alpha = layer.shown_alpha[..., None]
    if alpha.numel() == 0:
        return torch.zeros(1, 1, 4)
    return resized_rgba(layer.colour, alpha, *_scaled(layer.box.height, layer.box.width, scale))


def _scaled(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(1, round(height * scale)), max(1, round(width * scale))
