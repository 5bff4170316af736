"""The networks of OmniEraser's training: FLUX.1-dev with wider tokens, frozen, and a LoRA on it; its VAE; its prompt, encoded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..models.omni_eraser import CHANNELS, EMBEDDER, GUIDANCE, PROMPT, TOLD_CHANNELS, pack, unpack

__all__ = ["LAYERS", "Learner", "Networks", "OmniModel", "load_networks"]

LAYERS = (
    EMBEDDER,
    *(f"attn.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")),
    *(f"{name}.{part}" for name in ("ff", "ff_context") for part in ("net.0.proj", "net.2")),
)
"""What the published LoRA is on: by the ends of diffusers' names, so that the single blocks' queries, keys and values are in."""


class OmniModel(nn.Module):
    """The transformer, and the one prompt that it is ever given.

    Args:
        flux: FluxTransformer2DModel of 64 inputs a token; it is widened here.
        text: [1, L, width], pooled: [1, width], the prompt's encodings.
        rank: of the LoRA.
    """

    text: Tensor
    pooled: Tensor

    def __init__(self, flux: Any, text: Tensor, pooled: Tensor, rank: int):
        from peft import LoraConfig

        super().__init__()
        self.kind: torch.dtype = flux.dtype
        self.flux = _widened(flux.requires_grad_(False))
        self.flux.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(LAYERS)))
        for tensor in self.flux.parameters():
            if tensor.requires_grad:
                tensor.data = tensor.data.float()  # small steps are lost in half precision
        self.flux.enable_gradient_checkpointing()
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("pooled", pooled, persistent=False)
        self.eval()  # no dropout: frozen networks are used as they will be

    def forward(self, noisy: Tensor, told: Tensor, sigma: Tensor) -> Tensor:
        """The velocity [B, 16, h, w] at the noisy latent [B, 16, h, w], told [B, 48, h, w], the noise levels [B] in 0..1."""
        rows, _, height, width = noisy.shape
        places = torch.stack(torch.meshgrid(*(torch.arange(n) for n in (1, height // 2, width // 2)), indexing="ij"), -1).reshape(-1, 3)
        tokens = self.flux(
            hidden_states=pack(torch.cat([noisy, told], 1)).to(self.kind),
            timestep=sigma,
            guidance=torch.full_like(sigma, GUIDANCE) if self.flux.config.guidance_embeds else None,
            encoder_hidden_states=self.text.to(self.kind).expand(rows, -1, -1),
            pooled_projections=self.pooled.to(self.kind).expand(rows, -1),
            txt_ids=noisy.new_zeros(self.text.shape[1], 3),
            img_ids=places.to(noisy),
            return_dict=False,
        )[0]
        return unpack(tokens.float(), height, width)


class Learner(nn.Module):
    """What is learnt of a model, shared with it, by the names of its layers with / in place of dots."""

    def __init__(self, model: OmniModel):
        super().__init__()
        learning = {name: tensor for name, tensor in model.flux.named_parameters() if tensor.requires_grad}
        self.lora = nn.ParameterDict({name.replace(".", "/"): tensor for name, tensor in learning.items()})


class Networks(NamedTuple):
    """What the training runs on."""

    model: OmniModel
    vae: Any  # AutoencoderKL, frozen

    @property
    def factor(self) -> int:
        """Pixels of a cell of the latent a side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents [B, 16, h, w] of pictures [B, 3, H, W] in −1..1: a sample by the noise given, or the mean."""
        posterior = self.vae.encode(pixels.to(self.vae.dtype)).latent_dist
        latents = posterior.mean if noise is None else posterior.mean + posterior.std * noise
        return (latents.float() - self.vae.config.shift_factor) * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in −1..1."""
        return self.vae.decode((latents / self.vae.config.scaling_factor + self.vae.config.shift_factor).to(self.vae.dtype)).sample.float()


def load_networks(folder: Path, rank: int, dtype: torch.dtype = torch.float32) -> Networks:
    """The networks of FLUX.1-dev's diffusers folder, the transformer in `dtype`. Safetensors only; the text encoders are let go of.

    Raises FileNotFoundError when a part is missing, ValueError when the transformer's tokens are not FLUX.1's.
    """
    from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel

    for part in ("model_index.json", "transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
        if not (folder / part).exists():
            raise FileNotFoundError(f"{folder} holds no {part}: it must be a diffusers folder of FLUX.1-dev")
    offline = {"local_files_only": True, "use_safetensors": True}
    encoders = FluxPipeline.from_pretrained(str(folder), transformer=None, vae=None, torch_dtype=dtype, **offline)
    with torch.no_grad():
        text, pooled, _ = encoders.encode_prompt(PROMPT, None, max_sequence_length=512)
    del encoders
    flux = FluxTransformer2DModel.from_pretrained(str(folder), subfolder="transformer", torch_dtype=dtype, **offline)
    if flux.config.in_channels != 4 * CHANNELS:
        raise ValueError(f"the transformer of {folder} takes {flux.config.in_channels} numbers a token, but FLUX.1's takes {4 * CHANNELS}")
    # the VAE stays in single precision, as in the published script
    vae = AutoencoderKL.from_pretrained(str(folder), subfolder="vae", torch_dtype=torch.float32, **offline)
    return Networks(OmniModel(flux, text, pooled, rank), vae.requires_grad_(False).eval())


def _widened(flux: Any) -> Any:
    """The model with an x_embedder of 256 inputs in place of 64, which gives what it gave, whatever the new ones are."""
    old = flux.x_embedder
    inputs = old.in_features * (CHANNELS + TOLD_CHANNELS) // CHANNELS
    wide = nn.Linear(inputs, old.out_features, device=old.weight.device, dtype=old.weight.dtype).requires_grad_(False)
    wide.weight.zero_()
    wide.weight[:, : old.in_features] = old.weight
    wide.bias.copy_(old.bias)
    flux.x_embedder = wide
    flux.register_to_config(in_channels=inputs, out_channels=old.in_features)
    return flux
