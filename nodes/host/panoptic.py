"""Panoptic networks run on one photo, under ComfyUI's model management."""

from __future__ import annotations

from dataclasses import replace

import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...mild_core.models.panoptic_network import class_names, decode_queries, panoptic_input
from ...mild_core.scene.panoptic import Panoptic
from .networks import KINDS, PANOPTIC
from .rows import HEADROOM

__all__ = ["find_panoptic"]


def find_panoptic(patcher: ModelPatcher, photo: Tensor, sure: float, overlap: float) -> Panoptic:
    """What a network of models/panoptic sees in a photo [H, W, 3] in 0..1; on the CPU. `decode_queries` says what the numbers are."""
    kind, device = KINDS[PANOPTIC], patcher.load_device
    network = patcher.model.network
    names = class_names(network.config)
    seen = panoptic_input(photo, network.config)
    needed = HEADROOM * kind.memory(seen.pixels) * network.dtype.itemsize
    # plain torch layers cannot stream their weights as the core's can: all of them must be there
    model_management.load_models_gpu([patcher], memory_required=int(needed), force_full_load=True)
    network.to(device)  # nothing, but with --novram, where the core leaves plain layers behind
    with torch.no_grad():
        classes, masks = kind.forward(network, seen.pixels.to(device, network.dtype))
    found = decode_queries(classes, masks, (photo.shape[0], photo.shape[1]), names, shown=seen.shown, sure=sure, overlap=overlap)
    return replace(found, labels=found.labels.cpu())
