"""A sheet of samples of the bundled model, and of what is learnt on it: always the same pairs from the same noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..models.mini import condition, patchify, unpatchify
from .sheet import save_rows

if TYPE_CHECKING:
    from .chain_pairs import ChainPairs
    from .loop import Pairs

__all__ = ["paint", "show_pairs"]

SHOWN = 4  # pairs on a sheet
STEPS, START, SEED = 4, 0.4, 1  # as the shipped graph samples
GHOST_START = 0.6  # from pictures that show whoever is to go


@torch.no_grad()
def paint(
    model: Callable[..., Tensor],
    levels: Tensor,
    begin: Tensor,
    fill: Tensor,
    hole: Tensor,
    role: Tensor,
    steps: int = STEPS,
    start: float = START,
) -> Tensor:
    """What a model that is called as `mini.MiniModel` is paints in holes: pictures [B, 3, S, S] in -1..1, `fill` outside of the holes.

    Euler's method on dx/dσ = (x − x̂_0)/σ, over steps that are equally far apart in the schedule.

    Args:
        levels: σ of the 1000 steps, rising.
        begin: [B, 3, S, S], what noise is added to. fill: the same, what the model is told. hole: [B, 1, S, S]. role: [B].
        start: denoise, 0..1.
    """
    at = torch.linspace(start * (len(levels) - 1), 0, steps + 1, device=levels.device).round().long()
    told = condition(patchify(fill), hole)
    noise = torch.randn(begin.shape, generator=torch.Generator().manual_seed(SEED)).to(begin)
    x = patchify(begin) + levels[at[0]] * patchify(noise)
    for now, after in pairwise(at):
        sigma = levels[now].expand(len(x))
        clean = model(x, sigma, now.expand(len(x)), told, role).float()
        x = clean + (x - clean) * (levels[after] / levels[now] if after else 0.0)
    return torch.where(hole > 0.5, unpatchify(x).clamp(-1, 1), fill)


def show_pairs(model: Callable[..., Tensor], data: Pairs | ChainPairs, levels: Tensor, out: Path, step: int) -> None:
    """Write OUT/sheet-STEP.png: what it begins from (the fill, or whoever is to go), what it paints from there, and the truth.

    Args:
        model: called as `mini.MiniModel` is, and with guidance besides where the pairs have it.
        levels: as of `paint`, on the model's device.
    """
    rows = torch.tensor(sorted({len(data) * place // SHOWN for place in range(SHOWN)}))
    shards = {name: tensor[rows].to(levels.device) for name, tensor in data.shards.items()}
    ghosts = "shown" in shards
    pictures = (shards[name] for name in ("truth", "fill", "shown" if ghosts else "fill"))
    truth, fill, begin = (picture.float().permute(0, 3, 1, 2) / 127.5 - 1 for picture in pictures)
    hole = shards["hole"][:, None].float()
    told = partial(model, guidance=shards["guidance"].float() / 255) if "guidance" in shards else model
    painted = paint(told, levels, begin, fill, hole, shards["role"], start=GHOST_START if ghosts else START)
    save_rows(out / f"sheet-{step:06d}.png", (begin, painted, truth))
