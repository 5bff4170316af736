"""The Haar wavelet-based perceptual similarity index.

Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity index for image quality assessment" (Signal
Processing: Image Communication 2018). With the Haar filters g_j^(k) of scale j = 1, 2, 3 and orientation k = 1, 2, and
S(a, b) = (2ab + C) / (a² + b² + C), each pixel x of the two luma planes f, f' has

    similarity  HS^(k)[x] = l( ½ Σ_{j=1,2} S(|g_j^(k) ∗ f|[x], |g_j^(k) ∗ f'|[x]) ),   l(v) = 1 / (1 + exp(−α·v))
    weight      W^(k)[x]  = max(|g_3^(k) ∗ f|[x], |g_3^(k) ∗ f'|[x])
    score       ( l⁻¹( Σ_{x,k} HS^(k)[x]·W^(k)[x] / Σ_{x,k} W^(k)[x] ) )²

Colour adds a third similarity, of the 2x2 means of the I and Q planes, with the mean of the other two weights. C and α are
the paper's, for pictures in 0..255 that were halved by 2x2 means to a usual distance of viewing. As in the authors' own
program, filters are centred and pictures are zero beyond the frame.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .inside import comparable

__all__ = ["haarpsi"]

C = 30.0
ALPHA = 4.2
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # rows: what R, G, B add to Y, I, Q


def haarpsi(image: Tensor, truth: Tensor, hole: Tensor | None = None) -> float:
    """HaarPSI in 0..1, 1 for equal pictures.

    With a hole both sums run over the hole alone; since the maps are half the picture's size, a position counts by the
    share of its 2x2 pixels that are in the hole.

    Args:
        image, truth: [H, W, 3] floating point in 0..1.
        hole: [H, W] bool; None for the whole picture.
    Raises ValueError when sizes, types or ranges are others.
    """
    image, truth, hole = comparable(image, truth, hole)
    planes = _halved(_yiq(torch.stack([image, truth]) * 255))  # [2, 3, h, w]
    luma, chroma = planes[:, :1], planes[:, 1:]
    fine, middle, coarse = (_haar(luma, scale).abs() for scale in (1, 2, 3))  # each [2, 2, h, w]: picture, orientation
    of_luma = (_alike(*fine) + _alike(*middle)) / 2
    of_chroma = _alike(*_mean2(chroma).abs()).mean(0, keepdim=True)
    similarity = torch.sigmoid(ALPHA * torch.cat([of_luma, of_chroma]))  # [3, h, w]
    weight = coarse.amax(0)
    weight = torch.cat([weight, weight.mean(0, keepdim=True)])
    share = torch.ones_like(weight[0]) if hole is None else _halved(hole.double()[None, None])[0, 0]
    weight = weight * share
    if not weight.any():  # nothing but flat colour: no position says more than another
        weight = share.expand_as(similarity)
    mean = float((similarity * weight).sum() / weight.sum())
    return (math.log(mean / (1 - mean)) / ALPHA) ** 2


def _yiq(pictures: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] of R, G, B as Y, I, Q."""
    return torch.einsum("kc,bchw->bkhw", torch.tensor(YIQ, dtype=pictures.dtype), pictures)


def _halved(planes: Tensor) -> Tensor:
    """The means of 2x2 pixels [B, C, ⌈H/2⌉, ⌈W/2⌉], zeros beyond the frame."""
    return _mean2(planes)[..., ::2, ::2]


def _mean2(planes: Tensor) -> Tensor:
    """The mean of each pixel and those right of and below it."""
    return F.avg_pool2d(F.pad(planes, (0, 1, 0, 1)), 2, stride=1)


def _haar(luma: Tensor, scale: int) -> Tensor:
    """Planes [B, 1, h, w] under the two Haar filters of that scale, up and down first: [B, 2, h, w].

    The filter is 2^scale pixels a side, one half of it 2^−scale and the other −2^−scale.
    """
    half = 2 ** (scale - 1)
    steps = torch.full((2 * half, 2 * half), 1 / (2 * half), dtype=luma.dtype)
    steps[:half] *= -1
    filters = torch.stack([steps, steps.T])[:, None]
    return F.conv2d(F.pad(luma, (half - 1, half, half - 1, half)), filters)


def _alike(a: Tensor, b: Tensor) -> Tensor:
    """S(a, b) in 0..1, 1 where both are the same."""
    return (2 * a * b + C) / (a.square() + b.square() + C)
