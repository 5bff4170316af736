"""Small safetensors files of erasers that the artist puts into folders of their own under models/."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import folder_paths

from .folders import add_folder, unknown_file

__all__ = ["PIXELHACKER", "SMARTERASER", "unknown_weights", "weight_names", "weight_path"]

SMARTERASER, PIXELHACKER = "smarteraser", "pixelhacker"


class Kind(NamedTuple):
    """The files of one folder."""

    input: str  # of the node
    named: str  # in messages
    made: str  # where it comes from


KINDS = {
    SMARTERASER: Kind(
        "projector",
        "SmartEraser's projector",
        "scripts/convert_network.py smarteraser_projector clip_mlp_weight.pth clip_mlp_weight.safetensors",
    ),
    PIXELHACKER: Kind(
        "table",
        "a table of PixelHacker's embeddings",
        "scripts/convert_network.py pixelhacker_table diffusion_pytorch_model.bin pixelhacker.safetensors",
    ),
}


def register_folders() -> None:
    """Let ComfyUI know these folders."""
    for folder in KINDS:
        add_folder(folder, [".safetensors"])


register_folders()


def weight_names(folder: str) -> list[str]:
    """The files that the artist has in that folder."""
    return [name for name in folder_paths.get_filename_list(folder) if name.endswith(".safetensors")]


def unknown_weights(folder: str, name: str | None) -> str | None:
    """Why there is no file of that name, in words that say what to do; None where there is one."""
    kind = KINDS[folder]
    put = f"put {kind.named} into {folder_paths.get_folder_paths(folder)[0]} and refresh; it is made by {kind.made}"
    return unknown_file(kind.input, name, weight_names(folder), folder, put)


def weight_path(folder: str, name: str | None) -> Path:
    """Where the file of that name lies. Raises ValueError where there is none."""
    if (why := unknown_weights(folder, name)) is not None or name is None:
        raise ValueError(why)
    return Path(folder_paths.get_full_path_or_raise(folder, name))
