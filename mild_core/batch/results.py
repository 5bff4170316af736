"""What the results of a bulk run are called.

    trip/a.jpg.1f3c9a02.png             the picture
    trip/a.jpg.1f3c9a02.layers.2.png    what else the graph keeps: what it is called there, and a number where there are several

The eight digits are of the graph and the values put into it, so that results of others lie beside. Of an input's files the picture is
written last, the first where there are several: where it is, all are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..remote import Graph
from .graphs import PICTURE
from .places import fitting

__all__ = ["RESULTS", "fingerprint", "finished", "named", "stem"]

RESULTS = "results"  # folder
DIGITS = 8
LONGEST = 180  # bytes of a name, of 255: the rest is for what it keeps
COUNTED = re.compile(r"^(?P<kept>.+?)_(?P<number>\d{5})_?(?P<suffix>\.\w+)$")  # as ComfyUI's saving nodes number files
FINISHED = re.compile(rf"^(?P<stem>.+\.[0-9a-f]{{{DIGITS}}})(\.1)?\.\w+$")


def fingerprint(graph: Graph, slots: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Of a graph, where inputs go into it, and the values of one input: other ones give other results."""
    said = {id: {"class_type": node["class_type"], "inputs": node.get("inputs", {})} for id, node in graph.items()}
    told = json.dumps([said, {name: list(slot) for name, slot in slots.items()}, dict(values)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]


def stem(id: str, print: str) -> str:
    """What the names of an input's results begin with; a name too long for what follows is shortened."""
    folder, _, leaf = id.rpartition("/")
    return "/".join([*([folder] if folder else []), f"{fitting(leaf, LONGEST)}.{print}"])


def named(stem: str, kept: Iterable[str]) -> dict[str, str]:
    """Names of results for what a graph kept, in the order in which they are to be written.

    Args:
        kept: paths in the output folder below the photo's number, such as "layers_00002_.png".
    """
    by_kind: dict[tuple[str, str], list[str]] = {}
    odd = []
    for path in sorted(kept):
        found = COUNTED.match(path)
        if found and "/" not in path:
            by_kind.setdefault((found["kept"], found["suffix"]), []).append(path)
        else:
            odd.append(path)
    names = {path: f"{stem}.{path}" for path in odd}
    for (kind, suffix), paths in sorted(by_kind.items(), key=lambda item: item[0][0] == PICTURE):
        word = "" if kind == PICTURE else f".{kind}"
        for number, path in reversed(list(enumerate(paths, start=1))):
            names[path] = f"{stem}{word}{f'.{number}' if len(paths) > 1 else ''}{suffix}"
    return names


def finished(names: Iterable[str]) -> set[str]:
    """Of the names of results, the stems of inputs that are done."""
    return {found["stem"] for name in names if (found := FINISHED.match(name))}
