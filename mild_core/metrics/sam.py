"""The Segment Anything Model (Kirillov et al., ICCV 2023): a feature map of a picture, and masks of all that is in it.

The network is transformers' SamModel; the scores that stand on it were published with its largest, ViT-H.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .hub_folder import network_in
from .networks import on_device_of

__all__ = ["automatic_masks", "load_sam", "sam_features", "sam_pixels"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def load_sam(folder: Path | str) -> nn.Module:
    """The SamModel of a folder with config.json and model.safetensors, such as that of facebook/sam-vit-huge.

    Raises FileNotFoundError or ValueError, naming the folder, where it holds no such network.
    """
    return network_in(folder, "SamModel", "sam", "facebook/sam-vit-huge")


def sam_pixels(picture: Tensor, size: int) -> Tensor:
    """What the network sees of a picture [H, W, 3] in 0..1: [3, size, size] float32.

    The longer side is brought to `size` (1024), bilinear and free of aliases; colours are normalised by ImageNet's mean and
    deviation; what is missing at the right or below is 0, the mean colour.
    """
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    target = (max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1))
    planes = picture.detach().cpu().float().permute(2, 0, 1).clamp(0, 1)
    sized = F.interpolate(planes[None], target, mode="bilinear", antialias=True, align_corners=False)[0]
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return F.pad((sized - mean) / std, (0, size - target[1], 0, size - target[0]))


@torch.no_grad()
def sam_features(picture: Tensor, sam: nn.Module) -> Tensor:
    """The image encoder's feature map of a picture [H, W, 3] in 0..1: [256, 64, 64] float64, on the CPU.

    It is of the square that the picture was padded to: a picture twice as wide as high fills the upper 32 rows.
    """
    network: Any = sam
    pixels = sam_pixels(picture, network.config.vision_config.image_size)
    return network.get_image_embeddings(on_device_of(sam, pixels[None]))[0].double().cpu()


@torch.no_grad()
def automatic_masks(picture: Tensor, sam: nn.Module) -> Tensor:
    """Masks of everything that SAM finds in a picture [H, W, 3] in 0..1: [K, H, W] bool, on the CPU, the surest first.

    As the authors' automatic mask generator with its defaults: three masks for each of 32×32 points; kept are those with a
    predicted IoU above 0.88 and a stability above 0.95, less those whose boxes overlap a surer one's by an IoU of 0.7. K is 0
    where nothing is that sure.
    """
    from PIL import Image
    from transformers import MaskGenerationPipeline, SamImageProcessor

    network: Any = sam
    size = network.config.vision_config.image_size
    processor = SamImageProcessor(size={"longest_edge": size}, pad_size={"height": size, "width": size})
    pipeline = MaskGenerationPipeline(model=network, image_processor=processor, device=next(sam.parameters()).device)
    pixels = (picture.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    found = pipeline(Image.fromarray(pixels.numpy()))["masks"]
    masks = [torch.from_numpy(np.asarray(mask, dtype=bool)) for mask in found]
    return torch.stack(masks) if masks else torch.zeros(0, *picture.shape[:2], dtype=torch.bool)
