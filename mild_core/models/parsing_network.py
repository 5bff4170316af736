"""What each pixel of a person shows (hair, face, trousers, …), by a SegFormer (Xie et al. 2021) trained for human parsing.

The network is transformers' SegformerForSemanticSegmentation; this file is what stands before it and behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene import Scene
from ..scene.box import Box
from .pose_network import MEAN, STD

__all__ = ["SIDE", "parse_people", "parsing_crops", "parsing_logits", "parsing_memory", "person_squares"]

SIDE = 512  # pixels of a crop: the size that SegFormers for clothes are trained at
CONTEXT = 0.1  # of a person's longer side, shown beyond each side
STRIDE = 4  # pixels of the crop for each of the logits'


def person_squares(scene: Scene) -> list[Box]:
    """A square around what is seen of each person, with some context; within the photo where it fits there."""
    height, width = scene.size
    squares = []
    for person in scene.people:
        box = person.seen.box
        side = box.longest + 2 * round(CONTEXT * box.longest)
        left, top = (box.left + box.right - side) // 2, (box.top + box.bottom - side) // 2
        left, top = _within(left, side, width), _within(top, side, height)
        squares.append(Box(left, top, left + side, top + side))
    return squares


def _within(start: int, length: int, whole: int) -> int:
    """Where a stretch of that length starts when it is moved into the whole, or, being longer, to its middle."""
    return min(max(start, 0), whole - length) if length <= whole else (whole - length) // 2


def parsing_crops(photo: Tensor, squares: Sequence[Box], side: int = SIDE) -> Tensor:
    """What the network sees of each square of a photo [H, W, 3] in 0..1: [N, 3, side, side].

    Bilinear and free of aliases, normalised by ImageNet's mean and deviation, as SegformerImageProcessor does. Beyond the photo
    its outermost pixels repeat.
    """
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    crops = []
    for square in squares:
        planes = square.cut(photo)[..., :3].permute(2, 0, 1)[None].float()
        shown = F.interpolate(planes, (side, side), mode="bilinear", antialias=True, align_corners=False)
        crops.append((shown - mean) / std)
    return torch.cat(crops) if crops else torch.zeros(0, 3, side, side)


def parsing_logits(network: nn.Module, crops: Tensor) -> Tensor:
    """What the network (a SegformerForSemanticSegmentation) makes of crops on its device and in its precision: [N, L, s/4, s/4]."""
    return network(crops).logits


def parsing_memory(config: Any) -> int:
    """Numbers that a pass holds at once for each crop: 10 for each of the logits' pixels and channel of the decoder; measured 9.2."""
    return 10 * (SIDE // STRIDE) ** 2 * config.decoder_hidden_size


def parse_people(scene: Scene, squares: Sequence[Box], logits: Tensor) -> Tensor:
    """One map of labels of the whole photo.

    Args:
        squares: one for each of the scene's people.
        logits: [people, L, s, s] of these squares, of at most 256 labels.
    Returns [H, W] uint8: on each person's own pixels the likeliest label of that person's crop, elsewhere 0.
    """
    labels = torch.zeros(scene.size, dtype=torch.uint8)
    for person, square, scores in zip(scene.people, squares, logits, strict=True):
        seen = person.seen
        found = _likeliest(scores.float(), square.width)
        mine = seen.box.moved(-square.left, -square.top).view(found)
        place = seen.box.view(labels)
        place.copy_(torch.where(seen.pixels, mine, place))
    return labels


def _likeliest(scores: Tensor, side: int) -> Tensor:
    """The best of L labels where scores [L, s, s] are stretched to [side, side], uint8. One label at a time: all of them at the
    size of somebody who fills a large photo would take gigabytes."""
    best = torch.full((side, side), -torch.inf)
    labels = torch.zeros(side, side, dtype=torch.uint8)
    for number, plane in enumerate(scores):
        stretched = F.interpolate(plane[None, None], (side, side), mode="bilinear", align_corners=False)[0, 0]
        better = stretched > best
        best[better] = stretched[better]
        labels[better] = number
    return labels
