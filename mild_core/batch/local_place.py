"""A folder of this machine's file system, or one that is mounted there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .names import check_name, is_unfinished, unfinished
from .place import Found, FullError, Place

__all__ = ["FULL", "LocalPlace"]

FULL = (errno.ENOSPC, errno.EDQUOT)  # what a disk or a quota without room says


@dataclass(frozen=True)
class LocalPlace(Place):
    """A folder by its absolute path."""

    folder: str

    def shown(self, name: str = "") -> str:
        return os.path.join(self.folder, name) if name else self.folder

    def files(self, under: str = "") -> Iterator[Found]:
        top = self._path(under) if under else Path(self.folder)
        return self._below(top, f"{under}/" if under else "", ())

    def find(self, name: str) -> Found | None:
        try:
            status = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _found(name, status) if stat.S_ISREG(status.st_mode) else None

    def is_folder(self) -> bool:
        return os.path.isdir(self.folder)

    def read(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def read_part(self, name: str, offset: int, size: int) -> bytes:
        with self._path(name).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        beside = path.with_name(unfinished())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # else a power failure may leave the name with nothing behind it
            os.replace(beside, path)
        except BaseException as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in FULL:
                raise FullError(
                    f"{self.title} is full: {name} of {len(data)} bytes could not be written ({os.strerror(error.errno)}), "
                    "and nothing of it was left there"
                ) from error
            raise

    def remove(self, name: str) -> None:
        path = self._path(name)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # as in object storage, where folders are no more than names of files
            if path.parent != Path(self.folder):
                path.parent.rmdir()

    def sub(self, name: str) -> LocalPlace:
        return LocalPlace(str(self._path(name))) if name else self

    def sweep(self) -> int:
        count = 0
        for folder, _, names in os.walk(self.folder):
            for name in filter(is_unfinished, names):
                Path(folder, name).unlink(missing_ok=True)
                count += 1
        return count

    def _path(self, name: str) -> Path:
        check_name(name)
        return Path(self.folder, *name.split("/"))

    def _below(self, folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
        """Files of a folder, `prefix` before their names. `above` are the folders that it lies in, so that links make no circle."""
        try:
            with os.scandir(folder) as entries:
                names = sorted(_whole(entry) for entry in entries)
            status = os.stat(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        for name in names:
            if name.endswith("/"):
                yield from self._below(folder / name, prefix + name, (*above, here))
            elif not is_unfinished(name):
                yield from _looked_at(folder / name, prefix + name)


def _whole(entry: os.DirEntry[str]) -> str:
    """The name, of a folder with / after it: sorted so, whole paths are sorted, `a.jpg` before `a/b.jpg`."""
    return f"{entry.name}/" if entry.is_dir() else entry.name


def _looked_at(path: Path, name: str) -> Iterator[Found]:
    try:
        yield _found(name, path.stat())
    except FileNotFoundError:
        if path.is_symlink():  # it names a file that is not there, which whoever reads it must be told
            yield Found(name, 0, "missing")


def _found(name: str, status: os.stat_result) -> Found:
    return Found(name, status.st_size, f"{status.st_mtime_ns}-{status.st_size}")
