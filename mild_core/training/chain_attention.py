"""Self-rectifying attention in training (Erase Diffusion, arXiv 2503.07026, eq. 10-11): what fills the hole does not look at itself.

The bias is the attention room's, with the memberships that MILD Modulate Attention gives the same hole when the model is sampled, so
that a network meets in training what it will meet in use. It is put on diffusers' UNet by an attention processor. The widened
queries and keys are made here by concatenation, which gradients pass, where the attention room writes them in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..attention import self_rectifying
from ..attention.bias import BiasColumns
from ..plan.regions import RegionMap

__all__ = ["HoleTokens", "RectifiedAttention", "rectified"]

MULTIPLE = 8  # fused kernels want head widths that are multiples of this
DEEPEST = 5  # levels of a UNet, at most


class HoleTokens:
    """The memberships of some holes on the token grids of a UNet.

    Args:
        hole: [B, 1, H, W], 1 in the hole.
        latent: (h, w) of the latent.
    """

    def __init__(self, hole: Tensor, latent: tuple[int, int]):
        self.maps = [RegionMap.of_masks(one[0], 1 - one[0], torch.zeros_like(one[0])) for one in hole.float()]
        self.latent = latent
        self._known: dict[int, Tensor] = {}

    def on(self, tokens: int) -> Tensor:
        """[B, tokens, 4]. Raises ValueError when no level of the UNet has so many."""
        if tokens not in self._known:
            height, width = self.latent
            cells = [2**level for level in range(DEEPEST) if -(-height // 2**level) * -(-width // 2**level) == tokens]
            if not cells:
                raise ValueError(f"attention has {tokens} tokens, but no level of a UNet has so many of a latent of {width}×{height}")
            self._known[tokens] = torch.stack([each.tokens(height, width, cells[0]) for each in self.maps])
        return self._known[tokens]


class RectifiedAttention:
    """diffusers' attention processor of plain self-attention, with the bias of `attention.self_rectifying`.

    Of a batch that repeats the holes, as guidance does, the k-th row has the hole k modulo their number.
    """

    def __init__(self, holes: HoleTokens):
        self.holes = holes
        self.method = self_rectifying()

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        membership = self.holes.on(hidden_states.shape[1])
        membership = membership.repeat(len(hidden_states) // len(membership), 1, 1)
        columns = BiasColumns.of(self.method, membership)
        q, k, v = (project(hidden_states).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for project in (attn.to_q, attn.to_k, attn.to_v))
        width = q.shape[-1]
        free = -(width + columns.keys.shape[-1]) % MULTIPLE
        inner = (width + columns.keys.shape[-1] + free) ** -0.5  # the kernel's own scale
        u = columns.queries(q.detach(), k.detach(), attn.scale) / inner
        out = F.scaled_dot_product_attention(
            _beside(q * (attn.scale / inner), u, free), _beside(k, columns.keys, free), F.pad(v, (0, columns.keys.shape[-1] + free))
        )
        merged = out[..., :width].transpose(1, 2).flatten(2)
        for layer in attn.to_out:  # the projection, then dropout
            merged = layer(merged)
        return merged


@contextmanager
def rectified(unet: Any, hole: Tensor, latent: tuple[int, int]) -> Iterator[None]:
    """While it lasts, self-attention of a UNet2DConditionModel is self-rectifying for these holes.

    Args:
        hole: [B, 1, H, W], 1 in the hole; the UNet's batch is as large, or repeats it.
        latent: (h, w) of what the UNet sees.
    """
    plain = dict(unet.attn_processors)
    processor = RectifiedAttention(HoleTokens(hole, latent))
    unet.set_attn_processor({name: processor if ".attn1." in name else before for name, before in plain.items()})
    try:
        yield
    finally:
        unet.set_attn_processor(plain)


def _beside(x: Tensor, columns: Tensor, free: int) -> Tensor:
    """[x, columns, 0], in the type of x; the columns are the same for all heads."""
    return torch.cat([x, F.pad(columns.to(x.dtype), (0, free)).expand(*x.shape[:-1], -1)], -1)
