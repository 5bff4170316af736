"""SmartEraser (arXiv 2501.08279): an SD1.5 inpainting network that sees what it erases, in its picture and in its prompt.

Masked-region guidance: the 9 channels are [z_t | mask | the latent of the whole photo], where others hide what is under the mask.
Visual guidance: the prompt's word for the object is the object itself, as CLIP ViT-L/14 sees it on white, with the embedding v:

    p(v)   = v + W·LN(v) + b                                                   the projector
    told   = [BOS, remove, the, instance, of, p(v of the object), EOS]         7 tokens, the words by the text encoder
    untold = [BOS, p(v of nothing), EOS of "" five times]                      its own unconditional

"Nothing" is a picture whose values are 0 after CLIP's normalization. Guidance between the two is 1.5. From the published code.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..scene.box import Box

__all__ = [
    "GUIDANCE",
    "PROMPTS",
    "TOKENS",
    "Projector",
    "clip_pixels",
    "load_projector",
    "object_on_white",
    "told_context",
    "untold_context",
]

PROMPTS = ("Remove the instance of object", "Remove the instance of")
"""What the network was trained with, and what its demo asks. They differ in the last token alone."""
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TOKENS = 7
GUIDANCE = 1.5


class Projector(nn.Module):
    """A CLIP embedding [..., width] to a token of the prompt: v + W·LN(v) + b. Its layers have the published names."""

    def __init__(self, width: int = 768):
        super().__init__()
        self.fc_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    @property
    def width(self) -> int:
        return self.fc_out.in_features

    def forward(self, embedding: Tensor) -> Tensor:
        return embedding + self.fc_out(self.norm(embedding))


def load_projector(path: Path) -> Projector:
    """The projector of a safetensors file: fc_out.weight [w, w], fc_out.bias, norm.weight and norm.bias [w]. In float32, for use.

    Raises ValueError when the file is none of that kind.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(path))
    except SafetensorError as error:
        raise ValueError(f"{path.name} must be a safetensors file, but it cannot be read as one: {error}") from error
    weight = tensors.get("fc_out.weight")
    width = len(weight) if weight is not None and weight.ndim else 0
    with torch.device("meta"):
        projector = Projector(width or 1)
    own = {name: tuple(tensor.shape) for name, tensor in projector.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if own != given:
        held = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in sorted(given.items())[:6]) or "nothing"
        raise ValueError(
            f"{path.name} holds {held}, but SmartEraser's projector is fc_out.weight [w, w], fc_out.bias, norm.weight and norm.bias [w]"
        )
    projector.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return projector.eval().requires_grad_(False)


def object_on_white(picture: Tensor, hole: Tensor) -> Tensor:
    """What is erased, on white, cut to its box: [h, w, 3] of a picture [H, W, 3] in 0..1 and a mask [H, W], true above 0.5.

    Raises ValueError when the mask is empty.
    """
    inside = hole > 0.5
    box = Box.around(inside)
    return torch.where(box.view(inside)[..., None], box.view(picture), torch.ones((), dtype=picture.dtype, device=picture.device))


def clip_pixels(picture: Tensor, size: int) -> Tensor:
    """What CLIP sees of a picture [h, w, 3] in 0..1: its middle square, `size` pixels a side, normalised. [3, size, size]

    The shorter side is resized to `size`, bicubic, then both are cut. In whole numbers of 255, as CLIP's own processor has it.
    """
    height, width = picture.shape[:2]
    scale = size / min(height, width)
    rows, columns = (max(int(side * scale), size) for side in (height, width))
    planes = picture.permute(2, 0, 1)[None].float()
    sized = nn.functional.interpolate(planes, (rows, columns), mode="bicubic", antialias=True)[0]
    top, left = (rows - size) // 2, (columns - size) // 2
    cut = (sized[:, top : top + size, left : left + size] * 255).round().clamp(0, 255) / 255
    mean, std = (cut.new_tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (cut - mean) / std


def told_context(text: Tensor, token: Tensor) -> Tensor:
    """The prompt with the object in its place.

    Args:
        text: [1, 7, D], the encoded prompt.
        token: [P, D], what the projector makes of the embedding of each object.
    Returns [P, 7, D].
    """
    words = text.expand(len(token), -1, -1)
    return torch.cat([words[:, :-2], token[:, None], words[:, -1:]], 1)


def untold_context(text: Tensor, token: Tensor) -> Tensor:
    """What guidance goes away from.

    Args:
        text: [1, 7, D], the encoded empty prompt.
        token: [1, D], what the projector makes of the embedding of nothing.
    Returns [1, 7, D].
    """
    return torch.cat([text[:, :1], token[:, None], text[:, 1:-1]], 1)
