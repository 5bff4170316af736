"""A pair of Syn4Removal (SmartEraser, CVPR 2025): a thing of one photo pasted on another, which is the truth behind it.

The thing is scaled and turned by up to 45°, then its box is placed (see `syn4_place`), so that the rules hold for what is pasted; the
published script places first and turns after. Its edge is that of closed-form matting in a ring of three pixels inside its mask. There
alpha is told from the thing's own photo, where what is around it is what its edge is mixed with; the script tells it from the finished
picture, whose edge is the mask's. The colour in the ring is carried there from inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..scene.box import Box
from ..scene.panoptic import Panoptic
from .cutout import own_colour
from .matting import closed_form_alpha, trimap_of
from .olrd import background_tags, blended
from .syn4_instances import ClassSize
from .syn4_place import SHRINKING, boxes_in_the_way, centres, covered_share, place_for, target_share

__all__ = ["Syn4Pair", "Turned", "make_syn4_pair", "turned"]

TURN = 45.0  # degrees, to either side
AROUND = 5  # pixels of the thing's photo around it that matting sees, when it is pasted


@dataclass(frozen=True, eq=False)
class Syn4Pair:
    """One pair: what is to be erased, and the truth behind it."""

    input: np.ndarray  # [H, W, 3] uint8
    truth: np.ndarray  # [H, W, 3] uint8, the background
    mask: np.ndarray  # [H, W] bool, the thing's own, hard; outside of it input and truth are equal bit for bit
    box: Box  # of the thing, of which a part may lie outside
    target: float  # share of the picture that was sought for its box before it was turned and shrunk
    shrunk: int  # times that it was made smaller than that
    angle: float  # degrees, against the clock
    tags: tuple[str, ...]  # backgrounds behind the mask, the largest first; none where nobody labelled them


@dataclass(frozen=True, eq=False)
class Turned:
    """A thing with some of its photo around it, scaled and turned."""

    colour: np.ndarray  # [h, w, 3] uint8
    mask: np.ndarray  # [h, w] bool
    box: Box  # of the mask


def make_syn4_pair(
    photo: np.ndarray, thing: np.ndarray, size: ClassSize, background: np.ndarray, panoptic: Panoptic, seed: int | np.random.Generator
) -> Syn4Pair | None:
    """The thing of a photo pasted on a background; the same seed gives the same pair.

    Args:
        photo: [h, w, 3] uint8.
        thing: [h, w] bool, its mask.
        size: of the things of its class.
        background: [H, W, 3] uint8.
        panoptic: what is known of the background; all may be unknown.
        seed: or a generator.

    Returns:
        The pair, or None when there is no place for it at any of the four sizes.

    Raises ValueError for an empty mask, and for labels of another size than the background's.
    """
    height, width = background.shape[:2]
    panoptic.check_size((height, width), "background")
    if not thing.any():
        raise ValueError("thing is an empty mask, but it must have a pixel")
    rng = np.random.default_rng(seed)
    boxes = boxes_in_the_way(panoptic)
    free = centres(boxes, height, width)
    target = target_share(size, covered_share(boxes, height, width), rng)
    angle = float(rng.uniform(-TURN, TURN))
    rows, columns = np.flatnonzero(thing.any(1)), np.flatnonzero(thing.any(0))
    own = (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0])
    for times in SHRINKING:
        scale = float(np.sqrt(target * height * width / own)) / times
        ready = turned(photo, thing, scale, angle)
        place = None if ready is None else place_for((ready.box.height, ready.box.width), free, boxes, (height, width), rng)
        if ready is None or place is None:
            continue
        shown, mask = _pasted(ready, background, place)
        if not mask.any():
            continue  # a thing whose box is inside, and nothing of itself
        tags = background_tags(panoptic, mask) if (panoptic.background.numpy() & mask).any() else ()
        return Syn4Pair(shown, background.copy(), mask, place, target, times, angle, tags)
    return None


def turned(photo: np.ndarray, thing: np.ndarray, scale: float, angle: float) -> Turned | None:
    """A thing with mask [h, w] bool at `scale`, turned by `angle` degrees against the clock; None where no pixel is left of it.

    5 pixels of its photo remain around it; beyond the photo's frame its border repeats.
    """
    colour, mask = _cut(photo, thing, int(np.ceil((AROUND + 2) / scale)))
    size = tuple(max(round(side * scale), 1) for side in (mask.shape[1], mask.shape[0]))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(colour, size, interpolation=how)
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    matrix = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), angle, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    canvas = (int(np.ceil(size[0] * cosine + size[1] * sine)), int(np.ceil(size[0] * sine + size[1] * cosine)))
    matrix[:, 2] += (np.array(canvas) - size) / 2
    share = cv2.warpAffine(share, matrix, canvas, flags=cv2.INTER_LINEAR)
    hard = share > 0.5
    if not hard.any():
        return None
    spun = cv2.warpAffine(small, matrix, canvas, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.flatnonzero(hard.any(1)), np.flatnonzero(hard.any(0))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    spun = cv2.copyMakeBorder(spun, AROUND, AROUND, AROUND, AROUND, cv2.BORDER_REPLICATE)
    hard = np.pad(hard, AROUND)
    part = np.s_[box.top : box.bottom + 2 * AROUND, box.left : box.right + 2 * AROUND]
    kept = Box(AROUND, AROUND, AROUND + box.width, AROUND + box.height)
    return Turned(np.ascontiguousarray(spun[part]), np.ascontiguousarray(hard[part]), kept)


def _cut(photo: np.ndarray, thing: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Photo and mask in the mask's box and that many pixels around it, beyond the frame too."""
    rows, columns = np.flatnonzero(thing.any(1)), np.flatnonzero(thing.any(0))
    down = np.arange(rows[0] - margin, rows[-1] + 1 + margin)
    across = np.arange(columns[0] - margin, columns[-1] + 1 + margin)
    inside = ((down >= 0) & (down < thing.shape[0]))[:, None] & (across >= 0) & (across < thing.shape[1])
    grid = np.ix_(down.clip(0, thing.shape[0] - 1), across.clip(0, thing.shape[1] - 1))
    return np.ascontiguousarray(photo[grid]), thing[grid] & inside


def _pasted(ready: Turned, background: np.ndarray, place: Box) -> tuple[np.ndarray, np.ndarray]:
    """The background with the thing at that place, and where it is [H, W] bool."""
    height, width = background.shape[:2]
    alpha = np.round(closed_form_alpha(ready.colour, trimap_of(ready.mask)) * 255).astype(np.uint8)
    colour = np.round(own_colour(ready.colour, alpha / np.float32(255))).clip(0, 255).astype(np.uint8)
    inside = place.clip(height, width)
    here = np.s_[inside.top : inside.bottom, inside.left : inside.right]
    part = inside.moved(ready.box.left - place.left, ready.box.top - place.top)
    there = np.s_[part.top : part.bottom, part.left : part.right]
    shown, mask = background.copy(), np.zeros((height, width), bool)
    shown[here] = blended(background[here], colour[there], alpha[there])
    mask[here] = ready.mask[there]
    return shown, mask
