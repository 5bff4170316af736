"""OLRD, the object-level removal pairs of MagicEraser (ECCV 2024, section 4.4): a thing of a photo, shifted onto its background.

The photo with the thing on it a second time is the input, the photo itself the truth, the shifted thing's mask the hole. What is
behind the hole is background and known, which no photograph of a real thing tells. Eq. 10 of the paper, Ĩ = õ + m̃ · I, with õ the
shifted thing on black and m̃ the share of each pixel that stays the photo's: with the soft alpha α of a thing of colour c, õ = α·c
and m̃ = 1 − α.

The paper's checks are in its words: the thing is one of the panoptic labels, and lands "on a region marked as background". The
bounds below are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..scene.background_prompt import TEMPLATES, write_prompt
from ..scene.panoptic import Panoptic, Segment
from .cutout import cut_softly
from .placing import fitting_places

__all__ = ["OlrdPair", "background_tags", "blended", "free_background", "make_olrd_pair", "movable_things"]

LEAST_SHARE = 0.01  # of the photo: at 512×512 the hole of a smaller thing is under 41 latent pixels, too few to learn a filling from
MOST_SHARE = 0.25  # of the photo: around a larger one too little background is left to complete
FRAME = 2  # pixels: a thing this near the frame is cut off by it, and would show a straight edge elsewhere
IN_ONE_PIECE = 0.9  # of a thing's area in its largest piece: with less, somebody in front cuts it apart
HIDDEN = 0.1  # of a thing's outline along other things: with more, one of them hides part of it
NEAR = 5  # pixels around a thing where its outline is looked at: labels leave a seam of a few pixels between things
GAP = 4  # pixels around things that stay free: a soft edge reaches 3 pixels, and labels end a pixel too early
SEAM = 5  # pixels: unlabelled strips up to this width between two backgrounds are background
EYE_LEVEL = 0.08  # of the height, a standard deviation: a thing moved far up or down has the wrong size for where it stands
TRIED = 8  # things of one photo, at most
TAG_SHARE = 0.1  # of the hole: a background with less is not named


@dataclass(frozen=True, eq=False)
class OlrdPair:
    """One pair: what is to be erased, and the truth behind it."""

    input: np.ndarray  # [H, W, 3] uint8, the photo with the shifted thing
    truth: np.ndarray  # [H, W, 3] uint8, the photo
    alpha: np.ndarray  # [H, W] uint8, 0 … 255 for 0 … 1, of the shifted thing
    segment: Segment  # the thing
    shift: tuple[int, int]  # pixels it moved (down, right)
    tags: tuple[str, ...]  # backgrounds behind the hole, the largest first

    @property
    def hole(self) -> np.ndarray:
        """[H, W] bool: all that the thing changes. Outside of it input and truth are equal bit for bit."""
        return self.alpha > 0

    @property
    def tag(self) -> str:
        """The background that most of the hole hides."""
        return self.tags[0]

    @property
    def prompt(self) -> str:
        """The paper's short prompt, without its learnt word."""
        return write_prompt(TEMPLATES[1], self.tag)

    @property
    def question(self) -> str:
        """What the paper asks a vision-language model for a caption of the truth."""
        return f"Describe the {' and '.join(self.tags)} in the image"


def make_olrd_pair(photo: np.ndarray, panoptic: Panoptic, seed: int | np.random.Generator) -> OlrdPair | None:
    """A pair of a photo; the same seed gives the same pair.

    A thing is chosen at random, and a place for it among all where it is inside the frame and on nothing but background, rather on
    the height where it was than far from it. Where there is none, another thing is tried, 8 at most.

    Args:
        photo: [H, W, 3] uint8 RGB.
        panoptic: its labels.
        seed: or a generator.

    Returns:
        The pair, or None when no thing that was tried can be moved.

    Raises ValueError for a photo of another kind, and labels of another size.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ValueError(f"photo is {photo.dtype} of shape {photo.shape}, but it must be [H, W, 3] uint8")
    panoptic.check_size((photo.shape[0], photo.shape[1]), "photo")
    rng = np.random.default_rng(seed)
    things = movable_things(panoptic)
    free = free_background(panoptic)
    for choice in rng.permutation(len(things))[:TRIED]:
        segment = things[choice]
        colour, cut, (top, left) = cut_softly(photo, (panoptic.labels == segment.id).numpy())
        place = _place_for(cut > 0, free, top, rng)
        if place is None:
            continue
        alpha = np.zeros(photo.shape[:2], np.uint8)
        box = np.s_[place[0] : place[0] + cut.shape[0], place[1] : place[1] + cut.shape[1]]
        alpha[box] = cut
        seen = photo.copy()
        seen[box] = blended(photo[box], colour, cut)
        shift = (place[0] - top, place[1] - left)
        return OlrdPair(seen, photo.copy(), alpha, segment, shift, background_tags(panoptic, alpha > 0))
    return None


def blended(photo: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Eq. 10, Ĩ = õ + m̃ · I with õ = α·c and m̃ = 1 − α, in float64 and rounded once.

    Photo I and colour c are [h, w, 3] uint8, alpha [h, w] uint8 with 255 for 1; so is the result [h, w, 3].
    """
    share = alpha[..., None] / 255
    return np.round(share * colour + (1 - share) * photo).astype(np.uint8)


def movable_things(panoptic: Panoptic) -> list[Segment]:
    """The things, in the order of their ids, that can be cut out whole and are neither too small nor too large. A crowd is no thing."""
    things = _things(panoptic)
    areas, all_pixels = panoptic.areas(), things.size
    found = []
    for segment in sorted(panoptic.segments, key=lambda segment: segment.id):
        fit = segment.thing and not segment.crowd and LEAST_SHARE <= areas[segment.id] / all_pixels <= MOST_SHARE
        if fit and _is_whole((panoptic.labels == segment.id).numpy(), things):
            found.append(segment)
    return found


def free_background(panoptic: Panoptic) -> np.ndarray:
    """[H, W] bool: where a thing may land, which is background, and the seams in it, but nothing close to a thing."""
    background = panoptic.background.numpy().astype(np.uint8)
    closed = cv2.morphologyEx(background, cv2.MORPH_CLOSE, np.ones((SEAM, SEAM), np.uint8)) > 0
    return closed & ~_grown(_things(panoptic), GAP)


def background_tags(panoptic: Panoptic, hole: np.ndarray) -> tuple[str, ...]:
    """The words for the backgrounds in a hole [H, W] bool that have a tenth of it or more, the largest first; at least one.

    These are what is to be painted. In a photo to be erased from they cannot be seen, and the tag is told from around the hole.

    Raises ValueError when no background is in the hole.
    """
    words = {segment.id: segment.word for segment in panoptic.segments if not segment.thing}
    pixels: dict[str, int] = {}
    for value, count in zip(*np.unique(panoptic.labels.numpy()[hole], return_counts=True), strict=True):
        if int(value) in words:
            pixels[words[int(value)]] = pixels.get(words[int(value)], 0) + int(count)
    if not pixels:
        raise ValueError("there is no background in the hole, so that it has no tag")
    order = sorted(pixels, key=lambda word: (-pixels[word], word))
    return tuple(word for place, word in enumerate(order) if place == 0 or pixels[word] >= TAG_SHARE * hole.sum())


def _things(panoptic: Panoptic) -> np.ndarray:
    """[H, W] bool: where any thing is. What is unknown is neither thing nor background."""
    return panoptic.mask(segment for segment in panoptic.segments if segment.thing).numpy()


def _is_whole(mask: np.ndarray, things: np.ndarray) -> bool:
    """Whether neither the frame nor anything in front cuts the thing with this mask [H, W]; `things` is where any are."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    if rows[0] < FRAME or columns[0] < FRAME or rows[-1] >= height - FRAME or columns[-1] >= width - FRAME:
        return False
    part = np.s_[max(rows[0] - NEAR, 0) : rows[-1] + 1 + NEAR, max(columns[0] - NEAR, 0) : columns[-1] + 1 + NEAR]
    thing, others = mask[part], things[part] & ~mask[part]
    areas = cv2.connectedComponentsWithStats(thing.astype(np.uint8), connectivity=8)[2][1:, cv2.CC_STAT_AREA]
    if areas.max() < IN_ONE_PIECE * areas.sum():
        return False
    around = _grown(thing, NEAR) & ~thing
    return bool((others & around).sum() <= HIDDEN * around.sum())


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def _place_for(shape: np.ndarray, free: np.ndarray, top: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """(top, left) for a silhouette [h, w] so that all of it is free [H, W]; None where there is no such place."""
    rows, columns = np.nonzero(fitting_places(shape, free))
    if not len(rows):
        return None
    weights = np.cumsum(np.exp(-0.5 * ((rows - top) / (EYE_LEVEL * len(free))) ** 2) + 1e-12)
    chosen = min(int(np.searchsorted(weights, rng.random() * weights[-1], side="right")), len(rows) - 1)
    return int(rows[chosen]), int(columns[chosen])
