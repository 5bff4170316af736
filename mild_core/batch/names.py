"""Names of files below a place: relative POSIX paths that every storage can hold."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import PurePosixPath

__all__ = ["check_name", "fitting", "is_unfinished", "unfinished"]

LONGEST = 255  # bytes of one component, on nearly every file system
HASH = 12  # hexadecimal digits that tell shortened names apart
ENDING = 16  # bytes of an ending that is kept, such as .people.png's .png
UNFINISHED = ".mild-part"
FORBIDDEN = "\0\\:" if os.name == "nt" else "\0"  # on Windows \ parts folders and : names a drive


def check_name(name: str) -> None:
    """Raise ValueError unless `name` is a file below a place: parts joined by /, none of them empty, `.` or `..`.

    No part may be longer than 255 bytes in UTF-8 (`fitting` shortens), hold NUL, or look like one of our own unfinished files.
    """
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"the name is {name!r}, but it must be a relative path of parts joined by /, none of them empty, . or ..")
    if held := [sign for sign in FORBIDDEN if sign in name]:
        raise ValueError(f"the name is {name!r}, but it must not hold {held[0]!r}")
    for part in name.split("/"):
        if len(os.fsencode(part)) > LONGEST:
            raise ValueError(
                f"the name {part[:40]!r}… is {len(os.fsencode(part))} bytes long, but each part of a path must be at most {LONGEST}"
            )
    if is_unfinished(name):
        raise ValueError(f"the name is {name!r}, but .….{UNFINISHED[1:]} are our own unfinished files")


def fitting(name: str, longest: int = LONGEST) -> str:
    """`name` with each part of more than `longest` bytes shortened, at least 32; any other name as it is.

    A shortened part keeps its beginning and its ending, with a hash of the whole part between, so that two long names stay two.
    """
    return "/".join(part if len(os.fsencode(part)) <= longest else _shortened(part, longest) for part in name.split("/"))


def _shortened(part: str, longest: int) -> str:
    whole = os.fsencode(part)
    ending = os.fsencode(PurePosixPath(part).suffix)
    if len(ending) > ENDING:
        ending = b""
    digest = hashlib.sha256(whole).hexdigest()[:HASH]
    begins = whole[: longest - len(ending) - HASH - 1].decode("utf-8", "ignore")  # never half a letter
    return f"{begins}-{digest}{ending.decode('utf-8', 'ignore')}"


def unfinished() -> str:
    """A name for a file that is being written, of its own each time."""
    return f".{secrets.token_hex(8)}{UNFINISHED}"


def is_unfinished(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    return last.startswith(".") and last.endswith(UNFINISHED)
