"""Which frames of a clip show something that moves, which show nothing but the background, and which are blurred.

Video4Removal (OmniEraser, arXiv 2501.07397) tells them apart with a mixture of Gaussians for each pixel (Zivkovic, "Improved Adaptive
Gaussian Mixture Model for Background Subtraction", ICPR 2004) and a share of foreground pixels of 0.15. The paper does not say how many
Gaussians, nor whether that one bound divides all frames: a thing of 14 % of the frame would then stand in a "pure background", and in the
truth of pairs. Here a background has next to nothing that moves, shadows included, and what lies between is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from .video4_frames import reduced

__all__ = ["FrameFacts", "Split", "SplitSettings", "facts_of", "moving_in", "split_frames"]

HISTORY, SPREAD = 500, 16.0  # frames, and squared distance in deviations: OpenCV's own, as are its five Gaussians
STAYS = 0.6  # of the time, at least, that the background is seen: with OpenCV's 0.9 who stands a tenth of it would be background
LOOKED_AT = 320  # pixels of the longer side at which motion is told
SPECK = 3  # pixels: smaller ones are noise
SOLID, SHADOW = 255, 127  # as OpenCV marks them


@dataclass(frozen=True)
class SplitSettings:
    """Bounds on shares of the frame, and on sharpness.

    Raises ValueError for bounds out of order.
    """

    foreground: float = 0.15  # that moves, without shadows, at least, where a thing is to be erased: the paper's
    most: float = 0.8  # of it: where more moves, the camera does, or it is a cut
    background: float = 0.005  # that moves, shadows included, at most, in a background: ours
    blur: float = 0.5  # of the clip's median: a frame that is less sharp is dropped

    def __post_init__(self):
        if not 0 <= self.background <= self.foreground < self.most <= 1:
            told = f"background {self.background}, foreground {self.foreground} and most {self.most}"
            raise ValueError(f"{told} are not in order: they must be 0 ≤ background ≤ foreground < most ≤ 1")
        if not 0 <= self.blur < 1:
            raise ValueError(f"blur is {self.blur}, but it must be 0 or more and less than 1")


class FrameFacts(NamedTuple):
    """What is kept of a frame."""

    solid: float  # share of the frame that moves, without shadows
    moving: float  # share that moves, with shadows
    sharpness: float  # variance of the Laplacian of the whole frame
    of_thing: float  # the same where something moves; 0 where nothing does


class Split(NamedTuple):
    """Numbers of frames, rising."""

    foreground: list[int]
    background: list[int]
    blurred: list[int]  # that would be one of both


def moving_in(frames: Callable[[], Iterable[np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each frame [H, W, 3], and what moves in it [h, w] uint8, 255 for things and 127 for shadows, with a longer side of 320 at most.

    The mixture is learnt on the first 500 frames, then the clip is gone over from its begin: what stands still in the first frames and
    goes later would otherwise be taken for the background.

    Args:
        frames: gives the frames of the clip, from the first, each time it is called.
    """
    mixture = cv2.createBackgroundSubtractorMOG2(HISTORY, SPREAD, True)
    mixture.setBackgroundRatio(STAYS)
    for number, frame in enumerate(islice(frames(), HISTORY), start=1):
        mixture.apply(reduced(frame, LOOKED_AT), learningRate=1 / number)  # all count the same; OpenCV's own rate favours the first
    kernel = np.ones((SPECK, SPECK), np.uint8)
    for frame in frames():
        marks = mixture.apply(reduced(frame, LOOKED_AT), learningRate=1 / HISTORY)
        kept = cv2.morphologyEx((marks > 0).astype(np.uint8), cv2.MORPH_OPEN, kernel)
        solid = cv2.morphologyEx((marks == SOLID).astype(np.uint8), cv2.MORPH_OPEN, kernel)
        yield frame, np.where(solid > 0, SOLID, np.where(kept > 0, SHADOW, 0)).astype(np.uint8)


def facts_of(frame: np.ndarray, moving: np.ndarray) -> FrameFacts:
    """Of a frame [H, W, 3] uint8 and what moves in it, as `moving_in` gives it.

    A thing in fast motion is blurred before a sharp background, so that its own sharpness is told too, inside its edge.
    """
    laplacian = cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    inside = cv2.erode((moving == SOLID).astype(np.uint8), np.ones((SPECK, SPECK), np.uint8))
    thing = cv2.resize(inside, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST) > 0
    own = float(laplacian[thing].var()) if thing.any() else 0.0
    return FrameFacts(float((moving == SOLID).mean()), float((moving > 0).mean()), float(laplacian.var()), own)


def split_frames(facts: Sequence[FrameFacts], settings: SplitSettings) -> Split:
    """The frames of a clip by what they show.

    A frame is blurred when its sharpness is less than `blur` times the median of its kind in the clip; one with a thing also when the
    thing's is. A kind of frames is compared with itself, since a smooth thing before a rough background takes sharpness away.
    """
    wanted = [n for n, one in enumerate(facts) if settings.foreground <= one.solid <= settings.most]
    empty = [n for n, one in enumerate(facts) if one.moving <= settings.background]
    sharp = _sharp(wanted, [one.sharpness for one in facts], settings.blur)
    sharp &= _sharp(wanted, [one.of_thing for one in facts], settings.blur)
    clear = _sharp(empty, [one.sharpness for one in facts], settings.blur)
    blurred = sorted((set(wanted) - sharp) | (set(empty) - clear))
    return Split(sorted(sharp), sorted(clear), blurred)


def _sharp(numbers: Sequence[int], sharpness: Sequence[float], blur: float) -> set[int]:
    if not numbers:
        return set()
    least = blur * float(np.median([sharpness[n] for n in numbers]))
    return {n for n in numbers if sharpness[n] >= least}
