"""Erase Diffusion (arXiv 2503.07026): an inpainting model of the Stable Diffusion kind, tuned with the chain-rectifying loss.

Of each removal pair the truth is x_ori and the input x_obj; the model sees x_t of their mix, the hole, and the latent of the picture
with the hole grey (the paper's x'), and regresses ε* with the weight of eq. 9 (`chain`). Self-attention is self-rectifying.

From the paper: SD2-Inpaint, Adam at 3e-6, λ = 1 − ᾱ, γ_m = 100. It does not tell, and we chose: batch, steps and size, an empty
prompt, a constant rate, gradients no longer than 1, the running average that is exported, the mean of what the VAE gives in place of a
draw (both ends of a jump must be told alike: their difference is divided by how short it is), and that self-rectifying attention is on
in training and on all self-attention layers. Nor does it tell whether pictures are mixed in pixels or in latents. Both are offered:

    latent   x̃_t = (1 − λ_t)·E(x_ori) + λ_t·E(x_obj)        two encodings a pair
    pixel    x̃_t = E((1 − λ_t)·x_ori + λ_t·x_obj)           two encodings a jump, another clean picture where E is bent

Of a VAE that is affine both are the same.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from .chain import LONGEST_JUMP, Chain, Jumps, Weighting, check_weighting, row_mean
from .chain_attention import rectified
from .chain_files import save_unet
from .loop import Recipe, fit, own_rows, precision_of, random_of_step, read_average, settle
from .prompt_files import save_lora
from .prompt_model import Networks, load_networks
from .prompt_pairs import ErasurePair, ErasurePairs, PairsAhead
from .prompt_sheet import erase, save_sheet

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ChainDraws", "ChainRecipe", "Mix", "chain_loss", "export", "learner_of", "train"]

SHOWN = 4  # pairs on the sheet of samples
UNTOLD = "background"  # the learnt word of `load_networks`, which no prompt here has

Mix = Literal["latent", "pixel"]


@dataclass(frozen=True)
class ChainRecipe:
    steps: int = 20_000
    batch: int = 16  # of all processes together
    lr: float = 3e-6
    rank: int = 0  # of a LoRA on the attention projections, which wants a rate of about 1e-4; 0 for the whole U-Net, as the paper
    mix: Mix = "latent"  # where pictures are mixed, or "pixel"
    longest_jump: int = LONGEST_JUMP  # γ_m
    weighting: Weighting = "paper"  # of eq. 9, or "even"
    rectify: bool = True  # self-rectifying attention
    prompt: str = ""
    size: int = 512
    ema: float = 0.999  # of the running average, which is what is exported; 0 for the last weights
    precision: str = "auto"  # of the forward pass: "bf16", "no" for float32, or "auto", bf16 where the hardware is fast at it
    seed: int = 0
    save_every: int = 500
    sheet_every: int = 1000  # steps between two sheets of samples; 0 for none

    def __post_init__(self):
        check_weighting(self.weighting)
        if self.mix not in get_args(Mix):
            raise ValueError(f'mix is "{self.mix}", but it must be one of {", ".join(get_args(Mix))}')
        for name, least in (("rank", 0), ("longest_jump", 1), ("batch", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if self.size % 8:
            raise ValueError(f"size is {self.size}, but it must be a multiple of 8 pixels")

    def schedule(self) -> Recipe:
        """The loop's: a constant rate."""
        kept = {name: getattr(self, name) for name in ("steps", "batch", "lr", "ema", "seed", "save_every")}
        return Recipe(warmup=1, cooldown=0, **kept)


class ChainDraws(NamedTuple):
    """What a step draws, for the rows of all processes."""

    rows: Tensor  # [B], which pairs
    begin: Tensor  # [B], t
    end: Tensor  # [B], s
    noise: Tensor  # [B, 4, h, w], ε of the whole path

    @property
    def jumps(self) -> Jumps:
        return Jumps(self.begin, self.end)


def train(model: Path, pairs: Path, out: Path, recipe: ChainRecipe, minutes: float = float("inf")) -> None:
    """Tune the inpainting model in the diffusers folder `model` on removal pairs, for `minutes` at most.

    Goes on from the last checkpoint under `out`. With several processes (`accelerate launch`) each takes its share of the batch; what is
    learnt does not depend on how many they are. Raises FileNotFoundError and ValueError as `load_networks` and `ErasurePairs` do,
    and ValueError when the batch cannot be shared out, or the run under `out` was begun with another rank.
    """
    from accelerate import Accelerator

    precision = precision_of(recipe.precision)
    accelerator = Accelerator(mixed_precision=precision)
    data = ErasurePairs(pairs, recipe.size)
    torch.manual_seed(recipe.seed)  # what a LoRA begins as
    networks = load_networks(model, UNTOLD, recipe.rank)
    told = {**asdict(recipe), "model": model.name, "layers": networks.model.unet.config.layers_per_block}
    settle(out, told, ("rank",), accelerator)
    learner = learner_of(networks, recipe.rank)
    optimizer = torch.optim.Adam(learner.parameters(), lr=recipe.lr)
    prepared, optimizer = accelerator.prepare(networks.model, optimizer)
    networks.vae.to(accelerator.device)
    chain = Chain.of(networks.scheduler.alphas_cumprod)
    edge = recipe.size // 2 ** (len(networks.vae.config.block_out_channels) - 1)
    draws = partial(_draw, recipe, len(data), chain, edge)
    mine = own_rows(recipe.batch, accelerator)
    ahead = PairsAhead(data, lambda step: draws(step).rows[mine].tolist())

    def loss_of(step: int) -> Tensor:
        own = ChainDraws(*(part[mine] for part in draws(step)))
        with accelerator.autocast():
            return chain_loss(prepared, networks, ahead.batch(step), own, chain, recipe)

    show = partial(_show, networks, data, out, recipe, accelerator) if recipe.sheet_every else None
    try:
        fit(learner, optimizer, loss_of, out, recipe.schedule(), accelerator, minutes, show, recipe.sheet_every)
    finally:
        ahead.close()


def export(run: Path, out: Path, name: str = "erase_diffusion") -> list[Path]:
    """Write the running average of a run under `out`, which may be ComfyUI's models folder; the files written.

    A LoRA becomes `loras/NAME.safetensors`, a U-Net `diffusion_models/NAME.safetensors` in half precision, both for ComfyUI's stock
    loaders (the prompt and the VAE stay the model's). Raises FileNotFoundError when the run has no checkpoint.
    """
    learnt, notes = read_average(run)
    if notes["rank"]:
        path = out / "loras" / f"{name}.safetensors"
        save_lora(path, {n.removeprefix("lora.").replace("/", "."): tensor for n, tensor in learnt.items()}, notes)
        return [path]
    path = out / "diffusion_models" / f"{name}.safetensors"
    save_unet(path, learnt, notes.pop("layers"), notes)
    return [path]


def learner_of(networks: Networks, rank: int) -> nn.Module:
    """What is trained, averaged and saved: the LoRA, by the names of its layers with / in place of dots; or the whole U-Net."""
    networks.model.word.vector.requires_grad_(False)
    if not rank:
        return networks.model.unet.requires_grad_(True)
    learner = nn.Module()
    learning = {name: tensor for name, tensor in networks.model.unet.named_parameters() if tensor.requires_grad}
    learner.lora = nn.ParameterDict({name.replace(".", "/"): tensor for name, tensor in learning.items()})
    return learner


def chain_loss(model: nn.Module, networks: Networks, pair: ErasurePair, draws: ChainDraws, chain: Chain, recipe: ChainRecipe) -> Tensor:
    """Eq. 9 over some pairs, a mean over the latent's values; with `weighting` "even", the plain error of ε̂ to ε*.

    Args:
        model: `networks.model`, or what wraps it.
        pair: [B, 3, S, S] each, the hole [B, 1, S, S].
        draws: of the same rows.
    """
    device = next(networks.vae.parameters()).device
    pair = ErasurePair(*(part.to(device) for part in pair))
    jumps, noise = draws.jumps, draws.noise.to(device)
    # single precision: both ends of a short jump are nearly the same picture
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        known = networks.told(pair.truth, pair.hole)  # the paper's x_ori ⊙ M: resampling spreads the object beyond its mask
        if recipe.mix == "latent":
            plain, shown = networks.encode(pair.truth), networks.encode(pair.input)
            mixed, apart = chain.mixed(plain, shown, jumps.begin), chain.apart(plain, shown, jumps)
        else:
            mixed, end = (networks.encode(chain.mixed(pair.truth, pair.input, at)) for at in jumps)
            apart = mixed - end
        noisy, target = chain.noisy(mixed, noise, jumps.begin), chain.noise_target(noise, apart, jumps)
    ids = networks.ids([recipe.prompt] * len(noisy)).to(device)
    with _attention(networks, pair.hole, recipe):
        predicted = model(noisy, jumps.step.to(device), known, ids)
    weight = chain.noise_weight(jumps) if recipe.weighting == "paper" else torch.ones(len(noisy))
    return row_mean((predicted.float() - target) ** 2, weight)


def _attention(networks: Networks, hole: Tensor, recipe: ChainRecipe) -> AbstractContextManager[Any]:
    if not recipe.rectify:
        return nullcontext()
    smaller = 2 ** (len(networks.vae.config.block_out_channels) - 1)
    return rectified(networks.model.unet, hole, (hole.shape[-2] // smaller, hole.shape[-1] // smaller))


def _draw(recipe: ChainRecipe, pairs: int, chain: Chain, edge: int, step: int) -> ChainDraws:
    generator = random_of_step(recipe.schedule(), step)
    rows = torch.randint(pairs, (recipe.batch,), generator=generator)
    jumps = chain.draw(recipe.batch, generator, recipe.longest_jump)
    return ChainDraws(rows, *jumps, torch.randn(recipe.batch, 4, edge, edge, generator=generator))


def _show(networks: Networks, data: ErasurePairs, out: Path, recipe: ChainRecipe, accelerator: Accelerator, step: int) -> None:
    """Paint the sheet of samples of a step: always of the same pairs, spread over the index."""
    rows = [len(data) * n // SHOWN for n in range(SHOWN)] if len(data) >= SHOWN else list(range(len(data)))
    pair = ErasurePair(*(torch.stack(part).to(accelerator.device) for part in zip(*(data.read(row) for row in rows), strict=True)))
    with accelerator.autocast(), _attention(networks, pair.hole, recipe):
        painted = erase(networks, pair, [recipe.prompt] * len(rows))
    save_sheet(out / f"sheet-{step:06d}.png", pair, painted)
