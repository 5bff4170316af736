"""Random checkpoints of real architectures, small enough for a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from pack import load_pack
from torch import Tensor

__all__ = ["FAMILIES", "Family", "random_weight", "save_sd15_inpaint", "unreachable"]


@dataclass(frozen=True)
class Family:
    """A tiny random model of one family, on the core's own classes.

    Attributes:
        model: ModelPatcher.
        channels: of the latent.
        text, pooled: the sizes of its conditioning: [1, 7, text] and [1, pooled] (0 for none).
        frames: whether its latent has a time axis.
    """

    model: Any
    channels: int
    text: int
    pooled: int = 0
    frames: bool = False

    def conditioning(self, seed: int = 0) -> list:
        g = torch.Generator().manual_seed(seed)
        extra = {"pooled_output": torch.randn(1, self.pooled, generator=g)} if self.pooled else {}
        return [[torch.randn(1, 7, self.text, generator=g), extra]]

    def latent(self, rows: int, height: int, width: int, seed: int = 1) -> Tensor:
        shape = (rows, self.channels, *([1] if self.frames else []), height, width)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _build(config: str, dtype: torch.dtype, unet: dict[str, Any], **family: Any) -> Family:
    load_pack()
    from comfy import supported_models
    from comfy.model_patcher import ModelPatcher

    made = getattr(supported_models, config)({**unet, "dtype": dtype})
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    base = made.get_model({}, "", device=cpu)
    network = base.diffusion_model
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:  # the core leaves them as memory was
            tensor.copy_(random_weight(name, tensor))
    network.eval()
    return Family(ModelPatcher(base, load_device=cpu, offload_device=cpu), **family)


def _unet(config: str, dtype: torch.dtype, context: int, adm: int | None, in_channels: int = 4, **family: Any) -> Family:
    shape = {
        "image_size": 32, "in_channels": in_channels, "out_channels": 4, "num_res_blocks": [1, 1], "channel_mult": (1, 2),
        "model_channels": 32 if adm is None else 64,
        "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": 1, "context_dim": context,
        "use_spatial_transformer": True, "use_linear_in_transformer": adm is not None, "adm_in_channels": adm,
        "use_temporal_attention": False,
    }  # fmt: skip
    if adm is None:
        shape |= {"num_heads": 4, "num_head_channels": -1}
    else:
        shape |= {"num_classes": "sequential"}  # heads are 64 wide, as the core has it
    return _build(config, dtype, shape, channels=4, text=context, **family)


def _flux(config: str, dtype: torch.dtype, in_channels: int) -> Family:
    shape = {
        "image_model": "flux", "in_channels": in_channels, "out_channels": 16, "vec_in_dim": 16, "context_in_dim": 16, "hidden_size": 48,
        "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [4, 10, 10], "mlp_ratio": 2, "theta": 10000, "patch_size": 2,
        "qkv_bias": True, "guidance_embed": True, "txt_ids_dims": [],
    }  # fmt: skip
    load_pack()
    from comfy.ldm.flux.model import FluxParams

    known = {f.name for f in fields(FluxParams)} | {"image_model", "guidance_embed"}
    return _build(config, dtype, {n: v for n, v in shape.items() if n in known}, channels=16, text=16, pooled=16)


def _nextdit(config: str, dtype: torch.dtype, multiple: int | None) -> Family:
    shape = {
        "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 256, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 8,
        "n_kv_heads": 4, "multiple_of": 16, "ffn_dim_multiplier": 2.0, "qk_norm": True, "cap_feat_dim": 16, "axes_dims": [8, 12, 12],
        "axes_lens": [300, 512, 512], "pad_tokens_multiple": multiple, "z_image_modulation": multiple is not None,
    }  # fmt: skip
    return _build(config, dtype, shape, channels=16, text=16)


FAMILIES: dict[str, Callable[[torch.dtype], Family]] = {
    "SD1.5": lambda dtype: _unet("SD15", dtype, 24, None),
    "SD1.5 inpainting": lambda dtype: _unet("SD15", dtype, 24, None, in_channels=9),
    "SDXL": lambda dtype: _unet("SDXL", dtype, 24, 16 + 6 * 256, pooled=16),
    "SD3": lambda dtype: _build(
        "SD3",
        dtype,
        {"in_channels": 16, "patch_size": 2, "depth": 2, "num_blocks": 2, "input_size": None,
         "adm_in_channels": 16,
         "context_size": 24, "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 24, "out_features": 128}},
         "pos_embed_max_size": 32, "num_patches": 1024, "qk_norm": "rms", "x_block_self_attn_layers": [0],
         "pos_embed_scaling_factor": None},
        channels=16, text=24, pooled=16,
    ),
    "Flux": lambda dtype: _flux("Flux", dtype, 16),
    "Flux Fill": lambda dtype: _flux("FluxInpaint", dtype, 96),
    "Qwen-Image": lambda dtype: _build(
        "QwenImage",
        dtype,
        {"image_model": "qwen_image", "in_channels": 64, "out_channels": 16, "num_layers": 2, "attention_head_dim": 32,
         "num_attention_heads": 2, "joint_attention_dim": 16, "axes_dims_rope": (8, 12, 12)},
        channels=16, text=16, frames=True,
    ),
    "Lumina 2": lambda dtype: _nextdit("Lumina2", dtype, None),
    "Z-Image": lambda dtype: _nextdit("ZImage", dtype, 32),
    "Wan": lambda dtype: _build(
        "WAN21_T2V",
        dtype,
        {"image_model": "wan2.1", "model_type": "t2v", "dim": 48, "ffn_dim": 64, "freq_dim": 32, "text_dim": 16, "in_dim": 16,
         "out_dim": 16,
         "num_heads": 2, "num_layers": 2, "patch_size": (1, 2, 2), "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True,
         "eps": 1e-6, "text_len": 16},
        channels=16, text=16, frames=True,
    ),
}  # fmt: skip


def unreachable() -> Family:
    """A family whose attention the core shows to nobody."""
    shape = {"image_model": "pixart_alpha", "patch_size": 2, "in_channels": 4, "hidden_size": 48, "depth": 1, "num_heads": 2,
             "caption_channels": 16, "model_max_length": 16, "pe_interpolation": None, "micro_condition": False}  # fmt: skip
    return _build("PixArtAlpha", torch.float32, shape, channels=4, text=16)


def put(server: Any, folder: str, name: str, save: Callable[[Path], object]) -> None:
    """A file among a server's models, made once."""
    path = server.base / "models" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        save(path)


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
    save_file({prefix + n: random_weight(n, t) for prefix, part in parts.items() for n, t in part.items()}, str(path))


def save_sd15_controlnet(path: Path) -> None:
    """A ControlNet file for the checkpoint of `save_sd15_inpaint`, in the layout of the published ones."""
    load_pack()
    from comfy.cldm.cldm import ControlNet
    from comfy.ops import manual_cast
    from safetensors.torch import save_file

    control = ControlNet(
        image_size=32, in_channels=4, hint_channels=3, model_channels=320, num_res_blocks=[1, 1], channel_mult=(1, 1), num_heads=8,
        use_spatial_transformer=True, transformer_depth=[1, 0], transformer_depth_middle=1, context_dim=768,
        dtype=torch.float32, operations=manual_cast,
    )  # fmt: skip
    torch.manual_seed(1)
    save_file({f"control_model.{n}": random_weight(n, t) for n, t in control.state_dict().items()}, str(path))


def save_lama(path: Path) -> None:
    """A random LaMa of the true architecture and size, with the names of the published file."""
    from safetensors.torch import save_file
    from spandrel.architectures.LaMa import LaMa

    torch.manual_seed(0)
    tensors = LaMa(in_nc=4, out_nc=3).state_dict()
    save_file({name.replace("model.model.", "generator.model.", 1): tensor.contiguous() for name, tensor in tensors.items()}, path)


def random_weight(name: str, like: Tensor) -> Tensor:
    """Weights of a scale that neither dies out nor blows up: norms at 1, the rest small."""
    if not like.is_floating_point():
        return like.clone()
    if like.ndim <= 1:
        norm = name.endswith(("weight", "scale"))
        return torch.full(like.shape, 1.0 if norm else 0.0, dtype=torch.float16)
    return (torch.randn(like.shape) * 0.5 / like[0].numel() ** 0.5).half()
