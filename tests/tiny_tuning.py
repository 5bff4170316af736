"""An SD1.5 inpainting model in a diffusers folder and erasure pairs, both tiny, for the trainer of a prompt."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from shapes import disc, stripes

__all__ = ["SIZE", "save_tiny_model", "save_tiny_pairs", "save_tiny_tokenizer", "tiny_text", "tiny_unet"]

SIZE = 32
WIDTH = 24  # of the text


def tiny_unet(in_channels: int = 9):
    """The shape of `FAMILIES["SD1.5 inpainting"]`, with diffusers' names."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=SIZE // 4, in_channels=in_channels, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2, cross_attention_dim=WIDTH,
        attention_head_dim=8,  # diffusers calls the number of heads so; the core gives SD1.5 eight, whatever the config says
    )  # fmt: skip


def tiny_text(words: int, ends_with: int):
    """A CLIP text encoder of 2 narrow layers."""
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(1)
    return CLIPTextModel(
        CLIPTextConfig(vocab_size=words, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                       hidden_act="quick_gelu", bos_token_id=ends_with - 1, eos_token_id=ends_with, pad_token_id=ends_with)
    )  # fmt: skip


def save_tiny_tokenizer(folder: Path) -> int:
    """CLIP's tokenizer with a vocabulary of single letters; how many tokens it has."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))
    return len(tokens)


def save_tiny_model(folder: Path, in_channels: int = 9) -> Path:
    """A diffusers folder of an inpainting model whose VAE makes a latent of a quarter of the size."""
    from diffusers import AutoencoderKL, DDPMScheduler

    words = save_tiny_tokenizer(folder / "tokenizer")
    tiny_text(words, words - 1).save_pretrained(folder / "text_encoder")
    tiny_unet(in_channels).save_pretrained(folder / "unet")
    torch.manual_seed(2)
    levels = 3
    vae = AutoencoderKL(
        block_out_channels=(8,) * levels, norm_num_groups=4, latent_channels=4, down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
    )  # fmt: skip
    vae.save_pretrained(folder / "vae")
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1)
    scheduler.save_pretrained(folder / "scheduler")
    return folder


def save_tiny_pairs(folder: Path, count: int = 4) -> Path:
    """Striped photos with a red disc on them; the second has a caption of its own, the third one in the index."""
    for part in ("input", "truth", "mask"):
        (folder / part).mkdir(parents=True)
    lines = ["id,tag,caption"]
    for number in range(count):
        truth = (stripes(40, 48, 6 + number) * 255).byte().numpy()
        hole = disc(40, 48, 20, 14 + 5 * number, 9).numpy() > 0
        shown = np.where(hole[..., None], np.array([255, 0, 0], np.uint8), truth)
        for part, picture in (("input", shown), ("truth", truth), ("mask", hole.astype(np.uint8) * 255)):
            Image.fromarray(picture).save(folder / part / f"{number:04d}.png")
        lines.append(f"{number:04d},{'sky' if number % 2 else 'grass'},{'a field' if number in (1, 2) else ''}")
    (folder / "truth" / "0001.txt").write_text("stripes in the sky\n")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder
