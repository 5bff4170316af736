"""Where the picture is among the tokens of an attention call, for each family of models that the core has.

A call is known by its queries alone: how many there are, and in which block. Tokens that are not of the picture (text,
reference pictures, padding) belong to no region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Layout", "Span", "layout_of"]

LEVELS = (1, 2, 4, 8, 16)  # by how much a UNet's levels are coarser than its latent


@dataclass(frozen=True)
class Span:
    """The picture's tokens in a call: the first one, and their grid; a token covers `cell`×`cell` of the latent."""

    start: int
    rows: int
    columns: int
    cell: int
    frames: int = 1

    @property
    def tokens(self) -> int:
        return self.rows * self.columns * self.frames


@dataclass(frozen=True)
class Layout:
    """How a family lays out its tokens.

    Attributes:
        family: the name of the network's class.
        patch: latent pixels a side of a token; 0 for a UNet, whose levels differ.
        joint: text and picture share one attention call, the text first.
        multiple: the picture's tokens are padded to a multiple of this.
        skipped: attention calls at the start of each pass that see no picture, or the picture alone before the text joins.
    """

    family: str
    patch: int
    joint: bool
    multiple: int = 1
    skipped: int = 0

    def find(self, queries: int, keys: int, latent: tuple[int, ...], references: int, call: int) -> Span | None:
        """The picture among so many queries and keys in the call-th call of a pass; None where it is not, or not all of it.

        Args:
            latent: the sizes of the latent after its channels: (h, w) or (frames, h, w).
            references: tokens of reference pictures, which come last.
        """
        if queries != keys or call < self.skipped:
            return None
        frames = latent[-3] if len(latent) > 2 else 1
        height, width = latent[-2:]
        for cell in [self.patch] if self.patch else LEVELS:
            span = Span(0, -(-height // cell), -(-width // cell), cell, frames)
            behind = -(-span.tokens // self.multiple) * self.multiple + references
            if queries == span.tokens or (self.joint and queries >= behind):
                return Span(max(queries - behind, 0), span.rows, span.columns, cell, frames)
        return None

    @property
    def crosses(self) -> bool:
        """Whether a block's second call is cross-attention, which must not be taken for the first."""
        return not self.joint


def layout_of(network: Any) -> Layout | None:
    """The layout of a ComfyUI diffusion model; None for a family whose attention the core shows to nobody, or shows unlike these."""
    family = type(network).__name__
    patch = getattr(network, "patch_size", None)
    patch = patch[-1] if isinstance(patch, (tuple, list)) else patch
    match family:
        case "UNetModel":
            return Layout(family, 0, joint=False)
        case "WanModel" | "VaceWanModel" | "CameraWanModel":
            return Layout(family, patch or 2, joint=False)
        case "MMDiT" | "OpenAISignatureMMDITWrapper" | "Flux" | "QwenImageTransformer2DModel":
            return Layout(family, patch or 2, joint=True)
        case "NextDiT":
            refiners = len(network.context_refiner) + len(network.noise_refiner)
            return Layout(family, patch or 2, joint=True, multiple=network.pad_tokens_multiple or 1, skipped=refiners)
    return None
