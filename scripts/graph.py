"""A graph of nodes as a person would describe it: nodes by name, what feeds them, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

__all__ = ["Blueprint", "Graph", "Group", "In", "Node", "Out"]


class Out(NamedTuple):
    """An output of a node, by the node's name and the output's."""

    node: str
    name: str


class In(NamedTuple):
    """An input of a blueprint, by its name."""

    name: str


@dataclass(frozen=True)
class Node:
    type: str
    title: str
    at: tuple[int, int]
    size: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)  # an Out, an In, or a widget's value where it is not the default


@dataclass(frozen=True)
class Group:
    title: str
    at: tuple[int, int]
    size: tuple[int, int]
    color: str = "#3f789e"


@dataclass(frozen=True)
class Graph:
    name: str
    note: str  # Markdown
    nodes: dict[str, Node]  # by name, in the order in which they run
    groups: tuple[Group, ...]

    def moved(self, right: int, down: int) -> Graph:
        """The same graph elsewhere on the canvas, but for its note, which stays at the upper left."""

        def there(at: tuple[int, int]) -> tuple[int, int]:
            return at[0] + right, at[1] + down

        nodes = {name: replace(node, at=there(node.at)) for name, node in self.nodes.items()}
        return replace(self, nodes=nodes, groups=tuple(replace(group, at=there(group.at)) for group in self.groups))


@dataclass(frozen=True)
class Blueprint:
    """A graph that is dropped as one node."""

    name: str  # as an artist reads it, and as the file is called
    description: str
    nodes: dict[str, Node]  # as a graph's; an In where the outside feeds them
    inputs: dict[str, str]  # its inputs' labels, by name
    outputs: dict[str, Out]
    widgets: tuple[tuple[str, str], ...]  # (node, widget) of those that the one node shows
    pictures: tuple[str, ...]  # the nodes whose pictures it shows
    size: tuple[int, int]
