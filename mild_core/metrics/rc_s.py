"""RC-S, how well the inside of a hole fits in with what is near it; no truth is needed.

Li, You, Hu, Liu, Chen, Wang, Wang, Zhou, Luan, "PROVE: A Perceptual RemOVal cohErence Benchmark for Visual Media" (ACM MM
2026). Of each connected part of the hole a square crop, its box grown by a third, is seen by DINOv2 at 448×448 pixels, which
makes 32×32 unit vectors f. A window of 8×8 patches slides over them in steps of 4. In each, with X the patches that the hole
touches, Y the others, and the kernel k(x, y) = exp(−|x − y|² / 2σ²), σ = 10,

    MMD²(X, Y) = mean k(x, x') + mean k(y, y') − 2·mean k(x, y)
    d          = 1000 · mean of MMD² over the windows
    RC-S       = mean of exp(−d / 3) over the parts.

A window counts when both have more than 5 patches; one that lies wholly in the hole is compared with all of the crop that is
not. Parts of less than 200 pixels are left out where there is a larger one. All constants are the authors' program's. The
resized picture stays floating point here, where theirs is rounded to 8 bits: by 2e-4 at most, scores differed in a comparison.

Of the scores without truth this one agrees best with people, and blur does not raise it, as its own authors measured: Kendall's
τ is 0.59 in the mean over their benchmarks, but 0.31 on RORD, so it does not replace looking.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene.box import Box
from .dino import patch_tokens
from .inside import comparable

__all__ = ["coherence", "discrepancy_of", "rc_s"]

SIDE, PATCHES = 448, 32  # of a crop, each way, in pixels and in patches of 14 pixels
WINDOW, STEP = PATCHES // 4, PATCHES // 8
FEWEST = 6  # patches on either side
SIGMA = 10.0
SCALE, TEMPERATURE = 1000.0, 3.0
SMALL = 200  # pixels


def rc_s(image: Tensor, hole: Tensor, dino: nn.Module) -> float:
    """RC-S as it is tabulated, in 0..1, higher is better; good results lie near 0.5.

    nan where nothing can be compared, such as when the hole covers the picture.

    Args:
        image: [H, W, 3] floating point in 0..1, the eraser's result.
        hole: [H, W] bool, true where somebody was erased.
        dino: a Dinov2Model, of `load_dino`.
    Raises ValueError when sizes, types or ranges are others.
    """
    comparable(image, image, hole)
    image, hole = image.cpu(), hole.cpu()
    boxes = [_square(part, *hole.shape) for part in _parts(hole)]
    found = [discrepancy_of(_tokens(box.view(image), dino), _touched(box.view(hole))) for box in boxes]
    known = [coherence(d) for d in found if not math.isnan(d)]
    return sum(known) / len(known) if known else math.nan


def coherence(discrepancy: float) -> float:
    """A discrepancy d ≥ 0, lower is better, as it is tabulated: exp(−d / 3) in 0..1, higher is better."""
    return math.exp(-discrepancy / TEMPERATURE)


def discrepancy_of(tokens: Tensor, inside: Tensor) -> float:
    """d of one crop: 1000·MMD² in the mean over the windows, 0 where inside and outside are alike; nan where no window counts.

    Args:
        tokens: [32, 32, D], in float64.
        inside: [32, 32] bool, the patches of the hole.
    """
    kernel = _kernel(F.normalize(tokens.flatten(0, 1), dim=1))
    flat = inside.flatten()
    places = torch.arange(len(flat)).reshape(inside.shape)
    windows = places.unfold(0, WINDOW, STEP).unfold(1, WINDOW, STEP).reshape(-1, WINDOW * WINDOW)
    elsewhere = places[~inside]
    found = []
    for window in windows:
        x, y = window[flat[window]], window[~flat[window]]
        if len(x) < FEWEST or 0 < len(y) < FEWEST:
            continue
        y = y if len(y) else elsewhere
        if len(y):
            found.append(kernel[x][:, x].mean() + kernel[y][:, y].mean() - 2 * kernel[x][:, y].mean())
    return max(SCALE * float(torch.stack(found).mean()), 0.0) if found else math.nan


def _kernel(features: Tensor) -> Tensor:
    """exp(−|x − y|² / 2σ²) of all pairs of features [N, D]: [N, N]."""
    product = features @ features.T
    length = product.diagonal()
    return torch.exp(-(length[:, None] + length - 2 * product).clamp(min=0) / (2 * SIGMA**2))


def _tokens(crop: Tensor, dino: nn.Module) -> Tensor:
    """DINOv2's features of a square crop [s, s, 3]: [32, 32, D]. Bilinear without care for aliases, as in the authors' program."""
    sized = F.interpolate(crop.float().permute(2, 0, 1)[None], (SIDE, SIDE), mode="bilinear", align_corners=False)
    return patch_tokens(sized[0].permute(1, 2, 0), dino)


def _touched(hole: Tensor) -> Tensor:
    """The patches that a square crop of the hole [s, s] touches: [32, 32] bool."""
    fine = F.interpolate(hole[None, None].float(), (SIDE, SIDE), mode="nearest")
    return F.adaptive_max_pool2d(fine, PATCHES)[0, 0] > 0


def _parts(hole: Tensor) -> list[Box]:
    """The boxes of the hole's connected parts (4-neighbours), without the small ones."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(hole.numpy().astype(np.uint8), connectivity=4)
    fewest = min(SMALL, stats[1:, cv2.CC_STAT_AREA].max())
    kept = [row for row in stats[1:].tolist() if row[cv2.CC_STAT_AREA] >= fewest]
    return [Box(left, top, left + width, top + height) for left, top, width, height, _ in kept]


def _square(part: Box, height: int, width: int) -> Box:
    """The square around a part's box, on each side a third larger where the frame lets it, moved into a frame of that size."""
    size = part.longest
    left, top = (round((a + b - size) / 2) for a, b in ((part.left, part.right), (part.top, part.bottom)))
    room = min(left, top, width - left - size, height - top - size)
    grown = Box(left, top, left + size, top + size).grown(max(min(round(size / 3), room), 0))
    side = min(grown.width, height, width)
    x, y = min(max(grown.left, 0), width - side), min(max(grown.top, 0), height - side)
    return Box(x, y, x + side, y + side)
