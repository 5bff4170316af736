"""Cut-outs that do not give themselves away by their edge: soft alpha below the pixel, and colour that is the person's own.

A person's mask says inside or outside, and is a pixel or two off. The alpha of the thin band around its edge is the mask after
a guided filter on the photograph (He, Sun, Tang, "Guided Image Filtering", ECCV 2010), whose edge lies where the photograph has
one. What the band shows is partly what stood behind, so that none of it is used: colour is carried there from inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .library import load_labels, load_photo
from .match import Light, light_of

__all__ = ["SoftCutout", "cut_softly", "guided_filter", "own_colour", "scaled", "soft_alpha", "soft_cutout"]

RADIUS = 3  # pixels, of the filter's window
EPSILON = 5e-4  # variance below which an edge of the photo counts for little
STEEPER = 1.6  # times: the filter's windows overlap, which makes an edge wider than the photo has it
INWARD = 0.06  # of alpha: an edge that is too far in loses a hair, one that is too far out shows the wrong background
OUTSIDE, INSIDE = 3.0, 4.0  # pixels from the mask's edge where alpha is 0, and 1, whatever the photo says
FADE = 1.5  # pixels before that over which the photo has less and less to say
SURE = 0.95  # of alpha: what is more is inside
DEEP, SHALLOW = 3.0, 1.6  # pixels inside: from where the photo's colour is the person's own, up to where it is not
MARGIN = 8  # pixels of photo around the box that the filter sees


@dataclass(frozen=True, eq=False)
class SoftCutout:
    """One person of a photograph, cut out softly."""

    colour: np.ndarray  # [h, w, 3] uint8, the person's own colour, carried on beyond the edge
    alpha: np.ndarray  # [h, w] uint8, 0 … 255 for 0 … 1
    light: Light  # of the photograph around the person


@lru_cache(maxsize=640)
def soft_cutout(photo: Path, labels: Path, value: int) -> SoftCutout:
    """The person with that value, to the box of what is not quite transparent."""
    picture = load_photo(photo)
    colour, alpha, _ = cut_softly(picture, load_labels(labels) == value)
    return SoftCutout(colour, alpha, light_of(picture.astype(np.float32) / 255))


def cut_softly(photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """What a mask [H, W] bool shows of a photo [H, W, 3] uint8, to the box of what is not quite transparent.

    Returns:
        Its own colour [h, w, 3] uint8, alpha [h, w] uint8, 0 … 255 for 0 … 1, and the (top, left) of the box in the photo.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(int(rows[0]) - MARGIN, 0), max(int(columns[0]) - MARGIN, 0)
    part = np.s_[top : rows[-1] + 1 + MARGIN, left : columns[-1] + 1 + MARGIN]
    alpha = soft_alpha(photo[part], mask[part])
    colour = own_colour(photo[part], alpha)
    shown = np.round(alpha * 255).astype(np.uint8)
    rows, columns = np.flatnonzero((shown > 2).any(1)), np.flatnonzero((shown > 2).any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.round(colour[box]).astype(np.uint8), np.ascontiguousarray(shown[box]), (top + int(rows[0]), left + int(columns[0]))


def soft_alpha(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Alpha [h, w] float32 in 0..1 of a mask [h, w] bool on a photo [h, w, 3] uint8.

    1 from 4 pixels inside on, 0 from 3 pixels outside on; between them, where the photo's edge is. A mask that ends at the
    frame is taken to end there.
    """
    filtered = guided_filter(photo.astype(np.float64) / 255, mask.astype(np.float64), RADIUS, EPSILON)
    alpha = ((filtered - 0.5 - INWARD) * STEEPER + 0.5).clip(0, 1)
    padded = np.pad(mask, 1).astype(np.uint8)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    alpha *= ((OUTSIDE - outside) / FADE).clip(0, 1)
    alpha = 1 - (1 - alpha) * ((INSIDE - inside) / FADE).clip(0, 1)
    return alpha.astype(np.float32)


def guided_filter(guide: np.ndarray, source: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The guided filter of a source [h, w] by a colour guide [h, w, 3], both float64 in 0..1: [h, w] float64.

    In each window k of (2·radius + 1)² pixels the output is aₖ·I + bₖ, with aₖ = (Σₖ + εU)⁻¹ cov(I, p) and bₖ = p̄ − aₖ·Ī (He, Sun,
    Tang, 2010, eq. 19 and 20); a pixel's output is the mean over the windows it is in. The frame repeats by reflection.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_source = mean(guide), mean(source)
    pairs = [mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j] for i in range(3) for j in range(3)]
    spread = np.stack(pairs, -1).reshape(*source.shape, 3, 3) + epsilon * np.eye(3)
    joint = mean(guide * source[..., None]) - mean_guide * mean_source[..., None]
    slope = np.linalg.solve(spread, joint[..., None])[..., 0]
    offset = mean_source - (slope * mean_guide).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)


def own_colour(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours [h, w, 3] float32 in 0..255 of who has this alpha [h, w], with nothing of what is around them.

    Deep inside it is the photo's, near the edge and beyond that of the nearest pixel inside. Where somebody is too thin to have a
    deep inside, such as a hand, the inside is what there is.
    """
    padded = np.pad((alpha > SURE).astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    reach = cv2.dilate(depth, np.ones((9, 9), np.uint8))  # how deep the body is around
    deepest = np.minimum(DEEP, 0.8 * reach)
    deep = (depth >= deepest) & (depth > 0)
    if not deep.any():
        deep = alpha >= alpha.max()
    _, labels = cv2.distanceTransformWithLabels((~deep).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros((labels.max() + 1, 3), np.float32)
    table[labels[deep]] = photo[deep]
    carried = cv2.blur(table[labels], (3, 3))
    trust = ((depth - SHALLOW) / np.maximum(deepest - SHALLOW, 0.5)).clip(0, 1)
    trust[deep] = 1
    return carried + (photo - carried) * trust[..., None].astype(np.float32)


def scaled(cutout: SoftCutout, height: int, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """The cut-out at that height in pixels: colour [h, w, 3] and alpha [h, w], float32 in 0..1, resampled with premultiplied alpha."""
    scale = height / len(cutout.alpha)
    size = (max(round(cutout.alpha.shape[1] * scale), 1), max(height, 1))
    alpha = cutout.alpha.astype(np.float32) / 255
    premultiplied = np.dstack([cutout.colour.astype(np.float32) / 255 * alpha[..., None], alpha])
    resized = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    alpha = resized[..., 3].clip(0, 1)
    colour = (resized[..., :3] / alpha[..., None].clip(1e-6)).clip(0, 1)
    return (colour[:, ::-1].copy(), alpha[:, ::-1].copy()) if mirrored else (colour, alpha)
