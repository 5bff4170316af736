"""A tiny random FLUX.1 in diffusers' classes, in the core's, and LoRAs for it in the published layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tiny_tuning import save_tiny_tokenizer, tiny_text
from torch import Tensor

__all__ = [
    "POOLED",
    "TEXT",
    "core_flux",
    "save_controlnet_file",
    "save_flux_file",
    "save_lora_file",
    "save_tiny_flux",
    "save_vae_file",
    "tiny_flux",
    "tiny_omni_lora",
    "widen",
]

CLIP_L = {"text": 768, "pooled": 768}  # what a checkpoint of SD1.5 has at hand in place of FLUX.1's encoders

TEXT, POOLED = 24, 16
TRAINED = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "net.0.proj", "net.2")


def tiny_flux(text: int = TEXT, pooled: int = POOLED, seed: int = 0) -> Any:
    """FluxTransformer2DModel with one block of each kind and one head, of the width that the core's loader takes FLUX.1's heads for."""
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(seed)
    return FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=128, num_attention_heads=1, joint_attention_dim=text,
        pooled_projection_dim=pooled, guidance_embeds=True, axes_dims_rope=(16, 56, 56),
    ).eval()  # fmt: skip


def widen(flux: Any) -> Any:
    """The same model, its x_embedder with 256 inputs, of which the new ones count for nothing yet."""
    old = flux.x_embedder
    wide = torch.nn.Linear(4 * old.in_features, old.out_features)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : old.in_features] = old.weight
        wide.bias.copy_(old.bias)
    flux.x_embedder = wide
    return flux


def tiny_omni_lora(flux: Any, rank: int = 4, inputs: int = 256, seed: int = 3) -> dict[str, Tensor]:
    """A LoRA of every layer that OmniEraser's has, in the layout of its file; `inputs`: of x_embedder."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, layer in flux.named_modules():
        if isinstance(layer, torch.nn.Linear) and (name == "x_embedder" or name.endswith(TRAINED)):
            taken = inputs if name == "x_embedder" else layer.in_features
            for part, shape in (("A", (rank, taken)), ("B", (layer.out_features, rank))):
                made[f"transformer.{name}.lora_{part}.weight"] = torch.randn(shape, generator=generator) * (0.5 / shape[1] ** 0.5)
    return made


def core_flux(flux: Any) -> Any:
    """The ModelPatcher that the core's loader makes of the model's weights in diffusers' layout."""
    from pack import load_pack

    load_pack()
    from comfy import sd

    weights = {name: tensor.clone() for name, tensor in flux.state_dict().items()}
    return sd.load_diffusion_model_state_dict(weights, model_options={"dtype": torch.float32})


def save_tiny_flux(folder: Path) -> Path:
    """A diffusers folder of a FLUX.1 whose VAE makes a latent of a quarter of the size."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline
    from transformers import CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

    words = save_tiny_tokenizer(folder / "letters")
    clip = tiny_text(words, words - 1)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -2.0) for piece in "▁abcdefghijklmnopqrstuvwxyzT.")]
    letters = T5Tokenizer(vocab=pieces, extra_ids=0)
    torch.manual_seed(4)
    t5 = T5EncoderModel(T5Config(vocab_size=len(pieces), d_model=TEXT, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    levels = 3
    vae = AutoencoderKL(
        block_out_channels=(8,) * levels, norm_num_groups=4, latent_channels=16, down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels, shift_factor=0.1159, scaling_factor=0.3611, use_quant_conv=False,
        use_post_quant_conv=False,
    )  # fmt: skip
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), vae=vae, text_encoder=clip,
        tokenizer=CLIPTokenizer.from_pretrained(str(folder / "letters")), text_encoder_2=t5, tokenizer_2=letters,
        transformer=tiny_flux(pooled=clip.config.hidden_size),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_flux_file(path: Path) -> None:
    """A file that ComfyUI takes for FLUX.1-dev, for prompts of CLIP-L alone."""
    from safetensors.torch import save_file

    save_file(tiny_flux(**CLIP_L).state_dict(), str(path))


def save_lora_file(path: Path, inputs: int = 256) -> None:
    """OmniEraser's LoRA for it, or that of its ControlNet version, with 64 `inputs`."""
    from safetensors.torch import save_file

    save_file(tiny_omni_lora(tiny_flux(**CLIP_L), inputs=inputs), str(path))


def save_vae_file(path: Path) -> None:
    """A TAESD of 16 channels, which ComfyUI loads as a VAE."""
    from pack import load_pack

    load_pack()
    from comfy.taesd.taesd import TAESD
    from safetensors.torch import save_file
    from tiny import random_weight

    torch.manual_seed(0)
    save_file({name: random_weight(name, like).float() for name, like in TAESD(latent_channels=16).state_dict().items()}, str(path))


def save_controlnet_file(path: Path) -> None:
    """A ControlNet in the layout of alimama's for inpainting: of a latent and a mask."""
    from diffusers import FluxControlNetModel
    from safetensors.torch import save_file

    torch.manual_seed(5)
    net = FluxControlNetModel(
        in_channels=64, num_layers=1, num_single_layers=0, attention_head_dim=128, num_attention_heads=1, guidance_embeds=True,
        joint_attention_dim=CLIP_L["text"], pooled_projection_dim=CLIP_L["pooled"], axes_dims_rope=[16, 56, 56],
    )  # fmt: skip
    net.controlnet_x_embedder = torch.nn.Linear(68, 128)
    for block in net.controlnet_blocks:
        torch.nn.init.normal_(block.weight, std=0.05)
    save_file(net.state_dict(), str(path))
