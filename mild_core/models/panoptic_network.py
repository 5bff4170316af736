"""Panoptic labels by networks that classify masks: Mask2Former (Cheng et al., CVPR 2022), OneFormer (Jain et al., CVPR 2023) and
EoMT (Kerssies et al., CVPR 2025).

The networks are transformers'; this file is what stands before them and behind them. All give, for each of Q queries, the
logits of L classes and of "nothing", and the logits of a mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene.coco_panoptic import CATEGORIES, is_thing
from ..scene.panoptic import Panoptic, Segment
from .pose_network import MEAN, STD

__all__ = ["PanopticInput", "class_names", "decode_queries", "panoptic_input", "panoptic_memory", "panoptic_queries"]

SHORTER, LONGER, MULTIPLE = 800, 1333, 32  # pixels: the size at which Mask2Former and OneFormer are tested on COCO
SURE, OVERLAP, INSIDE = 0.8, 0.8, 0.5
TASK = (49406, 518, 10549, 533, 1072, 24755, 49407)
""""the task is panoptic" as CLIP's tokenizer has it, with its start and end; OneFormer is told by it what to do."""
ON_A_SQUARE = ("eomt", "eomt_dinov3")
"""Types of networks that take a square of one size, into which the photo is put at the top left."""


class PanopticInput(NamedTuple):
    """What a network sees of a photo."""

    pixels: Tensor  # [1, 3, h, w], normalised by ImageNet's mean and deviation
    shown: tuple[float, float]  # share of the rows and of the columns that the photo takes; beyond them all is black


def panoptic_input(photo: Tensor, config: Any) -> PanopticInput:
    """A photo [H, W, 3] in 0..1 as a network of that configuration takes it.

    Bilinear and free of aliases. Mask2Former and OneFormer: the shorter side 800 pixels, or less so that the longer has at most
    1333, each rounded up to a multiple of 32. EoMT: the longer side as long as the network's square, black beyond.
    """
    height, width = photo.shape[:2]
    if config.model_type in ON_A_SQUARE:
        side = _side(config)
        rows, columns = (max(round(side * length / max(height, width)), 1) for length in (height, width))
        frame = (side, side)
    else:
        scale = min(SHORTER / min(height, width), LONGER / max(height, width))
        rows, columns = (math.ceil(round(scale * length) / MULTIPLE) * MULTIPLE for length in (height, width))
        frame = (rows, columns)
    planes = photo[..., :3].permute(2, 0, 1)[None].float()
    seen = F.interpolate(planes, (rows, columns), mode="bilinear", antialias=True, align_corners=False)
    seen = F.pad(seen, (0, frame[1] - columns, 0, frame[0] - rows))
    mean, std = (torch.tensor(values, device=photo.device)[:, None, None] for values in (MEAN, STD))
    return PanopticInput((seen - mean) / std, (rows / frame[0], columns / frame[1]))


def _side(config: Any) -> int:
    size = config.image_size
    return int(size if isinstance(size, int) else size[0])


def panoptic_queries(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """What a network makes of pixels [1, 3, h, w] on its device.

    Returns the logits of classes [Q, L + 1], the last "nothing", and of masks [Q, m, n].
    """
    extra = {}
    if network.config.model_type == "oneformer":  # type: ignore[union-attr]
        told = torch.zeros(1, network.config.task_seq_len, device=pixels.device)  # type: ignore[union-attr, arg-type]
        told[0, : len(TASK)] = torch.tensor(TASK, device=pixels.device)
        extra["task_inputs"] = told
    out = network(pixels, **extra)
    return out.class_queries_logits[0], out.masks_queries_logits[0]


def panoptic_memory(pixels: Tensor) -> int:
    """Numbers that a pass holds at once, by a generous estimate that was not measured: 600 for each pixel of the input."""
    return 600 * pixels.shape[-2] * pixels.shape[-1]


def class_names(config: Any) -> dict[int, str]:
    """What the classes of a network are called, by their number.

    Where its config.json has no names, and 133 classes, they are COCO's.
    Raises ValueError where it has no names, and another number of classes.
    """
    names = {int(number): str(name) for number, name in config.id2label.items()}
    if not all(name == f"LABEL_{number}" for number, name in names.items()):
        return names
    if len(names) != len(CATEGORIES):
        raise ValueError(f"config.json names none of its {len(names)} classes: id2label must say what they are")
    return {number: category.name for number, category in enumerate(CATEGORIES)}


def decode_queries(
    classes: Tensor,
    masks: Tensor,
    size: tuple[int, int],
    names: Mapping[int, str],
    *,
    shown: tuple[float, float] = (1.0, 1.0),
    sure: float = SURE,
    overlap: float = OVERLAP,
) -> Panoptic:
    """Panoptic labels of a photo of that height and width, by the rule of MaskFormer, which all of these networks use.

    A query whose best class is not "nothing", with a probability c above `sure`, has a say. With m its mask's probability, each
    pixel goes to the query of the largest c·m; those of them with m < 0.5 are unknown. A query that gets less than `overlap`
    of the pixels where its own m ≥ 0.5 is dropped. Queries of the same kind of stuff are one segment.

    transformers' own post-processing does without the limit on m, so that it labels every pixel.

    Args:
        classes: [Q, L + 1] logits, the last of "nothing".
        masks: [Q, m, n] logits.
        names: what the L classes are called.
        shown: share of the masks' rows and columns that the photo takes.
    """
    certain, best = classes.float().softmax(-1).max(-1)
    kept = ((best != classes.shape[-1] - 1) & (certain > sure)).nonzero()[:, 0].tolist()
    rows, columns = (max(round(share * length), 1) for share, length in zip(shown, masks.shape[-2:], strict=True))
    owner = torch.full(size, -1, dtype=torch.long, device=masks.device)
    highest = torch.zeros(size, device=masks.device)
    inside = torch.zeros(size, dtype=torch.bool, device=masks.device)
    claimed: dict[int, int] = {}
    for query in kept:  # one at a time: all of them at the size of a large photo would take gigabytes
        plane = masks[query, :rows, :columns].float()[None, None]
        likely = F.interpolate(plane, size, mode="bilinear", align_corners=False)[0, 0].sigmoid()
        better = likely * certain[query] > highest
        highest = torch.where(better, likely * certain[query], highest)
        owner[better] = query
        inside = torch.where(better, likely >= INSIDE, inside)
        claimed[query] = int((likely >= INSIDE).sum())
    labels = torch.zeros(size, dtype=torch.long, device=masks.device)
    segments: dict[int, Segment] = {}
    of_stuff: dict[int, int] = {}
    for query in kept:
        mine = owner == query
        if not (mine & inside).any() or int(mine.sum()) < overlap * claimed[query]:
            continue
        number, score = int(best[query]), float(certain[query])
        name = names[number]
        id = len(segments) + 1
        if not is_thing(name):
            id = of_stuff.setdefault(number, id)
            score = max(score, segments[id].score if id in segments else 0.0)
        segments[id] = Segment(id, name, number, is_thing(name), score)
        labels[mine & inside] = id
    return Panoptic.of(labels, segments.values())
