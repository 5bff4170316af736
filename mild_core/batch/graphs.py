"""A graph in API format for one photo, or for several that share a sampler's batch.

Named slots are what inputs of a bulk run go into. `photo`, `people`, `effects` and `erase` are found as `remote.slots` finds them, where a
graph has them; any other by a node of that title, or by hand as NODE.input. A picture goes into a Load Image by the name of its file, any
other value is written as the kind of value (number, words, yes or no) that stands there.

What a graph keeps are the files of its nodes that save. A node that only shows is left out, but for the one that shows the picture, which
saves it instead. Each saving node gets a prefix of its own, `1/picture`: the photo's number, and what is kept in words.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..remote import Graph
from ..remote.slots import LOADERS, Slot, find_some, is_link

__all__ = ["PICTURE", "BulkGraph", "Filled", "bulk_graph"]

PICTURE = "picture"  # what the result of a photo is called among what a graph keeps
SHOWERS = ("PreviewImage", "MaskPreview", "PreviewAny", "MILDBeforeAfter", "ImageCompare")  # show, and are nothing else's input
PREFIX = "filename_prefix"
WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
Filled = Mapping[str, Any]
"""What goes into the slots of a photo: the names of files for pictures, else values."""


@dataclass(frozen=True)
class BulkGraph:
    """A graph that is made ready for bulk work.

    Attributes:
        graph: as it is queued, but for what goes into the slots.
        slots: inputs by name.
        why_not: of slots that were not found, why, by name.
        output: the node that saves the picture.
    """

    graph: Graph
    slots: Mapping[str, Slot]
    why_not: Mapping[str, str]
    output: str

    def slot(self, name: str) -> Slot:
        """Raises ValueError where the graph has no such slot."""
        if name not in self.slots:
            known = ", ".join(self.slots)
            why = self.why_not.get(name) or f'no node is titled "{name}": it must be one of {known}, or named with --slot {name}=NODE.input'
            raise ValueError(f"slot {name} is not clear: {why}")
        return self.slots[name]

    def takes_pictures(self, name: str) -> bool:
        """Whether a file goes into a slot."""
        node, _ = self.slot(name)
        return self.graph[node]["class_type"] in LOADERS

    def one(self, filled: Filled) -> Graph:
        """The graph for one photo. Raises ValueError for a value that does not fit."""
        graph = copy.deepcopy(self.graph)
        for name, value in filled.items():
            node, input = self.slot(name)
            graph[node]["inputs"][input] = self.fitting(name, value)
        return graph

    def fitting(self, name: str, value: Any) -> Any:
        """A value as the kind of value that stands in the slot. Raises ValueError where it cannot be."""
        node, input = self.slot(name)
        stands = self.graph[node]["inputs"].get(input)
        try:
            if isinstance(stands, bool):
                return value if isinstance(value, bool) else WORDS[str(value).strip().lower()]
            if isinstance(stands, int | float):
                return type(stands)(value)
        except (KeyError, ValueError, TypeError):
            kind = {bool: "yes or no", int: "a whole number", float: "a number"}[type(stands)]
            raise ValueError(f"{name} is {value!r}, but it must be {kind}, as {input} of node {node} is") from None
        return str(value)


def bulk_graph(graph: Graph, given: Mapping[str, str] = {}, wanted: Sequence[str] = ()) -> BulkGraph:
    """A graph made ready.

    Args:
        given: slot to "NODE.input"; of `output` "NODE". They come before what would be found.
        wanted: other slots that inputs have values for; of them those are taken whose name is the title of a node.

    Raises ValueError where the photo or the picture are not clear, and when a given slot is none.
    """
    several = next((id for id, node in graph.items() if node["class_type"] == "MILDPhotoBatch"), None)
    if several is not None:
        raise ValueError(
            f"node {several}, MILD Photo Batch, takes several photos, but the graph must take one: bulk work brings the others"
        )
    graph = copy.deepcopy(graph)
    slots, why_not, output = find_some(graph, given, wanted)
    if "photo" not in slots:
        raise ValueError(why_not["photo"])
    if graph[output]["class_type"] == "PreviewImage":
        graph[output] = {"class_type": "SaveImage", "inputs": {**graph[output]["inputs"], PREFIX: ""}}
    graph = {id: node for id, node in graph.items() if id == output or node["class_type"] not in SHOWERS or _is_used(graph, id)}
    taken = {PICTURE}
    for id, node in graph.items():
        if PREFIX in node.get("inputs", {}):
            name = PICTURE if id == output else _name_of(id, node, taken)
            taken.add(name)
            node["inputs"][PREFIX] = f"1/{name}"
    return BulkGraph(graph, slots, why_not, output)


def _is_used(graph: Graph, id: str) -> bool:
    return any(is_link(value) and str(value[0]) == id for node in graph.values() for value in node.get("inputs", {}).values())


def _name_of(id: str, node: Mapping[str, Any], taken: set[str]) -> str:
    """What a saving node keeps, in a word that no other one has."""
    title = str(node.get("_meta", {}).get("title", "")) or node["class_type"]
    word = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "file"
    word = f"file-{word}" if re.fullmatch(r"\d+|[0-9a-f]{8}", word) else word  # else it would look like what ends a result's name
    return word if word not in taken else f"{word}-{re.sub(r'[^A-Za-z0-9]+', '-', id)}"
