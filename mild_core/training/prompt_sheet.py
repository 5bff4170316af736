"""A sheet of samples: how the model erases now, on the same pairs from the same noise each time."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .prompt_model import Networks
from .prompt_pairs import ErasurePair
from .sheet import save_rows

__all__ = ["erase", "save_sheet"]

STEPS = 12  # of DDIM: enough to see what is made, not how finely
GUIDANCE = 7.5  # the usual setting of SD1.5
SEED = 1


@torch.no_grad()
def erase(networks: Networks, pair: ErasurePair, prompts: list[str], steps: int = STEPS, seed: int = SEED) -> Tensor:
    """What the model paints in the holes of some pairs, from noise: pictures [B, 3, S, S] in -1..1, the input outside the holes.

    DDIM (arXiv 2010.02502) with classifier-free guidance against the empty prompt. The pairs are on the model's device.
    """
    from diffusers import DDIMScheduler

    ddim = DDIMScheduler.from_config(networks.scheduler.config)
    ddim.set_timesteps(steps)
    told = networks.told(pair.input, pair.hole)
    ids = networks.ids(["" for _ in prompts] + prompts).to(told.device)
    noise = torch.randn((len(prompts), 4, *told.shape[-2:]), generator=torch.Generator().manual_seed(seed))
    latents = noise.to(told.device) * ddim.init_noise_sigma
    for step in ddim.timesteps:
        at = torch.full((2 * len(prompts),), int(step), device=told.device)
        plain, prompted = networks.model(latents.repeat(2, 1, 1, 1), at, told.repeat(2, 1, 1, 1), ids).float().chunk(2)
        latents = ddim.step(plain + GUIDANCE * (prompted - plain), int(step), latents).prev_sample
    painted = networks.vae.decode(latents / networks.vae.config.scaling_factor).sample.float().clamp(-1, 1)
    return torch.where(pair.hole > 0.5, painted, pair.input)


def save_sheet(path: Path, pair: ErasurePair, erased: Tensor) -> None:
    """Write a PNG with a row for each pair: the input, its hole, what was painted, the truth."""
    holes = torch.where(pair.hole > 0.5, torch.ones(()).to(pair.input), pair.input)
    save_rows(path, (pair.input, holes, erased, pair.truth))
