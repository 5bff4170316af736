"""OmniEraser's wider tokens in ComfyUI's Flux: a LoRA that widens `img_in`, and channels that join those of the noisy latent.

The core pads a layer's weight to the shape that its LoRA tells, wherever it merges LoRAs: at once, on the way to the device, or layer
by layer where memory is short. What it would put beside the noisy latent of a Flux this wide is made for other models, so the
clone has a function of its own for that, as an object patch, which the core takes away with the clone's weights.
"""

from __future__ import annotations

from typing import Any

import node_helpers
from comfy import lora, model_base, utils
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...mild_core.models.omni_eraser import CHANNELS, widening

__all__ = ["encode_flux", "tell", "widen"]

KEY = "mild_omni_eraser"  # of what conditioning carries


def widen(model: ModelPatcher, tensors: dict[str, Tensor], strength: float) -> ModelPatcher:
    """A clone with the LoRA, whose tokens hold what `tell` gave the conditioning, too.

    Raises ValueError for a model that is no FLUX.1, and for a LoRA that does not widen it.
    """
    base = model.model
    # not the weight itself, which is another clone's while that is loaded
    config = base.model_config.unet_config
    if not isinstance(base, model_base.Flux) or config.get("image_model") != "flux":
        raise ValueError(f"model is {type(base).__name__}, but it must be FLUX.1-dev")
    if config["in_channels"] != CHANNELS:
        raise ValueError(f"model takes {config['in_channels']} channels, but it must be FLUX.1-dev, which takes {CHANNELS}")
    taken = widening(tensors, config["hidden_size"], CHANNELS * config["patch_size"] ** 2)
    clone = model.clone()
    clone.add_patches(lora.load_lora(taken, lora.model_lora_keys_unet(base, {})), strength)
    clone.add_object_patch("concat_cond", _beside_noise)
    return clone


def tell(conditioning: list, channels: Tensor) -> list:
    """Conditioning that carries what a model of `widen` is told of each row, [B, 48, h, w]."""
    return node_helpers.conditioning_set_values(conditioning, {KEY: channels})


def encode_flux(vae: Any, pictures: Tensor) -> Tensor:
    """Latents [B, 16, H/8, W/8] of pictures [B, H, W, 3]. Raises ValueError when the VAE is not FLUX.1's."""
    if vae.latent_channels != CHANNELS:
        raise ValueError(f"vae gives latents of {vae.latent_channels} channels, but FLUX.1's gives {CHANNELS}")
    return vae.encode(pictures)


def _beside_noise(**told: Any) -> Tensor:
    """What joins the noisy latent [B, 16, h, w]: in place of the `concat_cond` of the core's Flux, which is called with these.

    A latent may lack the column or row that made the photo's size even; the core makes up for it in the same place.
    """
    channels, noise = told.get(KEY), told["noise"]
    if channels is None:
        raise ValueError("positive or negative is not from MILD OmniEraser, but with its model the sampler needs both from there")
    height, width = noise.shape[-2:]
    if any(side % 2 or side - own not in (0, 1) for side, own in zip(channels.shape[-2:], (height, width), strict=True)):
        wanted = "×".join(map(str, channels.shape[-2:]))
        raise ValueError(f"latent_image is {height}×{width}, but MILD OmniEraser's photo gives {wanted}: sample the latent it gives")
    return utils.repeat_to_batch_size(channels[..., :height, :width].to(told["device"]), len(noise))
