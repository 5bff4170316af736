"""The core's CLIP and CLIP vision, for the short prompts of SmartEraser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy import model_management
from torch import Tensor

from ...mild_core.models.smart_eraser import TOKENS, Projector, clip_pixels, object_on_white, told_context, untold_context

__all__ = ["removal_conditioning"]


def removal_conditioning(
    clip: Any, clip_vision: Any, projector: Projector, prompt: str, shown: Sequence[tuple[Tensor, Tensor]]
) -> tuple[list, list]:
    """SmartEraser's CONDITIONING, positive and negative.

    Args:
        clip: CLIP of SD1.5. clip_vision: CLIP_VISION, ViT-L/14.
        prompt: whose last word is the object.
        shown: for each row what it shows [h, w, 3] in 0..1, and its hole [h, w].
    Raises ValueError when the networks are not of the projector's width.
    """
    _check_text(clip)
    texts, empty = _short(clip, prompt), _short(clip, "")
    size = clip_vision.image_size
    objects = torch.stack([clip_pixels(object_on_white(*row), size) for row in shown])
    seen, nothing = (_embedding(clip_vision, pixels) for pixels in (objects, torch.zeros(1, 3, size, size)))
    for what, given in (("clip_vision gives embeddings", seen.shape[-1]), ("clip gives tokens", texts[0][0].shape[-1])):
        if given != projector.width:
            raise ValueError(
                f"{what} of {given} numbers, but projector is for {projector.width}: SmartEraser's own are CLIP ViT-L/14's, of 768"
            )
    with torch.no_grad():
        told, untold = projector(seen), projector(nothing)
    positive = [[told_context(text, told), extra] for text, extra in texts]
    negative = [[untold_context(text, untold), extra] for text, extra in empty]
    return positive, negative


def _check_text(clip: Any) -> None:
    if clip is None:
        raise ValueError("clip is missing, but it must be SmartEraser's text encoder: load it with Load CLIP, type stable_diffusion")
    encoders = ", ".join(clip.tokenize(""))
    if encoders != "l":
        raise ValueError(f"clip is a text encoder of another family ({encoders}), but it must be that of SD1.5 (l)")


def _short(clip: Any, prompt: str) -> list[tuple[Tensor, dict[str, Any]]]:
    """The prompt in its first 7 tokens, [1, 7, D]: a token is told nothing of those behind it, so that the others can be cut off."""
    tokens = {"l": clip.tokenize(prompt)["l"][:1]}
    return [(text[:, :TOKENS].float().cpu(), dict(extra)) for text, extra in clip.encode_from_tokens_scheduled(tokens)]


def _embedding(clip_vision: Any, pixels: Tensor) -> Tensor:
    """[P, width] of normalised pixels. Not by the core's encode_image, which cannot be given a picture of nothing."""
    model_management.load_model_gpu(clip_vision.patcher)
    with torch.no_grad():
        return clip_vision.model(pixel_values=pixels.to(clip_vision.load_device).float(), intermediate_output=-2)[2].float().cpu()
