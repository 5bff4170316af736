"""CLIP, of text and of pictures, with few random weights: in the core's classes, and in transformers' with the same weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from tiny import random_weight

__all__ = ["IMAGE", "WIDTH", "core_clip", "core_vision", "their_text", "their_vision", "tiny_projector"]

WIDTH = 24  # of tokens and of embeddings
IMAGE = 28  # pixels a side that the vision network sees
TEXT = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "quick_gelu"}
VISION = {**TEXT, "hidden_size": 32, "image_size": IMAGE, "patch_size": 14, "projection_dim": WIDTH}


@torch.no_grad()
def _stirred(network: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    for name, tensor in network.named_parameters():
        tensor.copy_(random_weight(name, tensor).float())
    return network.eval()


def their_text(words: int = 49408) -> Any:
    """CLIPTextModel with SD1.5's words."""
    from transformers import CLIPTextConfig, CLIPTextModel

    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    return _stirred(CLIPTextModel(CLIPTextConfig(vocab_size=words, **TEXT, **ends)), 1)


def their_vision() -> Any:
    """CLIPVisionModelWithProjection."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return _stirred(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)), 2)


def core_clip(text: Any, embeddings: str | None = None) -> Any:
    """A CLIP of the core, as Load CLIP gives it, with the weights of a CLIPTextModel."""
    from comfy import sd1_clip
    from comfy.sd import CLIP

    target = SimpleNamespace(params={}, clip=sd1_clip.SD1ClipModel, tokenizer=_tokenizer)
    clip = CLIP(target, embedding_directory=embeddings, model_options={"clip_l_model_config": TEXT, "dtype": torch.float32})
    named = {n if n.startswith("text_model.") else f"text_model.{n}": t for n, t in text.state_dict().items()}
    named["text_model.embeddings.token_embedding.weight"] = named["text_model.embeddings.token_embedding.weight"][:49408]
    missing, unexpected = clip.cond_stage_model.clip_l.load_sd(named)
    assert not [n for n in missing if "text_projection" not in n and "position_ids" not in n]
    assert not [n for n in unexpected if "position_ids" not in n]
    return clip


def _tokenizer(embedding_directory: str | None = None, tokenizer_data: Any = None) -> Any:
    from comfy import sd1_clip

    def narrow(**how: Any) -> Any:
        return sd1_clip.SDTokenizer(embedding_size=WIDTH, **how)

    return sd1_clip.SD1Tokenizer(embedding_directory=embedding_directory, tokenizer=narrow)


def core_vision(vision: Any) -> Any:
    """A CLIP_VISION of the core with the weights of a CLIPVisionModelWithProjection."""
    from comfy.clip_vision import ClipVisionModel

    made = ClipVisionModel({**VISION, "num_channels": 3, "model_type": "clip_vision_model"})
    missing, unexpected = made.load_sd(vision.state_dict())
    assert not missing
    assert not [n for n in unexpected if "position_ids" not in n]
    return made


def tiny_projector() -> dict[str, torch.Tensor]:
    """The published tensors of SmartEraser's projector."""
    g = torch.Generator().manual_seed(3)
    shapes = {"fc_out.weight": (WIDTH, WIDTH), "fc_out.bias": (WIDTH,), "norm.weight": (WIDTH,), "norm.bias": (WIDTH,)}
    return {name: torch.randn(shape, generator=g) * 0.3 for name, shape in shapes.items()}
