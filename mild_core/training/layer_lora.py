"""MILD's own recipe: one shared network, and a LoRA for each kind of layer, the background's and the people's.

The network is the bundled one, frozen, and so is its morphology adapter where there is one. The LoRA sees rows of its own kind only;
loss, start rule and running average are those of the network's own training (loop.py). Two such LoRAs act in one pass, each on its
rows of the batch: MILD Layer LoRA.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.adapter import guided, load_adapter
from ..models.mini import WEIGHTS, sigmas
from .adapter import drop_guidance
from .loop import (
    SETTINGS,
    Pairs,
    Recipe,
    denoising_loss,
    fit,
    make_optimizer,
    own_rows,
    precision_of,
    random_of_step,
    read_average,
    settle,
)
from .mini import MiniModel, load_model
from .mini_sheet import show_pairs
from .prompt_files import save_lora

__all__ = ["LayerLoraRecipe", "RoleModel", "export", "train"]

LEARNING = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")  # of all transformer blocks


@dataclass(frozen=True)
class LayerLoraRecipe(Recipe):
    role: str = "background"  # or "person": whose rows it learns from
    rank: int = 16
    drop_role: float = 0.0  # rows whose role is hidden would teach it nothing of its own
    drop_each: float = 0.25  # of the rows, for each kind of guidance by itself; with an adapter only
    drop_all: float = 0.1  # of the rows; with an adapter only


class RoleModel(nn.Module):
    """A frozen bundled model with a LoRA, perhaps with a frozen adapter; called as `adapter.GuidedModel` is, guidance or not.

    Attributes:
        lora: what is learnt, by peft's names with / in place of dots.
    """

    def __init__(self, model: MiniModel, rank: int, adapter: nn.Module | None = None):
        super().__init__()
        from peft import LoraConfig

        self.model = model.requires_grad_(False)
        self.adapter = None if adapter is None else adapter.requires_grad_(False)
        unet: Any = model.unet
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(LEARNING)))
        learning = {name: tensor for name, tensor in unet.named_parameters() if tensor.requires_grad}
        self.lora = nn.ParameterDict({name.replace(".", "/"): tensor for name, tensor in learning.items()})

    def forward(
        self, noisy: Tensor, sigma: Tensor, step: Tensor, conditioned: Tensor, role: Tensor, guidance: Tensor | None = None
    ) -> Tensor:
        told = nullcontext() if self.adapter is None or guidance is None else guided(self.model.unet, self.adapter(guidance))
        with told:
            return self.model(noisy, sigma, step, conditioned, role)


def train(
    pairs: Path,
    out: Path,
    recipe: LayerLoraRecipe,
    minutes: float = float("inf"),
    weights: Path = WEIGHTS,
    adapter: Path | None = None,
) -> None:
    """Train a LoRA of the model in the file `weights` on the rows of one role, up to `recipe.steps` steps or for `minutes`.

    Goes on from the last checkpoint under `out`. With an `adapter` the pairs must have guidance (prepare-guided). Raises
    FileNotFoundError when there are no pairs, ValueError when none is of the role, when they lack guidance, and when the run under
    `out` has another rank or role.
    """
    from accelerate import Accelerator

    torch.manual_seed(recipe.seed)
    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    data = Pairs(pairs, mirrored=0 if adapter else 0.5, role=recipe.role)
    if adapter is not None and "guidance" not in data.shards:
        raise ValueError(f"{pairs} holds pairs without guidance, but with an adapter they must be those of the prepare-guided step")
    told = {"role": recipe.role, "rank": recipe.rank, "weights": str(weights)}
    settle(out, told, tuple(told), accelerator)
    model = RoleModel(load_model(weights), recipe.rank, None if adapter is None else load_adapter(adapter))
    optimizer = make_optimizer(model.lora, recipe)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    how = {"device": accelerator.device, "own": own_rows(recipe.batch, accelerator), "told": adapter is not None}
    loss_of = partial(_loss, prepared, data, sigmas(accelerator.device), recipe, **how)
    shown = model if adapter is not None else model.model
    show = partial(show_pairs, shown, data, sigmas(accelerator.device), out) if recipe.sheet_every else None
    fit(model.lora, optimizer, loss_of, out, recipe, accelerator, minutes, show, recipe.sheet_every)


def export(run: Path, out: Path) -> list[Path]:
    """Write the running average of a run as a LoRA file that ComfyUI's stock loaders read; the files written.

    Raises FileNotFoundError when the run has no checkpoint.
    """
    if not (run / SETTINGS).exists():
        raise FileNotFoundError(f"{run} holds no {SETTINGS}: it is no run of this recipe")
    average, told = read_average(run)
    save_lora(out, {name.replace("/", "."): tensor for name, tensor in average.items()}, {"role": told["role"], "steps": told["steps"]})
    return [out]


def _loss(
    model: nn.Module, data: Pairs, noise_levels: Tensor, recipe: LayerLoraRecipe, step: int, device: torch.device, own: slice, told: bool
) -> Tensor:
    if step % recipe.rescan_every == 0:
        data.rescan()
    generator = random_of_step(recipe, step)
    batch = data.batch(recipe.batch, generator)
    if told:
        guidance = data.shards["guidance"][batch.rows].float() / 255
        guidance = drop_guidance(guidance, recipe.drop_each, recipe.drop_all, generator)
        return denoising_loss(partial(model, guidance=guidance[own].to(device)), batch, noise_levels, recipe, generator, device, own)
    return denoising_loss(model, batch, noise_levels, recipe, generator, device, own)
