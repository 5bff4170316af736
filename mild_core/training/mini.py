"""The trainer of the bundled model: from random weights, or from those of another run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.mini import ROLE_KEY, TOLD_CHANNELS, WEIGHTS, MiniConfig, clean, load_weights, make_unet, save_weights, sigmas
from .loop import Pairs, Recipe, denoising_loss, fit, load_average, make_optimizer, own_rows, precision_of, random_of_step
from .mini_sheet import show_pairs

__all__ = ["MiniModel", "export", "load_model", "train"]


class MiniModel(nn.Module):
    """Network and role embeddings, as one module that the trainer moves, averages and saves."""

    def __init__(self, config: MiniConfig):
        super().__init__()
        self.config = config
        unet: Any = make_unet(config)  # diffusers types its models as mixins
        nn.init.zeros_(unet.conv_out.weight)
        nn.init.zeros_(unet.conv_out.bias)
        self.unet = unet
        self.roles = nn.Embedding(len(config.roles), config.context_tokens * config.context_dim)

    def forward(self, noisy: Tensor, sigma: Tensor, step: Tensor, conditioned: Tensor, role: Tensor) -> Tensor:
        """x̂_0 [B, 192, h, w] from the noisy tokens, their noise level [B] and step [B], the condition, the role [B]."""
        scaled = noisy / (sigma**2 + 1).sqrt()[:, None, None, None]
        context = self.roles(role).reshape(len(role), self.config.context_tokens, self.config.context_dim)
        output = self.unet(torch.cat([scaled, conditioned[:, :TOLD_CHANNELS]], 1), step, context, return_dict=False)[0]
        return clean(output, conditioned)

    def tensors(self) -> dict[str, Tensor]:
        """The weights under the names of the weights file."""
        return {**self.unet.state_dict(), ROLE_KEY: self.roles.weight}


def load_model(path: Path = WEIGHTS) -> MiniModel:
    """The model of a weights file. Raises ValueError when the file is none of this model."""
    config, tensors = load_weights(path)
    model = MiniModel(config)
    model.roles.weight.data.copy_(tensors.pop(ROLE_KEY))
    model.unet.load_state_dict(tensors)
    return model


def train(
    pairs: Path,
    out: Path,
    recipe: Recipe,
    config: MiniConfig | None = None,
    minutes: float = float("inf"),
    start_from: Path | None = None,
) -> None:
    """Train up to `recipe.steps` steps, or for `minutes`; goes on from the last checkpoint under `out`.

    Without a checkpoint it begins with random weights, or with those of the file `start_from`; tensors that the file lacks,
    or has in another shape, keep their initial value.
    """
    from accelerate import Accelerator

    torch.manual_seed(recipe.seed)
    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    model = MiniModel(config or MiniConfig())
    if precision == "bf16":
        model.unet.to(memory_format=torch.channels_last)
    if start_from is not None:
        _start_from(model, start_from)
    model, optimizer = accelerator.prepare(model, make_optimizer(model, recipe))
    data, noise_levels = Pairs(pairs), sigmas(accelerator.device)
    loss_of = partial(_loss, model, data, noise_levels, recipe, device=accelerator.device, own=own_rows(recipe.batch, accelerator))
    show = partial(show_pairs, accelerator.unwrap_model(model), data, noise_levels, out) if recipe.sheet_every else None
    fit(model, optimizer, loss_of, out, recipe, accelerator, minutes, show, recipe.sheet_every)


def _start_from(model: MiniModel, path: Path) -> None:
    _, tensors = load_weights(path)
    own = model.tensors()
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name in own and own[name].shape == tensor.shape:
                own[name].copy_(tensor)


def _loss(model: nn.Module, data: Pairs, noise_levels: Tensor, recipe: Recipe, step: int, device: torch.device, own: slice) -> Tensor:
    if step % recipe.rescan_every == 0:
        data.rescan()
    generator = random_of_step(recipe, step)
    return denoising_loss(model, data.batch(recipe.batch, generator), noise_levels, recipe, generator, device, own)


def export(run: Path, out: Path, config: MiniConfig | None = None, notes: dict[str, str] | None = None) -> list[Path]:
    """Write the running average of a run as a weights file of the bundled model; the files written."""
    model = MiniModel(config or MiniConfig())
    step = load_average(run, model)
    save_weights(out, model.config, model.tensors(), {"steps": step, **(notes or {})})
    return [out]
