"""Sampling of the tiny models by the core's own sampler, and region maps for it."""

from __future__ import annotations

from functools import cache

import torch
from shapes import disc

ROWS, HEIGHT, WIDTH = 2, 6, 10
NAMES = ("SD1.5", "SDXL", "SD3", "Flux", "Flux Fill", "Qwen-Image", "Lumina 2", "Z-Image", "Wan")


@cache
def family(name, dtype=torch.float32):
    from tiny import FAMILIES

    return FAMILIES[name](dtype)


@cache
def regions(rows=ROWS, side=64):
    """A map for each row: hole in the middle, another person on the right, the hole of each row elsewhere."""
    from mild_pack.mild_core.plan import RegionMap

    made = []
    for row in range(rows):
        hole, other = disc(side, side, 30, 20 + 12 * row, 14), disc(side, side, 40, 56, 12)
        made.append(RegionMap.of(side, hole > 0, ~(other > 0), other > 0))
    return tuple(made)


def sample(tiny, model, *, cfg=3.0, rows=ROWS, size=(HEIGHT, WIDTH), steps=2, noise=None, **options):
    import comfy.sample
    import comfy.utils

    comfy.utils.PROGRESS_BAR_ENABLED = False
    noise = tiny.latent(rows, *size) if noise is None else noise
    empty = torch.zeros_like(noise)
    return comfy.sample.sample(
        model, noise, steps, cfg, "euler", "simple", tiny.conditioning(0), tiny.conditioning(1), empty, seed=0,
        disable_pbar=True, **options,
    )  # fmt: skip


def same(one, other):
    return torch.allclose(one, other, atol=1e-4 * float(one.std()))


@cache
def lora(name, seed=0, rank=2):
    """A LoRA for every linear and 1×1 or 3×3 layer of a family's network, in the names that ComfyUI itself saves."""
    model = family(name).model.model
    g = torch.Generator().manual_seed(seed)
    made = {}
    for key, module in model.diffusion_model.named_modules():
        weight = getattr(module, "weight", None)
        if weight is None or weight.ndim not in (2, 4) or type(module).__name__ == "Embedding":
            continue
        down, up = (
            torch.randn(*shape, generator=g) * 0.3 for shape in ((rank, *weight.shape[1:]), (len(weight), rank, *[1] * (weight.ndim - 2)))
        )
        made |= {f"diffusion_model.{key}.lora_down.weight": down, f"diffusion_model.{key}.lora_up.weight": up}
    return made
