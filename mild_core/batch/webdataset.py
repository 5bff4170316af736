"""Photos in tars, as the WebDataset library lays them out.

Members that belong together have one name up to the first dot, and follow one another. Only their headers are read; the bytes are taken
by offset when they are wanted. The keys of one tar are kept in memory, to tell a second one.
"""

from __future__ import annotations

import itertools
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from .items import PICTURES, Item, Source, Value
from .manifest_rows import plain
from .names import check_name
from .places import Found, Place

__all__ = ["COMPRESSED", "expanded", "is_compressed_tar", "items_of_tars"]

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
ENDINGS = {
    "photo": tuple(f"{before}{ending[1:]}" for before in ("photo.", "") for ending in (".jpg", ".jpeg", *PICTURES)),
    "people": ("people.png", "mask.png", "seg.png"),
    "effects": ("effects.png",),
}
BLOCK = 512  # bytes; a tar ends with one of zeros


class _Member(NamedTuple):
    key: str  # the path up to the first dot of its last part
    ending: str  # what follows that dot, in small letters
    offset: int
    size: int
    problem: str


def items_of_tars(place: Place, names: Sequence[str]) -> Iterator[Item]:
    """An item for each sample with a photo or a mask, tar by tar; its id is the tar's name without ending, and the key.

    The photo is photo.jpg, jpg, or another picture; people are people.png, mask.png or seg.png; effects effects.png. Flat entries of the
    .json are values. A tar that is missing, broken or cut off is an item of its own with that problem, and the next is gone on with.

    Raises ValueError when one is compressed.
    """
    for name in names:
        title = place.shown(name)
        found = place.find(name)
        if found is None:
            yield Item(name, problem=f"{title} is not there")
        else:
            yield from _items_of_tar(place, found)


def is_compressed_tar(name: str) -> bool:
    return name.lower().endswith(COMPRESSED)


def expanded(pattern: str) -> list[str]:
    """`a-{00..02}.tar` as a-00.tar, a-01.tar, a-02.tar, and `{train,test}.tar` as both. Raises ValueError for other braces."""
    parts = re.split(r"\{([^{}]*)\}", pattern)
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise ValueError(f"{pattern} has a brace without its other one: it must be such as shards-{{000000..000099}}.tar")
    choices = [[part] if number % 2 == 0 else _choices(part, pattern) for number, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _choices(inner: str, pattern: str) -> list[str]:
    if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", inner):
        first, last = numbers.groups()
        if int(first) > int(last):
            raise ValueError(f"{pattern} counts from {first} to {last}, but the first must not be greater")
        return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    if "," not in inner:
        raise ValueError(f"{pattern} has {{{inner}}}, but braces must hold a range such as 000000..000099, or names with commas")
    return inner.split(",")


def _items_of_tar(place: Place, tar: Found) -> Iterator[Item]:
    begins = re.sub(r"\.tar$", "", tar.name, flags=re.IGNORECASE)
    seen: set[str] = set()
    with place.open(tar.name) as file:
        _check_plain(file, place.shown(tar.name))
        members = _Members(file, place.shown(tar.name))
        for number, (key, group) in enumerate(itertools.groupby(members, key=lambda member: member.key), start=1):
            item = _item(place, tar, f"{begins}/{key}", list(group), file)
            if item is None:
                continue
            if members.broken and not item.problem:
                item = Item(item.id, item.files, item.values, f"the sample may lack files: {members.broken}")
            if problem := _unusable(item.id, seen):
                item = Item(f"{begins}/sample {number}", item.files, item.values, problem)
            seen.add(item.id)
            yield item
    if members.broken:
        yield Item(tar.name, problem=members.broken)


def _unusable(id: str, seen: set[str]) -> str:
    try:
        check_name(id)
    except ValueError as error:
        return f"its key cannot name files: {error}"
    if id in seen:
        return f"the key {id} was in the tar before, with other files between, but what belongs together must follow one another"
    return ""


def _check_plain(file: BinaryIO, title: str) -> None:
    begins = file.read(max(map(len, MAGIC)))
    for magic, kind in MAGIC.items():
        if begins.startswith(magic):
            raise ValueError(f"{title} is compressed by {kind}, and cannot be read by offset: it must be a plain tar, so unpack it first")
    file.seek(0)


class _Members:
    """The files of a tar in their order; `broken` says afterwards why it could not be read to its end, if so."""

    def __init__(self, file: BinaryIO, title: str):
        self.file = file
        self.title = title
        self.broken = ""

    def __iter__(self) -> Iterator[_Member]:
        try:
            with tarfile.open(fileobj=self.file, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                    if not member.isdir():
                        yield _member(member)
                self._check_end(tar.offset)
        except (tarfile.TarError, EOFError) as error:
            self.broken = f"{self.title} is broken or cut off: {error}"

    def _check_end(self, offset: int) -> None:
        """tarfile takes a broken header, or none, for the end."""
        self.file.seek(offset)
        if self.file.read(BLOCK) != bytes(BLOCK):
            self.broken = f"{self.title} is broken or cut off at byte {offset}, where a file's header or the end must be"


def _member(member: tarfile.TarInfo) -> _Member:
    name = re.sub(r"^(\./)+", "", member.name)
    folder, slash, last = name.rpartition("/")
    key, _, ending = last.partition(".")
    problem = ""
    if member.issym() or member.islnk():
        problem = f"{name} is a link to {member.linkname}, but must be a file: let tar follow links (--dereference, --hard-dereference)"
    elif not member.isreg() or member.issparse():
        problem = f"{name} is of tar type {member.type!r}, but must be a plain file"
    return _Member(f"{folder}{slash}{key}", ending.lower(), member.offset_data, member.size, problem)


def _item(place: Place, tar: Found, id: str, members: Sequence[_Member], file: BinaryIO) -> Item | None:
    """The item of one sample; None where it is about no photo."""
    by_ending = {member.ending: member for member in members}
    chosen = {slot: next((e for e in endings if e in by_ending), None) for slot, endings in ENDINGS.items()}
    used = {slot: by_ending[ending] for slot, ending in chosen.items() if ending is not None}
    if not used:
        return None
    files = {slot: Source(place, tar.name, member.offset, member.size, tar.stamp) for slot, member in used.items()}
    problems = [member.problem for member in used.values() if member.problem]
    if "photo" not in used:
        problems.append("it has no photo (jpg, jpeg, png, webp, or photo.jpg)")
    if len(by_ending) < len(members):
        problems.append("it has two files of one ending")
    values: Mapping[str, Value] = {}
    if "json" in by_ending:
        try:
            values = _values(by_ending["json"], file)
        except ValueError as error:
            problems.append(f"its .json cannot be read: {error}")
    return Item(id, files, values, "; ".join(problems))


def _values(member: _Member, file: BinaryIO) -> dict[str, Value]:
    file.seek(member.offset)
    told = json.loads(file.read(member.size))
    if not isinstance(told, dict):
        raise ValueError(f"it is {type(told).__name__}, but must be an object")
    return plain(told)
