"""Training of OmniEraser (arXiv 2501.07397): a LoRA of FLUX.1-dev, with tokens that hold background and object, too.

    z_σ = (1 − σ)·E(truth) + σ·ε        φ* = arg min E ‖v_φ(z_σ, told, σ) − (ε − E(truth))‖²          σ uniform

`told` is of the photo with the object and its mask (`models.omni_eraser.told`); the mask leaves shadows and reflections out, the truth
has none, and so the model learns to find them. One prompt for all.

From the published script: rank 32, gaussian, on x_embedder, attention and feed-forward; AdamW, decay 0.01, 3e-5 for each of 8 rows,
gradients no longer than 1; guidance 3.5; 1024×1024; latents are samples, not means. Ours: how masks are redrawn (`omni_eraser_masks`), how
many steps, the rate's fall in a line in place of a cosine, the running average, and pairs resized whole where the script cuts from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ..models.omni_eraser import CHANNELS, GUIDANCE, PROMPT, STEPS, split, told
from .loop import Recipe, fit, own_rows, precision_of, random_of_step, read_average, settle
from .omni_eraser_masks import AS_IT_IS, BOX, DILATED, ERODED, redraw
from .omni_eraser_model import Learner, Networks, load_networks
from .prompt_pairs import ErasurePair, ErasurePairs, PairsAhead
from .prompt_sheet import save_sheet

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["OmniEraserRecipe", "erase", "export", "train"]

SHOWN, SHOWN_STEPS, SEED = 4, 12, 1  # pairs on the sheet of samples, and how they are painted
LEVELS = 1000  # of noise
DECAY = 1e-2


@dataclass(frozen=True)
class OmniEraserRecipe:
    steps: int = 20_000
    batch: int = 8  # of all processes together
    at_once: int = 1  # rows of a process in one pass; the gradients of the others join them
    lr: float = 2.4e-4
    warmup: int = 500
    rank: int = 32
    size: int = 1024
    dilated: float = 0.25  # shares of the masks that are redrawn; the rest stay as they are
    eroded: float = 0.25
    boxes: float = 0.25
    reach: float = 0.03  # how far masks grow or shrink at most, in lengths of the picture
    ema: float = 0.999  # of the running average, which is what is exported; 0 for the last weights
    precision: str = "auto"  # of the frozen model: "bf16", "no" for float32, or "auto", bf16 where the hardware is fast at it
    seed: int = 0
    save_every: int = 250
    sheet_every: int = 1000  # steps between two sheets of samples; 0 for none

    @property
    def schedule(self) -> Recipe:
        """The loop's: up over the warm-up, then down to 0."""
        kept = {name: getattr(self, name) for name in ("steps", "batch", "lr", "warmup", "ema", "seed", "save_every")}
        return Recipe(cooldown=1.0, **kept)


class Draws(NamedTuple):
    """What a step draws, for the rows of all processes."""

    rows: Tensor  # [B], which pairs
    masks: Tensor  # [B], how they are redrawn
    pixels: Tensor  # [B], how far
    sigma: Tensor  # [B], in 0..1
    posterior: Tensor  # [B, 3, 16, h, w], noise of the latents of truth, background and object
    noise: Tensor  # [B, 16, h, w]


def train(model: Path, pairs: Path, out: Path, recipe: OmniEraserRecipe, minutes: float = float("inf")) -> None:
    """Train a LoRA for the diffusers folder `model` of FLUX.1-dev, for `minutes` at most; goes on from the last checkpoint under `out`.

    With several processes (`accelerate launch`) each takes its share of the batch. Raises FileNotFoundError and ValueError as
    `load_networks` and `ErasurePairs` do, ValueError for a recipe that cannot be, and when the run under `out` has another rank.
    """
    from accelerate import Accelerator

    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    _check(recipe)
    data = ErasurePairs(pairs, recipe.size)
    settle(out, {**asdict(recipe), "model": model.name}, ("rank",), accelerator)
    torch.manual_seed(recipe.seed)  # what the LoRA begins as
    networks = load_networks(model, recipe.rank, torch.bfloat16 if precision == "bf16" else torch.float32)
    if recipe.size % (2 * networks.factor):
        raise ValueError(f"size is {recipe.size}, but it must be a multiple of {2 * networks.factor} pixels, which are a token")
    learner = Learner(networks.model)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=recipe.lr, weight_decay=DECAY)
    network, optimizer = accelerator.prepare(networks.model, optimizer)
    networks.vae.to(accelerator.device)
    draws = partial(_draw, recipe, len(data), recipe.size // networks.factor)
    mine = own_rows(recipe.batch, accelerator)
    share = mine.stop - mine.start
    ahead = PairsAhead(data, lambda step: draws(step).rows[mine].tolist())

    def loss_of(step: int) -> Tensor:
        own, pair = Draws(*(part[mine] for part in draws(step))), ahead.batch(step)
        losses = []
        for start in range(0, share, recipe.at_once):
            some = slice(start, start + recipe.at_once)
            rows, drawn = ErasurePair(*(part[some] for part in pair)), Draws(*(part[some] for part in own))
            with accelerator.autocast():
                loss = flow_loss(network, networks, rows, drawn) * (len(drawn.rows) / share)
            if start + recipe.at_once < share:  # the loop goes back through the last itself
                accelerator.backward(loss)
                loss = loss.detach()
            losses.append(loss)
        return torch.stack(losses).sum()

    show = _shower(networks, data, out, accelerator) if recipe.sheet_every else None
    try:
        fit(learner, optimizer, loss_of, out, recipe.schedule, accelerator, minutes, show, recipe.sheet_every)
    finally:
        ahead.close()


def export(run: Path, out: Path, name: str = "omni_eraser") -> list[Path]:
    """Write `loras/NAME.safetensors` under `out`, which may be ComfyUI's models folder: in the layout of the published file. That file.

    Raises FileNotFoundError when the run has no checkpoint.
    """
    from safetensors.torch import save_file

    average, told = read_average(run)
    learnt = {name.removeprefix("lora.").replace("/", "."): tensor for name, tensor in average.items()}
    notes = {**told, "prompt": PROMPT, "guidance": GUIDANCE}
    path = out / "loras" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"transformer.{n.replace('.default.', '.')}": tensor.contiguous() for n, tensor in learnt.items()}
    save_file(tensors, str(path), {"format": "pt", **{n: str(value) for n, value in notes.items()}})
    return [path]


def _check(recipe: OmniEraserRecipe) -> None:
    for name in ("rank", "at_once"):
        if getattr(recipe, name) < 1:
            raise ValueError(f"{name} is {getattr(recipe, name)}, but it must be 1 or more")
    shares = recipe.dilated, recipe.eroded, recipe.boxes
    if min(shares) < 0 or sum(shares) > 1:
        raise ValueError(f"dilated, eroded and boxes are {shares}, but they must be shares of at most 1 together")


def _draw(recipe: OmniEraserRecipe, count: int, edge: int, step: int) -> Draws:
    generator = random_of_step(recipe.schedule, step)
    rows = torch.randint(count, (recipe.batch,), generator=generator)
    ends = torch.tensor([recipe.dilated, recipe.eroded, recipe.boxes]).cumsum(0)
    kinds = torch.tensor([DILATED, ERODED, BOX, AS_IT_IS])[torch.bucketize(torch.rand(recipe.batch, generator=generator), ends, right=True)]
    pixels = torch.rand(recipe.batch, generator=generator) * recipe.reach * recipe.size
    sigma = torch.randint(1, LEVELS + 1, (recipe.batch,), generator=generator) / LEVELS
    latents = torch.randn(recipe.batch, 4, CHANNELS, edge, edge, generator=generator)
    return Draws(rows, kinds, pixels, sigma, latents[:, :3], latents[:, 3])


def flow_loss(model: nn.Module, networks: Networks, pair: ErasurePair, draws: Draws) -> Tensor:
    """The mean squared error of the velocity that the model predicts from the truth's noisy latent.

    Args:
        model: `networks.model`, or what wraps it.
        pair: [B, 3, S, S] each, the hole [B, 1, S, S]. draws: of the same rows.
    """
    device = next(networks.vae.parameters()).device
    holes = [redraw(hole, *how) for hole, *how in zip(pair.hole, draws.masks.tolist(), draws.pixels.tolist(), strict=True)]
    pair = ErasurePair(*(part.to(device) for part in (pair.input, pair.truth, torch.stack(holes))))
    draws = Draws(*(part.to(device) for part in draws))
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        clean = networks.encode(pair.truth, draws.posterior[:, 0])
        channels = _told(networks, pair, draws.posterior)
        sigma = draws.sigma[:, None, None, None]
        noisy = (1 - sigma) * clean + sigma * draws.noise
    return nn.functional.mse_loss(model(noisy, channels, draws.sigma).float(), draws.noise - clean)


def _told(networks: Networks, pair: ErasurePair, posterior: Tensor | None = None) -> Tensor:
    background, removed = split(pair.input, pair.hole > 0.5, black=-1.0)
    noise = (None, None) if posterior is None else (posterior[:, 1], posterior[:, 2])
    return told(networks.encode(background, noise[0]), networks.encode(removed, noise[1]), pair.hole)


@torch.no_grad()
def erase(networks: Networks, pair: ErasurePair, steps: int = STEPS, seed: int = SEED) -> Tensor:
    """What the model makes of the photos of some pairs, from noise: whole pictures [B, 3, S, S] in −1..1.

    Euler's method over FLUX.1's noise levels, which are shifted by the size of the picture.
    """
    channels = _told(networks, pair)
    rows, _, height, width = channels.shape
    latents = torch.randn((rows, CHANNELS, height, width), generator=torch.Generator().manual_seed(seed)).to(channels)
    levels = _levels(steps, height * width // 4)
    for now, after in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        latents = latents + (after - now) * networks.model(latents, channels, channels.new_full((rows,), now)).float()
    return networks.decode(latents).clamp(-1, 1)


def _levels(steps: int, tokens: int) -> Tensor:
    """FLUX.1's noise levels [steps + 1], from 1 to 0: e^μ / (e^μ + 1/σ − 1), with μ a line from 0.5 at 256 tokens to 1.15 at 4096."""
    mu = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    even = torch.linspace(1, 0, steps + 1)
    shift = torch.tensor(mu).exp()
    return shift * even / (shift * even + 1 - even)


def _shower(networks: Networks, data: ErasurePairs, out: Path, accelerator: Accelerator) -> Callable[[int], None]:
    """What paints the sheet of samples of a step: always of the same pairs, spread over the index."""
    rows = [len(data) * n // SHOWN for n in range(SHOWN)] if len(data) >= SHOWN else list(range(len(data)))

    def show(step: int) -> None:
        pairs = [ErasurePair(*(part[None].to(accelerator.device) for part in data.read(row))) for row in rows]
        with accelerator.autocast():
            painted = torch.cat([erase(networks, pair, SHOWN_STEPS) for pair in pairs])
        save_sheet(out / f"sheet-{step:06d}.png", ErasurePair(*(torch.cat(part) for part in zip(*pairs, strict=True))), painted)

    return show
