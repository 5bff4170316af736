"""The networks of SmartEraser's training: what learns (U-Net, text encoder, projector), and what stays (VAE, CLIP's eye)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..models.smart_eraser import PROMPTS, TOKENS, Projector, clip_pixels, object_on_white, told_context, untold_context
from .prompt_pairs import ErasurePair

__all__ = ["EraserModel", "EraserNetworks", "load_eraser_networks"]

CHANNELS = 9  # noisy latent 4, hole 1, latent of the whole picture 4
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "image_encoder")


class EraserModel(nn.Module):
    """All that learns, as one module, so that gradients of all processes meet.

    Args:
        text: CLIPTextModel. unet: UNet2DConditionModel with 9 channels.
        ids: token ids [2, 7] of the prompt, and of the empty one.
        nothing: [1, width], CLIP's embedding of nothing.
    """

    ids: Tensor
    nothing: Tensor

    def __init__(self, text: Any, unet: Any, projector: Projector, ids: Tensor, nothing: Tensor):
        super().__init__()
        self.text, self.unet, self.projector = text, unet, projector
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("nothing", nothing, persistent=False)
        self.eval()  # SD1.5 was trained without dropout

    def contexts(self, objects: Tensor) -> tuple[Tensor, Tensor]:
        """The prompts of objects by their embeddings [B, width]: told [B, 7, D], and untold [1, 7, D]."""
        words = self.text(self.ids)[0]
        return told_context(words[:1], self.projector(objects)), untold_context(words[1:], self.projector(self.nothing))

    def forward(self, noisy: Tensor, step: Tensor, seen: Tensor, objects: Tensor, dropped: Tensor) -> Tensor:
        """ε̂ [B, 4, h, w] from the noisy latent, its step [B], hole and latent of the picture [B, 5, h, w], embeddings of what is
        erased [B, width], and which rows are not told [B] bool."""
        told, untold = self.contexts(objects)
        context = torch.where(dropped[:, None, None], untold, told)
        return self.unet(torch.cat([noisy, seen], 1), step, context, return_dict=False)[0]


class EraserNetworks(NamedTuple):
    """What SmartEraser's training runs on."""

    model: EraserModel
    vae: Any  # AutoencoderKL, frozen
    vision: Any  # CLIPVisionModelWithProjection, frozen
    scheduler: Any

    def to(self, device: torch.device) -> None:
        self.vae.to(device)
        self.vision.to(device)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents [B, 4, h, w] of pictures [B, 3, H, W] in -1..1: a sample by the noise given, or the mean."""
        posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean if noise is None else posterior.mean + posterior.std * noise
        return latents * self.vae.config.scaling_factor

    def seen(self, pair: ErasurePair, noise: Tensor | None = None) -> Tensor:
        """What the network is shown [B, 5, h, w]: the hole, one pixel of each of the latent's, and the latent of the whole picture."""
        latents = self.encode(pair.input, noise)
        return torch.cat([nn.functional.interpolate(pair.hole, latents.shape[-2:], mode="nearest"), latents], 1)

    def objects(self, pair: ErasurePair) -> Tensor:
        """CLIP's embeddings [B, width] of what is erased. An empty hole shows nothing."""
        size = self.vision.config.image_size
        rows = zip(pair.input, pair.hole, strict=True)
        views = [_view(picture, hole[0], size) for picture, hole in rows]
        return self.vision(torch.stack(views)).image_embeds


def _view(picture: Tensor, hole: Tensor, size: int) -> Tensor:
    if not hole.any():
        return picture.new_zeros(3, size, size)
    return clip_pixels(object_on_white((picture.permute(1, 2, 0) + 1) / 2, hole), size)


def load_eraser_networks(folder: Path) -> EraserNetworks:
    """The networks of a diffusers folder of an SD1.5 inpainting model, with CLIP ViT-L/14 as `image_encoder` in it. safetensors only.

    Raises FileNotFoundError when a part is missing, ValueError when the model is no inpainting model that predicts noise, and when
    CLIP's embeddings are not as wide as the prompt's tokens.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    for part in PARTS:
        if not (folder / part).is_dir():
            raise FileNotFoundError(
                f"{folder} holds no {part}: it must be a diffusers folder of an SD1.5 inpainting model, with CLIP ViT-L/14 as image_encoder"
            )

    def load(kind: Any, part: str, **how: Any) -> Any:
        return kind.from_pretrained(str(folder), subfolder=part, local_files_only=True, **how)

    weights = {"use_safetensors": True, "torch_dtype": torch.float32}
    scheduler, unet = load(DDIMScheduler, "scheduler"), load(UNet2DConditionModel, "unet", **weights)
    if unet.config.in_channels != CHANNELS:
        raise ValueError(f"the unet of {folder} takes {unet.config.in_channels} channels, but an inpainting model's takes {CHANNELS}")
    if scheduler.config.prediction_type != "epsilon":
        raise ValueError(f"the model of {folder} predicts {scheduler.config.prediction_type}, but it must predict epsilon")
    text, tokenizer = load(CLIPTextModel, "text_encoder", **weights), load(CLIPTokenizer, "tokenizer")
    vision = load(CLIPVisionModelWithProjection, "image_encoder", **weights).requires_grad_(False).eval()
    width = vision.config.projection_dim
    if width != text.config.hidden_size:
        raise ValueError(
            f"image_encoder of {folder} gives {width} numbers, but the tokens of its text_encoder are of {text.config.hidden_size}"
        )
    asked = tokenizer([PROMPTS[0], ""], padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    size = vision.config.image_size
    with torch.no_grad():
        nothing = vision(torch.zeros(1, 3, size, size)).image_embeds
    vae = load(AutoencoderKL, "vae", **weights).requires_grad_(False).eval()
    return EraserNetworks(EraserModel(text, unet, Projector(width), asked.input_ids, nothing), vae, vision, scheduler)
