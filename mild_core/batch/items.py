"""One thing to be done, and where its files are."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from .place import Place

__all__ = ["PICTURES", "Item", "Source", "Value", "ending_of", "is_hidden", "is_picture"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")  # as masks, those that lose nothing are taken first

Value = str | int | float | bool


@dataclass(frozen=True)
class Source:
    """The bytes of a file, of an object, or of a member of a tar."""

    place: Place
    name: str
    offset: int = 0
    size: int | None = None  # bytes from offset on; None: to the end of the file
    stamp: str = ""  # changes when the file does; "" where nobody looked

    @property
    def title(self) -> str:
        """For reports and errors; of a member its tar and where in it."""
        return self.place.shown(self.name) + (f", bytes from {self.offset}" if self.size is not None else "")

    def read(self) -> bytes:
        """All of it. Raises OSError, FileNotFoundError among them, and ValueError when the file ends too early."""
        if self.size is None and not self.offset:
            return self.place.read(self.name)
        if self.size is None:
            raise ValueError(f"{self.title} has an offset but no size: a part of a file must have both")
        data = self.place.read_part(self.name, self.offset, self.size)
        if len(data) < self.size:
            raise ValueError(f"{self.title} ends after {len(data)} bytes, but must have {self.size}: the file was cut off")
        return data


@dataclass(frozen=True)
class Item:
    """One photo with what belongs to it."""

    id: str  # unique in its source, and a name that `check_name` takes
    files: Mapping[str, Source] = field(default_factory=dict)  # by slot: photo, and where known people and effects
    values: Mapping[str, Value] = field(default_factory=dict)  # by slot, from a manifest's other columns or a tar's .json
    problem: str = ""  # why it cannot be done; it is to be skipped and told of


def ending_of(name: str) -> str:
    """`.jpg` of `a/b.JPG`."""
    return posixpath.splitext(name)[1].lower()


def is_picture(name: str) -> bool:
    """Whether a name ends as pictures do and no part of it is hidden."""
    return ending_of(name) in PICTURES and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a part of a path begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))
