"""Random checkpoints of real architectures, small enough for a CPU."""

from __future__ import annotations

from pathlib import Path

import torch
from pack import load_pack
from torch import Tensor

__all__ = ["save_sd15_inpaint"]


def save_sd15_inpaint(path: Path) -> None:
    """A checkpoint file that ComfyUI takes for SD1.5 inpainting: its UNet with two narrow levels, CLIP-L, and TAESD as VAE."""
    load_pack()
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import manual_cast
    from comfy.taesd.taesd import TAESD
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    unet = UNetModel(
        image_size=32, in_channels=9, out_channels=4, model_channels=320, num_res_blocks=[1, 1], channel_mult=(1, 1), num_heads=8,
        use_spatial_transformer=True, transformer_depth=[1, 0], transformer_depth_output=[1, 1, 0, 0], transformer_depth_middle=1,
        context_dim=768, dtype=torch.float32, operations=manual_cast,
    )  # fmt: skip
    text = CLIPTextModel(
        CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, hidden_act="quick_gelu")
    )
    text_weights = {n if n.startswith("text_model.") else f"text_model.{n}": t for n, t in text.state_dict().items()}
    parts = {
        "model.diffusion_model.": unet.state_dict(),
        "cond_stage_model.transformer.": text_weights,
        "first_stage_model.": TAESD(latent_channels=4).state_dict(),
    }
    torch.manual_seed(0)
    save_file({prefix + n: _random(n, t) for prefix, part in parts.items() for n, t in part.items()}, str(path))


def _random(name: str, like: Tensor) -> Tensor:
    """Weights of a scale that neither dies out nor blows up: norms at 1, the rest small."""
    if not like.is_floating_point():
        return like.clone()
    if like.ndim <= 1:
        norm = name.endswith("weight") or name.endswith(("vae_scale",))
        return torch.full(like.shape, 1.0 if norm else 0.0, dtype=torch.float16)
    return (torch.randn(like.shape) * 0.5 / like[0].numel() ** 0.5).half()
