"""The pairs of one clip for Video4Removal (OmniEraser, arXiv 2501.07397): a frame with a thing, its mask, and the nearest frame without.

The clip is gone over four times, one frame in memory at a time: to tell its frames apart, to look at those that are chosen, to find their
backgrounds, and to write both. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import cv2
import numpy as np

from .png import from_png, to_png
from .video4_frames import frames_of
from .video4_masks import Detector, masks_by
from .video4_match import Compared, Where, nearest, seen_at
from .video4_split import SOLID, FrameFacts, Split, SplitSettings, facts_of, moving_in, split_frames

__all__ = ["ClipPairs", "PairSettings", "pairs_of_clip", "thinned"]

LEAST_MASK = 0.001  # share of the frame
EDGE = 9  # pixels of `moving` that a mask may miss around a thing


@dataclass(frozen=True)
class PairSettings:
    """What decides the pairs of a clip.

    Raises ValueError for a number out of its range.
    """

    split: SplitSettings = field(default_factory=SplitSettings)
    where: Where = "whole"  # that frames are compared: the whole of them, or outside of what moves
    every: int = 10  # frames from one pair to the next, at least
    most: int = 100  # pairs of a clip
    covered: float = 0.5  # of what moves, shadows apart, that the mask must have: else something unmasked is gone in the truth
    long_side: int = 0  # pixels; larger frames are made smaller

    def __post_init__(self):
        for name, least in (("every", 1), ("most", 1), ("long_side", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if not 0 <= self.covered <= 1:
            raise ValueError(f"covered is {self.covered}, but it must be 0 to 1")
        if self.where not in get_args(Where):
            raise ValueError(f'where is "{self.where}", but it must be one of {", ".join(get_args(Where))}')


class ClipPairs(NamedTuple):
    """What a clip gives."""

    size: tuple[int, int]  # height and width of its frames
    facts: list[FrameFacts]  # of every frame
    split: Split
    pairs: list[dict[str, Any]]  # of each: frame, background, error, covered, share
    why: str  # there are no pairs; empty where there are some


Writer = Callable[[int, str, bytes], None]
"""(frame number of the pair, "input", "truth" or "mask", PNG file): called as the frames come, not in the order of the pairs."""


def pairs_of_clip(clip: Path, masks: Path | Detector, settings: PairSettings, write: Writer) -> ClipPairs:
    """Make the pairs of a clip, and hand their pictures to `write`.

    Args:
        masks: a mask track as `track_of` gives it, or a detector.

    Raises BrokenClipError or ValueError, which names it, when the clip or its track cannot be read.
    """
    frames = partial(frames_of, clip, settings.long_side)
    facts: list[FrameFacts] = []
    size = (0, 0)
    for frame, moving in moving_in(frames):
        facts.append(facts_of(frame, moving))
        size = (frame.shape[0], frame.shape[1])
    split = split_frames(facts, settings.split)
    why = _why_none(facts, split, settings.split)
    if why:
        return ClipPairs(size, facts, split, [], why)
    chosen = thinned(split.foreground, settings.every, settings.most)
    seen, covered, stored = _looked_at(frames, set(chosen), masks, settings, size)
    if not seen:
        told = f"none of the {len(chosen)} frames with a thing has a mask that covers {settings.covered:.0%} of what moves in it"
        return ClipPairs(size, facts, split, [], told)
    found = nearest(seen, _of_numbers(frames, set(split.background)))
    _write_pictures(frames, {number: match.background for number, match in found.items()}, stored, write)
    pairs = []
    for one in seen:
        share = float((from_png(stored[one.number], 1, "mask") > 0).mean())
        match = found[one.number]
        told_of = {"frame": one.number, "background": match.background, "error": round(match.error, 4)}
        pairs.append({**told_of, "covered": round(covered[one.number], 4), "share": round(share, 6)})
    return ClipPairs(size, facts, split, pairs, "")


def thinned(numbers: list[int], every: int, most: int) -> list[int]:
    """Of rising numbers of frames, those at least `every` apart, and of them at most `most`, spread evenly."""
    kept: list[int] = []
    for number in numbers:
        if not kept or number - kept[-1] >= every:
            kept.append(number)
    return kept if len(kept) <= most else [kept[place * len(kept) // most] for place in range(most)]


def _why_none(facts: list[FrameFacts], split: Split, bounds: SplitSettings) -> str:
    """Why there can be no pairs; empty where there can."""
    blurred = f", and {len(split.blurred)} are blurred" if split.blurred else ""
    if not split.foreground:
        most = max(one.solid for one in facts)
        return f"no frame has {bounds.foreground:.0%} to {bounds.most:.0%} of its pixels in motion: the most is {most:.1%}{blurred}"
    if not split.background:
        least = min(one.moving for one in facts)
        return f"no frame has {bounds.background:.0%} of its pixels in motion or less: the least is {least:.1%}{blurred}"
    return ""


def _looked_at(
    frames: Callable[[], Iterator[np.ndarray]], chosen: set[int], masks: Path | Detector, settings: PairSettings, size: tuple[int, int]
) -> tuple[list[Compared], dict[int, float], dict[int, bytes]]:
    """Of the chosen frames that have a mask: how they are compared, how much of what moves is masked, and their masks as PNG files."""
    track = {number: to_png(_as_picture(mask)) for number, mask in masks_by(masks, chosen, size)} if isinstance(masks, Path) else None
    seen, covered, stored = [], {}, {}
    for number, (frame, moving) in enumerate(moving_in(frames)):
        if number > max(chosen):
            break
        if number not in chosen or (track is not None and number not in track):
            continue
        mask = from_png(track[number], 1, "mask") > 0 if track is not None else _detected(masks, frame, moving)
        share = _covered(mask, moving)
        if mask.mean() < LEAST_MASK or share < settings.covered:
            continue
        seen.append(seen_at(number, frame, moving, settings.where))
        covered[number], stored[number] = share, to_png(_as_picture(mask))
    return seen, covered, stored


def _detected(detector: Any, frame: np.ndarray, moving: np.ndarray) -> np.ndarray:
    mask = np.asarray(detector(frame, moving))
    if mask.shape != frame.shape[:2]:
        raise ValueError(f"a detector gave a mask of shape {mask.shape}, but the frame is {frame.shape[:2]}")
    return mask > 0


def _covered(mask: np.ndarray, moving: np.ndarray) -> float:
    """The share of what moves, shadows apart, that is in the mask or close to it."""
    small = cv2.resize(mask.astype(np.uint8), moving.shape[::-1], interpolation=cv2.INTER_NEAREST)
    near = cv2.dilate(small, np.ones((EDGE, EDGE), np.uint8)) > 0
    solid = moving == SOLID
    return float(near[solid].mean()) if solid.any() else 0.0


def _of_numbers(frames: Callable[[], Iterator[np.ndarray]], numbers: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    last = max(numbers)
    for number, frame in enumerate(frames()):
        if number in numbers:
            yield number, frame
        if number >= last:
            return


def _write_pictures(
    frames: Callable[[], Iterator[np.ndarray]], background_of: Mapping[int, int], masks: Mapping[int, bytes], write: Writer
) -> None:
    wanted: dict[int, list[int]] = {}
    for number, background in background_of.items():
        wanted.setdefault(background, []).append(number)
    for number, frame in _of_numbers(frames, set(background_of) | set(wanted)):
        picture = to_png(frame)
        for pair in wanted.get(number, ()):
            write(pair, "truth", picture)
        if number in background_of:
            write(number, "input", picture)
            write(number, "mask", masks[number])


def _as_picture(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * np.uint8(255)
