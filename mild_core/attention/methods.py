"""The modulation methods: each is a table over regions, and nothing else.

A token i of a pathway has memberships r_i in hole, own, other, rest (`plan.REGIONS`). What a method does to the logit of
query i and key j depends on them alone:

    bias_ij = Σ_k scale_k(i) · Σ_ab r_i[a]·T_k[a, b]·r_j[b]

with a table T_k for each scale: 1, or a statistic of row i of the plain logits (`statistics`). A cell may also be blocked:
its keys then get no attention at all. Rows of a table are queries, columns are keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..plan.regions import REGIONS

__all__ = ["METHODS", "Method", "Scale", "Table", "table"]

Scale = Literal["one", "spread", "highest", "lowest"]
"""What a table is multiplied by in row i: 1; the standard deviation, the largest, the smallest of the row's logits."""
Table = tuple[tuple[float, ...], ...]
"""4x4: from the query's region to the key's, in the order of REGIONS."""


def table(**cells: float) -> Table:
    """A table from its cells that are not 0: `table(hole_own=1.0)` raises what the hole pays its own surroundings."""
    known = {f"{a}_{b}": (i, j) for i, a in enumerate(REGIONS) for j, b in enumerate(REGIONS)}
    rows = [[0.0] * len(REGIONS) for _ in REGIONS]
    for name, value in cells.items():
        i, j = known[name]
        rows[i][j] = value
    return tuple(tuple(row) for row in rows)


NOTHING = table()


@dataclass(frozen=True)
class Method:
    """A modulation of self-attention.

    Attributes:
        name: as the nodes list it.
        source: where it comes from.
        tables: what is added to the logits, by scale.
        blocked: 1 where a query's region may not look at a key's at all.
        distance: κ, by how many spreads of its logits a hole token prefers the nearest context to the farthest.
        temper: what the logits of a query are multiplied by, by its region, over the first `temper_until` of the schedule.
        temper_until: share of the schedule, 0..1.
        until: share of the schedule, from its noisy end, over which the source uses the method.
    """

    name: str
    source: str
    tables: dict[Scale, Table] = field(default_factory=dict)
    blocked: Table = NOTHING
    distance: float = 0.0
    temper: tuple[float, ...] = (1.0,) * len(REGIONS)
    temper_until: float = 0.0
    until: float = 1.0


def sma() -> Method:
    """Spatially-modulated attention, our formulas for the idea of MILD (arXiv 2508.06543), which prints none.

    In units of the row's own spread: the hole looks at its own surroundings rather than at other people or at itself, and
    the surroundings do not look into the hole. Near context counts more than far.
    """
    cells = {"hole_own": 1.0, "hole_other": -2.0, "hole_hole": -0.5, "own_hole": -0.5}
    return Method("sma", "MILD, arXiv 2508.06543", {"spread": table(**cells)}, distance=0.5)


def refocus(positive: float = 0.8, negative: float = 1.0) -> Method:
    """Semantics-aware attention refocus (MagicEraser, arXiv 2410.10207, eq. 5-9), with S the plain logits.

    W_pos = (1 − λ_pos)·S_min + λ_pos·S_max is added to hole→own, own→own and own→hole; W_neg = λ_neg·S_max is taken from
    hole→hole, hole→other and other→hole, where own is the paper's "positive" and other its "negative" region. The paper
    divides S and what it adds by √d alike, so that S may be taken before or after. The first 30 % of the schedule.
    """
    gains, losses = ("hole_own", "own_own", "own_hole"), ("hole_hole", "hole_other", "other_hole")
    highest = table(**dict.fromkeys(gains, positive), **dict.fromkeys(losses, -negative))
    lowest = table(**dict.fromkeys(gains, 1 - positive))
    return Method("refocus", "MagicEraser, arXiv 2410.10207, eq. 5-9", {"highest": highest, "lowest": lowest}, until=0.3)


def self_rectifying(both_ways: bool = False) -> Method:
    """Self-rectifying attention (Erase Diffusion, arXiv 2503.07026, eq. 10-11), read as an additive mask: hole→hole is blocked.

    The paper's text, though not its formula, also wants the background kept from looking into the hole: `both_ways`.
    """
    cells = {"hole_hole": 1.0}
    if both_ways:
        cells |= {"own_hole": 1.0, "other_hole": 1.0, "rest_hole": 1.0}
    name = "self-rectifying both ways" if both_ways else "self-rectifying"
    return Method(name, "Erase Diffusion, arXiv 2503.07026, eq. 10-11", blocked=table(**cells))


def redirection() -> Method:
    """Self-attention redirection (Attentive Eraser, arXiv 2412.12974): nothing may look into the hole.

    The hole's own logits are multiplied by 0.3 for the first 9 of its 50 steps.
    """
    cells = dict.fromkeys((f"{region}_hole" for region in REGIONS), 1.0)
    temper = (0.3, 1.0, 1.0, 1.0)
    return Method("redirection", "Attentive Eraser, arXiv 2412.12974", blocked=table(**cells), temper=temper, temper_until=9 / 50)


METHODS = {m.name: m for m in (sma(), refocus(), self_rectifying(), self_rectifying(both_ways=True), redirection())}
