"""What holes are filled with before the sampler begins."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..mild_core.fill import FILLERS, OF_PEOPLE, Fill, Filler, network_filler
from .host import fill_networks
from .types import FillSocket, schema

__all__ = ["FillHoles"]

NETWORK, NO_NETWORK = "network", "none"
WAYS = ["exemplar", "smooth", "telea", "navier-stokes", NETWORK, "photo"]


class FillHoles(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDFillHoles",
            display_name="MILD Fill Holes",
            description="Chooses what holes are filled with before the sampler begins: patches of the photo, OpenCV's inpainting, a LaMa "
            "or MAT network from your models folder, or a picture that other nodes have filled.",
            search_aliases=["content initialization", "lama", "mat", "telea", "navier-stokes", "prefill", "inpaint", "magiceraser"],
            inputs=[
                io.Combo.Input(
                    "background",
                    options=WAYS,
                    default="exemplar",
                    tooltip="What is painted behind people who go. exemplar: patches of the same photo, never of people. smooth: the "
                    "average of what is around. telea, navier-stokes: OpenCV's, which carry the rim's lines on. network: LaMa or MAT. "
                    "photo: what is there now (for denoise 1).",
                ),
                io.Combo.Input(
                    "people",
                    options=WAYS,
                    default="exemplar",
                    tooltip="The same for people who are completed where somebody hid them, from nothing but what is seen of each. "
                    "Networks know places, and paint people badly.",
                ),
                io.Combo.Input(
                    "network",
                    options=[NO_NETWORK, *fill_networks.network_names()],
                    default=NO_NETWORK,
                    optional=True,
                    tooltip="A file in models/inpaint, where background or people is network: big-lama.safetensors, or "
                    "MAT_Places512_G_fp16.safetensors.",
                ),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="The photo with its holes filled already, by any other nodes, in the photo's size: stands in for background.",
                ),
            ],
            outputs=[FillSocket.Output(display_name="fill", tooltip="For MILD Encode Layers, in place of initialize.")],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return network in (None, NO_NETWORK) or fill_networks.unknown_network(network) or True

    @classmethod
    def execute(cls, background: str, people: str, network: str = NO_NETWORK, picture: torch.Tensor | None = None) -> io.NodeOutput:
        if picture is not None and len(picture) != 1:
            raise ValueError(f"picture has {len(picture)} pictures, but it must be one: the photo with its holes filled")
        needed = {people} if picture is not None else {people, background}
        painter = {NETWORK: _painter(network)} if NETWORK in needed else {}
        behind = {**FILLERS, **painter}[background] if picture is None else picture[0, ..., :3]
        return io.NodeOutput(Fill(behind, {**OF_PEOPLE, **painter}[people]))


def _painter(name: str) -> Filler:
    network = fill_networks.load_fill_network(name)
    return network_filler(network, network.sides)
