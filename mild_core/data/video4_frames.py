"""The frames of a video file, one after the other: however long it is, one frame is held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

__all__ = ["VIDEOS", "BrokenClipError", "clips_in", "frames_of", "reduced"]

VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")


class BrokenClipError(ValueError):
    """A file of which no frame, or not all that it promises, can be read."""


def clips_in(folder: Path) -> list[Path]:
    """The video files of a folder, by their names. Raises FileNotFoundError when there are none, ValueError for two of one name."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in VIDEOS) if folder.is_dir() else []
    if not found:
        raise FileNotFoundError(f"{folder} holds no video: there must be files that end in {', '.join(VIDEOS)}")
    stems = [path.stem for path in found]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ValueError(f"{folder} holds two videos that are called {stem}: pairs are named by them, so that each needs its own name")
    return found


def frames_of(clip: Path, long_side: int = 0) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] uint8 RGB of a video, as they are stored: a note to turn them is not followed.

    Args:
        long_side: in pixels, to which larger frames are made smaller; 0 leaves all as they are.

    Raises BrokenClipError, which names the file, when it cannot be read to its end or holds no frame; RuntimeError where PyAV is missing.
    """
    try:
        import av
    except ImportError as error:
        raise RuntimeError(f"videos are read with PyAV, which is missing: install av 11 or newer ({error})") from error
    count = 0
    try:
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                count += 1
                yield reduced(frame.to_ndarray(format="rgb24"), long_side)
    except (av.FFmpegError, IndexError, OSError) as error:  # IndexError: there is sound alone
        raise BrokenClipError(f"{clip} cannot be read as a video after {count} frames: {error}") from error
    if not count:
        raise BrokenClipError(f"{clip} holds no frame")


def reduced(frame: np.ndarray, long_side: int) -> np.ndarray:
    """A frame whose longer side is at most that many pixels, by area; 0 leaves it as it is."""
    scale = long_side / max(frame.shape[:2])
    if not long_side or scale >= 1:
        return frame
    size = (max(round(frame.shape[1] * scale), 1), max(round(frame.shape[0] * scale), 1))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
