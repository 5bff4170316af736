"""What each pixel of a body shows: clothes, hair, skin, shoes.

Labels are numbers from 1 on; whose meaning nobody needs to know to complete a parsing or to draw it. Where no parsing came
in, the parts of the figure that was laid over the body stand in for one, by the numbers that the networks which artists use
give to them (18 classes of the ATR set, Liang et al. 2015, as SegFormer's clothes checkpoints have them).
"""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..scene.part import Part
from .figure import PARTS

__all__ = ["LABELS", "complete_parsing", "draw_parsing", "parsing_of_parts"]

LABELS = (
    "background",
    "hat",
    "hair",
    "sunglasses",
    "upper clothes",
    "skirt",
    "trousers",
    "dress",
    "belt",
    "left shoe",
    "right shoe",
    "face",
    "left leg",
    "right leg",
    "left arm",
    "right arm",
    "bag",
    "scarf",
)
"""What the labels 0, 1, … of a clothes parsing mean."""

# of somebody who faces us, their right is the picture's left; a bare silhouette does not tell skin from clothes
SHOWS = {"head": "face", "trunk": "upper clothes", "thigh": "trousers", "shin": "trousers"}
SIDED = {"arm": "{} arm", "hand": "{} arm", "foot": "{} shoe"}
LEAST = 0.02  # of a part of the body: a label that shows on less of it is noise
GOLDEN_ANGLE = 0.381966  # turns of the hue circle between labels


def parsing_of_parts(whole: Part, parts: Part) -> Part:
    """Labels, uint8, of a body whose parts (indices of `figure.PARTS`) are known and nothing else."""
    table = torch.tensor([LABELS.index(_shown(part)) for part in PARTS], dtype=torch.uint8, device=parts.pixels.device)
    return replace(whole, pixels=table[parts.cut(whole.box).long()] * whole.pixels)


def complete_parsing(visible: Part, whole: Part, parts: Part) -> Part:
    """Labels, uint8, of a whole body: those that came in, and where it is hidden those of the same part of the body.

    A hidden pixel gets the label that shows most on what is seen of its part (an arm, a shin); else on the same part of the
    other side; else that of the nearest pixel that has one.

    Args:
        visible: uint8, the labels of what is seen; 0 where unknown. Not empty.
        whole: bool, the whole body.
        parts: uint8, indices of `figure.PARTS`, at least in the whole body's box.
    """
    box = whole.box
    labels, part = visible.cut(box), parts.cut(box).long()
    out = labels * whole.pixels
    missing = whole.pixels & (labels == 0)
    out[missing] = _nearest(labels)[missing]
    shown = _shown_by_part(labels, part)
    for index, _ in enumerate(PARTS):
        label = shown.get(index, shown.get(_other_side(index)))
        if label is not None:
            out[missing & (part == index)] = label
    return replace(whole, pixels=out)


def draw_parsing(labels: Tensor) -> Tensor:
    """A picture [..., 3] in 0..1 of labels [...], uint8: black where there is none, a colour of its own for each label."""
    hues = [colorsys.hsv_to_rgb(n * GOLDEN_ANGLE % 1, 0.75, 1.0) if n else (0.0, 0.0, 0.0) for n in range(256)]
    return torch.tensor(hues, dtype=torch.float32, device=labels.device)[labels.long()]


def _shown(part: str) -> str:
    name, *side = part.split()
    return SIDED[name].format("right" if side[0] == "l" else "left") if name in SIDED else SHOWS[name]


def _other_side(index: int) -> int:
    name = PARTS[index]
    return PARTS.index(name[:-1] + ("r" if name[-1] == "l" else "l")) if name[-2:] in (" l", " r") else index


def _shown_by_part(labels: Tensor, part: Tensor) -> dict[int, int]:
    """The label that shows most on each part that is seen enough."""
    there = labels > 0
    counts = torch.bincount(part[there] * 256 + labels[there].long(), minlength=256 * len(PARTS)).view(len(PARTS), 256)
    least = max(LEAST * int(there.sum()) / len(PARTS), 1)
    return {index: int(count.argmax()) for index, count in enumerate(counts) if count.max() >= least}


def _nearest(labels: Tensor) -> Tensor:
    """[h, w]: the label of the nearest pixel that has one."""
    import cv2

    known = labels.cpu().numpy()
    away = (known == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    of_pixel = np.zeros(nearest.max() + 1, np.uint8)
    of_pixel[nearest[known > 0]] = known[known > 0]
    return torch.from_numpy(of_pixel[nearest]).to(labels.device)
