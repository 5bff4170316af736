"""The removal pairs of Erase Diffusion (arXiv 2503.07026, section 4.1): a photo's primary object, turned and scaled, pasted on it again.

A matting network segments a photo's primary object; turned and scaled, it is pasted at a random place on the background of the same
photo. The photo with it is the input, the photo itself the truth. The paper names neither the network nor any range. Ours: the object
is the largest thing near the middle that can be cut out whole, its alpha that of `cutout`, its scale 0.5 to 1.4 of its own, even by
its logarithm, its turn at most 30° either way, and its place any where all of it is on background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..scene.panoptic import Panoptic, Segment
from .cutout import cut_softly
from .olrd import LEAST_SHARE, OlrdPair, background_tags, blended, free_background, movable_things
from .placing import fitting_places

__all__ = ["SCALES", "TRIED", "TURN", "ErasePair", "make_erase_pair", "primary_objects", "turned"]

SCALES = (0.5, 1.4)  # times its own size: larger, a cut-out is blurred beside what is around it
TURN = 30.0  # degrees either way
TRIED = 12  # draws of scale and turn for an object
SHRINKING = 0.85  # of the largest scale, after each draw that finds no place
CENTRED = 0.5  # of half the diagonal, a standard deviation: how near the middle a primary object is


@dataclass(frozen=True, eq=False)
class ErasePair(OlrdPair):
    """One pair: what is to be erased, and the truth behind it. `shift` is that of the middle of the object's box."""

    scale: float  # of the object, times its own size
    turn: float  # degrees, counter-clockwise


def make_erase_pair(photo: np.ndarray, panoptic: Panoptic, seed: int | np.random.Generator) -> ErasePair | None:
    """A pair of a photo; the same seed gives the same pair.

    Args:
        photo: [H, W, 3] uint8 RGB.
        panoptic: its labels: what is a thing, and what background.
        seed: or a generator.

    Returns:
        The pair, or None when no object of the photo finds a place.

    Raises ValueError for a photo of another kind, and labels of another size.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ValueError(f"photo is {photo.dtype} of shape {photo.shape}, but it must be [H, W, 3] uint8")
    panoptic.check_size((photo.shape[0], photo.shape[1]), "photo")
    rng = np.random.default_rng(seed)
    free = free_background(panoptic)
    for segment in primary_objects(panoptic):
        pair = _pasted(photo, panoptic, segment, free, rng)
        if pair is not None:
            return pair
    return None


def primary_objects(panoptic: Panoptic) -> list[Segment]:
    """The things that can be cut out whole, the primary one first: its area times how near the middle of the photo it is."""
    height, width = panoptic.size
    sigma = CENTRED * np.hypot(height, width) / 2

    def weight(segment: Segment) -> float:
        rows, columns = np.nonzero((panoptic.labels == segment.id).numpy())
        apart = np.hypot(rows.mean() - (height - 1) / 2, columns.mean() - (width - 1) / 2)
        return float(len(rows) * np.exp(-0.5 * (apart / sigma) ** 2))

    things = movable_things(panoptic)
    return sorted(things, key=lambda segment: (-weight(segment), segment.id))


def turned(colour: np.ndarray, alpha: np.ndarray, scale: float, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out, colour [h, w, 3] and alpha [h, w] uint8, scaled and turned counter-clockwise, to the box of what is to be seen.

    Resampled once or, made smaller, averaged first and then turned, both with premultiplied alpha, so that no colour of where alpha
    is 0 comes in. Returns uint8 as given.
    """
    premultiplied: np.ndarray = np.dstack([colour * (alpha[..., None] / np.float32(255)), alpha]).astype(np.float32)
    if scale < 1:
        size = (max(round(alpha.shape[1] * scale), 1), max(round(alpha.shape[0] * scale), 1))
        premultiplied = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA)
    height, width = premultiplied.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, max(scale, 1.0))
    reach = np.abs(matrix[:, :2]) @ (width, height)
    box_width, box_height = (int(np.ceil(side)) + 2 for side in reach)
    matrix[:, 2] += (box_width - width) / 2, (box_height - height) / 2
    drawn = cv2.warpAffine(premultiplied, matrix, (box_width, box_height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    shown = np.round(drawn[..., 3]).clip(0, 255).astype(np.uint8)
    shown[shown <= 2] = 0  # as `cut_softly` has it
    if not shown.any():
        return np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.uint8)
    own = drawn[..., :3] / (drawn[..., 3:] / 255).clip(1e-6)
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.round(own[part]).clip(0, 255).astype(np.uint8), np.ascontiguousarray(shown[part])


def _pasted(photo: np.ndarray, panoptic: Panoptic, segment: Segment, free: np.ndarray, rng: np.random.Generator) -> ErasePair | None:
    colour, cut, (top, left) = cut_softly(photo, (panoptic.labels == segment.id).numpy())
    least, most = max(SCALES[0], float(np.sqrt(LEAST_SHARE * free.size / (cut / 255).sum()))), SCALES[1]
    for _ in range(TRIED):
        scale = float(np.exp(rng.uniform(np.log(least), np.log(max(most, least)))))
        turn = float(rng.uniform(-TURN, TURN))
        drawn, alpha = turned(colour, cut, scale, turn)
        places = np.argwhere(fitting_places(alpha > 0, free))
        if not len(places):
            most *= SHRINKING
            continue
        row, column = (int(x) for x in places[rng.integers(len(places))])
        box = np.s_[row : row + alpha.shape[0], column : column + alpha.shape[1]]
        whole, seen = np.zeros(photo.shape[:2], np.uint8), photo.copy()
        whole[box] = alpha
        seen[box] = blended(photo[box], drawn, alpha)
        shift = (round(row - top + (alpha.shape[0] - cut.shape[0]) / 2), round(column - left + (alpha.shape[1] - cut.shape[1]) / 2))
        return ErasePair(seen, photo.copy(), whole, segment, shift, background_tags(panoptic, whole > 0), scale, turn)
    return None
