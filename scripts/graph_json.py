"""A graph of example_graphs.py in the formats that ComfyUI reads.

Which widgets a node has, in which order and with which defaults, comes from a running server's /object_info.
"""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from scripts.graph import Blueprint, Graph, In, Node, Out

__all__ = ["Input", "api_format", "blueprint_format", "inputs_of", "ui_format"]

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
SEEDS = {"seed", "noise_seed"}  # INT widgets behind which the frontend puts a control_after_generate


class Input(NamedTuple):
    name: str
    type: str
    options: dict[str, Any]
    default: Any

    @property
    def is_widget(self) -> bool:
        return self.type in WIDGETS and not self.options.get("forceInput")


def inputs_of(info: dict[str, Any]) -> list[Input]:
    """A node's inputs in the order of its definition, from its entry of /object_info."""
    found = []
    for part in ("required", "optional"):
        for name, (kind, *rest) in info["input"].get(part, {}).items():
            options = rest[0] if rest else {}
            choices = kind if isinstance(kind, list) else options.get("options", [])
            default = options.get("default", choices[0] if choices else None)
            found.append(Input(name, "COMBO" if isinstance(kind, list) else kind, options, default))
    return found


def api_format(graph: Graph, info: dict[str, Any]) -> dict[str, Any]:
    """The graph for POST /prompt; node ids are the names."""
    return {
        name: {"class_type": node.type, "inputs": _values(graph.name, graph.nodes, node, info), "_meta": {"title": node.title}}
        for name, node in graph.nodes.items()
    }


def ui_format(graph: Graph, info: dict[str, Any]) -> dict[str, Any]:
    """The graph as the frontend saves it (litegraph 0.4)."""
    nodes, links = _wired(graph.name, graph.nodes, info)
    nodes.append(note(graph, len(nodes) + 1))
    return {
        "id": _uuid(graph.name),
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": [list(link) for link in links],
        "groups": [
            {"id": n, "title": g.title, "bounding": [*g.at, *g.size], "color": g.color, "font_size": 24, "flags": {}}
            for n, g in enumerate(graph.groups, start=1)
        ],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def blueprint_format(blueprint: Blueprint, info: dict[str, Any]) -> dict[str, Any]:
    """A subgraph that artists find among the nodes: one node outside, the graph inside."""
    nodes, links = _wired(blueprint.name, blueprint.nodes, info, tuple(blueprint.inputs))
    ids = {name: number for number, name in enumerate(blueprint.nodes, start=1)}
    for slot, source in enumerate(blueprint.outputs.values()):
        entry = nodes[ids[source.node] - 1]
        output = _slot(info, blueprint.nodes, source)
        links.append(Link(len(links) + 1, ids[source.node], output, OUTSIDE_OUTPUT, slot, entry["outputs"][output]["type"]))
        entry["outputs"][output]["links"].append(links[-1].id)
    types = {link.origin_slot: link.type for link in links if link.origin_id == OUTSIDE_INPUT}
    outside_inputs = [
        {
            "id": _uuid(f"{blueprint.name}/in/{name}"),
            "name": name,
            "type": types[slot],
            "label": label,
            "linkIds": [link.id for link in links if (link.origin_id, link.origin_slot) == (OUTSIDE_INPUT, slot)],
            "pos": [0, 20 * slot],
        }
        for slot, (name, label) in enumerate(blueprint.inputs.items())
    ]
    outside_outputs = [
        {
            "id": _uuid(f"{blueprint.name}/out/{name}"),
            "name": name,
            "type": link.type,
            "linkIds": [link.id],
            "pos": [2400, 20 * link.target_slot],
        }
        for name, link in zip(blueprint.outputs, [link for link in links if link.target_id == OUTSIDE_OUTPUT], strict=True)
    ]
    inside = {
        "id": _uuid(blueprint.name),
        "version": 1,
        "state": {"lastGroupId": 0, "lastNodeId": len(nodes), "lastLinkId": len(links), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": blueprint.name,
        "inputNode": {"id": OUTSIDE_INPUT, "bounding": [200, 480, 120, 20 + 20 * len(outside_inputs)]},
        "outputNode": {"id": OUTSIDE_OUTPUT, "bounding": [2060, 480, 120, 20 + 20 * len(outside_outputs)]},
        "inputs": outside_inputs,
        "outputs": outside_outputs,
        "widgets": [],
        "nodes": nodes,
        "groups": [],
        "links": [link._asdict() for link in links],
        "extra": {},
        "category": "MILD",
        "description": blueprint.description,
    }
    outside = {
        "id": len(nodes) + 1,
        "type": inside["id"],
        "title": blueprint.name,
        "pos": [420, 480],
        "size": list(blueprint.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": entry["name"], "label": entry["label"], "type": entry["type"], "link": None} for entry in outside_inputs],
        "outputs": [{"name": entry["name"], "type": entry["type"], "links": []} for entry in outside_outputs],
        "properties": {
            "proxyWidgets": [[str(ids[node]), widget] for node, widget in blueprint.widgets],
            "previewExposures": [
                {"name": PICTURE, "sourceNodeId": str(ids[node]), "sourcePreviewName": PICTURE} for node in blueprint.pictures
            ],
        },
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": outside["id"],
        "last_link_id": 0,
        "nodes": [outside],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [inside]},
        "extra": {},
    }


class Link(NamedTuple):
    id: int
    origin_id: int
    origin_slot: int
    target_id: int
    target_slot: int
    type: str


PICTURE = "$$canvas-image-preview"  # the frontend's name for the picture on a node
OUTSIDE_INPUT, OUTSIDE_OUTPUT = -10, -20  # the ids by which a subgraph's links name what is outside


def _values(name: str, nodes: dict[str, Node], node: Node, info: dict[str, Any]) -> dict[str, Any]:
    """What each input of a node holds: a value, [node, output] where another node feeds it, or the In that feeds a blueprint."""
    inputs: dict[str, Any] = {}
    for input in inputs_of(info[node.type]):
        value = node.inputs.get(input.name, input.default if input.is_widget else None)
        if isinstance(value, Out):
            value = [value.node, _slot(info, nodes, value)]
        if value is not None:
            inputs[input.name] = value
    unknown = node.inputs.keys() - inputs.keys()
    if unknown:
        raise ValueError(f"{name}: {node.type} has no input {', '.join(sorted(unknown))}")
    return inputs


def _slot(info: dict[str, Any], nodes: dict[str, Node], source: Out) -> int:
    """The number of an output."""
    return info[nodes[source.node].type]["output_name"].index(source.name)


def _wired(
    name: str, nodes: dict[str, Node], info: dict[str, Any], outside: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], list[Link]]:
    """The nodes as the frontend saves them, numbered from 1 in their order, and the links between them."""
    ids = {key: number for number, key in enumerate(nodes, start=1)}
    entries: list[dict[str, Any]] = []
    links: list[Link] = []
    for order, (key, node) in enumerate(nodes.items()):
        inputs, values = inputs_of(info[node.type]), _values(name, nodes, node, info)
        fed = {i.name for i in inputs if isinstance(values.get(i.name), (list, In))}
        sockets = [i for i in inputs if not i.is_widget or i.name in fed]
        entry: dict[str, Any] = {
            "id": ids[key],
            "type": node.type,
            "title": node.title,
            "pos": list(node.at),
            "size": list(node.size),
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": [
                {"name": i.name, "type": i.type, "link": None} | ({"widget": {"name": i.name}} if i.is_widget else {}) for i in sockets
            ],
            "outputs": [
                {"name": n, "type": t, "slot_index": s, "links": []}
                for s, (n, t) in enumerate(zip(info[node.type]["output_name"], info[node.type]["output"], strict=True))
            ],
            "properties": {"Node name for S&R": node.type},
            "widgets_values": widget_values(inputs, {i.name: i.default if i.name in fed else values.get(i.name) for i in inputs}),
        }
        for slot, socket in enumerate(sockets):
            if socket.name not in fed:
                continue
            value = values[socket.name]
            if isinstance(value, In):
                link = Link(len(links) + 1, OUTSIDE_INPUT, outside.index(value.name), ids[key], slot, socket.type)
            else:
                link = Link(len(links) + 1, ids[value[0]], value[1], ids[key], slot, socket.type)
                entries[ids[value[0]] - 1]["outputs"][value[1]]["links"].append(link.id)
            links.append(link)
            entry["inputs"][slot]["link"] = link.id
        entries.append(entry)
    return entries, links


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mild-layers/{name}"))


def widget_values(inputs: list[Input], values: dict[str, Any]) -> list[Any]:
    """The values of a node's widgets in the frontend's order, with the widgets that it adds by itself."""
    out = []
    for input in inputs:
        if not input.is_widget:
            continue
        out.append(values[input.name])
        if input.type == "INT" and (input.name in SEEDS or input.options.get("control_after_generate")):
            out.append("fixed")
    # the upload button comes last
    return out + ["image" for i in inputs if i.options.get("image_upload")]


def note(graph: Graph, id: int) -> dict[str, Any]:
    return {
        "id": id,
        "type": "MarkdownNote",
        "title": "What to do",
        "pos": [20, 0],
        "size": [420, 360],
        "flags": {},
        "order": id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [graph.note],
        "color": "#432",
        "bgcolor": "#653",
    }
