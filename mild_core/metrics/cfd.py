"""CFD, whether a hole fits in with what is around it and whether something was invented in it; no truth is needed.

"OmniPaint: Mastering Object-Oriented Editing via Disentangled Insertion-Removal Inpainting" (ICCV 2025). Let f(Ω) be the mean
of DINOv2's unit vectors over the patches of a region Ω, brought to length 1 again. For each connected part M of the hole,

    d_context = 1 − f(M)ᵀ f(B ∖ M),   B the box of M, grown by a third of its width and height on each side
    d_halluc  = Σ_i ω_i (1 − f(N_i)ᵀ f(A_i))
    CFD       = d_context + d_halluc, in the mean over the parts.

N_i are the masks that SAM finds wholly inside M, ω_i their shares of the N's area, and A_i the masks that cross M's edge and lie
beside N_i, cut to M and joined; a mask without such neighbours adds 0. Of masks that repeat each other (an IoU above 0.8, or
more than 0.9 of the smaller in the larger) the largest counts. Beside means within 6 pixels, each way. For the context the whole
picture is seen at 224×224; N_i and A_i are cut out, put on white, and seen so.

This is the definition. The authors' program (cfd_score, March 2026) reads other tokens than those of its masks: they are one
place off, in d_halluc mask values serve as indices, and the picture is cropped but the mask is not. So its figures, and the
tables made with it, are not to be compared with these.

Do not choose an eraser by this score alone: it falls when the filling is blurred, it can prefer the picture in which nobody was
erased, and it agrees hardly with people (Kendall's τ 0.16 in the PROVE study, where RC-S has 0.59).
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene.box import Box
from ..scene.masks import components
from ..scene.resize import resized
from .dino import patch_tokens
from .inside import comparable
from .sam import automatic_masks

__all__ = ["DinoRegions", "RegionFeatures", "cfd", "cfd_of", "distinct"]

PATCHES = 16  # of a picture, each way
PATCH = 14  # pixels
SAME, CONTAINED = 0.8, 0.9
BESIDE = 6  # pixels: a 5×5 dilation, three times


class RegionFeatures(Protocol):
    """What CFD must know about regions [H, W] bool of a picture: one vector [D] of length 1 for each."""

    def within(self, region: Tensor) -> Tensor:
        """Of a region where it is, seen with the whole picture."""

    def alone(self, region: Tensor) -> Tensor:
        """Of a region cut out and put on white."""


def cfd(image: Tensor, hole: Tensor, sam: nn.Module, dino: nn.Module) -> float:
    """CFD in 0..4, lower is better; good results lie near 0.3. nan where the hole covers the picture.

    Args:
        image: [H, W, 3] floating point in 0..1, the eraser's result.
        hole: [H, W] bool, true where somebody was erased.
        sam: a SamModel, of `load_sam`.
        dino: a Dinov2Model, of `load_dino`.
    Raises ValueError when sizes, types or ranges are others.
    """
    comparable(image, image, hole)
    return cfd_of(automatic_masks(image, sam), DinoRegions(image, dino), hole)


def cfd_of(masks: Tensor, features: RegionFeatures, hole: Tensor) -> float:
    """CFD of a hole [H, W] bool from the masks [K, H, W] bool of what is in the picture, in any order; K may be 0."""
    masks = distinct(masks.cpu())
    parts = [part.whole for part in components(hole.cpu())]
    found = [_context(part, features) + _hallucinated(part, masks, features) for part in parts]
    known = [score for score in found if not math.isnan(score)]
    return sum(known) / len(known) if known else math.nan


def distinct(masks: Tensor) -> Tensor:
    """Those of masks [K, H, W] bool that repeat no larger one, largest first: [K', H, W]. Empty masks are left out."""
    areas = masks.flatten(1).sum(1)
    masks = masks[areas.argsort(descending=True, stable=True)[: int((areas > 0).sum())]]
    common = _common(masks)
    areas = common.diagonal()
    iou = common / (areas[:, None] + areas - common)
    repeats = (iou > SAME) | (common / areas[:, None] > CONTAINED)  # of the row's mask, by the column's
    kept: list[int] = []
    for index in range(len(masks)):
        if not repeats[index, kept].any():
            kept.append(index)
    return masks[kept]


def _common(masks: Tensor) -> Tensor:
    """How many pixels each pair of masks [K, H, W] has in common: [K, K] float64."""
    found = torch.zeros(len(masks), len(masks), dtype=torch.float64)
    for pixels in masks.flatten(1).split(1 << 16, dim=1):
        found += pixels.float() @ pixels.float().T  # whole numbers below 2^24: exact
    return found


def _context(part: Tensor, features: RegionFeatures) -> float:
    """1 − f(M)ᵀ f(B ∖ M); nan where nothing is around M."""
    height, width = part.shape
    box = Box.around(part)
    across, down = box.width // 3, box.height // 3
    near = Box(box.left - across, box.top - down, box.right + across, box.bottom + down).clip(height, width)
    around = near.paste(torch.zeros_like(part), ~near.view(part))
    return _apart(features.within(part), features.within(around)) if around.any() else math.nan


def _hallucinated(part: Tensor, masks: Tensor, features: RegionFeatures) -> float:
    """Σ_i ω_i (1 − f(N_i)ᵀ f(A_i)); 0 where nothing lies inside M."""
    within = (masks & part).flatten(1).any(1)
    beyond = (masks & ~part).flatten(1).any(1)
    nested, crossing = masks[within & ~beyond], masks[within & beyond] & part
    areas = nested.flatten(1).sum(1).double()
    score = 0.0
    for mask, share in zip(nested, areas / areas.sum(), strict=True):
        beside = (crossing & _grown(mask)).flatten(1).any(1)
        if beside.any():
            score += float(share) * _apart(features.alone(mask), features.alone(crossing[beside].any(0)))
    return score


def _grown(mask: Tensor) -> Tensor:
    """A mask [H, W] grown by a square of 6 pixels each way."""
    return F.max_pool2d(mask[None, None].float(), 2 * BESIDE + 1, stride=1, padding=BESIDE)[0, 0] > 0


def _apart(one: Tensor, other: Tensor) -> float:
    return 1 - float(one.double() @ other.double())


class DinoRegions:
    """Features of regions by DINOv2: the mean of the patches' unit vectors, brought to length 1 again."""

    def __init__(self, picture: Tensor, dino: nn.Module):
        """Of a picture [H, W, 3] in 0..1, by a Dinov2Model."""
        self.picture, self.dino = picture.detach().cpu().float(), dino
        self.seen = self._tokens(self.picture)

    def within(self, region: Tensor) -> Tensor:
        return _mean(self.seen, patches_in(region))

    def alone(self, region: Tensor) -> Tensor:
        box = Box.around(region)
        cut = torch.where(box.view(region)[..., None], box.view(self.picture), torch.ones(()))
        return _mean(self._tokens(cut), patches_in(box.view(region)))

    def _tokens(self, picture: Tensor) -> Tensor:
        return patch_tokens(resized(picture, PATCHES * PATCH, PATCHES * PATCH), self.dino)


def _mean(tokens: Tensor, patches: Tensor) -> Tensor:
    return F.normalize(F.normalize(tokens[patches], dim=1).mean(0), dim=0)


def patches_in(region: Tensor) -> Tensor:
    """Those of 16×16 patches of a picture whose middle pixel at 224×224 lies in a region [H, W] bool: [16, 16] bool, never empty.

    A region that holds no patch's middle has those patches that hold most of it.
    """
    rows, columns = ((2 * (PATCH * torch.arange(PATCHES) + PATCH // 2) + 1) * n // (2 * PATCH * PATCHES) for n in region.shape)
    hit = region[rows][:, columns]
    if hit.any():
        return hit
    share = F.adaptive_avg_pool2d(region[None].double(), PATCHES)[0]
    return share == share.max()
