"""What is to be done: a folder of photos, a manifest, or tars, as items one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from .items import PICTURES, Item, Source, Value, is_hidden, is_picture
from .manifest import MANIFESTS, items_of_manifest
from .picture_folder import KINDS, items_of_pictures
from .places import Found, Place, file_of, place_of
from .uris import is_uri, parse_uri
from .webdataset import expanded, is_compressed_tar, items_of_tars

__all__ = ["Item", "Source", "Value", "read_items"]


def read_items(source: str, *, people: str = "", effects: str = "", columns: Mapping[str, str] | None = None) -> Iterator[Item]:
    """The items of a source, always in the same order.

    Args:
        source: a folder of pictures or of tars, a manifest (.csv, .jsonl, .parquet), a tar or a pattern such as
            `shards-{000000..000099}.tar`; a path or a URI.
        people: where the people masks of a folder of pictures are, as `items_of_pictures` says.
        effects: the same for masks of shadows and the like.
        columns: what a manifest calls what we call otherwise: {"photo": "image_path"}.

    What concerns one item is its `problem`. Raises ValueError when the source is not there, holds nothing that can be read, or an argument
    does not fit its kind; ImportError when pyarrow is needed and missing; OSError when the storage fails.
    """
    given = {kind: text for kind, text in zip(KINDS, (people, effects), strict=True) if text}
    name = (parse_uri(source).path if is_uri(source) else source).lower()
    if _is_local_folder(source):
        return _items_of_folder(place_of(source), given, columns)
    if is_compressed_tar(name):
        raise ValueError(f"{_title(source)} is compressed, and cannot be read by offset: it must be a plain tar, so unpack it first")
    if name.endswith(".tar"):
        _refuse(given, columns, "tars")
        return _items_of_tar_files(source)
    if name.endswith(tuple(MANIFESTS)):
        _refuse(given, None, "a manifest, which names them in its own columns")
        place, file = file_of(source)
        if not place.exists(file):
            raise ValueError(f"manifest {place.shown(file)} is not there")
        return items_of_manifest(place, file, columns or {})
    return _items_of_folder(place_of(source), given, columns)


def _is_local_folder(source: str) -> bool:
    return not is_uri(source) and os.path.isdir(os.path.expanduser(source))


def _title(source: str) -> str:
    return parse_uri(source).shown if is_uri(source) else source


def _refuse(given: Mapping[str, str], columns: Mapping[str, str] | None, kind: str) -> None:
    for name in (*given, *(["columns"] if columns else [])):
        raise ValueError(f"{name} was given, but the source is {kind}")


def _items_of_tar_files(source: str) -> Iterator[Item]:
    uri = parse_uri(source) if is_uri(source) else None
    path = uri.path if uri else source
    if "{" not in path or (not uri and os.path.isfile(path)):
        place, name = file_of(source)
        names = [name]
    else:
        folder, slash, _ = path.partition("{")[0].rpartition("/")
        names = expanded(path.removeprefix(folder + slash))
        place = place_of(uri._replace(path=folder).text if uri else folder or slash or ".")
    if not any(place.exists(name) for name in names):
        raise ValueError(f"tar {_title(source)} is not there")
    return items_of_tars(place, names)


def _items_of_folder(place: Place, given: Mapping[str, str], columns: Mapping[str, str] | None) -> Iterator[Item]:
    if not place.is_folder():
        kinds = f"a folder, a manifest ({', '.join(MANIFESTS)}) or a .tar"
        raise ValueError(f"source {place.title} is not there, or is no folder: it must be {kinds}")
    pictures, tars, others = _sorted_out(place)
    if pictures:
        _refuse({}, columns, f"a folder of pictures: {place.title}")
        return items_of_pictures(place, pictures, {kind: _masks(kind, text) for kind, text in given.items()})
    if tars:
        _refuse(given, columns, f"a folder of tars: {place.title}")
        return items_of_tars(place, tars)
    told = f"; did you mean {place.shown(others[0])}?" if others else ""
    raise ValueError(f"source {place.title} holds neither pictures ({', '.join(PICTURES)}) nor tars{told}")


def _sorted_out(place: Place) -> tuple[list[Found], list[str], list[str]]:
    """Pictures, tars, and what else might have been meant."""
    pictures, tars, others = [], [], []
    for found in place.files():
        if is_hidden(found.name):
            continue
        if is_picture(found.name):
            pictures.append(found)
        elif found.name.lower().endswith(".tar"):
            tars.append(found.name)
        elif found.name.lower().endswith(tuple(MANIFESTS)) or is_compressed_tar(found.name):
            others.append(found.name)
    return pictures, tars, others


def _masks(kind: str, text: str) -> Place:
    place = place_of(text)
    if not place.is_folder():
        raise ValueError(f"{kind} masks {place.title} are not there: it must be a folder")
    return place
