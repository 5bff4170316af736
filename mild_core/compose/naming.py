"""Layer names, which are anybody's text, made fit for files."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["file_name", "readable"]

LONGEST_NAME = 255  # what Photoshop takes
LONGEST_FILE = 100  # bytes, so that a number and an ending fit into the 255 that file systems allow, and deep folders into a path
FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')  # in file names, on Windows or elsewhere


def readable(name: str) -> str:
    """The name without what no document may hold (control characters, halves of characters), cut where it is too long."""
    kept = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cc", "Cs") and ord(letter) & 0xFFFE != 0xFFFE)
    return kept[:LONGEST_NAME]


def file_name(name: str, otherwise: str) -> str:
    """The name as a part of a file name that is fit for every system, or `otherwise` where nothing is left of it.

    It parts no folders, does not begin or end with a dot or a blank, and holds nothing invisible that could turn it around. It may
    be a name that Windows keeps to itself, such as CON: put a number before or behind it.
    """
    kept = "".join(letter for letter in FORBIDDEN.sub("_", name) if unicodedata.category(letter)[0] != "C")
    short = kept.encode()[:LONGEST_FILE].decode(errors="ignore")  # never half a letter
    return " ".join(short.split()).strip(" .") or otherwise
