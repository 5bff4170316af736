"""The prompt of a background: the tag of what is around a hole, in the words of a template.

MagicEraser (arXiv 2410.10207) prompts with "A photo of R* sky": R* is a learned embedding, and the tag ("sky") comes from
panoptic segmentation. How the tag is found it does not say. Here it is the kind of stuff that has most pixels in a ring
around the hole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .masks import components, grow
from .panoptic import Panoptic, Segment

__all__ = ["TEMPLATES", "UNKNOWN", "Share", "background_shares", "background_tag", "write_prompt"]

TEMPLATES = (
    "A photo of {embedding} {tag}",
    "A photo of {tag}",
    "There is nothing here.",
    "Remove the instance of object",
    "empty scene blur",
)
"""MagicEraser's, with and without its embedding; then what OmniEraser, SmartEraser and PowerPaint are prompted with."""
UNKNOWN = "background"  # the tag where no stuff is to be seen
NARROWEST = 8.0  # pixels of a ring: masks are off by a few


class Share(NamedTuple):
    """How much of the stuff around a hole is of one kind."""

    word: str  # as a prompt calls it
    share: float  # 0..1


def background_shares(panoptic: Panoptic, hole: Tensor, reach: float = 0.25) -> tuple[Share, ...]:
    """What kinds of stuff are around a hole, the largest share first; equal ones by the alphabet.

    Each connected part of the hole has a ring of its own, as wide as `reach` times the square root of its area, and at least
    8 pixels. Counted are pixels of the rings that show stuff: things, people and what nobody labelled say nothing of the
    background. Kinds of one word, such as all parts of a merged class, count together. Where no ring has stuff, all stuff of the
    photo outside the hole counts.

    Args:
        hole: [H, W] bool.
        reach: width of a ring in lengths of its part of the hole, above 0.
    Returns shares that sum to 1; none where the photo has no stuff.
    Raises ValueError for a hole of another size, and for a reach of 0 or less.
    """
    if tuple(hole.shape) != panoptic.size:
        raise ValueError(f"hole is {'×'.join(map(str, hole.shape))}, but panoptic is {'×'.join(map(str, panoptic.size))}: they must agree")
    if not reach > 0:
        raise ValueError(f"reach is {reach}, but it must be more than 0")
    hole = hole.to(panoptic.labels.device)
    return _shares(panoptic, _rings(hole, reach)) or _shares(panoptic, ~hole)


def background_tag(panoptic: Panoptic, hole: Tensor, reach: float = 0.25, most: int = 1, least: float = 0.25) -> str:
    """The kind of stuff with the largest share around a hole, such as "sky"; "background" where there is none.

    Args:
        most: up to so many kinds, joined as "grass and trees".
        least: a further one must have this share at least.
    """
    shares = background_shares(panoptic, hole, reach)
    words = [share.word for place, share in enumerate(shares[:most]) if place == 0 or share.share >= least]
    return " and ".join(words) or UNKNOWN


def write_prompt(template: str, tag: str = "", embedding: str = "") -> str:
    """A template with its {tag} and {embedding} filled in; without an embedding its place closes up.

    Raises ValueError for other words in braces.
    """
    text = template.replace("{tag}", tag).replace("{embedding}", embedding)
    if "{" in text or "}" in text:
        raise ValueError(f"template is {template!r}, but in braces it may have {{tag}} and {{embedding}} only")
    return " ".join(text.split())


def _rings(hole: Tensor, reach: float) -> Tensor:
    out = torch.zeros_like(hole)
    for part in components(hole):
        width = max(reach * math.sqrt(part.area), NARROWEST)
        box = part.box.grown(math.ceil(width)).clip(*part.size)
        box.view(out).logical_or_(grow(part.cut(box), width))
    return out & ~hole


def _shares(panoptic: Panoptic, where: Tensor) -> tuple[Share, ...]:
    pixels: dict[str, int] = {}
    for segment, count in _counts(panoptic, where):
        if not segment.thing:
            pixels[segment.word] = pixels.get(segment.word, 0) + count
    total = sum(pixels.values())
    ordered = sorted(pixels.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Share(word, count / total) for word, count in ordered)


def _counts(panoptic: Panoptic, where: Tensor) -> Iterable[tuple[Segment, int]]:
    ids, counts = panoptic.labels[where].unique(return_counts=True)
    by_id = {segment.id: segment for segment in panoptic.segments}
    return [(by_id[int(id)], int(count)) for id, count in zip(ids, counts, strict=True) if id]
