"""Chain-rectifying optimization of the bundled model: it learns to walk away from whoever is still to be seen in the hole.

The model sees pixels with noise of level σ_t, x̃_t + σ_t·ε, and says x̂_0; its path is the paper's times √ᾱ, and the loss is the one
on x̂_0 of `chain`. It begins with the weights of a finished model, whose condition stays: fill, hole and smooth fill. Eq. 9 counts all
pixels alike; so does `weighting` "paper". "even" counts every jump 1, and pixels as the model's own training does: as a share of the
smooth fill's error in the hole. It is ours, for a model of which much is asked in little noise, where eq. 9 has hardly any weight.
A share of the rows may be the model's own (`keep`), so that what it could before is not forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models.mini import PATCH, TOLD_CHANNELS, WEIGHTS, condition, patchify, sigmas
from .chain import LONGEST_JUMP, Chain, Jumps, Weighting, check_weighting, row_mean
from .chain_attention import rectified
from .chain_pairs import ChainBatch, ChainPairs
from .loop import Batch, Recipe, denoising_loss, fit, make_optimizer, own_rows, precision_of, random_of_step
from .mini import export, load_model
from .mini_sheet import show_pairs

__all__ = ["ChainMiniRecipe", "chain_loss", "export", "train"]


@dataclass(frozen=True)
class ChainMiniRecipe(Recipe):
    """As for the bundled model, with a lower rate: it is finished already."""

    steps: int = 2000
    lr: float = 3e-5
    longest_jump: int = LONGEST_JUMP  # γ_m
    weighting: Weighting = "paper"  # of eq. 9, or "even"
    rectify: bool = True  # self-rectifying attention
    keep: float = 0.0  # weight of the model's own loss on the same pairs, beside the chain's

    def __post_init__(self):
        check_weighting(self.weighting)
        if self.longest_jump < 1:
            raise ValueError(f"longest_jump is {self.longest_jump}, but it must be at least 1")


def train(pairs: Path, out: Path, recipe: ChainMiniRecipe, minutes: float = float("inf"), weights: Path = WEIGHTS) -> None:
    """Train the model in the file `weights` on, up to `recipe.steps` steps, or for `minutes`; goes on from the last checkpoint.

    The pairs are those of `chain_pairs.prepare`. `export(run, out)`, as of the bundled model's own training, writes the result.
    Raises FileNotFoundError when there are no pairs, ValueError when the file is none of the model.
    """
    from accelerate import Accelerator

    torch.manual_seed(recipe.seed)
    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    data, model = ChainPairs(pairs), load_model(weights)
    if precision == "bf16":
        model.unet.to(memory_format=torch.channels_last)
    unet = model.unet
    model, optimizer = accelerator.prepare(model, make_optimizer(model, recipe))
    levels = sigmas(accelerator.device)
    chain = Chain.of_sigmas(sigmas())

    mine = own_rows(recipe.batch, accelerator)

    def loss_of(step: int) -> Tensor:
        generator = random_of_step(recipe, step)
        batch = data.batch(recipe.batch, generator)
        latent = (batch.hole.shape[-2] // PATCH, batch.hole.shape[-1] // PATCH)
        on_device = partial(rectified, unet, batch.hole[mine].to(accelerator.device), latent)
        attention: Callable[[], AbstractContextManager[Any]] = on_device if recipe.rectify else nullcontext
        with attention():
            loss = chain_loss(model, batch, chain, levels, recipe, generator, accelerator.device, own=mine)
            if recipe.keep:
                truth = torch.where(batch.hole > 0.5, batch.truth, batch.fill)
                plain = Batch(truth, batch.fill, batch.hole, batch.role, batch.role)
                loss = loss + recipe.keep * denoising_loss(model, plain, levels, recipe, generator, accelerator.device, mine)
        return loss

    show = partial(show_pairs, accelerator.unwrap_model(model), data, levels, out) if recipe.sheet_every else None
    fit(model, optimizer, loss_of, out, recipe, accelerator, minutes, show, recipe.sheet_every)


def chain_loss(
    model: Callable[..., Tensor],
    batch: ChainBatch,
    chain: Chain,
    levels: Tensor,
    recipe: ChainMiniRecipe,
    generator: torch.Generator,
    device: torch.device,
    jumps: Jumps | None = None,
    own: slice = slice(None),
) -> Tensor:
    """Eq. 9, or its even kin, of a model that is called as `mini.MiniModel` is, on some rows of a batch.

    Args:
        levels: σ of the model's 1000 steps, on the device.
        jumps: of all rows; drawn where None.
        own: the rows that count.
    """
    jumps = chain.draw(len(batch.role), generator, recipe.longest_jump) if jumps is None else jumps
    noise = patchify(torch.randn(batch.truth.shape, generator=generator))[own].to(device)
    jumps = Jumps(*(part[own] for part in jumps))
    truth, shown, fill, hole, role = (part[own].to(device) for part in batch)
    plain, with_object = patchify(truth), patchify(shown)
    sigma = levels[jumps.step.to(device)]
    noisy = chain.mixed(plain, with_object, jumps.begin) + sigma[:, None, None, None] * noise
    conditioned = condition(patchify(fill), hole)
    predicted = model(noisy, sigma, jumps.step.to(device), conditioned, role).float()
    squares = (predicted - chain.clean_target(plain, with_object, jumps)) ** 2
    if recipe.weighting == "paper":
        return row_mean(squares, chain.clean_weight(jumps))
    weight = patchify(hole.expand_as(truth)) + recipe.outside
    weight = weight / weight.sum((1, 2, 3), keepdim=True)
    smooth = conditioned[:, TOLD_CHANNELS:]
    error, usual = ((squares * weight).sum((1, 2, 3)), ((smooth - plain) ** 2 * weight).sum((1, 2, 3)))
    return (error / (usual + recipe.slack)).mean()
