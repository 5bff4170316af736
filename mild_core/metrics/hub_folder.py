"""A network in a folder as the hub has it: config.json, and the weights in safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

__all__ = ["network_in"]


def network_in(folder: Path | str, network: str, model_type: str, example: str) -> nn.Module:
    """The network of that folder, on the CPU in float32, ready to run and not to train.

    Args:
        folder: holds config.json and model.safetensors (or the parts that a model.safetensors.index.json lists).
        network: its class in transformers.
        model_type: what config.json must call it.
        example: the hub's name of one that fits, for the errors.
    Raises FileNotFoundError where a file is missing, ValueError where config.json describes another kind of network or the
    weights are not those of what it describes, RuntimeError where transformers is missing.
    """
    folder = Path(folder)
    _check(folder, model_type, example)
    try:
        import transformers
    except ImportError as error:
        raise RuntimeError(f"the network in {folder} needs transformers 4.50.3 or newer: {error}") from error
    loaded, found = getattr(transformers, network).from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True
    )
    missing, mismatched = len(found["missing_keys"]), len(found["mismatched_keys"])
    if missing or mismatched:
        raise ValueError(
            f"the weights in {folder} are not of the network that its config.json describes: of {len(loaded.state_dict())} "
            f"{missing} are missing and {mismatched} of another shape; it must hold one such as {example}"
        )
    return loaded.eval().requires_grad_(False).float()


def _check(folder: Path, model_type: str, example: str) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"{folder} has no config.json: it must be the folder of a {model_type} network, such as {example}")
    described: Any = json.loads(config.read_text("utf-8")).get("model_type")
    if described != model_type:
        raise ValueError(f"{config} describes a network of the type {described!r}, but it must be of {model_type!r}, such as {example}")
    if not any((folder / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json")):
        raise FileNotFoundError(f"{folder} has no model.safetensors: it must hold the weights of {example} in that format")
