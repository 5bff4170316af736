"""Pictures as PNG files: the same picture gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

__all__ = ["ends_well", "from_png", "to_png"]

COMPRESSION = [cv2.IMWRITE_PNG_COMPRESSION, 4]
END = b"IEND\xaeB`\x82"


def to_png(picture: np.ndarray) -> bytes:
    """A picture [h, w], [h, w, 3] RGB or [h, w, 4] RGBA, uint8, as a file."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", picture, COMPRESSION)[1].tobytes()


def from_png(data: bytes, channels: int, name: str) -> np.ndarray:
    """[h, w, channels] uint8, or [h, w] for one, of a file. Raises ValueError, which names it, when it is no such picture."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    found = 0 if picture is None else 1 if picture.ndim == 2 else picture.shape[2]
    if picture is None or found != channels:
        told = f"has {found} channels" if found else "is missing or no picture"
        raise ValueError(f"{name} {told}, but it must be a PNG of {channels}")
    if channels > 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB)
    return picture


def ends_well(path: Path) -> bool:
    """Whether a PNG file is there to its end."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - len(END), 0))
        return file.read() == END
