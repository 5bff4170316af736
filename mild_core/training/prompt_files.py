"""The two files of prompt tuning, in the layouts that ComfyUI's stock loaders read.

    models/embeddings/NAME.safetensors   one tensor, "clip_l" [1, width]; in a prompt: embedding:NAME
    models/loras/NAME.safetensors        lora_unet_LAYER.lora_down.weight, .lora_up.weight, .alpha for each layer

The LoRA has kohya's names, for the core knows no layer of SD1.5 by the names that diffusers writes now.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["learnt", "save_embedding", "save_lora"]

AVERAGE = "average.lora."  # in a checkpoint
DOWN, UP = "lora_A", "lora_B"  # what peft calls them


def save_embedding(path: Path, vector: Tensor, notes: Mapping[str, object] | None = None) -> None:
    """Write the embedding [width] of a learnt word as a file for models/embeddings."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"clip_l": vector.detach().float().cpu().reshape(1, -1).contiguous()}, str(path), _texts(notes))


def save_lora(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, object] | None = None) -> None:
    """Write a U-Net's LoRA as a file for models/loras.

    Args:
        tensors: by peft's names, `LAYER.lora_A.default.weight` [rank, in] and `LAYER.lora_B.default.weight` [out, rank]; the LoRA's
            scale is 1, that is, its alpha is its rank.

    Raises ValueError when a layer lacks one of the two.
    """
    from safetensors.torch import save_file

    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer, half = _layer(name)
        other = name.replace(DOWN, UP) if half == DOWN else name.replace(UP, DOWN)
        if other not in tensors:
            raise ValueError(f"the LoRA has {name} but no {other}; each layer must have both")
        key = "lora_unet_" + layer.replace(".", "_")
        named[f"{key}.lora_{'down' if half == DOWN else 'up'}.weight"] = tensor.detach().float().cpu().contiguous()
        if half == DOWN:
            named[f"{key}.alpha"] = torch.tensor(float(len(tensor)))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(named, str(path), _texts(notes))


def learnt(checkpoint: Path) -> tuple[Tensor, dict[str, Tensor], int]:
    """The running averages in a checkpoint of the second stage: the embedding [width], the LoRA by peft's names; the steps done.

    Raises FileNotFoundError when there is no such file.
    """
    from safetensors import safe_open

    if not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint} is missing: train up to a checkpoint of embedding and LoRA first")
    with safe_open(str(checkpoint), "pt") as file:
        names = file.keys()
        lora = {name.removeprefix(AVERAGE).replace("/", "."): file.get_tensor(name) for name in names if name.startswith(AVERAGE)}
        return file.get_tensor("average.token"), lora, int(file.metadata()["step"])


def _layer(name: str) -> tuple[str, str]:
    for half in (DOWN, UP):
        layer, found, _ = name.partition(f".{half}.")
        if found:
            return layer, half
    raise ValueError(f"{name} is no tensor of a LoRA: its name must hold .{DOWN}. or .{UP}.")


def _texts(notes: Mapping[str, object] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (notes or {}).items()}
