"""Lists of photos as CSV, JSONL or Parquet, read row by row.

Of each row its id is kept in memory, to tell a second one: about 200 bytes.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from .items import Item, Source, Value
from .manifest_rows import Row, Rows, csv_rows, json_rows, parquet_rows
from .names import check_name
from .places import LocalPlace, Place, StoredPlace, file_of
from .uris import is_uri, parse_uri

__all__ = ["MANIFESTS", "items_of_manifest"]

FILES = ("photo", "people", "effects")
MANIFESTS: dict[str, Callable[[Place, str], Rows]] = {".csv": csv_rows, ".jsonl": json_rows, ".parquet": parquet_rows}


def items_of_manifest(place: Place, name: str, columns: Mapping[str, str]) -> Iterator[Item]:
    """An item for each row that is not blank, in their order.

    `photo`, `people` and `effects` name files: by a path below the manifest's folder, a full path, or a URI. A URI without options has
    those of the manifest's own, where that is one of the same kind. `id` names the item; without it the photo's path does. Every other
    column is a value for the slot of that name. An empty cell, null and NaN are not given.

    Local files are looked for while the list is read. In object storage that would cost a request each, so a missing one is told by
    whoever reads it.

    Args:
        columns: what the manifest calls what we call otherwise: {"photo": "image_path"}. A column that has one of our names, but was not
            meant by it, is left out.

    Raises ValueError when the file is none of its kind, or lacks the column of the photos or one that `columns` names. What is wrong with
    one row is that item's problem.
    """
    rows = MANIFESTS[posixpath.splitext(name)[1].lower()](place, name)
    _check_columns(rows.columns, columns, place.shown(name))
    return _items(rows, columns, place, name)


def _check_columns(there: list[str], columns: Mapping[str, str], title: str) -> None:
    told = ", ".join(there) or "none"
    for slot, column in columns.items():
        if column not in there:
            raise ValueError(f"{title} has no column {column!r} for {slot}; its columns are {told}")
    if "photo" not in columns and "photo" not in there:
        raise ValueError(f"{title} has no column 'photo', nor was one named for it; its columns are {told}")


def _items(rows: Rows, columns: Mapping[str, str], place: Place, name: str) -> Iterator[Item]:
    seen: dict[str, str] = {}
    for row in rows:
        spare = f"{name}/{row.where}"  # names an item that has no id of its own
        try:
            item = _item(_renamed(row, columns), place)
            if item.id in seen:
                raise ValueError(f"its id {item.id} is that of {seen[item.id]} already")
        except (ValueError, OSError) as error:
            item = Item(spare, problem=f"{place.shown(name)}, {row.where}: {error}")
        seen[item.id] = row.where
        yield item


def _renamed(row: Row, columns: Mapping[str, str]) -> dict[str, Value]:
    """What the row gives, by slot. Raises ValueError when it gives nothing, or cannot be read."""
    if row.problem:
        raise ValueError(row.problem)
    taken = {*columns, *columns.values()}
    cells = {column: value for column, value in row.cells.items() if column not in taken}
    cells |= {slot: row.cells[column] for slot, column in columns.items() if column in row.cells}
    if not cells:
        raise ValueError("it is empty")
    return cells


def _item(cells: dict[str, Value], place: Place) -> Item:
    if "photo" not in cells:
        raise ValueError("it names no photo")
    paths = {slot: str(cells.pop(slot)).strip() for slot in FILES if slot in cells}
    id = str(cells.pop("id")).strip() if "id" in cells else _id_of(paths["photo"])
    try:
        check_name(id)
    except ValueError as error:
        raise ValueError(f"its id cannot name files: {error}") from None
    return Item(id, {slot: _source(path, slot, place) for slot, path in paths.items()}, cells)


def _id_of(path: str) -> str:
    """A photo's path as a name: without what leads out of a folder, and of a URI without its options."""
    if is_uri(path):
        uri = parse_uri(path)
        path = f"{uri.host.rpartition('@')[2]}/{uri.path}"
    path = re.sub(r"^([A-Za-z]):[\\/]", r"\1/", path)
    path = path.replace("\\", "/") if os.name == "nt" else path
    return re.sub(r"^(\.\./)+", "", posixpath.normpath(path).lstrip("/"))


def _source(path: str, slot: str, place: Place) -> Source:
    folder, name = _place_of(path, place)
    if not isinstance(folder, LocalPlace):
        check_name(name)
        return Source(folder, name)
    found = folder.find(name)
    if found is None:
        raise ValueError(f"{slot} {folder.shown(name)} is not there")
    return Source(folder, name, stamp=found.stamp)


def _place_of(path: str, place: Place) -> tuple[Place, str]:
    own = parse_uri(place.uri) if isinstance(place, StoredPlace) else None
    if is_uri(path):
        uri = parse_uri(path)
        if own and own.scheme == uri.scheme and not uri.options:
            uri = uri._replace(options=own.options)
            path = uri.text
        return file_of(path)
    normal = posixpath.normpath(path)
    if not normal.startswith("../") and not posixpath.isabs(path) and not re.match(r"[A-Za-z]:[\\/]", path):
        return place, normal
    if own is None or not normal.startswith("../"):
        return file_of(f"{place.shown()}/{path}" if normal.startswith("../") else path)
    whole = posixpath.normpath(f"{own.path}/{path}")
    if whole.startswith(".."):
        raise ValueError(f"{path} leads out of {own._replace(path='').shown}")
    return file_of(own._replace(path=whole).text)
