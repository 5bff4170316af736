"""The region bias as a few extra columns of queries and keys.

bias_ij = u_i·w_j with w_j = r_j, the key's memberships, and u_i = Σ_k scale_k(i)·r_i·T_k (see `methods`): a matrix of N×N
that is never made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan.regions import REGIONS
from .methods import Method, Scale, Table
from .statistics import extremes, extremes_from_spread, spread

__all__ = ["BLOCK", "COLUMNS", "BiasColumns", "block_values"]

BLOCK = 1e4  # what a blocked key's logit loses: finite, so that no row of -inf can make NaN
COLUMNS = len(REGIONS) + 1  # memberships, and how far a key is from the hole
PRESENT = 0.5  # a region is in the picture when some token shows more of it than this
# BLOCK is made of two factors, so that neither column overflows half precision
KEY_FACTOR = 32.0


@dataclass(frozen=True)
class BiasColumns:
    """u and w, but for what u takes from the logits themselves: made once a call, for all heads.

    Attributes:
        fixed: [B, 1, N, 5 + G] float32, u's part that no statistic scales; None where it is nothing.
        scaled: u's parts [B, 1, N, 5 + G] by the statistic of the row's logits that they are multiplied with.
        keys: w [B, 1, N, 5 + G] float32; G is the number of labels that parts of the body have.
        fast: whether the largest and smallest logit are estimated from the row's spread (the paper's refocus takes them exactly).
    """

    fixed: Tensor | None
    scaled: dict[Scale, Tensor]
    keys: Tensor
    fast: bool

    @classmethod
    def of(
        cls,
        method: Method,
        membership: Tensor,
        *,
        gain: float = 1.0,
        distance: Tensor | None = None,
        parts: Tensor | None = None,
        match: float = 0.0,
        fast: bool = False,
    ) -> BiasColumns:
        """The columns of a method.

        Args:
            membership: [B, N, 4], each token's share of hole, own, other, rest; a row of zeros for a token that is not of the
                picture, such as text, which the bias then leaves alone.
            gain: multiplies the tables; a block is as strong as it (0.5 halves what the blocked keys get, 1 leaves nothing).
            distance: [B, N], how far a token is from the hole: 0 beside it, 1 farthest. Without it the method's distance
                term is left out.
            parts: [B, 2, N, G], the token's share of the hole, and of own, with each label.
            match: by how many spreads of its logits a hole token prefers what is seen with its own label.
            fast: see above.
        """
        membership = membership.float()
        rows = membership[:, None] / KEY_FACTOR  # [B, 1, N, 4]
        scaled = {name: F.pad(rows @ _tensor(values, rows), (0, 1)) * gain for name, values in method.tables.items()}
        if distance is not None and method.distance:
            spread_part = scaled.setdefault("spread", rows.new_zeros(*rows.shape[:-1], COLUMNS))
            spread_part[..., -1] = rows[..., 0] * (-gain * method.distance)  # only the hole minds how far things are
        fixed = scaled.pop("one", None)
        if any(map(any, method.blocked)):
            blocked = F.pad(rows @ block_values(method, membership, gain)[:, None], (0, 1))
            fixed = blocked if fixed is None else fixed + blocked
        apart = torch.zeros_like(membership[..., 0]) if distance is None else distance.float()
        keys = torch.cat([membership, apart[..., None]], -1)[:, None] * KEY_FACTOR
        if parts is not None and match and parts.shape[-1]:
            hidden, seen = parts.float()[:, :, None].unbind(1)  # [B, 1, N, G]
            scaled.setdefault("spread", torch.zeros_like(keys))
            further = {name: F.pad(part, (0, hidden.shape[-1])) for name, part in scaled.items()}
            further["spread"][..., COLUMNS:] = hidden * (gain * match / KEY_FACTOR)
            fixed = None if fixed is None else F.pad(fixed, (0, hidden.shape[-1]))
            scaled, keys = further, torch.cat([keys, seen * KEY_FACTOR], -1)
        return cls(fixed, scaled, keys, fast)

    def of_rows(self, rows: slice) -> BiasColumns:
        """The columns of some rows of the batch."""
        fixed = None if self.fixed is None else self.fixed[rows]
        return BiasColumns(fixed, {name: part[rows] for name, part in self.scaled.items()}, self.keys[rows], self.fast)

    def queries(self, q: Tensor, k: Tensor, scale: float) -> Tensor:
        """u of q [B, H, N, d] before k [B, Hk, N, d], with bias = u·wᵀ in units of logits: [B, 1 or H, N, 5 + G] float32.

        `scale` is what the kernel multiplies q·k with.
        """
        statistics = _statistics(set(self.scaled), q, k, scale, self.fast)
        u = self.fixed
        for name, part in self.scaled.items():
            u = statistics[name] * part if u is None else torch.addcmul(u, statistics[name], part)
        return torch.zeros_like(self.keys) if u is None else u


def block_values(method: Method, membership: Tensor, gain: float) -> Tensor:
    """What blocked cells add to the logits, [B, 4, 4]: ln(1 - gain), at least -BLOCK, and 0 in the other cells.

    A region that may look at nothing that is in the picture, as the hole when all is hole, is not blocked at all.
    """
    blocked = _tensor(method.blocked, membership) > 0
    present = membership.amax(1) > PRESENT  # [B, 4]
    nothing_left = (blocked | ~present[:, None]).all(-1, keepdim=True)
    lost = -BLOCK if gain >= 1 else max(math.log1p(-gain), -BLOCK)
    return torch.where(blocked & ~nothing_left, lost, 0.0)


def _statistics(wanted: set[Scale], q: Tensor, k: Tensor, scale: float, fast: bool) -> dict[Scale, Tensor]:
    found: dict[Scale, Tensor] = {}
    if "spread" in wanted:
        found["spread"] = spread(q, k, scale)
    if wanted & {"highest", "lowest"}:
        found["highest"], found["lowest"] = (extremes_from_spread if fast else extremes)(q, k, scale)
    return found


def _tensor(values: Table, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)
