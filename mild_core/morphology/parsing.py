"""What each pixel of a body shows: clothes, hair, skin, shoes.

Labels are numbers from 1 on; whose meaning nobody needs to know to complete a parsing or to draw it. Where no parsing came
in, the parts of the figure that was laid over the body stand in for one, by the numbers that the networks which artists use
give to them (18 classes of the ATR set, Liang et al. 2015, as SegFormer's clothes checkpoints have them).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..scene.box import Box
from ..scene.colours import distinct_colour
from ..scene.part import Part
from .figure import PARTS

__all__ = ["LABELS", "complete_parsing", "draw_parsing", "parsing_of_parts", "read_parsing"]

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
UNNAMED, MOST = 100, 255  # the first number of labels that are not in LABELS; the last one of all


def read_parsing(given: Tensor | tuple, size: tuple[int, int]) -> Tensor:
    """A label map [H, W] uint8, 0 for none, out of what parsing nodes give.

    Args:
        given: a MASK [1, H, W] or [H, W] of label/255; a MASK [N, H, W], N > 1, whose masks (true above 0.5) are the labels 1,
            2, …; an IMAGE [1, H, W, 3], grey of label/255, or with a colour of its own for each label and black for none; or
            Impact Pack's SEGS, each segment's label named as in LABELS or numbered from 100 on in the order in which they come.
        size: height and width of the photo.
    Raises ValueError for another size or shape, for NaN, and for a picture of more colours than there can be labels.
    """
    if not isinstance(given, torch.Tensor):
        return _of_segments(given, size)
    shape = "×".join(map(str, given.shape))
    if given.ndim == 4 and given.shape[0] == 1 and given.shape[-1] in (3, 4):
        values, there = given[0, ..., :3], given.shape[1:3]
    elif given.ndim in (2, 3):
        values, there = given.reshape(-1, *given.shape[-2:]), given.shape[-2:]
    else:
        raise ValueError(f"parsing is {shape}, but it must be masks, one picture, or SEGS")
    if tuple(there) != size:
        raise ValueError(f"parsing is {there[1]}×{there[0]} but the photo is {size[1]}×{size[0]}: they must be the same size")
    if not values.isfinite().all():
        raise ValueError("parsing holds NaN or infinity, but must hold numbers in 0 to 1")
    if given.ndim == 4:
        return _of_colours((values * 255).round().clamp(0, 255).long())
    if len(values) == 1:
        return (values[0] * 255).round().clamp(0, 255).to(torch.uint8)
    if len(values) > MOST:
        raise ValueError(f"parsing is {shape}, but there can be no more than {MOST} labels")
    numbers = torch.arange(1, len(values) + 1, device=values.device)[:, None, None]
    return ((values > 0.5) * numbers).amax(0).to(torch.uint8)


def _of_colours(pixels: Tensor) -> Tensor:
    """[H, W] uint8 of a picture [H, W, 3] in 0..255."""
    if torch.equal(pixels[..., 0], pixels[..., 1]) and torch.equal(pixels[..., 1], pixels[..., 2]):
        return pixels[..., 0].to(torch.uint8)
    codes = pixels @ pixels.new_tensor([1 << 16, 1 << 8, 1])
    colours, label = codes.unique(return_inverse=True)
    if len(colours) > MOST + 1:
        raise ValueError(
            f"parsing has {len(colours)} colours, but it must have one for each label, no more than {MOST}: it is no label map"
        )
    return (label + int(colours[0] != 0)).to(torch.uint8)


def _of_segments(segs: tuple, size: tuple[int, int]) -> Tensor:
    (height, width), segments = segs
    if (height, width) != size:
        raise ValueError(f"parsing is {width}×{height} but the photo is {size[1]}×{size[0]}: they must be the same size")
    numbers = {name: number for number, name in enumerate(LABELS)}
    out = torch.zeros(size, dtype=torch.uint8)
    for segment in segments:
        box = Box(*(int(v) for v in segment.crop_region))
        number = numbers.setdefault(str(segment.label).lower(), min(UNNAMED + len(numbers) - len(LABELS), MOST))
        inside = box.clip(height, width)
        cropped = torch.as_tensor(np.asarray(segment.cropped_mask), dtype=torch.float32).reshape(-1, box.height, box.width)[0]
        inside.view(out)[inside.moved(-box.left, -box.top).view(cropped) > 0.5] = number
    return out


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
    colours = [(0.0, 0.0, 0.0), *(distinct_colour(label) for label in range(1, 256))]
    return torch.tensor(colours, dtype=torch.float32, device=labels.device)[labels.long()]


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
