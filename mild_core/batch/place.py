"""A folder somewhere, as what reads and writes there sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["Found", "FullError", "Place"]


class Found(NamedTuple):
    """A file of a place."""

    name: str  # relative to the place, parts joined by /
    size: int  # bytes
    stamp: str  # changes when the file does: its time and size


class FullError(OSError):
    """A place took no more: the disk or the quota is full. Nothing half written is left under the name."""


class Place(ABC):
    """A folder, local or in object storage, with the folders below it.

    It is a value: small, picklable, equal where the text is equal. Connections are made where it is used, once in each process.
    Names are relative paths joined by /; those that `check_name` refuses raise ValueError. What the storage refuses is an OSError:
    FileNotFoundError for a missing file, FullError for a full disk, any other for what may go better the next time.
    """

    @abstractmethod
    def shown(self, name: str = "") -> str:
        """The place, or a file in it, for reports and errors: without user, password or keys."""

    @property
    def title(self) -> str:
        """The place for reports and errors: without user, password or keys."""
        return self.shown()

    @abstractmethod
    def files(self, under: str = "") -> Iterator[Found]:
        """All files, or those in the folder `under`, with its folders, sorted by name; contents are not read. None where it is missing.

        Our own unfinished files are passed over. A local place keeps the names of one folder at a time in memory; object storage is
        listed whole, about half a kilobyte for a file, before the first is given.
        """

    @abstractmethod
    def find(self, name: str) -> Found | None:
        """That file; None where it is missing or is a folder."""

    def exists(self, name: str) -> bool:
        """Whether that file is there."""
        return self.find(name) is not None

    @abstractmethod
    def is_folder(self) -> bool:
        """Whether the place itself is there. In object storage it is when an object lies below it."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The whole file."""

    @abstractmethod
    def read_part(self, name: str, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on; fewer where the file ends before."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """The file for reading in any order. Close it."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; folders are made. Of two who write one name, the last stays, whole.

        Raises FullError when there is no room.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file, and its folder where nothing else is in it. A missing one is fine. Call it while nobody writes there."""

    @abstractmethod
    def sub(self, name: str) -> Place:
        """The folder `name` below this place, there or not; this place for an empty name."""

    @abstractmethod
    def sweep(self) -> int:
        """Delete files that an interrupted run left unfinished, and say how many. Call it while nobody writes here."""
