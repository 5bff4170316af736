"""OmniEraser (arXiv 2501.07397): a LoRA of FLUX.1-dev that is told background and object apart.

A token of FLUX.1 is a patch of 2×2 of its latent, 16 channels of 4 numbers. OmniEraser's is a patch of 64 channels:

    [ z_t 16 | E(photo, hole black) 16 | E(photo, all but the hole black) 16 | 1 where nothing goes, 16 times ]

So the layer that takes tokens in, `x_embedder` in diffusers and `img_in` in ComfyUI, has 256 inputs in place of 64; the columns that it
had stay first, the others begin as 0 and are the LoRA's alone. Packing keeps the four numbers of a channel together, channel after
channel: the tokens of channels put together are the tokens of each put together.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "CHANNELS",
    "EMBEDDER",
    "GUIDANCE",
    "MULTIPLE",
    "PROMPT",
    "STEPS",
    "TOLD_CHANNELS",
    "pack",
    "padded",
    "split",
    "told",
    "unpack",
    "widening",
]

PROMPT = "There is nothing here."  # the one it was trained with, and is asked with
STEPS, GUIDANCE = 28, 3.5  # of its authors' script; guidance is FLUX.1-dev's own input, not classifier-free guidance
CHANNELS = 16  # of FLUX.1's latent
TOLD_CHANNELS = 3 * CHANNELS  # background, object, mask
MULTIPLE = 16  # pixels of a token a side
PATCH = 2
EMBEDDER = "x_embedder"  # the layer that is widened, by the name that diffusers gives it
DOWN, UP = "lora_A.weight", "lora_B.weight"


def padded(photo: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Photo [B, H, W, C] and hole [B, H, W] with their last column and row repeated, up to a multiple of 16 pixels a side."""
    more = [-side % MULTIPLE for side in photo.shape[1:3]]
    margin = (0, more[1], 0, more[0])
    return (
        F.pad(photo.movedim(-1, 1), margin, mode="replicate").movedim(1, -1),
        F.pad(hole[:, None].float(), margin, mode="replicate")[:, 0].to(hole.dtype),
    )


def split(photo: Tensor, hole: Tensor, black: float) -> tuple[Tensor, Tensor]:
    """The photo with the hole black, and with all but the hole black.

    Args:
        photo: of any layout. hole: bool, of a shape that broadcasts to the photo's.
        black: the value that is black: 0 for pictures in 0..1, −1 for those in −1..1.
    """
    nothing = torch.full((), black).to(photo)
    return torch.where(hole, nothing, photo), torch.where(hole, photo, nothing)


def told(background: Tensor, removed: Tensor, hole: Tensor) -> Tensor:
    """What the model is told besides its noisy latent, [B, 48, h, w].

    Args:
        background, removed: latents [B, 16, h, w] of what `split` gives, scaled as the model takes its own.
        hole: [B, 1, H, W] in pixels, 1 where something goes. Of each cell of the latent its first pixel counts, as in training.
    """
    kept = 1 - F.interpolate(hole.to(background), size=background.shape[-2:], mode="nearest")
    return torch.cat([background, removed, kept.expand(-1, CHANNELS, -1, -1)], 1)


def pack(latent: Tensor) -> Tensor:
    """Tokens [B, h/2·w/2, 4·C] of a latent [B, C, h, w]: a channel's four numbers side by side, the channels in their order."""
    batch, channels, height, width = latent.shape
    patches = latent.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH * PATCH)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The latent [B, C, height, width] of tokens [B, height/2·width/2, 4·C]."""
    patches = tokens.reshape(len(tokens), height // PATCH, width // PATCH, -1, PATCH, PATCH)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(len(tokens), -1, height, width)


def widening(lora: Mapping[str, Tensor], outputs: int, inputs: int) -> dict[str, Tensor]:
    """The LoRA as ComfyUI's loader takes it: as published, besides told the shape that `x_embedder` is widened to.

    Args:
        lora: in the layout that diffusers writes, `transformer.LAYER.lora_A.weight` [rank, in] and `….lora_B.weight` [out, rank].
        outputs, inputs: of the model's own layer: 3072 and 64 for FLUX.1.

    Raises ValueError for a LoRA without x_embedder, or with one of another size.
    """
    down = next((name for name in lora if name.endswith(f"{EMBEDDER}.{DOWN}")), None)
    up = "" if down is None else down.removesuffix(DOWN) + UP
    if down is None or up not in lora:
        raise ValueError(f"the LoRA has {len(lora)} tensors, but none for {EMBEDDER}: OmniEraser's must widen that layer")
    wider = inputs * (CHANNELS + TOLD_CHANNELS) // CHANNELS
    given, wanted = (len(lora[up]), lora[down].shape[1]), (outputs, wider)
    if given == (outputs, inputs):
        raise ValueError(f"{EMBEDDER} of the LoRA takes {inputs} numbers a token, but OmniEraser's takes {wider}: use the stock Load LoRA")
    if given != wanted:
        raise ValueError(f"{EMBEDDER} of the LoRA is {given[0]}×{given[1]}, but for this model it must be {wanted[0]}×{wanted[1]}")
    return {**lora, down.removesuffix(DOWN) + "reshape_weight": torch.tensor(wanted)}
