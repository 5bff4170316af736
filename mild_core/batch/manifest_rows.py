"""The rows of CSV, JSONL and Parquet files, one at a time, each with where it stands."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .items import Value
from .places import Place
from .stored_place import needs_pyarrow

__all__ = ["Row", "Rows", "csv_rows", "json_rows", "parquet_rows", "plain"]

BATCH = 1024  # rows of a Parquet file that are Python objects at a time


@dataclass(frozen=True)
class Row:
    where: str  # "line 3"
    cells: dict[str, Value] = field(default_factory=dict)  # what is given, by column
    problem: str = ""  # why it could not be read


@dataclass(frozen=True)
class Rows:
    """The rows of a file, to be gone through once."""

    columns: list[str]
    rows: Iterator[Row]

    def __iter__(self) -> Iterator[Row]:
        return self.rows


def csv_rows(place: Place, name: str) -> Rows:
    """A CSV file in UTF-8 with a header. Columns without a name and lines without any cell are passed over.

    Raises ValueError when it has no header, two columns have one name, or, in the middle of the rows, it is not UTF-8 or no CSV.
    """
    title = place.shown(name)
    lines = _csv_lines(place, name)
    columns = [cell.strip() for cell in next(lines, (0, []))[1]]
    if not any(columns):
        raise ValueError(f"{title} has no header: its first line must name the columns")
    named = [column for column in columns if column]
    if doubled := [column for column in named if named.count(column) > 1]:
        raise ValueError(f"{title} has two columns {doubled[0]!r}")
    return Rows(named, (_csv_row(columns, number, cells) for number, cells in lines))


def _csv_row(columns: list[str], number: int, cells: list[str]) -> Row:
    where = f"line {number}"
    if len(cells) != len(columns):
        return Row(where, problem=f"it has {len(cells)} cells, but the header has {len(columns)}")
    return Row(where, {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell.strip()})


def _csv_lines(place: Place, name: str) -> Iterator[tuple[int, list[str]]]:
    """Cells with the number of the line they end in."""
    with io.TextIOWrapper(place.open(name), "utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{place.shown(name)} cannot be read as CSV in UTF-8, after line {reader.line_num}: {error}") from None


def json_rows(place: Place, name: str) -> Rows:
    """A file of JSON objects, one in a line, in UTF-8. Its columns are those of the first. Blank lines are passed over.

    Raises ValueError when the first line is no object.
    """
    rows = _json_rows(place, name)
    first = next(rows, None)
    if first is None or first.problem:
        raise ValueError(f"{place.shown(name)} cannot be read as JSONL: {first.where + ' ' + first.problem if first else 'it is empty'}")
    return Rows(list(first.cells), _again(first, rows))


def _again(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _json_rows(place: Place, name: str) -> Iterator[Row]:
    with place.open(name) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _json_row(f"line {number}", line.removeprefix(b"\xef\xbb\xbf"))


def _json_row(where: str, line: bytes) -> Row:
    try:
        told = json.loads(line)
    except ValueError as error:
        return Row(where, problem=f"is no JSON: {error}")
    if not isinstance(told, dict):
        return Row(where, problem=f"is {type(told).__name__}, but must be an object with photo")
    return Row(where, plain(told))


def parquet_rows(place: Place, name: str) -> Rows:
    """A Parquet file. Of columns that hold neither text nor numbers nor lists of them nothing is read. One row group is in memory.

    Raises ImportError without pyarrow, ValueError when the file is no Parquet.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise needs_pyarrow(place.shown(name)) from error
    try:
        file = ParquetFile(place.open(name))
    except ArrowException as error:
        raise ValueError(f"{place.shown(name)} cannot be read as Parquet: {error}") from None
    schema = file.schema_arrow
    if "photo" in schema.names and not _is_told(schema.field("photo").type):
        raise ValueError(f"{place.shown(name)} has {schema.field('photo').type} in its column photo, but it must hold paths")
    columns = [column.name for column in schema if _is_told(column.type)]
    return Rows(columns, _parquet_rows(file, columns))


def _parquet_rows(file: Any, columns: list[str]) -> Iterator[Row]:
    number = 0
    with file:
        for batch in file.iter_batches(BATCH, columns=columns):
            for cells in batch.to_pylist():
                number += 1
                yield Row(f"row {number}", plain(cells))


def _is_told(kind: Any) -> bool:
    """Whether values of this Arrow type can be given to a slot."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_told(kind.value_type) and not types.is_nested(kind.value_type)
    return not (types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def plain(told: dict[str, Any]) -> dict[str, Value]:
    """What of an object can be given to slots.

    Text, numbers and truth values as they are, times and decimals as text, lists of these as a text with commas. What is deeper is left
    out, and so is what is not given: null, NaN and blank text.
    """
    cells = {str(name): _plain(value) for name, value in told.items()}
    return {name: value for name, value in cells.items() if value is not None}


def _plain(value: Any) -> Value | None:
    if isinstance(value, list):
        parts = [_plain(part) for part in value if not isinstance(part, list)]
        return ",".join(map(str, parts)) if parts and len(parts) == len(value) and None not in parts else None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)):
        return str(value)
    return None
