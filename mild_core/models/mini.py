"""The bundled model: a small pixel-space inpainting diffusion UNet that starts where the exemplar fill ends.

One pathway is one row. The picture is cut into 8x8 patches (space to depth), which makes 192 "latent" channels on a grid
an eighth of the size; there is no autoencoder to train or to blur. The network sees

    [ c_in·x_t (192) | exemplar fill (192) | hole (64) | patch means of the smooth fill (3) ]

and a learned embedding of the pathway's role as cross-attention context. It says pixel by pixel how far the copied detail
is to be believed against the smooth fill, and adds what both lack:

    x̂_0 = smooth + sigmoid(a_θ)·(fill − smooth) + F_θ            (x-prediction, conditioned on the fills)

so that at initialisation (zero output layer) it returns their mean. Noise levels are Stable Diffusion's:
x_t = x_0 + σ_t·ε, c_in = 1/√(σ_t² + 1), with 1000 discrete steps of the scaled-linear schedule 0.00085 to 0.012.
Trained and stored as diffusers' UNet2DConditionModel; ComfyUI's own UNet class reads the same weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..fill import smooth_fill

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

__all__ = ["WEIGHTS", "MiniConfig", "clean", "condition", "load_weights", "make_unet", "patchify", "save_weights", "sigmas", "unpatchify"]

PATCH = 8
PIXEL_CHANNELS = 3 * PATCH * PATCH  # of a latent token
TOLD_CHANNELS = PIXEL_CHANNELS + PATCH * PATCH + 3  # of the condition, what the network sees
OUTPUT_CHANNELS = PIXEL_CHANNELS + PATCH * PATCH  # F and a
ROLE_KEY = "roles.weight"
WEIGHTS = Path(__file__).with_name("mini.safetensors")


@dataclass(frozen=True)
class MiniConfig:
    """The shape of the network. Stored in the header of the weights file."""

    model_channels: int = 64
    channel_mult: tuple[int, ...] = (1, 3, 4)
    head_channels: int = 32
    context_tokens: int = 4
    context_dim: int = 64
    roles: tuple[str, ...] = ("background", "person", "none")
    size: int = 256  # pixels a side it was trained on


def make_unet(config: MiniConfig) -> UNet2DConditionModel:
    """The network as diffusers builds it: [B, 192 + 259, h, w], step index, context [B, T, D] to [B, 256, h, w]."""
    from diffusers import UNet2DConditionModel

    channels = tuple(config.model_channels * m for m in config.channel_mult)
    attended = len(channels) - 1
    return UNet2DConditionModel(
        in_channels=PIXEL_CHANNELS + TOLD_CHANNELS,
        out_channels=OUTPUT_CHANNELS,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * attended,
        up_block_types=("CrossAttnUpBlock2D",) * attended + ("UpBlock2D",),
        cross_attention_dim=config.context_dim,
        attention_head_dim=tuple(c // config.head_channels for c in channels),  # diffusers' name for the number of heads
        use_linear_projection=True,
    )


def sigmas(device: torch.device | str = "cpu") -> Tensor:
    """The noise level of each of the 1000 steps, rising. [1000] float32"""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    return ((1 - kept) / kept).sqrt().float().to(device)


def patchify(pixels: Tensor) -> Tensor:
    """Pixels [B, C, H, W] to tokens [B, 64·C, H/8, W/8]; height and width must be multiples of 8."""
    return F.pixel_unshuffle(pixels, PATCH)


def unpatchify(tokens: Tensor) -> Tensor:
    """The inverse of `patchify`."""
    return F.pixel_shuffle(tokens, PATCH)


def condition(fill: Tensor, hole: Tensor) -> Tensor:
    """What the network is told beside the noisy picture, and what its output is added to.

    Args:
        fill: the picture with its hole already filled, tokens [B, 192, h, w] of pixels in -1..1.
        hole: [B, 1, 8·h, 8·w], 1 in the hole.
    Returns [B, 451, h, w]: the fill (192), the hole (64), the patch means of a smooth fill of the same hole (3), which the
    network is told, and the smooth fill itself (192), which `clean` needs.
    """
    pixels = unpatchify(fill).float()
    smooth = torch.stack([smooth_fill(p.permute(1, 2, 0), h[0] <= 0.5).permute(2, 0, 1) for p, h in zip(pixels, hole, strict=True)])
    told = [fill, patchify(hole.to(fill.dtype)), F.avg_pool2d(smooth, PATCH).to(fill.dtype)]
    return torch.cat([*told, patchify(smooth).to(fill.dtype)], 1)


def clean(output: Tensor, conditioned: Tensor) -> Tensor:
    """x̂_0 [B, 192, h, w] from the network's output [B, 256, h, w] and the condition [B, 451, h, w]."""
    fill, smooth = conditioned[:, :PIXEL_CHANNELS], conditioned[:, TOLD_CHANNELS:]
    lacking, belief = output.split((PIXEL_CHANNELS, PATCH * PATCH), 1)
    # one belief a pixel, shared by its three colours: tokens hold the patch of red, then of green, then of blue
    return smooth + torch.sigmoid(belief).repeat(1, 3, 1, 1) * (fill - smooth) + lacking


def save_weights(path: Path, config: MiniConfig, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
    """Write network and role embeddings in half precision, with the shape of the network and notes in the header."""
    from safetensors.torch import save_file

    header = {"format": "pt", "mini_config": json.dumps(asdict(config)), "notes": json.dumps(notes)}
    unfinished = path.with_suffix(".part")
    save_file({name: t.detach().half().contiguous() for name, t in tensors.items()}, str(unfinished), header)
    unfinished.rename(path)


def load_weights(path: Path = WEIGHTS) -> tuple[MiniConfig, dict[str, Tensor]]:
    """The shape of the network and its tensors (diffusers' names, and `roles.weight` [R, T·D]).

    Raises ValueError when the file is no weights file of this model.
    """
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        header = file.metadata() or {}
        if "mini_config" not in header:
            raise ValueError(f"{path} is not a weights file of the bundled model: its header has no mini_config")
        fields = json.loads(header["mini_config"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return MiniConfig(**fields), tensors
