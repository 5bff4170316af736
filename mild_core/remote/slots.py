"""Where a case goes into a ComfyUI graph in API format, and where its picture comes out.

Slots are inputs of nodes, found by what the nodes are and how they are joined:

    photo     the Load Image whose picture reaches MILD Split People, is titled "photo", or is the only one
    people    the Load Image (as Mask), or Load Image, whose mask reaches MILD Split People, is titled "people", "mask" or "hole", or
              is the only one; in a graph without that node also the photo's own alpha, where something takes it
    erase     `erase` of MILD Split People: the numbers of those who go; none where the people are titled "hole", or without that
              node: then the people are one mask of all who go
    effects   a Load Image (as Mask), or Load Image, titled "effects" or "shadows"
    output    the Save Image or Preview Image titled "picture", or the only one
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from .client import Graph

__all__ = ["LOADERS", "SPLIT", "Slot", "Slots", "find_slots", "find_some", "is_link", "leading_to", "load_graph", "set_seeds", "upstream"]

SPLIT, PANOPTIC, REPORT = "MILDSplitPeople", "MILDPanoptic", "MILDAttentionReport"
LOADERS, SHOWERS = ("LoadImage", "LoadImageMask"), ("SaveImage", "PreviewImage")
DEFAULTS = {"photo": "image", "people": "image", "effects": "image", "erase": "erase"}  # the input that a slot means
USUAL = ("text", "value", "image", "prompt", "string")  # what the value of a node is called that holds one
SEEDS = ("seed", "noise_seed")
HOLE_TITLE = "hole"  # of a loader that gets one mask of all who go
PEOPLE_TITLES, EFFECTS_TITLES = ("people", "mask", "masks", HOLE_TITLE), ("effects", "shadows")
Slot = tuple[str, str]
"""An input: node id and the input's name."""


@dataclass(frozen=True)
class Slots:
    """Where a case goes into a graph, and where its picture comes out.

    Attributes:
        people: the same as `photo` where the mask travels in the photo's alpha.
        erase: None in a graph that takes one mask of all who go.
        effects: None in a graph that has no place for it.
        output: id of the node that shows or saves the picture.
    """

    photo: Slot
    people: Slot
    erase: Slot | None
    effects: Slot | None
    output: str


def load_graph(path: Path) -> Graph:
    """A graph in API format from a file. Raises ValueError when it is none, and says how to export one."""
    if not path.is_file():
        raise ValueError(f"graph is {str(path)!r}, which is not there: it must be a graph in API format")
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"graph {path.name} is not JSON ({error}): it must be a graph in API format") from None
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise ValueError(
            f"graph {path.name} is in the editor's format, but it must be in API format: "
            "open it in ComfyUI and choose Workflow > Export (API)"
        )
    if not isinstance(graph, dict) or not graph or not all(isinstance(n, dict) and "class_type" in n for n in graph.values()):
        raise ValueError(f"graph {path.name} is no graph in API format, which is {{node id: {{class_type, inputs}}}}")
    return graph


def find_slots(graph: Graph, given: Mapping[str, str] = {}) -> Slots:
    """The slots of a graph, see above.

    Args:
        given: slot to "NODE.input", "NODE" for the slot's usual input; of `output` "NODE". They come before what would be found.
    Raises ValueError, with what it could be, when a slot is not found or several nodes could be it, and when a given one is none.
    """
    unknown = set(given) - {*DEFAULTS, "output"}
    if unknown:
        raise ValueError(f"slot is {sorted(unknown)[0]!r}, but it must be one of photo, people, erase, effects, output")
    named = {slot: _given(graph, slot, text) for slot, text in given.items() if slot != "output"}
    split = _split_of(graph, named)
    photo = named.get("photo") or _photo(graph, split)
    effects = named.get("effects") or _effects(graph, photo)
    people = named.get("people") or _people(graph, split, photo, effects)
    one_hole = split is None or HOLE_TITLE in _titles(graph, people[0])
    erase = named.get("erase") or (None if one_hole else (str(split), "erase"))
    if erase is not None and is_link(graph[erase[0]]["inputs"].get(erase[1])):
        raise ValueError(f"{erase[1]} of node {erase[0]} comes from another node, but the words of who goes must be written on it")
    return Slots(photo, people, erase, effects, _output(graph, given.get("output")))


def find_some(graph: Graph, given: Mapping[str, str] = {}, wanted: Iterable[str] = ()) -> tuple[dict[str, Slot], dict[str, str], str]:
    """Those slots of a graph that are clear; of the others, why they are not; and the node of the picture.

    A graph that finds the people itself has no slot for them. A slot of another name than those above is the input of a node of that
    title: the one that is not joined to a node, where there is only one, or the usual one of nodes that hold words.

    Args:
        given: slot to "NODE.input"; of `output` "NODE".
        wanted: names of further slots.
    Raises ValueError when the picture is not clear, and when a given slot is none.
    """
    named = {slot: _given(graph, slot, text) for slot, text in given.items() if slot != "output"}
    found: dict[str, Slot] = {}
    why: dict[str, str] = {}

    def look(slot: str, find: Callable[[], Slot | None]) -> None:
        try:
            place = named.get(slot) or find()
        except ValueError as error:
            why[slot] = str(error)
        else:
            if place is not None:
                found[slot] = place

    split: str | None = None
    try:
        split = _split_of(graph, named)
    except ValueError as error:
        why["erase"] = str(error)
    look("photo", lambda: _photo(graph, split))
    photo = found.get("photo", ("", ""))
    look("effects", lambda: _effects(graph, photo))
    look("people", lambda: _people(graph, split, photo, found.get("effects")))
    if (
        split is not None
        and not is_link(_inputs(graph[split]).get("erase"))
        and HOLE_TITLE not in _titles(graph, found.get("people", photo)[0])
    ):
        found["erase"] = named.get("erase", (split, "erase"))
    for slot in {*wanted, *named} - {*found, *DEFAULTS}:
        look(slot, lambda slot=slot: _titled(graph, slot))  # type: ignore[misc]
    return found, why, _output(graph, given.get("output"))


def _titled(graph: Graph, slot: str) -> Slot | None:
    """The input of the node of that title that holds a value."""
    nodes = [id for id in graph if slot.lower() in _titles(graph, id)]
    if not nodes:
        return None
    if len(nodes) > 1:
        raise ValueError(f'several nodes are titled "{slot}" ({_listed(graph, nodes)}): name it with --slot {slot}=NODE.input')
    values = [name for name, value in _inputs(graph[nodes[0]]).items() if not is_link(value)]
    usual = [name for name in USUAL if name in values]
    if len(values) != 1 and not usual:
        told = ", ".join(values) or "none"
        raise ValueError(f"node {_listed(graph, nodes)} has the values {told}: name one with --slot {slot}={nodes[0]}.input")
    return nodes[0], (usual or values)[0]


def leading_to(graph: Graph, output: str) -> Graph:
    """The part of a graph that its picture and its attention reports are made from."""
    reports = [id for id, node in graph.items() if node["class_type"] == REPORT]
    return {id: copy.deepcopy(graph[id]) for id in upstream(graph, [output, *reports])}


def set_seeds(graph: Graph, seed: int) -> None:
    """Write the seed on every node that has one written on it."""
    for node in graph.values():
        for name in SEEDS:
            if isinstance(_inputs(node).get(name), int):
                node["inputs"][name] = seed


def _photo(graph: Graph, split: str | None) -> Slot:
    if split is not None:
        reached = upstream(graph, _source(graph, split, "photo"))
        found = [id for id in reached if graph[id]["class_type"] == "LoadImage"]
    else:
        others = {*PEOPLE_TITLES, *EFFECTS_TITLES}
        found = [id for id, node in graph.items() if node["class_type"] == "LoadImage" and not _titles(graph, id) & others]
    return _one(graph, "photo", found, ("photo",)), "image"


def _people(graph: Graph, split: str | None, photo: Slot, effects: Slot | None) -> Slot:
    taken = {photo[0], "" if effects is None else effects[0]}
    if split is not None:
        reached = {*upstream(graph, _source(graph, split, "masks")), *upstream(graph, _source(graph, split, "segs"))}
        told = [id for id in graph if id in reached and graph[id]["class_type"] == PANOPTIC]
        if told:
            raise ValueError(
                f"people come from node {told[0]}, MILD Panoptic, but a case's people are masks: join a Load Image (as Mask) to `masks` "
                "of MILD Split People in its place"
            )
        found = [id for id in graph if id in reached - taken and graph[id]["class_type"] in LOADERS]
        return _one(graph, "people", found, PEOPLE_TITLES), "image"
    loaders = [id for id, node in graph.items() if node["class_type"] in LOADERS and id not in taken]
    found = [id for id in loaders if _titles(graph, id) & set(PEOPLE_TITLES)]
    found = found or [id for id in loaders if graph[id]["class_type"] == "LoadImageMask"]
    in_alpha = any(is_link(value) and (value[0], value[1]) == (photo[0], 1) for node in graph.values() for value in _inputs(node).values())
    return photo if not found and in_alpha else (_one(graph, "people", found, PEOPLE_TITLES), "image")


def _effects(graph: Graph, photo: Slot) -> Slot | None:
    found = [id for id, n in graph.items() if n["class_type"] in LOADERS and id != photo[0] and _titles(graph, id) & set(EFFECTS_TITLES)]
    return (_one(graph, "effects", found, EFFECTS_TITLES), "image") if found else None


def _output(graph: Graph, given: str | None) -> str:
    if given is not None:
        if given not in graph:
            raise ValueError(f"slot output is node {given!r}, which is not in the graph: its nodes are {_listed(graph, graph)}")
        return given
    shown: list[str] = []
    for kind in SHOWERS:
        of_kind = [id for id, node in graph.items() if node["class_type"] == kind]
        titled = [id for id in of_kind if "picture" in _titles(graph, id)]
        if len(titled) == 1 or len(of_kind) == 1:
            return (titled or of_kind)[0]
        shown += of_kind
    if not shown:
        raise ValueError("the graph has no Save Image and no Preview Image: it must show its picture with one of them")
    raise ValueError(
        f'the picture could be that of {_listed(graph, shown)}: title one of them "picture", or name it with --slot output=NODE'
    )


def _split_of(graph: Graph, named: Mapping[str, Slot]) -> str | None:
    """The MILD Split People that the slots are found from; None where the graph has none, or the slots say where they are."""
    if "erase" in named:
        node = named["erase"][0]
        return node if graph[node]["class_type"] == SPLIT else None
    found = [id for id, node in graph.items() if node["class_type"] == SPLIT]
    return _one(graph, "erase", found, ()) if found else None


def _given(graph: Graph, slot: str, text: str) -> Slot:
    if text in graph and slot not in DEFAULTS:
        raise ValueError(f"slot {slot} is {text!r}, but it must be NODE.input, such as {text}.{next(iter(_inputs(graph[text])), 'text')}")
    node, _, name = text.rpartition(".") if text not in graph else (text, "", DEFAULTS[slot])
    if node not in graph:
        raise ValueError(f"slot {slot} is {text!r}, but it must be NODE.input of a node in the graph: {_listed(graph, graph)}")
    if name not in _inputs(graph[node]):
        raise ValueError(f"slot {slot} is {text!r}, but node {node} has the inputs {', '.join(_inputs(graph[node])) or '(none)'}")
    return node, name


def _one(graph: Graph, slot: str, found: Sequence[str], titles: Sequence[str]) -> str:
    titled = [id for id in found if _titles(graph, id) & set(titles)]
    if len(found) == 1 or len(titled) == 1:
        return (titled or found)[0]
    what = {
        "photo": "a Load Image",
        "people": "a Load Image (as Mask) of people",
        "erase": "one MILD Split People",
        "effects": "one of them",
    }
    told = f"several nodes could be it ({_listed(graph, found)})" if found else "no node takes it"
    raise ValueError(f"slot {slot} is not clear, {told}: it must be {what[slot]}, or named with --slot {slot}=NODE.input")


def _listed(graph: Graph, ids: Iterable[str]) -> str:
    return ", ".join(f"{id} ({graph[id].get('_meta', {}).get('title') or graph[id]['class_type']})" for id in ids)


def _titles(graph: Graph, id: str) -> set[str]:
    """What a node is called, in small letters: its id and its title."""
    return {id.lower(), str(graph[id].get("_meta", {}).get("title", "")).strip().lower()}


def _inputs(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return node.get("inputs", {})


def is_link(value: Any) -> TypeGuard[list]:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def _source(graph: Graph, id: str, name: str) -> list[str]:
    value = _inputs(graph[id]).get(name)
    return [str(value[0])] if is_link(value) else []


def upstream(graph: Graph, ids: Iterable[str]) -> list[str]:
    """These nodes and all that they are made from, in the graph's order."""
    reached: set[str] = set()
    todo = [id for id in ids if id in graph]
    while todo:
        id = todo.pop()
        if id not in reached:
            reached.add(id)
            todo += [str(value[0]) for value in _inputs(graph[id]).values() if is_link(value) and str(value[0]) in graph]
    return [id for id in graph if id in reached]
