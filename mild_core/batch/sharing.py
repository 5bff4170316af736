"""Several photos in one run of a graph, their crops in one batch of the sampler.

    Load Image ×k ─► Create List ─┐
    …                             ├─► the graph up to the sampler, which ComfyUI runs once for each photo of the list
    words ×k ─────► Create List ─┘                       │
                                               MILD Join Layers ─► model nodes, sampler: once for each shape of crops
                                                         │
                                               MILD Part Layers ─► the graph behind the sampler, once for each photo

The graph must have one sampler, whose latent comes from MILD Encode Layers and goes to MILD Decode Layers alone; what of its model depends
on the plan gets the joined plan.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from ..remote import Graph
from ..remote.slots import LOADERS, is_link, upstream
from .graphs import PREFIX, BulkGraph, Filled

__all__ = ["shared_graph", "why_not_shared"]

ENCODE, DECODE, JOIN, PART, LIST = "MILDEncodeLayers", "MILDDecodeLayers", "MILDJoinLayers", "MILDPartLayers", "CreateList"
SAMPLER_INPUTS = ("positive", "negative", "latent_image")
PRIMITIVES = {bool: "PrimitiveBoolean", int: "PrimitiveInt", float: "PrimitiveFloat", str: "PrimitiveString"}
JOINED, PARTED = "joined", "parted"  # ids of the nodes that are put in


def why_not_shared(bulk: BulkGraph) -> str:
    """Why photos cannot share a batch in this graph; "" where they can."""
    graph = bulk.graph
    encoders, samplers = _of_class(graph, ENCODE), [id for id, node in graph.items() if _joins(node)]
    if len(encoders) != 1 or len(samplers) != 1:
        return (
            f"it has {len(encoders)} MILD Encode Layers and {len(samplers)} samplers with prompts and a latent, but must have one of each"
        )
    encode, sampler = encoders[0], samplers[0]
    if graph[sampler]["inputs"]["latent_image"] != [encode, 2]:
        return f"the latent of node {sampler} does not come straight from MILD Encode Layers"
    behind = {id for id, node in graph.items() if any(value[0] == sampler for value in _links(node))}
    others = [id for id in behind if graph[id]["class_type"] != DECODE]
    if others or not behind:
        return f"what node {sampler} makes goes to node {others[0]}, not to MILD Decode Layers alone" if others else "nothing is decoded"
    aimed = [id for id in upstream(graph, _sources(graph[sampler])) if _has_target(graph[id])]
    if aimed:
        return f"node {aimed[0]} has a target_gap, which one photo's crops would set for all"
    for id in _dependent(graph, [slot[0] for slot in bulk.slots.values()]):
        node = graph[id]
        if PREFIX not in node.get("inputs", {}) and node["class_type"].startswith("Save"):
            return f"node {id} saves files, and has no {PREFIX} to tell photos by"
    return ""


def shared_graph(bulk: BulkGraph, photos: Sequence[Filled], most: int = 0) -> Graph:
    """The graph for these photos together; what it keeps of photo n, from 1, has the prefix `n/`.

    Args:
        photos: what goes into the slots; all have the same ones.
        most: crops in a batch, at most; 0 for no bound.

    Raises ValueError for a value that does not fit, and where `why_not_shared` has a reason.
    """
    reason = why_not_shared(bulk)
    if reason:
        raise ValueError(f"photos cannot share a batch in this graph: {reason}")
    graph = copy.deepcopy(bulk.graph)
    (encode,) = _of_class(graph, ENCODE)
    (sampler,) = [id for id, node in graph.items() if _joins(node)]
    reached = _dependent(graph, [slot[0] for slot in bulk.slots.values()])
    _join(graph, encode, sampler, most)
    for name in photos[0]:
        _list_of_slot(graph, bulk, name, [photo[name] for photo in photos])
    for id in reached & set(graph):
        prefix = graph[id].get("inputs", {}).get(PREFIX)
        if prefix is not None:
            kept = str(prefix).partition("/")[2]
            graph[id]["inputs"][PREFIX] = _list(graph, f"{id}-{PREFIX}", [f"{n}/{kept}" for n in range(1, len(photos) + 1)])
    return graph


def _join(graph: Graph, encode: str, sampler: str, most: int) -> None:
    inputs = graph[sampler]["inputs"]
    told = {"positive": inputs["positive"], "negative": inputs["negative"], "latent": inputs["latent_image"], "plan": [encode, 3]}
    for id in upstream(graph, _sources(graph[sampler])):
        for name, value in graph[id].get("inputs", {}).items():
            if value == [encode, 3]:
                graph[id]["inputs"][name] = [JOINED, 3]
    for id in _of_class(graph, DECODE):
        for name, value in graph[id]["inputs"].items():
            if value == [sampler, 0]:
                graph[id]["inputs"][name] = [PARTED, 0]
            elif value == [encode, 3]:
                graph[id]["inputs"][name] = [PARTED, 1]
    inputs.update({name: [JOINED, place] for place, name in enumerate(SAMPLER_INPUTS)})
    graph[JOINED] = {"class_type": JOIN, "inputs": {**told, "most": most}}
    graph[PARTED] = {"class_type": PART, "inputs": {"samples": [sampler, 0], "plan": [JOINED, 3]}}


def _list_of_slot(graph: Graph, bulk: BulkGraph, name: str, values: Sequence[Any]) -> None:
    """Put a value for each photo where there was one."""
    node, input = bulk.slot(name)
    if graph[node]["class_type"] not in LOADERS:
        graph[node]["inputs"][input] = _list(graph, f"{node}-{input}", [bulk.fitting(name, value) for value in values])
        return
    loaders = []
    for number, value in enumerate(values, start=1):
        loader = f"{node}@{number}"
        graph[loader] = {**graph[node], "inputs": {**graph[node]["inputs"], input: value}}
        loaders.append(loader)
    for output in sorted({value[1] for other in graph.values() for value in _links(other) if value[0] == node}):
        list_id = f"{node}@{output}-list"
        graph[list_id] = _create_list([[loader, output] for loader in loaders])
        for other in graph.values():
            for at, value in other.get("inputs", {}).items():
                if is_link(value) and value == [node, output]:
                    other["inputs"][at] = [list_id, 0]
    del graph[node]


def _list(graph: Graph, id: str, values: Sequence[Any]) -> list[Any]:
    """Nodes that give a list of values; the link to it."""
    for number, value in enumerate(values, start=1):
        graph[f"{id}@{number}"] = {"class_type": PRIMITIVES[type(value)], "inputs": {"value": value}}
    graph[f"{id}-list"] = _create_list([[f"{id}@{number}", 0] for number in range(1, len(values) + 1)])
    return [f"{id}-list", 0]


def _create_list(links: Sequence[list[Any]]) -> dict[str, Any]:
    return {"class_type": LIST, "inputs": {f"inputs.input{number}": link for number, link in enumerate(links)}}


def _of_class(graph: Graph, kind: str) -> list[str]:
    return [id for id, node in graph.items() if node["class_type"] == kind]


def _joins(node: dict[str, Any]) -> bool:
    return all(is_link(node.get("inputs", {}).get(name)) for name in SAMPLER_INPUTS)


def _sources(sampler: dict[str, Any]) -> list[str]:
    """The nodes that a sampler's inputs come from, but for prompts and latent."""
    return [str(value[0]) for name, value in sampler["inputs"].items() if is_link(value) and name not in SAMPLER_INPUTS]


def _has_target(node: dict[str, Any]) -> bool:
    gap = node.get("inputs", {}).get("target_gap", -1)
    return is_link(gap) or gap > -1  # what another node says is not known


def _links(node: dict[str, Any]) -> list[list[Any]]:
    return [value for value in node.get("inputs", {}).values() if is_link(value)]


def _dependent(graph: Graph, ids: Iterable[str]) -> set[str]:
    """These nodes and all that are made from them."""
    reached = set(ids)
    while True:
        more = {id for id, node in graph.items() if any(str(value[0]) in reached for value in _links(node))} - reached
        if not more:
            return reached
        reached |= more
