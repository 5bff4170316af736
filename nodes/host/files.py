"""Files in the artist's models folders."""

from __future__ import annotations

import folder_paths
from comfy import utils
from torch import Tensor

from ...mild_core.models.adapter import BUNDLED

__all__ = ["load_lora", "lora_names"]

# the core's own Load ControlNet Model then lists the adapter that ships, beside the artist's files
folder_paths.add_model_folder_path("controlnet", str(BUNDLED))


def lora_names() -> list[str]:
    """The LoRA files that the artist has."""
    return folder_paths.get_filename_list("loras")


def load_lora(name: str) -> dict[str, Tensor]:
    """The tensors of a LoRA file. Raises ValueError for one that is no safetensors: others can hold code."""
    if not name.endswith(".safetensors"):
        raise ValueError(f"lora_name is {name!r}, but it must be a .safetensors file")
    return utils.load_torch_file(folder_paths.get_full_path_or_raise("loras", name), safe_load=True)
