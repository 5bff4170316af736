"""What CMMD sees of a picture: CLIP's embedding of it.

Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti, Kumar, "Rethinking FID: Towards a Better Evaluation Metric for Image
Generation" (CVPR 2024); `distribution.mmd2` of all pictures' embeddings is the score. The network is CLIP ViT-L/14 at 336 pixels.
Pictures are prepared as in the authors' public code: the largest square in the middle, bicubic with a filter against aliases to
336x336, CLIP's mean and deviation; embeddings are divided by their length. A hole near the short ends of a long picture may so lie
outside what is seen: protocols of square pictures have no such case.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .compared import Compared, Region
from .hub_folder import network_in
from .networks import Networks, on_device_of

__all__ = ["clip_features", "cmmd_features", "load_clip"]

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
BATCH = 8  # pictures at once


@torch.no_grad()
def clip_features(pictures: Tensor, network: nn.Module) -> Tensor:
    """CLIP's embeddings of length 1: [N, 768] float32 on the CPU with ViT-L/14.

    Args:
        pictures: [N, H, W, 3] in 0..1, N ≥ 1.
        network: a CLIPVisionModelWithProjection, as `load_clip` gives it.
    Raises ValueError when the pictures have another shape.
    """
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or not len(pictures):
        raise ValueError(f"pictures are {'×'.join(map(str, pictures.shape))}, but they must be N×height×width×3 with N ≥ 1")
    config: Any = network.config
    found = []
    for part in pictures.split(BATCH):
        seen = on_device_of(network, _prepared(part, config.image_size))
        embedding = network(pixel_values=seen).image_embeds.float().cpu()
        found.append(embedding / torch.linalg.vector_norm(embedding, dim=1, keepdim=True))
    return torch.cat(found)


def cmmd_features(compared: Compared, region: Region, networks: Networks) -> tuple[Tensor, Tensor]:
    """CLIP's embeddings of the result and of the truth, whole: [1, 768] each.

    Raises ValueError in a region other than "full", or without a truth; FileNotFoundError without the network "clip_vit_l14_336".
    """
    if region != "full":
        raise ValueError(f"region is {region!r}, but CMMD is taken of the full picture")
    if compared.truth is None:
        raise ValueError("truth is not known, but CMMD compares with it")
    pictures = torch.stack([compared.result, compared.truth])
    result, truth = clip_features(pictures, networks.get("clip_vit_l14_336")).split(1)
    return result, truth


def _prepared(pictures: Tensor, size: int) -> Tensor:
    """The middle squares of pictures [N, H, W, 3] in 0..1 as the network's input [N, 3, size, size]."""
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    planes = pictures[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float()
    planes = F.interpolate(planes, (size, size), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    mean, deviation = (planes.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (planes - mean) / deviation


def load_clip(folder: Path | str) -> nn.Module:
    """The half of CLIP that sees, a CLIPVisionModelWithProjection, of a folder with config.json and model.safetensors.

    Raises FileNotFoundError or ValueError, naming the folder, where it holds no such network.
    """
    return network_in(folder, "CLIPVisionModelWithProjection", "clip", "openai/clip-vit-large-patch14-336")
