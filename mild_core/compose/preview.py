"""What the picture would be now, while the rows are still being denoised: small, rough and quick.

Pasting is linear in the rows: every pixel of the composed picture is a mean of the photo and of some rows, with weights that
the plan alone decides. They are found once; a step of the sampler then costs one resize and one weighted sum for each row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from ..scene.box import Box
from ..scene.masks import feather
from ..scene.part import Part
from ..scene.resize import resized

__all__ = ["Preview", "Share", "make_preview"]

LONGEST = 512  # pixels of the preview's longer side, at most
DARKEST = 1 / 512  # a weight below this changes no 8-bit pixel


@dataclass(frozen=True, eq=False)
class Share:
    """How much of the preview a row is.

    Attributes:
        crop: of the row, in the preview's pixels; may reach beyond it.
        box: where the row shows, inside the preview; 0×0 where it does not.
        weight: [h, w, 1] float32 in 0..1, of the row in the box.
    """

    crop: Box
    box: Box
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Preview:
    """The photo made small, and how the rows of a plan are pasted onto it.

    Attributes:
        photo: [h, w, 3] float32 in 0..1.
        still: [h, w, 3] float32, the photo times its own weight.
        shares: one for each row, in the plan's order.
    """

    photo: Tensor
    still: Tensor
    shares: tuple[Share, ...]

    def picture(self, rows: Sequence[Tensor]) -> Tensor:
        """The picture [h, w, 3] float32 in 0..1, from rough pictures [s, s, 3] in 0..1 of the rows, of any size each.

        Background rows in their holes, then the people who stay, completed, far to near. Nobody who goes is in it.
        Raises ValueError when the number of rows is not the plan's.
        """
        if len(rows) != len(self.shares):
            raise ValueError(f"rows are {len(rows)}, but the plan has {len(self.shares)} pathways")
        out = self.still.clone()
        for share, row in zip(self.shares, rows, strict=True):
            if share.box.width <= 0:
                continue
            painted = _sized(row.to(out), share.crop.height, share.crop.width)
            share.box.view(out).addcmul_(share.weight, share.box.moved(-share.crop.left, -share.crop.top).view(painted))
        return out.clamp_(0, 1)


def make_preview(plan: LayerPlan, longest: int = LONGEST) -> Preview:
    """The preview of a plan, of at most `longest` pixels on its longer side, on the CPU. Raises ValueError when that is less than 1."""
    if longest < 1:
        raise ValueError(f"longest is {longest}, but it must be at least 1")
    height, width = plan.scene.size
    scale = min(longest / max(height, width), 1.0)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    photo = resized(plan.scene.photo[0].float().cpu(), *size)
    weights = _weights(plan, _Proxy(plan.scene.size, size))
    shares = tuple(_share(weight, _Proxy(plan.scene.size, size).crop(p)) for p, weight in zip(plan.pathways, weights[1:], strict=True))
    return Preview(photo, photo * weights[0][..., None], shares)


@dataclass(frozen=True)
class _Proxy:
    """Between the pixels of the photo and those of the preview."""

    photo: tuple[int, int]
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        return self.size[0] / self.photo[0]

    def crop(self, pathway: Pathway) -> Box:
        """A row's crop in the preview's pixels, at least one a side."""
        left, top, right, bottom = (round(n * self.scale) for n in pathway.crop)
        return Box(left, top, max(right, left + 1), max(bottom, top + 1))

    def around(self, box: Box, margin: int) -> Box:
        """The preview's pixels that a box of the photo touches, and `margin` more."""
        outer = Box(
            math.floor(box.left * self.scale),
            math.floor(box.top * self.scale),
            math.ceil(box.right * self.scale),
            math.ceil(box.bottom * self.scale),
        )
        return outer.grown(margin).clip(*self.size)

    def mean(self, part: Part, box: Box) -> Tensor:
        """A mask of the photo in a box of the preview: the share of each pixel that it covers, [h, w] float32."""
        there = Box(*(round(n / self.scale) for n in box))
        covered = part.cut(Box(there.left, there.top, max(there.right, there.left + 1), max(there.bottom, there.top + 1))).float()
        return F.interpolate(covered.cpu()[None, None], (box.height, box.width), mode="area")[0, 0]


def _weights(plan: LayerPlan, proxy: _Proxy) -> Tensor:
    """How much of each pixel is the photo, and how much each row: [1 + rows, h, w] float32; they sum to 1."""
    weights = torch.zeros(1 + len(plan.pathways), *proxy.size)
    weights[0] = 1
    rows = {p.person: index for index, p in enumerate(plan.pathways, start=1) if p.person is not None}
    soft = max(plan.feather * proxy.scale, 1.0)
    for index, pathway in enumerate(plan.pathways, start=1):
        if pathway.person is None:
            box = proxy.around(pathway.paste.box, math.ceil(soft)).inside(proxy.crop(pathway))
            if box.width > 0 and box.height > 0:
                # a thin hole is less than half of each pixel it covers, and must not be lost
                covered = torch.maximum(proxy.mean(pathway.paste, box), feather(proxy.mean(pathway.paste, box) > 0.5, soft))
                _over(weights, box, index, covered, covered)
    for person in reversed(plan.scene.people):
        box = proxy.around(person.soft.box.union(person.body.box), 0)
        if person.id in plan.scene.erased or box.width <= 0 or box.height <= 0:
            continue
        alpha, painted, index = proxy.mean(person.soft, box), torch.zeros(1), rows.get(person.id, 0)
        if index:
            pathway = plan.pathways[index - 1]
            painted = proxy.mean(pathway.paste, box)
            hidden = Part(person.body.box, person.body.pixels & ~person.seen.cut(person.body.box), person.body.size)
            alpha = torch.maximum(alpha, torch.maximum(proxy.mean(hidden, box), painted))
        _over(weights, box, index, alpha, torch.minimum(painted, alpha))
    return weights


def _over(weights: Tensor, box: Box, index: int, alpha: Tensor, painted: Tensor) -> None:
    """Put a layer of that opacity [h, w] over what is there, of which `painted` [h, w] is the row and the rest the photo."""
    here = weights[:, box.top : box.bottom, box.left : box.right]
    here.mul_(1 - alpha)
    here[0] += alpha - painted
    here[index] += painted


def _share(weight: Tensor, crop: Box) -> Share:
    shown = weight > DARKEST
    if not shown.any():
        return Share(crop, Box(0, 0, 0, 0), weight.new_zeros(0, 0, 1))
    box = Box.around(shown).inside(crop)
    return Share(crop, box, box.view(weight)[..., None].clone())


def _sized(row: Tensor, height: int, width: int) -> Tensor:
    """A row [s, s, 3] in another size, bilinear and free of aliases."""
    planes = row.permute(2, 0, 1)[None]
    sized = F.interpolate(planes, (height, width), mode="bilinear", antialias=min(row.shape[:2]) > min(height, width), align_corners=False)
    return sized[0].permute(1, 2, 0)
