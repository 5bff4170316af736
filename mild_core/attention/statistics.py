"""Statistics of the rows of plain attention logits, without the N×N matrix.

With logits l_ij = scale·q_i·k_j, scale above 0, heads of k repeated where it has fewer than q (grouped queries).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["extremes", "extremes_from_spread", "spread"]

BLOCK_OF_KEYS = 256  # at most this many columns of logits exist at a time


def spread(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """The standard deviation of each row of logits, exact: s_i² = scale²·q_iᵀ·Cov(k)·q_i. O(N·d²).

    Args:
        q: [B, H, N, d].
        k: [B, Hk, M, d], H a multiple of Hk.
    Returns [B, H, N, 1], float32 at least.
    """
    q, k = _wide(q), _wide(k)
    centred = k - k.mean(2, keepdim=True)
    grouped = q.unflatten(1, (k.shape[1], -1))  # [B, Hk, G, N, d]
    if k.shape[2] <= k.shape[3]:  # few keys: their logits are less work than the covariance, and lose no digits to cancellation
        variance = (grouped @ centred[:, :, None].transpose(3, 4)).square().mean(-1, keepdim=True)
    else:
        covariance = centred.transpose(2, 3) @ centred / k.shape[2]  # [B, Hk, d, d]
        variance = ((grouped @ covariance[:, :, None]) * grouped).sum(-1, keepdim=True)
    return variance.clamp(min=0).sqrt().flatten(1, 2) * scale


def extremes(q: Tensor, k: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The largest and the smallest logit of each row, streamed over blocks of keys. O(N·M·d) time, O(N) memory.

    Takes and returns what `spread` does: two of [B, H, N, 1].
    """
    grouped = q.unflatten(1, (k.shape[1], -1)).flatten(2, 3)  # [B, Hk, G·N, d]: a key head meets all queries of its group at once
    highest = q.new_full((*grouped.shape[:3], 1), -math.inf)
    lowest = -highest
    for block in k.split(BLOCK_OF_KEYS, 2):
        low, high = (grouped @ block.transpose(2, 3)).aminmax(dim=-1, keepdim=True)
        highest, lowest = torch.maximum(highest, high), torch.minimum(lowest, low)
    shape = (q.shape[0], q.shape[1], q.shape[2], 1)
    return _wide(highest).reshape(shape) * scale, _wide(lowest).reshape(shape) * scale


def extremes_from_spread(q: Tensor, k: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """An estimate of `extremes` at the price of `spread`: the row's mean ± spread times what M normal draws reach.

    That is about a − (ln ln M + ln 4π)/(2a) with a = √(2·ln M) (Cramér, "Mathematical Methods of Statistics", 28.6).
    """
    mean = (_wide(q).unflatten(1, (k.shape[1], -1)) @ _wide(k).mean(2)[:, :, None, :, None]).flatten(1, 2) * scale
    first = math.sqrt(2 * math.log(max(k.shape[2], 8)))
    reach = (first - (math.log(first**2 / 2) + math.log(4 * math.pi)) / (2 * first)) * spread(q, k, scale)
    return mean + reach, mean - reach


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
