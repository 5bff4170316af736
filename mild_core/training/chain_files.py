"""A whole U-Net as a file for ComfyUI's stock loader of diffusion models, under the names of Stable Diffusion's first code.

The stock loader knows few of diffusers' shapes, and Stable Diffusion 2's inpainting model is none of them; under these names it tells
every one from its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

__all__ = ["original_names", "save_unet"]

OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
LEVELLED = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)")


def original_names(names: list[str], layers: int) -> dict[str, str]:
    """diffusers' names of a U-Net's tensors to the original ones.

    Args:
        layers: residual blocks a level on the way down, diffusers' `layers_per_block`; on the way up it is one more.

    Raises ValueError for a tensor that no such U-Net has.
    """
    attended = {found[2] for name in names if (found := LEVELLED.match(name)) and found[1] == "up" and found[3] == "attentions"}

    def moved(name: str) -> str:
        found = LEVELLED.match(name)
        if found is None:
            begin = next((begin for begin in OUTER if name.startswith(begin + ".")), None)
            if begin is None:
                raise ValueError(f"{name} is no tensor of a Stable Diffusion U-Net")
            return OUTER[begin] + _inner(name[len(begin) :], begin.startswith("mid_block.resnets"))
        way, level, kind, place = found[1], int(found[2]), found[3], int(found[4])
        rest = _inner(name[found.end() :], kind == "resnets")
        if way == "down":  # block 0 is the first convolution
            block = level * (layers + 1) + 1 + (layers if kind == "downsamplers" else place)
            part = {"resnets": "0", "attentions": "1", "downsamplers": "0"}[kind]
            return f"input_blocks.{block}.{part}{rest.replace('.conv.', '.op.', 1) if kind == 'downsamplers' else rest}"
        block = level * (layers + 1) + (layers if kind == "upsamplers" else place)
        part = {"resnets": "0", "attentions": "1", "upsamplers": "2" if found[2] in attended else "1"}[kind]
        return f"output_blocks.{block}.{part}{rest}"

    return {name: moved(name) for name in names}


def save_unet(path: Path, tensors: Mapping[str, Tensor], layers: int, notes: Mapping[str, object]) -> None:
    """Write a U-Net's tensors, by diffusers' names, in half precision as a file for models/diffusion_models, whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    names = original_names(list(tensors), layers)
    halved = {names[name]: tensor.detach().half().contiguous().cpu() for name, tensor in tensors.items()}
    unfinished = path.with_suffix(".part")
    save_file(halved, str(unfinished), {name: str(value) for name, value in notes.items()})
    unfinished.rename(path)


def _inner(rest: str, resnet: bool) -> str:
    """ ".norm1.weight" of a residual block as the original has it; anything else as it is."""
    if not resnet:
        return rest
    _, layer, *end = rest.split(".")
    return ".".join(["", RESNET[layer], *end])
