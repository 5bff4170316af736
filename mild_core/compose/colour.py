"""A row's colour moved to the photo's."""

from __future__ import annotations

import torch
from torch import Tensor

from ..fill.smooth import smooth_fill
from ..scene.blur import blur
from .ring import check, ring_of, ring_width, samples

__all__ = ["match_colour"]

ROUNDS = 12  # of reweighting
TUKEY = 4.685  # standard deviations beyond which a difference counts for nothing; 95 % efficient on normal noise
RIDGE = 1e-4  # holds slopes that the ring says nothing about at zero
MOST_CONTRAST = 0.2  # relative change of contrast


def match_colour(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor) -> Tensor:
    """The row with its colour moved to where the photo's is in the ring.

    The difference of the two, blurred so that it is of colour and not of texture, is fitted by a plane and a change of contrast
    per channel, with Tukey's biweight, to which an object that only one of the two shows is an outlier. What the fit leaves is
    carried on smoothly from the ring over the whole crop. Arguments and errors as for `seam`.
    """
    check(row, photo, hole, known)
    known = known & ~hole
    if not known.any() or not hole.any():
        return row
    ring = ring_of(hole, known)
    sigma = ring_width(hole) / 8
    seen = _blurred(torch.cat([photo - row, row], -1), sigma, ring)
    drift, trust = _fitted(seen[..., :3], _terms(seen[..., 3:], row, ring), ring)
    rest = _carried_on(seen[..., :3] - drift[0], trust, ring, 3 * sigma)
    return (row + drift[1] + rest).clamp(0, 1)


def _terms(blurred: Tensor, row: Tensor, ring: Tensor) -> Tensor:
    """What a difference of colour is explained by, [2, H, W, 3, 4]: 1, place down, place right, colour.

    For the blurred row and for the row itself, for each pixel and channel. All but the first are 0 on average over the ring, and
    stay within the range they have in it, beyond which nothing is known.
    """
    height, width = ring.shape
    half = max(height, width) / 2
    down = torch.arange(height, device=row.device).float()[:, None, None].expand(height, width, 3) / half
    right = torch.arange(width, device=row.device).float()[None, :, None].expand(height, width, 3) / half
    terms = torch.stack([torch.stack([down, right, colour], -1) for colour in (blurred, row)])
    in_ring = terms[0][ring]
    terms = terms.clamp(in_ring.amin(0), in_ring.amax(0)) - in_ring.mean(0)
    return torch.cat([torch.ones_like(terms[..., :1]), terms], -1)


def _fitted(difference: Tensor, terms: Tensor, ring: Tensor) -> tuple[Tensor, Tensor]:
    """Differences [H, W, 3] fitted in the ring: the fit [2, H, W, 3] for both sets of terms, and the trust in each pixel [H, W] in 0..1.

    Iteratively reweighted least squares from the median (Holland and Welsch, "Robust regression using iteratively reweighted
    least squares", 1977), the weight (1 − (r / cs)²)² common to the channels, s from the median of the residuals' lengths r.
    """
    wanted, known = samples(difference, ring), samples(terms[0], ring)
    ridge = torch.diag(torch.tensor([0, RIDGE, RIDGE, RIDGE])).to(wanted)
    slopes = torch.zeros_like(known[0])
    slopes[:, 0] = wanted.median(0).values
    for _ in range(ROUNDS):
        length = (wanted - (known * slopes).sum(-1)).norm(dim=-1)
        spread = (length.median() / 1.538).clamp(min=1 / 255)  # the median length of a normal residual in three dimensions
        weight = _biweight(length / spread)
        weighted = known * (weight / weight.sum())[:, None, None]
        normal = torch.einsum("nci,ncj->cij", weighted, known) + ridge
        slopes = torch.linalg.solve(normal, torch.einsum("nci,nc->ci", weighted, wanted))
        slopes[:, 3].clamp_(-MOST_CONTRAST, MOST_CONTRAST)
    fit = torch.einsum("bhwci,ci->bhwc", terms, slopes.to(terms))
    return fit, _biweight((difference - fit[0]).norm(dim=-1) / float(spread)) * ring


def _biweight(length: Tensor) -> Tensor:
    return (1 - (length / TUKEY).square()).clamp(min=0).square()


def _carried_on(residual: Tensor, trust: Tensor, ring: Tensor, sigma: float) -> Tensor:
    """What a fit leaves in the ring, averaged by trust [H, W] and continued over the crop: [H, W, 3]."""
    share = blur(torch.stack([trust, ring.float()], -1), sigma)
    sure = ring & (share[..., 0] > share[..., 1] / 2)
    if not sure.any():
        return torch.zeros_like(residual)
    average = blur(residual * trust[..., None], sigma) / share[..., :1].clamp(min=1e-8)
    return blur(smooth_fill(average, sure), sigma)


def _blurred(picture: Tensor, sigma: float, mask: Tensor) -> Tensor:
    """A picture [H, W, C] blurred within a mask [H, W] alone; 0 far from it."""
    share = blur(mask.float()[..., None], sigma)
    return blur(picture * mask[..., None], sigma) / share.clamp(min=1e-8)
