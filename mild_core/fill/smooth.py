"""Smooth fill by push-pull: the hole takes the local average of what surrounds it.

Gortler et al., "The Lumigraph" (SIGGRAPH 1996), section 3.3: averages of the known pixels are pushed up a pyramid until
the hole closes, then pulled down again into the pixels that are still unknown.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["smooth_fill"]


def smooth_fill(image: Tensor, known: Tensor) -> Tensor:
    """Fill the unknown pixels of `image` [H, W, C] where `known` [H, W] is false. Known pixels come back unchanged.

    With nothing known, the unknown pixels become mid grey (0.5). [H, W, C], the dtype of `image`.
    """
    if not known.any():
        return torch.full_like(image, 0.5)
    colour = image.float().permute(2, 0, 1)[None]
    weight = known.float()[None, None]
    filled = _push_pull(colour * weight, weight)[0].permute(1, 2, 0)
    return torch.where(known[..., None], image, filled.to(image.dtype))


def _push_pull(weighted: Tensor, weight: Tensor) -> Tensor:
    """Averages of premultiplied colours [1, C, H, W] by weights [1, 1, H, W], gaps filled from the next coarser level."""
    here = weighted / weight.clamp(min=1e-8)
    if bool((weight > 0).all()) or max(weight.shape[-2:]) == 1:
        return here
    coarse_weight = _halve(weight)
    # weights are capped at one pixel's worth, so that far, dense areas do not outvote what is near
    cap = coarse_weight.clamp(max=0.25) / coarse_weight.clamp(min=1e-8)
    coarse = _push_pull(_halve(weighted) * cap * 4, coarse_weight * cap * 4)
    pulled = F.interpolate(coarse, weight.shape[-2:], mode="bilinear", align_corners=False)
    share = weight.clamp(max=1)
    return here * share + pulled * (1 - share)


def _halve(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    return F.avg_pool2d(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
