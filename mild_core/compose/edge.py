"""The edge of a person's layer: soft alpha, and colour without the background that shone through it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.window import box_mean

__all__ = ["antialiased", "freed_colour", "soft_edge"]

REACH = 4  # pixels around from which the colours on both sides of an edge are taken
SURE = 0.95  # of alpha: what is more is the person's own colour


def antialiased(mask: Tensor) -> Tensor:
    """A mask [H, W] in 0..1 whose edge falls off over a pixel on either side; the frame is no edge."""
    return F.avg_pool2d(F.pad(mask[None, None], [1] * 4, mode="replicate"), 3, stride=1)[0, 0]


def soft_edge(alpha: Tensor, where: Tensor) -> Tensor:
    """A mask [H, W] in 0..1 with an antialiased edge `where` [H, W] says; one that has soft pixels of its own stays as it is.

    What was in the mask is still more than half opaque, what was not is less.
    """
    if ((alpha > 0) & (alpha < 1)).any():
        return alpha
    smoothed = antialiased(alpha)
    softened = torch.where(alpha > 0.5, smoothed.clamp(min=0.51), smoothed.clamp(max=0.49))
    return torch.where(where, softened, alpha)


def freed_colour(photo: Tensor, alpha: Tensor) -> Tensor:
    """The person's own colour F at a soft edge, where the photo shows C = αF + (1−α)B: [H, W, 3] in 0..1.

    B and a first F are the means of what is surely background and surely person within `REACH` pixels. F is then solved for,
    and trusted as far as α² goes: under a small α the equation says little, and the first F stands. Where nothing sure is
    near, the photo's colour stays.
    """
    if not ((alpha > 0) & (alpha < SURE)).any():
        return photo
    person, background = (alpha >= SURE).float(), (alpha <= 0).float()
    inner, any_inner = _mean_around(photo, person)
    outer, any_outer = _mean_around(photo, background)
    share = alpha[..., None]
    solved = ((photo - (1 - share) * outer) / share.clamp(min=1e-3)).clamp(0, 1)
    solved = torch.where(any_outer, solved, photo)
    freed = torch.where(any_inner, torch.lerp(inner, solved, share.square()), solved)
    return torch.where(share >= SURE, photo, freed)


def _mean_around(image: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colour [H, W, 3] of the pixels that count within `REACH`, and whether there are any [H, W, 1]."""
    planes = torch.cat([image.permute(2, 0, 1) * weight, weight[None]])
    means = box_mean(planes, (REACH, REACH)).permute(1, 2, 0)
    there = means[..., 3:]
    return means[..., :3] / there.clamp(min=1e-8), there > 1e-6
