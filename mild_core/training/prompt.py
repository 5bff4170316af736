"""Prompt tuning (MagicEraser, arXiv 2410.10207, section 4.3): a word for "background completion", and a LoRA that understands it.

    v*, φ* = arg min E ‖ε − ε_θ,φ(z'_t, t, τ(y))‖²                                                             (eq. 4)

z'_t is the noisy latent of the truth, the hole, and the latent of the input with the hole grey; y is "A photo of R* sky" for
half of the rows, with the pair's own tag, and its caption for the others. Two stages: v* alone on a small random subset
(textual inversion, arXiv 2208.01618), then v* and the LoRA together on all pairs.

From the paper: Adam at 1e-4, around 50 000 steps, 512×512 pixels, a half of captions, LoRA on the U-Net. It does not tell, and
we chose: the rank, which layers (the attention projections), the batch, the length of the first stage and its subset, the word v*
begins as, a constant rate, gradients no longer than 1, the running average that is exported, and that the hole is grey in what the
model is told, as it is in the graph that the files will run in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from .loop import SETTINGS, Fitted, Recipe, fit, own_rows, precision_of, random_of_step, settle
from .prompt_files import learnt, save_embedding, save_lora
from .prompt_model import Learner, Networks, load_networks
from .prompt_pairs import ErasurePair, ErasurePairs, PairsAhead, Words, short_prompt
from .prompt_sheet import erase, save_sheet

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["PromptRecipe", "export", "train"]

WORD_STAGE, BOTH_STAGE = "word", "both"
SHOWN = 4  # pairs on the sheet of samples


@dataclass(frozen=True)
class PromptRecipe:
    steps: int = 50_000  # of word and LoRA together
    word_steps: int = 2000  # before that, of the word alone
    subset: int = 200  # pairs that the word alone sees
    batch: int = 16  # of all processes together
    lr: float = 1e-4
    rank: int = 16
    captions: float = 0.5  # share of the rows that are told their caption, if they have one
    word: str = "background"  # what the learnt word begins as
    size: int = 512
    ema: float = 0.999  # of the running average, which is what is exported; 0 for the last weights
    precision: str = "auto"  # of the forward pass: "bf16", "no" for float32, or "auto", bf16 where the hardware is fast at it
    seed: int = 0
    save_every: int = 500
    sheet_every: int = 1000  # steps between two sheets of samples; 0 for none

    def stage(self, steps: int) -> Recipe:
        """The loop's schedule: a constant rate."""
        kept = {name: getattr(self, name) for name in ("batch", "lr", "ema", "seed", "save_every")}
        return Recipe(steps=steps, warmup=1, cooldown=0, **kept)


class Draws(NamedTuple):
    """What a step draws, for the rows of all processes."""

    rows: Tensor  # [B], which pairs
    captioned: Tensor  # [B]
    at: Tensor  # [B], diffusion steps
    posterior: Tensor  # [B, 4, h, w], noise of the latent that the VAE gives
    noise: Tensor  # [B, 4, h, w]


def train(model: Path, pairs: Path, out: Path, recipe: PromptRecipe, minutes: float = float("inf")) -> None:
    """Tune a word, then word and LoRA, for the inpainting model in the diffusers folder `model`; for `minutes` at most.

    Goes on from the last checkpoint under `out`. With several processes (`accelerate launch`) each takes its share of the batch; what
    is learnt does not depend on how many they are. Raises FileNotFoundError and ValueError as `load_networks` and `ErasurePairs`
    do, ValueError for a recipe that cannot be, and when the run under `out` has another rank.
    """
    from accelerate import Accelerator

    started = time.time()
    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    _check(recipe)
    data = ErasurePairs(pairs, recipe.size)
    settle(out, {**asdict(recipe), "model": model.name}, ("rank",), accelerator)
    word = _stage(WORD_STAGE, load_networks(model, recipe.word), data, out, recipe, accelerator, minutes)
    accelerator.free_memory()
    left = minutes - (time.time() - started) / 60
    if word.steps < recipe.word_steps or left <= 0:
        return
    torch.manual_seed(recipe.seed)  # what the LoRA begins as
    networks = load_networks(model, recipe.word, recipe.rank, word.average["token"].cpu())
    _stage(BOTH_STAGE, networks, data, out, recipe, accelerator, left)


def export(run: Path, out: Path, name: str = "background_completion") -> list[Path]:
    """Write `embeddings/NAME.safetensors` and `loras/NAME.safetensors` under `out`, which may be ComfyUI's models folder; the two.

    Raises FileNotFoundError when the run has no checkpoint of the second stage.
    """
    vector, lora, steps = learnt(run / BOTH_STAGE / "checkpoint.safetensors")
    notes = {**json.loads((run / SETTINGS).read_text()), "steps": steps, "prompt": short_prompt("sky", f"embedding:{name}")}
    files = [out / folder / f"{name}.safetensors" for folder in ("embeddings", "loras")]
    save_embedding(files[0], vector, notes)
    save_lora(files[1], lora, notes)
    return files


def _check(recipe: PromptRecipe) -> None:
    if recipe.rank < 1:
        raise ValueError(f"rank is {recipe.rank}, but it must be 1 or more")
    if recipe.size % 8:
        raise ValueError(f"size is {recipe.size}, but it must be a multiple of 8 pixels")


def _stage(
    name: str, networks: Networks, data: ErasurePairs, out: Path, recipe: PromptRecipe, accelerator: Accelerator, minutes: float
) -> Fitted:
    both = name == BOTH_STAGE
    steps = recipe.steps if both else recipe.word_steps
    learner = Learner(networks.model)
    optimizer = torch.optim.Adam(learner.parameters(), lr=recipe.lr)
    model, optimizer = accelerator.prepare(networks.model, optimizer)
    networks.vae.to(accelerator.device)
    candidates = torch.arange(len(data)) if both else _subset(len(data), recipe)
    captions = recipe.captions if both else 0.0
    edge = recipe.size // 2 ** (len(networks.vae.config.block_out_channels) - 1)
    draws = partial(_draw, recipe, candidates, captions, edge, networks.scheduler.config.num_train_timesteps)
    mine = own_rows(recipe.batch, accelerator)
    ahead = PairsAhead(data, lambda step: draws(step).rows[mine].tolist())

    def loss_of(step: int) -> Tensor:
        own = Draws(*(part[mine] for part in draws(step)))
        with accelerator.autocast():
            return denoising_loss(model, networks, ahead.batch(step), [data.words[row] for row in own.rows.tolist()], own)

    show = _shower(networks, data, out / name, accelerator) if recipe.sheet_every else None
    try:
        return fit(learner, optimizer, loss_of, out / name, recipe.stage(steps), accelerator, minutes, show, recipe.sheet_every)
    finally:
        ahead.close()


def _subset(count: int, recipe: PromptRecipe) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(recipe.seed))[: recipe.subset]


def _draw(recipe: PromptRecipe, candidates: Tensor, captions: float, edge: int, timesteps: int, step: int) -> Draws:
    generator = random_of_step(recipe.stage(1), step)
    rows = candidates[torch.randint(len(candidates), (recipe.batch,), generator=generator)]
    captioned = torch.rand(recipe.batch, generator=generator) < captions
    at = torch.randint(timesteps, (recipe.batch,), generator=generator)
    posterior, noise = torch.randn(2, recipe.batch, 4, edge, edge, generator=generator)
    return Draws(rows, captioned, at, posterior, noise)


def denoising_loss(model: nn.Module, networks: Networks, pair: ErasurePair, words: list[Words], draws: Draws) -> Tensor:
    """Eq. 4 over some pairs: the mean squared error of the noise that the model predicts in the truth's noisy latent.

    Args:
        model: `networks.model`, or what wraps it.
        pair: [B, 3, S, S] each, the hole [B, 1, S, S].
        words: of each pair. draws: of the same rows.
    """
    device = next(networks.vae.parameters()).device
    pair, draws = ErasurePair(*(part.to(device) for part in pair)), Draws(*(part.to(device) for part in draws))
    with torch.no_grad():
        clean = networks.encode(pair.truth, draws.posterior).float()
        known = networks.told(pair.input, pair.hole).float()
        noisy = networks.scheduler.add_noise(clean, draws.noise, draws.at)
    prompts = [
        w.caption if wanted and w.caption else short_prompt(w.tag) for w, wanted in zip(words, draws.captioned.tolist(), strict=True)
    ]
    predicted = model(noisy, draws.at, known, networks.ids(prompts).to(device))
    return nn.functional.mse_loss(predicted.float(), draws.noise)


def _shower(networks: Networks, data: ErasurePairs, out: Path, accelerator: Accelerator) -> Callable[[int], None]:
    """What paints the sheet of samples of a step: always of the same pairs, spread over the index."""
    rows = [len(data) * n // SHOWN for n in range(SHOWN)] if len(data) >= SHOWN else list(range(len(data)))
    prompts = [short_prompt(data.words[row].tag) for row in rows]

    def show(step: int) -> None:
        parts = zip(*(data.read(row) for row in rows), strict=True)
        pair = ErasurePair(*(torch.stack(part).to(accelerator.device) for part in parts))
        with accelerator.autocast():
            painted = erase(networks, pair, prompts)
        save_sheet(out / f"sheet-{step:06d}.png", pair, painted)

    return show
