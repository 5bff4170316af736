"""The networks of prompt tuning: a Stable Diffusion inpainting model, one word more in its vocabulary, and a LoRA.

Everything is frozen but the word's embedding and, in the second stage, the LoRA on the attention projections of the U-Net. The
word is no row of the embedding table but a vector beside it, so that no gradient, momentum or weight decay can touch a neighbour.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .prompt_pairs import TOKEN

__all__ = ["ATTENTION", "Learner", "Networks", "PromptModel", "load_networks"]

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")  # of self-attention and of attention to the prompt
CHANNELS = 9  # noisy latent 4, hole 1, latent of what is known 4


class LearnedToken(nn.Module):
    """An embedding table that knows one token more: its vector [width] is the only parameter that learns."""

    def __init__(self, table: nn.Module, token: int, start: Tensor):
        super().__init__()
        self.table = table
        self.token = token
        self.vector = nn.Parameter(start.detach().clone().float())

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [B, L] to embeddings [B, L, width]."""
        learned = ids == self.token
        known = self.table(ids.masked_fill(learned, 0))
        return torch.where(learned[..., None], self.vector.to(known.dtype), known)


class PromptModel(nn.Module):
    """Text encoder and U-Net as one module, so that gradients of all processes meet.

    Args:
        text: CLIPTextModel. unet: UNet2DConditionModel with 9 channels.
        token: the id of the word that is learnt.
        start: [width], what its embedding is in the beginning.
        rank: of the LoRA; 0 for none.
    """

    def __init__(self, text: Any, unet: Any, token: int, start: Tensor, rank: int = 0):
        super().__init__()
        self.text = text.requires_grad_(False)
        self.unet = unet.requires_grad_(False)
        self.word = LearnedToken(text.get_input_embeddings(), token, start)
        text.set_input_embeddings(self.word)
        if rank:
            self._add_lora(rank)
        self.eval()  # no dropout: frozen networks are used as they will be

    def _add_lora(self, rank: int) -> None:
        from peft import LoraConfig

        self.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ATTENTION)))

    def forward(self, noisy: Tensor, step: Tensor, told: Tensor, ids: Tensor) -> Tensor:
        """ε̂ [B, 4, h, w] from the noisy latent, its step [B], hole and known latent [B, 5, h, w], token ids [B, L]."""
        prompt = self.text(ids)[0]
        return self.unet(torch.cat([noisy, told], 1), step, prompt, return_dict=False)[0]


class Learner(nn.Module):
    """What is learnt of a model, shared with it: `token`, and `lora` by the names of its layers with / in place of dots."""

    def __init__(self, model: PromptModel):
        super().__init__()
        self.token = model.word.vector
        learning = {name: tensor for name, tensor in model.unet.named_parameters() if tensor.requires_grad}
        self.lora = nn.ParameterDict({name.replace(".", "/"): tensor for name, tensor in learning.items()})


class Networks(NamedTuple):
    """What prompt tuning runs on."""

    model: PromptModel
    vae: Any  # AutoencoderKL, frozen
    tokenizer: Any  # CLIPTokenizer that knows the learnt word
    scheduler: Any  # DDPMScheduler

    def ids(self, prompts: list[str]) -> Tensor:
        """Token ids [B, 77], cut or padded as SD1.5 has them."""
        length = self.tokenizer.model_max_length
        return self.tokenizer(prompts, padding="max_length", truncation=True, max_length=length, return_tensors="pt").input_ids

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents [B, 4, h, w] of pictures [B, 3, H, W] in -1..1: a sample by the noise given, or the mean."""
        posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean if noise is None else posterior.mean + posterior.std * noise
        return latents * self.vae.config.scaling_factor

    def told(self, known: Tensor, hole: Tensor) -> Tensor:
        """What an inpainting model is told [B, 5, h, w]: the hole, and the latent of the picture with the hole grey.

        As ComfyUI's InpaintModelConditioning gives it, whose graph the LoRA will run in.
        """
        latents = self.encode(known * (1 - hole))
        small = nn.functional.interpolate(hole, size=latents.shape[-2:], mode="bilinear").round()
        return torch.cat([small, latents], 1)


def load_networks(folder: Path, word: str, rank: int = 0, start: Tensor | None = None) -> Networks:
    """The networks of a diffusers folder (unet, vae, text_encoder, tokenizer, scheduler; safetensors only).

    Args:
        folder: of an SD1.5 inpainting model.
        word: a word, or several, whose mean embedding the learnt one begins as.
        rank: of the LoRA; 0 for none.
        start: [width], in place of the word.

    Raises FileNotFoundError when a part is missing, ValueError when the model is no inpainting model that predicts noise.
    """
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from tokenizers import AddedToken
    from transformers import CLIPTextModel, CLIPTokenizer

    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"{folder} holds no {part}: it must be a diffusers folder of an SD1.5 inpainting model")

    def load(kind: Any, part: str, **how: Any) -> Any:
        return kind.from_pretrained(str(folder), subfolder=part, local_files_only=True, **how)

    weights = {"use_safetensors": True, "torch_dtype": torch.float32}
    scheduler, unet = load(DDPMScheduler, "scheduler"), load(UNet2DConditionModel, "unet", **weights)
    if unet.config.in_channels != CHANNELS:
        raise ValueError(f"the unet of {folder} takes {unet.config.in_channels} channels, but an inpainting model's takes {CHANNELS}")
    if scheduler.config.prediction_type != "epsilon":
        raise ValueError(f"the model of {folder} predicts {scheduler.config.prediction_type}, but it must predict epsilon")
    text, tokenizer = load(CLIPTextModel, "text_encoder", **weights), load(CLIPTokenizer, "tokenizer")
    if start is None:
        known = tokenizer(word, add_special_tokens=False, return_tensors="pt").input_ids[0]
        start = text.get_input_embeddings()(known).mean(0)
    tokenizer.add_tokens([AddedToken(TOKEN, normalized=False)])
    model = PromptModel(text, unet, tokenizer.convert_tokens_to_ids(TOKEN), start, rank)
    return Networks(model, load(AutoencoderKL, "vae", **weights).requires_grad_(False).eval(), tokenizer, scheduler)
