"""The region bias as a few extra columns of queries and keys.

bias_ij = u_i·w_j with w_j = r_j, the key's memberships, and u_i = Σ_k scale_k(i)·r_i·T_k (see `methods`): a matrix of N×N
that is never made.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..plan.regions import REGIONS
from .methods import Method, Scale, Table
from .statistics import extremes, extremes_from_spread, spread

__all__ = ["BLOCK", "COLUMNS", "bias_columns", "block_values"]

BLOCK = 1e4  # what a blocked key's logit loses: finite, so that no row of -inf can make NaN
COLUMNS = len(REGIONS) + 1  # memberships, and how far a key is from the hole
PRESENT = 0.5  # a region is in the picture when some token shows more of it than this
# BLOCK is made of two factors, so that neither column overflows half precision
KEY_FACTOR = 32.0


def bias_columns(
    method: Method,
    membership: Tensor,
    q: Tensor,
    k: Tensor,
    *,
    scale: float,
    gain: float = 1.0,
    distance: Tensor | None = None,
    fast: bool = False,
) -> tuple[Tensor, Tensor]:
    """u [B, H, N, 5] and w [B, 1, N, 5], float32, with bias = u·wᵀ in units of logits.

    Args:
        membership: [B, N, 4], each token's share of hole, own, other, rest; a row of zeros for a token that is not of the
            picture, such as text, which the bias then leaves alone.
        q: [B, H, N, d] and k: [B, Hk, N, d]; the statistics that scale the tables are taken from them.
        scale: what the kernel multiplies q·k with.
        gain: multiplies the tables; a block is as strong as it (0.5 halves what the blocked keys get, 1 leaves nothing).
        distance: [B, N], how far a token is from the hole: 0 beside it, 1 farthest. Without it the method's distance term
            is left out.
        fast: estimate the largest and smallest logit from the row's spread (the paper's refocus takes them exactly).
    """
    membership = membership.float()
    wanted: set[Scale] = set(method.tables)
    farness = 0.0 if distance is None else method.distance
    if farness:
        wanted.add("spread")
    scales = _scales(wanted, q, k, scale, fast)
    rows = membership[:, None]  # [B, 1, N, 4]
    u = rows @ block_values(method, membership, gain)[:, None]
    for name, values in method.tables.items():
        u = u + scales[name] * (rows @ _tensor(values, membership)) * gain
    minding = scales.get("spread", 0.0) * (-gain * farness) * rows[..., :1]  # only the hole minds how far things are
    apart = torch.zeros_like(membership[..., 0]) if distance is None else distance.float()
    w = torch.cat([membership, apart[..., None]], -1)[:, None]
    heads = q.shape[1]
    return torch.cat([x.expand(-1, heads, -1, -1) for x in (u, minding)], -1) / KEY_FACTOR, w * KEY_FACTOR


def block_values(method: Method, membership: Tensor, gain: float) -> Tensor:
    """What blocked cells add to the logits, [B, 4, 4]: ln(1 - gain), at least -BLOCK, and 0 in the other cells.

    A region that may look at nothing that is in the picture, as the hole when all is hole, is not blocked at all.
    """
    blocked = _tensor(method.blocked, membership) > 0
    present = membership.amax(1) > PRESENT  # [B, 4]
    nothing_left = (blocked | ~present[:, None]).all(-1, keepdim=True)
    lost = -BLOCK if gain >= 1 else max(math.log1p(-gain), -BLOCK)
    return torch.where(blocked & ~nothing_left, lost, 0.0)


def _scales(wanted: set[Scale], q: Tensor, k: Tensor, scale: float, fast: bool) -> dict[Scale, Tensor | float]:
    found: dict[Scale, Tensor | float] = {"one": 1.0}
    if "spread" in wanted:
        found["spread"] = spread(q, k, scale)
    if wanted & {"highest", "lowest"}:
        found["highest"], found["lowest"] = (extremes_from_spread if fast else extremes)(q, k, scale)
    return found


def _tensor(values: Table, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)
