"""Readers of anyone's panoptic label map.

Two kinds are known:

- *category ids*: one value for each class, as semantic segmentation gives it. 0 is unknown. Each connected part of a thing
  is a segment of its own, for nothing else tells one thing from the next; all of a kind of stuff is one segment.
- *segment ids*: COCO's panoptic format. A pixel's segment is R + 256·G + 65536·B, 0 is unknown, and a JSON text says
  what each segment shows.

Without other names, category ids are COCO's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from .coco_panoptic import CATEGORIES, by_id, is_thing
from .masks import components
from .panoptic import Panoptic, Segment

__all__ = ["LabelKind", "from_category_ids", "from_segment_ids", "read_labels"]

LabelKind = Literal["category ids", "segment ids"]


def read_labels(picture: Tensor, kind: LabelKind, legend: str = "") -> Panoptic:
    """Panoptic labels from a picture of them, as ComfyUI passes it.

    Args:
        picture: IMAGE [1, H, W, 3 or 4] or MASK [1, H, W] in 0..1, of 8-bit values.
        legend: JSON. For category ids the names, as `{"1": "person", "187": "sky"}` or as COCO's list of categories; empty for
            COCO's own. For segment ids COCO's annotation of the photo, or its `segments_info` alone.
    Raises ValueError for several pictures, colours where there must be none, values that no label has, and a wrong legend.
    """
    told = _parsed(legend)
    if kind == "category ids":
        return from_category_ids(_grey(picture), _names(told))
    if kind == "segment ids":
        return from_segment_ids(_bytes(picture), told)
    raise ValueError(f"labels are {kind!r}, but they must be one of category ids, segment ids")


def from_category_ids(values: Tensor, names: Mapping[int, str] | None = None) -> Panoptic:
    """From whole numbers [H, W], one for each class, 0 unknown.

    Args:
        names: what each value is; None for COCO's categories. A value without a name is unknown.
    Raises ValueError where no value has a name, for then it is a map of something else.
    """
    if names is None:
        names = {category.id: category.name for category in CATEGORIES}
    there = [value for value in values.unique().tolist() if value > 0]
    if there and not any(value in names for value in there):
        listed = ", ".join(map(str, there[:8]))
        raise ValueError(f"labels hold the values {listed}, of which none is a category id: give a legend, or choose the right kind")
    labels = torch.zeros(values.shape, dtype=torch.long, device=values.device)
    segments: list[Segment] = []
    for value in there:
        if value not in names:
            continue
        where, thing = values == value, is_thing(names[value])
        for part in [part.whole for part in components(where)] if thing else [where]:
            segments.append(Segment(len(segments) + 1, names[value], value, thing))
            labels[part] = len(segments)
    return Panoptic.of(labels, segments)


def from_segment_ids(colours: Tensor, legend: Any) -> Panoptic:
    """From COCO's panoptic picture [H, W, 3] uint8 and what its JSON says of it.

    Args:
        legend: the annotation of the photo (`segments_info`, perhaps with `categories` beside it), or the list of segments.
            A segment has an `id` and one of: `category_id`, COCO's or that of `categories`; `label_id`, the place among the
            133 classes, as transformers gives it; `name`. It may have `isthing`, `score` and `iscrowd`.
    Raises ValueError for a legend that is none of it, and where no pixel has one of its ids.
    """
    segments = [_segment(entry, _categories(legend)) for entry in _segments_of(legend)]
    red, green, blue = colours.long().unbind(-1)
    panoptic = Panoptic.of(red + 256 * green + 65536 * blue, segments)
    if segments and not panoptic.segments:
        raise ValueError("labels hold none of the segment ids of the legend: it must be the legend of this picture")
    return panoptic


def _parsed(legend: str) -> Any:
    if not legend.strip():
        return None
    try:
        return json.loads(legend)
    except json.JSONDecodeError as error:
        raise ValueError(f"legend is {legend.strip()[:40]!r}, but it must be JSON: {error}") from error


def _bytes(picture: Tensor) -> Tensor:
    """[H, W, 3] of whole numbers 0 to 255."""
    planes = picture[..., None] if picture.ndim == 3 else picture
    if planes.ndim != 4 or len(planes) != 1:
        raise ValueError(f"labels are {'×'.join(map(str, picture.shape))}, but they must be one picture or mask")
    return (planes[0, ..., :3].float().nan_to_num().clamp(0, 1) * 255).round().long().expand(-1, -1, 3)


def _grey(picture: Tensor) -> Tensor:
    values = _bytes(picture)
    if not (values == values[..., :1]).all():
        raise ValueError(
            "labels have colours, but category ids are one grey value for each class: for COCO's coloured pictures choose segment ids; a "
            "PNG with a palette must be saved as greyscale first"
        )
    return values[..., 0]


def _names(told: Any) -> dict[int, str] | None:
    if told is None:
        return None
    if isinstance(told, Mapping) and "categories" in told:
        told = told["categories"]
    if isinstance(told, Mapping) and told and all(str(key).isdigit() and isinstance(name, str) for key, name in told.items()):
        return {int(key): name for key, name in told.items()}
    if isinstance(told, Sequence) and told and all(isinstance(entry, Mapping) and {"id", "name"} <= set(entry) for entry in told):
        return {int(entry["id"]): str(entry["name"]) for entry in told}
    raise ValueError('legend must name category ids, as {"1": "person", "187": "sky"} or as a list of {"id": 1, "name": "person"}')


def _segments_of(legend: Any) -> list[Mapping[str, Any]]:
    listed = legend
    if isinstance(listed, Mapping) and "annotations" in listed:  # a whole file of COCO's, of one photo
        listed = listed["annotations"]
        if len(listed) != 1:
            raise ValueError(f"legend has the annotations of {len(listed)} photos, but it must have that of the one which labels is of")
        listed = listed[0]
    if isinstance(listed, Mapping):
        listed = listed.get("segments_info")
    if not isinstance(listed, Sequence) or not all(isinstance(entry, Mapping) and "id" in entry for entry in listed):
        raise ValueError('legend must say what each segment shows, as COCO does: {"segments_info": [{"id": 1, "category_id": 187}, …]}')
    return list(listed)


def _categories(legend: Any) -> dict[int, Mapping[str, Any]]:
    listed = legend.get("categories", ()) if isinstance(legend, Mapping) else ()
    return {int(entry["id"]): entry for entry in listed}


def _segment(entry: Mapping[str, Any], categories: Mapping[int, Mapping[str, Any]]) -> Segment:
    number = int(entry.get("category_id", entry.get("label_id", 0)))
    known = by_id(number)
    told = categories.get(number, {})
    if "category_id" not in entry and "label_id" in entry and number < len(CATEGORIES):
        known = CATEGORIES[number]
    name = entry.get("name") or told.get("name") or (known.name if known is not None else None)
    if name is None:
        raise ValueError(f"legend calls segment {entry['id']} of category {number}, but that is none of COCO's, and it names no categories")
    thing = bool(entry.get("isthing", told.get("isthing", is_thing(str(name)))))
    return Segment(int(entry["id"]), str(name), number, thing, float(entry.get("score", 1.0)), bool(entry.get("iscrowd", False)))
