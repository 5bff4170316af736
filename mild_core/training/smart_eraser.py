"""SmartEraser (arXiv 2501.08279): an inpainting model that learns to erase what it is shown.

    θ = arg min E ‖ε − ε_θ(z_t, E(x), m, c, t)‖²

z_t is the noisy latent of the truth, E(x) the latent of the whole input, m the hole, c the prompt whose last word is the object. U-Net,
text encoder and projector learn; VAE and CLIP's eye stay. A tenth of the rows is told nothing. Masks are enhanced at every step, so that
the model does not learn what an exact outline gives away.

From the published code: 512×512 pixels, AdamW with a decay of 0.01, 8 × 4 rows, a constant rate of 5e-7 for each of them, which makes
1.6e-5, 25 times through the pairs (1 M of them, which would be 780 000 steps), the drop, and the sampler's guidance. There a whole batch is
told nothing at once, here each row by itself. Ours are the running average that is exported, and the steps. Pairs of real shadows help: the
authors add some 30 000 of RORD to 1 M synthetic ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ..models.smart_eraser import GUIDANCE
from ..scene.mask_enhancement import augmented_mask
from .loop import Recipe, fit, own_rows, precision_of, random_of_step, read_average, settle
from .prompt_pairs import ErasurePair, ErasurePairs, PairsAhead
from .prompt_sheet import save_sheet
from .smart_eraser_model import EraserNetworks, load_eraser_networks

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["SmartEraserRecipe", "denoising_loss", "erase", "export", "train"]

SHOWN = 4  # pairs on the sheet of samples
SHEET_STEPS, SHEET_SEED = 12, 1
FILES = {"unet": "diffusion_models", "text": "text_encoders", "projector": "smarteraser"}
"""What learns, and the folder of ComfyUI's models that it is exported to."""


@dataclass(frozen=True)
class SmartEraserRecipe:
    steps: int = 100_000
    batch: int = 32  # of all processes together
    lr: float = 1.6e-5
    decay: float = 0.01  # of the weights
    drop: float = 0.1  # share of the rows that are not told what they erase
    enhance: bool = True  # masks, as mask_enhancement has it
    size: int = 512
    ema: float = 0.9995  # of the running average, which is what is exported; 0 for the last weights
    precision: str = "auto"  # of the forward pass: "bf16", "no" for float32, or "auto", bf16 where the hardware is fast at it
    seed: int = 0
    save_every: int = 500
    sheet_every: int = 2000  # steps between two sheets of samples; 0 for none

    def stage(self) -> Recipe:
        """The loop's schedule: a constant rate."""
        kept = {name: getattr(self, name) for name in ("steps", "batch", "lr", "ema", "seed", "save_every")}
        return Recipe(warmup=1, cooldown=0, **kept)


class Draws(NamedTuple):
    """What a step draws, for the rows of all processes."""

    rows: Tensor  # [B], which pairs
    masks: Tensor  # [B], seeds of the enhancement
    dropped: Tensor  # [B] bool
    at: Tensor  # [B], diffusion steps
    truth_noise: Tensor  # [B, 4, h, w], of the latents that the VAE gives
    input_noise: Tensor  # [B, 4, h, w]
    noise: Tensor  # [B, 4, h, w]


def train(model: Path, pairs: Path, out: Path, recipe: SmartEraserRecipe, minutes: float = float("inf")) -> None:
    """Train the inpainting model in the diffusers folder `model`, which holds CLIP ViT-L/14 as `image_encoder`; for `minutes` at most.

    Goes on from the last checkpoint under `out`. With several processes (`accelerate launch`) each takes its share of the batch; what
    is learnt does not depend on how many they are. Raises FileNotFoundError and ValueError as `load_eraser_networks` and `ErasurePairs`
    do, and ValueError for a recipe that cannot be.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(mixed_precision=precision_of(recipe.precision))
    if recipe.size % 8:
        raise ValueError(f"size is {recipe.size}, but it must be a multiple of 8 pixels")
    data = ErasurePairs(pairs, recipe.size)
    torch.manual_seed(recipe.seed)  # what the projector begins as
    networks = load_eraser_networks(model)
    settle(out, {**asdict(recipe), "model": model.name}, (), accelerator)
    learner = networks.model
    optimizer = torch.optim.AdamW(learner.parameters(), lr=recipe.lr, weight_decay=recipe.decay)
    wrapped, optimizer = accelerator.prepare(learner, optimizer)
    networks.to(accelerator.device)
    edge = recipe.size // 2 ** (len(networks.vae.config.block_out_channels) - 1)
    draws = partial(_draw, recipe, len(data), edge, networks.scheduler.config.num_train_timesteps)
    mine = own_rows(recipe.batch, accelerator)
    ahead = PairsAhead(data, lambda step: draws(step).rows[mine].tolist())

    def loss_of(step: int) -> Tensor:
        own = Draws(*(part[mine] for part in draws(step)))
        pair = ahead.batch(step)
        if recipe.enhance:
            pair = pair._replace(hole=_enhanced(pair.hole, own.masks))
        with accelerator.autocast():
            return denoising_loss(wrapped, networks, pair, own)

    show = _shower(networks, data, out, accelerator) if recipe.sheet_every else None
    try:
        fit(learner, optimizer, loss_of, out, recipe.stage(), accelerator, minutes, show, recipe.sheet_every)
    finally:
        ahead.close()


def export(run: Path, out: Path, name: str = "smarteraser") -> list[Path]:
    """Write NAME.safetensors into `diffusion_models/`, `text_encoders/` and `smarteraser/` under `out`; the three files.

    That may be ComfyUI's models folder. The first two load with Load Diffusion Model and Load CLIP, the third in MILD SmartEraser.
    Raises FileNotFoundError when the run has no checkpoint.
    """
    from safetensors.torch import save_file

    average, notes = read_average(run)
    files = []
    for part, folder in FILES.items():
        tensors = {_published(part, key.removeprefix(f"{part}.")): tensor for key, tensor in average.items() if key.startswith(f"{part}.")}
        files.append(out / folder / f"{name}.safetensors")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(files[-1]), {key: str(value) for key, value in notes.items()})
    return files


def _published(part: str, name: str) -> str:
    """transformers has changed its mind about the first word of a text encoder's names; ComfyUI wants it."""
    return f"text_model.{name}" if part == "text" and not name.startswith("text_model.") else name


def _draw(recipe: SmartEraserRecipe, count: int, edge: int, timesteps: int, step: int) -> Draws:
    generator = random_of_step(recipe.stage(), step)
    rows = torch.randint(count, (recipe.batch,), generator=generator)
    masks = torch.randint(1 << 62, (recipe.batch,), generator=generator)
    dropped = torch.rand(recipe.batch, generator=generator) < recipe.drop
    at = torch.randint(timesteps, (recipe.batch,), generator=generator)
    return Draws(rows, masks, dropped, at, *torch.randn(3, recipe.batch, 4, edge, edge, generator=generator))


def _enhanced(holes: Tensor, seeds: Tensor) -> Tensor:
    """Holes [B, 1, S, S], each as another hand would have drawn it."""
    drawn = [augmented_mask(hole[0], torch.Generator().manual_seed(seed)) for hole, seed in zip(holes, seeds.tolist(), strict=True)]
    return torch.stack(drawn)[:, None].float()


def denoising_loss(model: nn.Module, networks: EraserNetworks, pair: ErasurePair, draws: Draws) -> Tensor:
    """The mean squared error of the noise that the model predicts in the truth's noisy latent, over some pairs.

    Args:
        model: `networks.model`, or what wraps it.
        pair: [B, 3, S, S] each, the hole [B, 1, S, S].
        draws: of the same rows.
    """
    device = next(networks.vae.parameters()).device
    pair, draws = ErasurePair(*(part.to(device) for part in pair)), Draws(*(part.to(device) for part in draws))
    with torch.no_grad():
        clean = networks.encode(pair.truth, draws.truth_noise).float()
        seen = networks.seen(pair, draws.input_noise).float()
        objects = networks.objects(pair).float()
        noisy = networks.scheduler.add_noise(clean, draws.noise, draws.at)
    predicted = model(noisy, draws.at, seen, objects, draws.dropped)
    return nn.functional.mse_loss(predicted.float(), draws.noise)


@torch.no_grad()
def erase(networks: EraserNetworks, pair: ErasurePair, steps: int = SHEET_STEPS, seed: int = SHEET_SEED) -> Tensor:
    """What the model paints in the holes of some pairs, from noise: pictures [B, 3, S, S] in -1..1, the input outside the holes.

    DDIM (arXiv 2010.02502), guided by 1.5 away from the prompt that tells nothing. The pairs are on the model's device.
    """
    networks.scheduler.set_timesteps(steps)
    seen, objects = networks.seen(pair), networks.objects(pair)
    noise = torch.randn((len(seen), 4, *seen.shape[-2:]), generator=torch.Generator().manual_seed(seed))
    latents = noise.to(seen.device) * networks.scheduler.init_noise_sigma
    dropped = torch.arange(2 * len(seen), device=seen.device) < len(seen)
    for step in networks.scheduler.timesteps:
        at = torch.full((2 * len(seen),), int(step), device=seen.device)
        twice = (part.repeat(2, *[1] * (part.ndim - 1)) for part in (seen, objects))
        untold, told = networks.model(latents.repeat(2, 1, 1, 1), at, *twice, dropped).float().chunk(2)
        latents = networks.scheduler.step(untold + GUIDANCE * (told - untold), int(step), latents).prev_sample
    painted = networks.vae.decode(latents / networks.vae.config.scaling_factor).sample.float().clamp(-1, 1)
    return torch.where(pair.hole > 0.5, painted, pair.input)


def _shower(networks: EraserNetworks, data: ErasurePairs, out: Path, accelerator: Accelerator) -> Callable[[int], None]:
    """What paints the sheet of samples of a step: always of the same pairs, spread over the index."""
    rows = sorted({len(data) * n // SHOWN for n in range(SHOWN)})

    def show(step: int) -> None:
        parts = zip(*(data.read(row) for row in rows), strict=True)
        pair = ErasurePair(*(torch.stack(part).to(accelerator.device) for part in parts))
        with accelerator.autocast():
            painted = erase(networks, pair)
        save_sheet(out / f"sheet-{step:06d}.png", pair, painted)

    return show
