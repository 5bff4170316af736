"""DINOv2 (Oquab et al., TMLR 2024): one feature vector for each patch of 14×14 pixels of a picture.

The network is transformers' Dinov2Model; the scores that stand on it were published with its largest, ViT-g.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .hub_folder import network_in
from .networks import on_device_of

__all__ = ["dino_pixels", "load_dino", "patch_tokens"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def load_dino(folder: Path | str) -> nn.Module:
    """The Dinov2Model of a folder with config.json and model.safetensors, such as that of facebook/dinov2-giant.

    Raises FileNotFoundError or ValueError, naming the folder, where it holds no such network.
    """
    return network_in(folder, "Dinov2Model", "dinov2", "facebook/dinov2-giant")


def dino_pixels(picture: Tensor) -> Tensor:
    """A picture [H, W, 3] in 0..1, normalised by ImageNet's mean and deviation: [3, H, W] float32."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return ((picture.detach().cpu().float().clamp(0, 1) - mean) / std).permute(2, 0, 1)


@torch.no_grad()
def patch_tokens(picture: Tensor, dino: nn.Module) -> Tensor:
    """The last layer's tokens of the patches of a picture, the class token left out.

    Args:
        picture: [H, W, 3] in 0..1, both sides a multiple of the patch, which is 14 pixels.
    Returns [H / 14, W / 14, D] float64, on the CPU; not normalised.
    Raises ValueError where a side is no multiple of the patch.
    """
    network: Any = dino
    patch = network.config.patch_size
    height, width = picture.shape[:2]
    if height % patch or width % patch:
        raise ValueError(f"picture is {height}×{width}, but its sides must be multiples of {patch}, the network's patch")
    tokens = network(on_device_of(dino, dino_pixels(picture)[None])).last_hidden_state[0, 1:]
    return tokens.reshape(height // patch, width // patch, -1).double().cpu()
