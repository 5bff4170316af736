"""CLIP's score of a thing cut out on white against the words "a photo of CLASS" (SmartEraser, CVPR 2025; CLIP ViT-L/14 there).

The thing stands on white in the whole of its photo, as in the authors' scripts. Their square in the middle would cut off what stands at
the side of a long photo; here the photo is made square with white instead.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ClipScorer", "clip_id", "on_white"]

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
DIGITS = 4  # of a score: what is less differs between machines


def clip_id(folder: Path) -> str:
    """What tells one CLIP folder from another: a hash of its config.json and of the names and sizes of its weights.

    Raises FileNotFoundError where it has no config.json, no weights in safetensors or no tokenizer.
    """
    weights = sorted(folder.glob("*.safetensors"))
    for there, what in ((folder / "config.json").is_file(), "config.json"), (weights, "weights in safetensors"):
        if not there:
            raise FileNotFoundError(f"{folder} has no {what}: it must be a CLIP folder, such as openai/clip-vit-large-patch14")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise FileNotFoundError(f"{folder} has no tokenizer.json: it must be a CLIP folder with the files of its tokenizer")
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in weights:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


class ClipScorer:
    """CLIP of a folder as transformers has it: config.json, safetensors, tokenizer.

    Raises as `clip_id` does, ValueError where the folder holds another network, or weights of another, RuntimeError where transformers
    is missing.
    """

    def __init__(self, folder: Path, device: str = "cpu"):
        clip_id(folder)
        try:
            import transformers
        except ImportError as error:
            raise RuntimeError(f"CLIP in {folder} needs transformers 4.50.3 or newer: {error}") from error
        kind = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True).model_type
        if kind != "clip":
            raise ValueError(f'{folder} holds a network of the type "{kind}", but it must be "clip"')
        loaded: Any = transformers.CLIPModel.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        network, told = loaded
        if told["missing_keys"]:
            raise ValueError(f"{len(told['missing_keys'])} weights of CLIP are missing in {folder}")
        self.network: Any = network.eval().requires_grad_(False).float().to(device)
        self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self.device = device
        self._words: dict[str, Tensor] = {}

    @torch.no_grad()
    def score(self, photo: np.ndarray, thing: np.ndarray, word: str) -> float:
        """The cosine, -1..1, of a thing with mask [h, w] bool of a photo [h, w, 3] uint8 and of "a photo of WORD"."""
        picture = on_white(photo, thing, self.network.config.vision_config.image_size).to(self.device)
        seen = self.network.visual_projection(self.network.vision_model(pixel_values=picture).pooler_output)
        return round(float(F.cosine_similarity(seen, self._told(word))[0]), DIGITS)

    def _told(self, word: str) -> Tensor:
        if word not in self._words:
            tokens = self.tokenizer([f"a photo of {word}"], return_tensors="pt").to(self.device)
            self._words[word] = self.network.text_projection(self.network.text_model(**tokens).pooler_output)
        return self._words[word]


def on_white(photo: np.ndarray, thing: np.ndarray, size: int) -> Tensor:
    """The thing on white as CLIP takes it: [1, 3, size, size], of a photo [h, w, 3] uint8 and a mask [h, w] bool."""
    height, width = thing.shape
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = np.where(thing[..., None], photo, 255)
    planes = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
    planes = F.interpolate(planes, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (planes - mean) / deviation
