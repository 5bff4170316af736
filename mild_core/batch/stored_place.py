"""A folder in object storage, through pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .names import check_name, is_unfinished, unfinished
from .place import Found, FullError, Place
from .uris import Uri, parse_uri

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

__all__ = ["SCHEMES", "StoredPlace", "needs_pyarrow"]

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
WHOLE = ("s3", "gcs", "abfs")  # what pyarrow calls storages where an object is there when its writer has closed it, and not before
FULL = ("XMinioStorageFull", "QuotaExceeded", "status 507", "No space left", "DSQuotaExceeded")  # in messages of a full storage
AHEAD = 1 << 16  # bytes read at a time where a file is gone through in small steps


@dataclass(frozen=True)
class StoredPlace(Place):
    """A folder by its URI, such as `s3://bucket/path?endpoint_override=host:port&scheme=http`.

    Keys are best left to the environment, or whatever the storage's own tools use. Where the URI holds some, they are not shown.
    """

    uri: str

    def __repr__(self) -> str:
        return f"StoredPlace({self.title!r})"

    def shown(self, name: str = "") -> str:
        return parse_uri(self.uri).below(name).shown

    def files(self, under: str = "") -> Iterator[Found]:
        prefix = f"{under}/" if under else ""
        found = [Found(prefix + name, info.size, _stamp(info)) for name, info in self._listed(under) if not is_unfinished(name)]
        return iter(sorted(found))

    def find(self, name: str) -> Found | None:
        system, path = self._at(name)
        info = system.get_file_info(path)
        return Found(name, info.size, _stamp(info)) if info.is_file else None

    def is_folder(self) -> bool:
        system, path = self._here()
        return system.get_file_info(path).type.name == "Directory"

    def read(self, name: str) -> bytes:
        system, path = self._at(name)
        with system.open_input_file(path) as file:
            return file.read()

    def read_part(self, name: str, offset: int, size: int) -> bytes:
        system, path = self._at(name)
        with system.open_input_file(path) as file:
            return file.read_at(size, offset)

    def open(self, name: str) -> BinaryIO:
        system, path = self._at(name)
        return cast(BinaryIO, io.BufferedReader(system.open_input_file(path), AHEAD))

    def write(self, name: str, data: bytes) -> None:
        system, path = self._at(name)
        try:
            with ThreadPoolExecutor(1) as thread:  # a writer that Ctrl-C cuts off would be closed with what it has, as if that were all
                thread.submit(_put if system.type_name in WHOLE else _put_beside, system, path, data).result()
        except OSError as error:
            if any(sign in str(error) for sign in FULL):
                raise FullError(
                    f"{self.title} is full: {name} of {len(data)} bytes could not be written, and nothing of it was left there ({error})"
                ) from error
            raise

    def remove(self, name: str) -> None:
        system, path = self._at(name)
        try:
            system.delete_file(path)
        except FileNotFoundError:
            return

    def sub(self, name: str) -> StoredPlace:
        if not name:
            return self
        check_name(name)
        return StoredPlace(parse_uri(self.uri).below(name).text)

    def sweep(self) -> int:
        """Uploads in parts that were never ended are no files, and not seen here; a lifecycle rule of the bucket deletes them."""
        left_over = [name for name, _ in self._listed("") if is_unfinished(name)]
        system, path = self._here()
        for name in left_over:
            system.delete_file(f"{path}/{name}")
        return len(left_over)

    def _at(self, name: str) -> tuple[FileSystem, str]:
        """The file system, and where in it that file is."""
        check_name(name)
        return _found_in(parse_uri(self.uri).below(name))

    def _here(self) -> tuple[FileSystem, str]:
        """The file system, and where in it the place is. Raises as `place_of` does."""
        return _found_in(parse_uri(self.uri))

    def _listed(self, under: str) -> Iterator[tuple[str, FileInfo]]:
        """Each file with its name below `under`, in no order."""
        from pyarrow.fs import FileSelector

        system, path = self._at(under) if under else self._here()
        for info in system.get_file_info(FileSelector(path, recursive=True, allow_not_found=True)):
            if info.is_file:
                yield info.path[len(path) :].lstrip("/"), info


def needs_pyarrow(what: str) -> ImportError:
    """The error for something that cannot be read without pyarrow."""
    return ImportError(f"{what} needs pyarrow, which is not installed: pip install 'mild-layers[scale]'")


def _found_in(uri: Uri) -> tuple[FileSystem, str]:
    system, root = _opened(uri._replace(path=""))
    if not uri.path:
        return system, root or "/"
    return system, f"{root}/{uri.path}" if root else uri.path


@cache
def _opened(uri: Uri) -> tuple[FileSystem, str]:
    """The storage of a URI without a path, and how its root is called there."""
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise needs_pyarrow(uri.shown) from error
    try:
        system, root = FileSystem.from_uri(uri.text)
    except ArrowInvalid as error:
        told = str(error).replace(uri.text, uri.shown)
        told = "" if uri.betrayed_by(told) else f": {told}"
        raise ValueError(f"{uri.shown} is no place that pyarrow can open{told}") from None
    return (_with_one_request(system) if system.type_name == "s3" else system), root.rstrip("/")


def _with_one_request(system: Any) -> Any:
    """S3 whose small files are written by one request, where three are the default: begin, part, end."""
    make, (options,) = system.__reduce__()  # what it is pickled as: no other way gives the options that the URI led to
    return make({**options, "allow_delayed_open": True})


def _put(system: FileSystem, path: str, data: bytes) -> None:
    """Give all of the data at once. When a request fails, closing fails too, and no object is made."""
    with system.open_output_stream(path) as stream:
        stream.write(data)


def _put_beside(system: FileSystem, path: str, data: bytes) -> None:
    """For storages where a file is seen while it is written."""
    folder = path.rpartition("/")[0]
    beside = f"{folder}/{unfinished()}"
    try:
        system.create_dir(folder, recursive=True)
        _put(system, beside, data)
        if system.get_file_info(path).is_file:
            system.delete_file(path)  # some do not move a file onto another
        system.move(beside, path)
    except BaseException:
        if system.get_file_info(beside).is_file:
            system.delete_file(beside)
        raise


def _stamp(info: FileInfo) -> str:
    return f"{info.mtime_ns}-{info.size}"
