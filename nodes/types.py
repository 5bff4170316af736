"""The sockets of the pack's own types, and what the schemas of all nodes share."""

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

__all__ = [
    "CATEGORY",
    "FillSocket",
    "GapSocket",
    "LayersSocket",
    "PanopticSocket",
    "PlanSocket",
    "PosesSocket",
    "Prompts",
    "PromptsSocket",
    "RegionsSocket",
    "SceneSocket",
    "defaults",
    "one_of",
    "schema",
]

CATEGORY = "MILD"
SceneSocket = io.Custom("MILD_SCENE")
PlanSocket = io.Custom("MILD_PLAN")
PanopticSocket = io.Custom("MILD_PANOPTIC")
PosesSocket = io.Custom("POSE_KEYPOINT")
FillSocket = io.Custom("MILD_FILL")
LayersSocket = io.Custom("MILD_LAYERS")
PromptsSocket = io.Custom("MILD_PROMPTS")
Prompts = tuple[tuple[str, list], ...]
"""What goes through PromptsSocket: (people in words, CONDITIONING), later ones first in rank."""
RegionsSocket = io.Custom("MILD_REGIONS")
GapSocket = io.Custom("MILD_GAP")


def schema(**parts: Any) -> io.Schema:
    """An io.Schema without the parts that an older core does not know, such as search_aliases in 0.3.75."""
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(category=CATEGORY, **{name: part for name, part in parts.items() if name in known})


def defaults(node: type[io.ComfyNode]) -> dict[str, Any]:
    """What the node's widgets hold before anybody touches them, by input."""
    return {i.id: i.default for i in node.define_schema().inputs if getattr(i, "default", None) is not None}


def one_of(things: str, first: Any, second: Any) -> None:
    """Raises ValueError unless exactly one of two inputs is connected; `things` says what they are for, and both by name."""
    if (first is None) == (second is None):
        given = "both" if first is not None else "neither"
        raise ValueError(f"{things}, but {given} is connected: connect one of the two")
