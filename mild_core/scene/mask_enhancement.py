"""Mask enhancement (SmartEraser, arXiv 2501.08279): one mask as different people would have drawn it.

| operation  | what it does                                                          | area in training | at use |
|------------|-----------------------------------------------------------------------|------------------|--------|
| original   | nothing                                                               |                  |        |
| erode      | shrinks                                                               | 0.80-0.90        | 0.85   |
| dilate     | grows                                                                 | 1.25-1.50        | 1.10   |
| hull       | the convex hull of each part, then grows                              | 1.25-1.50        | 1.35   |
| ellipse    | grows, then the ellipse fitted to its pixels                          | 2.00-2.50        | 2.25   |
| curved box | the box, grown; its sides bulge as quadratic Bézier curves, and shake | 1.10-1.20        | 1.15   |

The area is that of the step that grows or shrinks, as a share of what that step begins with. The operations, the shares and the
gates are from the published code. There a mask grows, or shrinks, by squares of max(3, √(pixels to go / 10)) a side until it has
passed the share, by far: of 408 people's masks at 512 pixels "1.10" made 1.36 in the median (1.20 to 1.50 for nine in ten), and
"0.85" made 0.57. Here it is the smallest radius that passes the share: 1.11 (1.10 to 1.27) and 0.84 (0.74 to 0.85).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .box import Box
from .masks import components, distance_inside, hull

__all__ = ["OPERATIONS", "Operation", "allowed_operations", "augmented_mask", "enhance_mask", "grown_to", "shrunk_to"]

LARGEST = 0.7  # share of the picture; what would cover more stays as it was
SHAKE = 5  # pixels that a point of a curved side may lie off it
POINTS = 18  # of each curved side, at 0.05, 0.10, … 0.90 of its length


class Operation(NamedTuple):
    """The share of the area that an operation makes: the range that training draws from, and what is taken at use."""

    lowest: float
    highest: float
    at_use: float


OPERATIONS: dict[str, Operation] = {
    "original": Operation(1.0, 1.0, 1.0),
    "erode": Operation(0.80, 0.90, 0.85),
    "dilate": Operation(1.25, 1.50, 1.10),
    "hull": Operation(1.25, 1.50, 1.35),
    "ellipse": Operation(2.00, 2.50, 2.25),
    "curved box": Operation(1.10, 1.20, 1.15),
}
"""In the published order, from 1 on."""


def allowed_operations(mask: Tensor) -> tuple[str, ...]:
    """What training may draw for a mask [H, W]: the less it fills of its hull and its box, and the larger these are, the less."""
    inside = mask > 0.5
    names = tuple(OPERATIONS)
    if not inside.any():
        return names[:1]
    pixels, area = inside.numel(), int(inside.sum())
    box = Box.around(inside)
    box_area, hull_area = box.width * box.height, int(_hulls(inside).sum())
    if area / box_area >= 0.5 and box_area / pixels <= 0.4:
        return names
    if area / hull_area >= 0.6 and hull_area / pixels <= 0.5:
        return names[:5]
    return names[:1] if area / pixels > 0.5 else names[:3]


def augmented_mask(mask: Tensor, generator: torch.Generator) -> Tensor:
    """The mask [H, W] after one of its allowed operations, of a random share of the area: for training. Bool."""
    allowed = allowed_operations(mask)
    name = allowed[int(torch.randint(len(allowed), (), generator=generator))]
    lowest, highest, _ = OPERATIONS[name]
    share = lowest + (highest - lowest) * float(torch.rand((), generator=generator))
    return enhance_mask(mask, name, share, generator)


def enhance_mask(mask: Tensor, operation: str, amount: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
    """The mask after one operation.

    Args:
        mask: [H, W], true above 0.5.
        operation: one of `OPERATIONS`.
        amount: the share of the area, of the step that grows or shrinks; 0 for the one at use.
        generator: of the bulges of a curved box, on the CPU; None for none.
    Returns [H, W] bool; the mask as it was where nothing is in it, where the result would cover more than 0.7 of the picture, and
    where nothing would be left.
    Raises ValueError for another operation, and for an amount that is on the wrong side of 1.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"operation is {operation!r}, but it must be one of {', '.join(OPERATIONS)}")
    amount = amount or OPERATIONS[operation].at_use
    if operation != "original" and (not 0 < amount < 1 if operation == "erode" else amount < 1):
        wanted = "between 0 and 1" if operation == "erode" else "1 or more"
        raise ValueError(f"amount is {amount:g}, but for {operation} it must be {wanted}")
    inside = mask > 0.5
    if not inside.any():
        return inside
    changed = _changed(inside, operation, amount, generator)
    return changed if changed.any() and float(changed.float().mean()) <= LARGEST else inside


def _changed(inside: Tensor, operation: str, share: float, generator: torch.Generator | None) -> Tensor:
    match operation:
        case "erode":
            return shrunk_to(inside, share)
        case "dilate":
            return grown_to(inside, share)
        case "hull":
            return grown_to(_hulls(inside), share)
        case "ellipse":
            return _ellipse(grown_to(inside, share))
        case "curved box":
            return _curved_box(inside, share, generator)
    return inside


def grown_to(mask: Tensor, share: float) -> Tensor:
    """The mask [H, W] grown by the smallest radius at which its area is `share` times (1 or more) what it was. Bool."""
    inside = mask > 0.5
    missing = min(math.ceil(int(inside.sum()) * share), inside.numel()) - int(inside.sum())
    if missing <= 0 or not inside.any():
        return inside
    apart = distance_inside(~inside)
    return inside | (apart <= apart[~inside].kthvalue(missing).values)


def shrunk_to(mask: Tensor, share: float) -> Tensor:
    """The mask [H, W] shrunk by the smallest radius at which its area is at most `share` times (0..1) what it was. Bool.

    The frame of the picture is no edge. A mask so thin that nothing would be left, and one without an edge, stay as they are.
    """
    inside = mask > 0.5
    surplus = int(inside.sum()) - math.floor(int(inside.sum()) * share)
    if surplus <= 0 or not inside.any():
        return inside
    depth = distance_inside(inside)
    left = inside & (depth > depth[inside].kthvalue(surplus).values)
    return left if left.any() else inside


def _hulls(inside: Tensor) -> Tensor:
    """The union of the hulls of all parts."""
    out = inside.clone()
    for part in components(inside):
        part.box.view(out).logical_or_(hull(part.pixels))
    return out


def _ellipse(inside: Tensor) -> Tensor:
    """The ellipse fitted to all of a mask's pixels, not to its outline: of a disc it has two thirds of the area."""
    import cv2

    rows, columns = inside.cpu().numpy().nonzero()
    if len(rows) < 5:
        return inside
    fitted = cv2.fitEllipse(np.stack([columns, rows], 1).astype(np.float32))
    if not np.isfinite([*fitted[0], *fitted[1], fitted[2]]).all() or not 0 < min(fitted[1]) <= max(fitted[1]) < 4 * max(inside.shape):
        return inside  # of pixels that lie on a line
    drawn = np.zeros(tuple(inside.shape), np.uint8)
    cv2.ellipse(drawn, fitted, 1, -1)
    return torch.from_numpy(drawn > 0).to(inside.device)


def _curved_box(inside: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """The box of a mask, grown on all sides, whose sides bulge outwards.

    A side from a to b is the curve (1−t)²·a + 2t(1−t)·c + t²·b; its middle point c lies off the middle of the side by at most half
    the room to the frame, and at most a fifth of the box.
    """
    import cv2

    height, width = inside.shape
    box = Box.around(inside)
    # (w + 2m)(h + 2m) = share · w · h
    half = (box.width + box.height) / 4
    margin = round(math.sqrt(half**2 + (share - 1) * box.width * box.height / 4) - half)
    left, top, right, bottom = box.grown(margin).clip(height, width)
    across, down = right - left, bottom - top
    rooms = torch.tensor([(top, down), (width - right, across), (height - bottom, down), (left, across)], dtype=torch.float64)
    most = torch.minimum(0.5 * rooms[:, 0], 0.2 * rooms[:, 1])
    bulge = (most if generator is None else most * torch.rand(4, generator=generator, dtype=torch.float64)).tolist()
    shake = 0.0 if generator is None else SHAKE * (2 * torch.rand(4, POINTS, 2, generator=generator, dtype=torch.float64) - 1)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    corners = torch.tensor([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=torch.float64)
    middles = torch.tensor(
        [(middle_x, top - bulge[0]), (right + bulge[1], middle_y), (middle_x, bottom + bulge[2]), (left - bulge[3], middle_y)],
        dtype=torch.float64,
    )
    t = (torch.arange(1, POINTS + 1, dtype=torch.float64) / 20)[None, :, None]
    starts, ends = corners[:, None], corners.roll(-1, 0)[:, None]
    points = (1 - t) ** 2 * starts + 2 * t * (1 - t) * middles[:, None] + t**2 * ends + shake
    drawn = np.zeros((height, width), np.uint8)
    cv2.fillPoly(drawn, [points.reshape(-1, 2).round().numpy().astype(np.int32)], 1)
    return torch.from_numpy(drawn > 0).to(inside.device)
