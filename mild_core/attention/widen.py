"""Attention with a region bias, on any fused kernel: heads are widened by the bias's columns.

    q' = [q, u/scale']   k' = [k, w]   v' = [v, r]     so that   q'·k'ᵀ·scale' = q·kᵀ·scale + u·wᵀ

and the columns of r that come out beside v are the attention mass that each query gives to each region, from the same
call. Memory grows with N, never with N². Heads are done a few at a time, so that the widened copies stay small beside
the q, k and v that the caller holds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .bias import COLUMNS, BiasColumns
from .methods import Method

__all__ = ["Kernel", "modulated_attention"]

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""softmax(q·kᵀ/√width + mask)·v for [B, H, N, width], k and v with as many heads as q or fewer."""
MULTIPLE = 8  # fused kernels want head widths that are multiples of this
PIECES = 4  # in how many parts the heads are done, about
PIECES_ON_CPU = 8  # where small calls leave nothing idle


def modulated_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    method: Method,
    membership: Tensor,
    *,
    gain: float = 1.0,
    scale: float | None = None,
    distance: Tensor | None = None,
    parts: Tensor | None = None,
    match: float = 0.0,
    tempered: bool = False,
    fast: bool = False,
    masses: bool = False,
    mask: Tensor | None = None,
    pieces: int | None = None,
    kernel: Kernel | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Attention of [B, H, N, d] with the method's bias.

    Args:
        q: [B, H, N, d]; k, v: [B, Hk, N, d], H a multiple of Hk.
        membership, gain, distance, parts, match, fast: see `BiasColumns.of`.
        scale: of q·k, 1/√d by default.
        tempered: multiply the logits by the method's temper, too.
        masses: also give back what share of its attention each query pays to each region.
        mask: the model's own, [B or 1, H or 1, N, N], added to the logits.
        pieces: in how many parts the heads are done, about; more need less memory, fewer less time. By default what suits the device.
        kernel: what computes it; torch's fused kernel by default.
    Returns the output [B, H, N, d], and the masses [B, N, 4] in float32, the mean over heads, or None.
    Raises ValueError when the sizes do not fit each other.
    """
    batch, heads, tokens, width = q.shape
    if membership.shape != (batch, tokens, COLUMNS - 1) or k.shape[2] != tokens:
        raise ValueError(
            f"memberships are {tuple(membership.shape)} for queries {tuple(q.shape)} and keys {tuple(k.shape)}, "
            f"but must be {(batch, tokens, COLUMNS - 1)} with as many keys as queries"
        )
    scale = width**-0.5 if scale is None else scale
    kernel = _fused if kernel is None else kernel
    sharpness = _sharpness(method, membership) if tempered else None
    pieces = pieces or (PIECES_ON_CPU if q.device.type == "cpu" else PIECES)
    columns = BiasColumns.of(method, membership, gain=gain, distance=distance, parts=parts, match=match, fast=fast)
    regions = membership[:, None].to(v.dtype)
    wide = -(-(width + columns.keys.shape[-1]) // MULTIPLE) * MULTIPLE
    inner = wide**-0.5  # the kernel's own scale
    out = torch.empty_like(q)
    seen = torch.zeros(batch, tokens, COLUMNS - 1, device=q.device) if masses else None
    for rows, own, shared in _pieces(pieces, batch, heads, k.shape[1]):
        q_part, k_part, v_part, part = q[rows, own], k[rows, shared], v[rows, shared], columns.of_rows(rows)
        if sharpness is not None:
            q_part = q_part * sharpness[rows].to(q.dtype)
        result = kernel(
            _beside(q_part, part.queries(q_part, k_part, scale) / inner, wide, scale / inner),
            _beside(k_part, part.keys, wide),
            _beside(v_part, regions[rows], wide),
            None if mask is None else mask[rows if len(mask) > 1 else slice(None), own if mask.shape[1] > 1 else slice(None)],
        )
        out[rows, own] = result[..., :width]
        if seen is not None:
            seen[rows] += result[..., width : width + COLUMNS - 1].float().sum(1) / heads
    return out, seen


def _beside(x: Tensor, columns: Tensor, wide: int, times: float = 1.0) -> Tensor:
    """[x·times, columns, 0] of that width, in the dtype of x."""
    width, used = x.shape[-1], x.shape[-1] + columns.shape[-1]
    out = x.new_empty(*x.shape[:-1], wide)
    torch.mul(x, times, out=out[..., :width])
    out[..., width:used] = columns
    out[..., used:] = 0
    return out


def _pieces(pieces: int, batch: int, heads: int, key_heads: int) -> list[tuple[slice, slice, slice]]:
    """Slices (rows, query heads, key heads) that cover the batch in about so many parts."""
    rows = -(-batch // pieces)
    groups = min(key_heads, -(-pieces // -(-batch // rows)))
    step = -(-key_heads // groups)
    ratio = heads // key_heads
    return [
        (slice(row, row + rows), slice(first * ratio, min(first + step, key_heads) * ratio), slice(first, min(first + step, key_heads)))
        for row in range(0, batch, rows)
        for first in range(0, key_heads, step)
    ]


def _sharpness(method: Method, membership: Tensor) -> Tensor:
    """What each query's logits are multiplied by: [B, 1, N, 1]; 1 for a token of no region."""
    change = torch.tensor(method.temper, dtype=torch.float32, device=membership.device) - 1
    return 1 + (membership.float() @ change)[:, None, :, None]


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=k.shape[1] != q.shape[1])
