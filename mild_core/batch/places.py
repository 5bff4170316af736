"""Folders by what the user writes: a path, `file://`, or a URI of object storage."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from .local_place import LocalPlace
from .names import check_name, fitting
from .place import Found, FullError, Place
from .stored_place import SCHEMES, StoredPlace
from .uris import is_uri, parse_uri

__all__ = ["Found", "FullError", "LocalPlace", "Place", "StoredPlace", "check_name", "file_of", "fitting", "path_below", "place_of"]


def place_of(text: str) -> Place:
    """The folder that a text names; it need not be there.

    Args:
        text: a path, made absolute; `file://…`; or `s3://bucket/path`, with `gs`, `abfs` and `hdfs` alike, and after ? the options that
            pyarrow.fs.FileSystem.from_uri knows, such as endpoint_override and region.

    Raises ValueError when it is empty or names another kind of storage, ImportError when pyarrow is needed and missing.
    """
    if not text:
        raise ValueError("a place is named by an empty text, but it must be a folder or a URI such as s3://bucket/path")
    if not is_uri(text):
        return LocalPlace(os.path.abspath(os.path.expanduser(text)))
    uri = parse_uri(text)
    if uri.scheme == "file":
        return LocalPlace(os.path.abspath(_path_of(text)))
    if uri.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"{uri.shown} is of the kind {uri.scheme}://, but it must be a path, file:// or one of {known}")
    place = StoredPlace(uri.text)
    place._here()  # that pyarrow is there and takes the URI shows here, not in the middle of the work
    return place


def file_of(text: str) -> tuple[Place, str]:
    """The folder and the name of the file that a text names, in the words of `place_of`.

    Raises ValueError when it names no file: the root of a storage.
    """
    if is_uri(text) and parse_uri(text).scheme != "file":
        uri = parse_uri(text)
        folder, _, name = uri.path.rpartition("/")
        if not name:
            raise ValueError(f"{uri.shown} is a whole storage, but it must be a file in one")
        return place_of(uri._replace(path=folder).text), name
    place = place_of(text)
    path = Path(place.shown())
    if not path.name:
        raise ValueError(f"{text} is the root of a disk, but it must be a file")
    return LocalPlace(str(path.parent)), path.name


def path_below(place: Place, other: Place) -> str | None:
    """Where `place` lies below `other`: "" when they are the same, None when it lies elsewhere."""
    if isinstance(place, StoredPlace) and isinstance(other, StoredPlace):
        here, there = parse_uri(place.uri), parse_uri(other.uri)
        if here._replace(path="", options="") != there._replace(path="", options=""):
            return None
        inner, outer = PurePosixPath(here.path), PurePosixPath(there.path)
    elif isinstance(place, LocalPlace) and isinstance(other, LocalPlace):
        inner, outer = PurePosixPath(Path(place.folder).as_posix()), PurePosixPath(Path(other.folder).as_posix())
    else:
        return None
    return "/".join(inner.relative_to(outer).parts) if inner.is_relative_to(outer) else None


def _path_of(text: str) -> str:
    """The path of a file:// URI of this machine."""
    parts = urlsplit(text, allow_fragments=False)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{text} is on the machine {parts.netloc}, but file:// must name a file of this one: file:///path")
    return url2pathname(parts.path) if os.name == "nt" else unquote(parts.path)
