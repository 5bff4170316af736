"""The trainer of the adapter: what the bundled model makes of a hidden body when it is told pose, parsing and relations.

The bundled model is frozen. Loss, start rule, running average and checkpoints are those of its own training (loop.py); only the
pairs are all of hidden people. One adapter serves whoever has a pose but no parsing, or a parsing but no pose: in each row each
kind of guidance is left out by chance, that is, black, as a hint is that nobody drew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.adapter import GUIDANCE, guided, load_adapter, make_adapter, save_adapter
from ..models.mini import WEIGHTS, sigmas
from .loop import Pairs, Recipe, denoising_loss, fit, load_average, make_optimizer, own_rows, precision_of, random_of_step
from .mini import MiniModel, load_model
from .mini_sheet import show_pairs

__all__ = ["AdapterRecipe", "GuidedModel", "drop_guidance", "export", "train"]


@dataclass(frozen=True)
class AdapterRecipe(Recipe):
    drop_each: float = 0.25  # of the rows, for each kind of guidance by itself
    drop_all: float = 0.1  # of the rows


class GuidedModel(nn.Module):
    """A frozen bundled model with an adapter; called as the model is, with guidance [B, 9, S, S] in 0..1 besides."""

    def __init__(self, model: MiniModel):
        super().__init__()
        self.model = model.requires_grad_(False)
        self.adapter: Any = make_adapter()  # diffusers types its models as mixins

    def forward(self, noisy: Tensor, sigma: Tensor, step: Tensor, conditioned: Tensor, role: Tensor, guidance: Tensor) -> Tensor:
        with guided(self.model.unet, self.adapter(guidance)):
            return self.model(noisy, sigma, step, conditioned, role)


def train(
    pairs: Path,
    out: Path,
    recipe: AdapterRecipe,
    minutes: float = float("inf"),
    weights: Path = WEIGHTS,
    start_from: Path | None = None,
) -> None:
    """Train an adapter of the model in the file `weights` up to `recipe.steps` steps, or for `minutes`.

    Goes on from the last checkpoint under `out`; without one it begins with an adapter that changes nothing, or with that of the
    file `start_from`. The pairs are those of `data.guided`. Raises FileNotFoundError when there are none, ValueError when they have no
    guidance.
    """
    from accelerate import Accelerator

    torch.manual_seed(recipe.seed)
    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    # a pose's colours tell left from right, so a mirrored map is no map of the mirrored picture
    data = Pairs(pairs, mirrored=0)
    if "guidance" not in data.shards:
        raise ValueError(f"{pairs} holds pairs without guidance, but the adapter needs those of the prepare-guided step")
    model = GuidedModel(load_model(weights))
    if start_from is not None:
        model.adapter = load_adapter(start_from)
    if precision == "bf16":
        for network in (model.model.unet, model.adapter):
            network.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model.adapter, recipe)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    mine = own_rows(recipe.batch, accelerator)
    loss_of = partial(_loss, prepared, data, sigmas(accelerator.device), recipe, device=accelerator.device, own=mine)
    show = partial(show_pairs, model, data, sigmas(accelerator.device), out) if recipe.sheet_every else None
    fit(model.adapter, optimizer, loss_of, out, recipe, accelerator, minutes, show, recipe.sheet_every)


def _loss(
    model: nn.Module, data: Pairs, noise_levels: Tensor, recipe: AdapterRecipe, step: int, device: torch.device, own: slice
) -> Tensor:
    if step % recipe.rescan_every == 0:
        data.rescan()
    generator = random_of_step(recipe, step)
    batch = data.batch(recipe.batch, generator)
    guidance = data.shards["guidance"][batch.rows].float() / 255
    guidance = drop_guidance(guidance, recipe.drop_each, recipe.drop_all, generator)
    told = partial(model, guidance=guidance[own].to(device))
    return denoising_loss(told, batch, noise_levels, recipe, generator, device, own)


def drop_guidance(guidance: Tensor, each: float, everything: float, generator: torch.Generator) -> Tensor:
    """Guidance [B, 9, S, S] with each kind black in a share `each` of the rows, and all of it black in a share `everything`."""
    rows = len(guidance)
    kept = torch.rand(rows, len(GUIDANCE), generator=generator) >= each
    kept &= torch.rand(rows, 1, generator=generator) >= everything
    return guidance * kept.repeat_interleave(guidance.shape[1] // len(GUIDANCE), 1)[:, :, None, None]


def export(run: Path, out: Path, notes: dict[str, str] | None = None) -> list[Path]:
    """Write the running average of a run as an adapter that ComfyUI's stock loader reads; the files written.

    Raises FileNotFoundError when the run has no checkpoint.
    """
    adapter: Any = make_adapter()
    step = load_average(run, adapter)
    save_adapter(out, adapter, {"steps": step, **(notes or {})})
    return [out]
