"""Random networks for the scores without truth: of the true architecture, small enough for a CPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SAM_SIZE", "PlainDino", "PlainSam", "a_picture", "saved", "sure_sam", "tiny_dino", "tiny_sam"]

SAM_SIZE = 128


def tiny_sam() -> nn.Module:
    """A SamModel for pictures of 128 pixels, 8×8 cells of 32 numbers."""
    from transformers import SamConfig, SamModel

    vision = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 32, "output_channels": 32}
    attention = {"image_size": SAM_SIZE, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 16}
    prompts = {"hidden_size": 32, "image_size": SAM_SIZE}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    config: Any = SamConfig(vision_config={**vision, **attention}, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return _stirred(SamModel(config))


def tiny_dino() -> nn.Module:
    """A Dinov2Model of 24 numbers for each patch."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=70, patch_size=14)
    return _stirred(Dinov2Model(config))


@torch.no_grad()
def _stirred(network: Any) -> nn.Module:
    """With weights that let a signal through; SAM's own beginning is all but zero."""
    g = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        if weights.ndim > 1:
            weights.copy_(torch.randn(weights.shape, generator=g) / weights[0].numel() ** 0.5)
    return network.eval()


def saved(network: Any, folder: Path) -> Path:
    """A folder that holds that network, as the hub has it."""
    network.save_pretrained(folder)
    return folder


@torch.no_grad()
def sure_sam(sam: Any) -> nn.Module:
    """That network with masks of few pixels, for some of which it is sure: so some pass the generator's thresholds."""
    decoder = sam.mask_decoder
    decoder.iou_prediction_head.proj_out.bias += 0.7
    decoder.upscale_conv2.bias[0] = 10.0  # a channel that is 10 nearly everywhere, by which the others are lowered
    for head in decoder.output_hypernetworks_mlps:
        head.proj_out.weight[0] = 0
        head.proj_out.bias[0] = -0.03
        head.proj_out.weight *= 1e4  # steep edges are stable ones
        head.proj_out.bias *= 1e4
    return sam


class PlainSam(nn.Module):
    """What a test can follow by hand: 16×16 cells of a square of 256 pixels, each its mean normalised colour and a 1."""

    def __init__(self):
        super().__init__()
        self.like = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.config = SimpleNamespace(vision_config=SimpleNamespace(image_size=256))

    def get_image_embeddings(self, pixels: Tensor) -> Tensor:
        means = torch.nn.functional.avg_pool2d(pixels, 16)
        return torch.cat([means, torch.ones_like(means[:, :1])], 1)


class PlainDino(nn.Module):
    """What a test can follow by hand: a patch's token is a fixed linear map of its mean normalised colour, and a constant."""

    def __init__(self, width: int = 12):
        super().__init__()
        g = torch.Generator().manual_seed(5)
        self.mix = nn.Parameter(torch.randn(width, 3, generator=g), requires_grad=False)
        self.bias = nn.Parameter(torch.randn(width, generator=g) * 0.3, requires_grad=False)
        self.config = SimpleNamespace(patch_size=14)

    def forward(self, pixels: Tensor) -> Any:
        means = torch.nn.functional.avg_pool2d(pixels, 14).flatten(2).transpose(1, 2)
        tokens = means @ self.mix.T + self.bias
        first = torch.full_like(tokens[:, :1], 1e3)  # a class token that must not be taken for a patch's
        return SimpleNamespace(last_hidden_state=torch.cat([first, tokens], 1))


def a_picture(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth colours with edges and some grain, in whole numbers of 255. [H, W, 3]"""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    grain = torch.randn(height, width, 3, generator=torch.Generator().manual_seed(seed))
    picture = torch.stack([x, y, ((5 * x).floor() + (4 * y).floor()) % 2], -1) * 0.7 + 0.15 + 0.05 * grain
    return (picture.clamp(0, 1) * 255).round() / 255
