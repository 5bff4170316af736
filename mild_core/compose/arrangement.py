"""Where layers lie on the canvas when somebody has composed them by hand, and the text that says so.

The text is what the Flex Composer keeps in the input `composition`; its rules are those of web/composer/text.js.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn, cast

import torch
from torch import Tensor

from .raster import BLENDS, Blend

if TYPE_CHECKING:
    from .layers import Layer

__all__ = [
    "Arrangement",
    "Placement",
    "arrange_default",
    "arrangement_text",
    "fingerprint",
    "match_layers",
    "parse_arrangement",
    "shown_by_default",
]

VERSION = 1
SCALES = (0.01, 100.0)
FARTHEST = 1_000_000  # photo pixels that a layer may be moved


@dataclass(frozen=True)
class Placement:
    """One layer put on the canvas; the layer's pixel at q goes to p = c + (x, y) + R(rotation) · diag(±scale_x, ±scale_y) · (q − c).

    c is the centre of the layer's box; pixel centres lie at +0.5.

    Attributes:
        key: unique within the arrangement: a layer may be placed several times.
        layer: "background", "backdrop", or a person's id.
        fingerprint: of the layer's content when it was placed, eight hex digits; "" when nobody knows.
        x, y: how far the layer's centre is moved from where it was cut, in pixels of the photo.
        scale_x, scale_y: 0.01 to 100.
        rotation: degrees, clockwise.
        flip_x, flip_y: mirrored left to right, top to bottom.
        opacity: 0..1.
        blend: how its colour is mixed with what lies below.
        visible: whether the picture shows it.
    """

    key: str
    layer: str
    fingerprint: str = ""
    x: float = 0
    y: float = 0
    scale_x: float = 1
    scale_y: float = 1
    rotation: float = 0
    flip_x: bool = False
    flip_y: bool = False
    opacity: float = 1
    blend: Blend = "normal"
    visible: bool = True


@dataclass(frozen=True)
class Arrangement:
    """Placements, bottom first, on a canvas of that width and height in pixels."""

    canvas: tuple[int, int]
    layers: tuple[Placement, ...]

    def fitted(self, canvas: tuple[int, int]) -> Arrangement:
        """For a photo of another width and height: x and y are multiplied by the ratio of the widths and of the heights."""
        if canvas == self.canvas:
            return self
        right, down = canvas[0] / self.canvas[0], canvas[1] / self.canvas[1]
        return Arrangement(canvas, tuple(replace(p, x=p.x * right, y=p.y * down) for p in self.layers))


DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Placement)[2:]}


def arrange_default(layers: Sequence[Layer]) -> Arrangement:
    """What the picture is where nobody composed it: every layer where it was cut, bottom first, some of them invisible."""
    height, width = layers[0].scene.size
    placed = [
        Placement(str(n), layer.id, layer.fingerprint, visible=visible)
        for n, (layer, visible) in enumerate(zip(layers, shown_by_default(layers), strict=True), start=1)
    ]
    return Arrangement((width, height), tuple(placed))


def shown_by_default(layers: Sequence[Layer]) -> list[bool]:
    """Those who go are invisible, and so is the background where a backdrop stands in for it."""
    swapped = any(layer.id == "backdrop" for layer in layers)
    return [not layer.erased and not (swapped and layer.id == "background") for layer in layers]


def fingerprint(colour: Tensor, alpha: Tensor) -> str:
    """Eight hex digits that say what a layer shows, wherever it lies: the same for the same pixels in 8 bits.

    Args:
        colour, alpha: [h, w, 3] and [h, w] in 0..1.
    """
    rgba = torch.cat([colour * (alpha[..., None] > 0), alpha[..., None]], -1)
    pixels = rgba.nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().contiguous().numpy()
    return blake2b(str(pixels.shape).encode() + pixels.tobytes(), digest_size=4).hexdigest()


def match_layers(arrangement: Arrangement, fingerprints: Mapping[str, str]) -> dict[str, str]:
    """Which layer each placement shows: placement key to layer id; a placement that is missing is dormant, and not drawn.

    A placement belongs to the layer of its id; else to one of the same fingerprint that no placement's id names.

    Args:
        fingerprints: of the layers that are there, by id, bottom first.
    """
    named = {placement.layer for placement in arrangement.layers}
    free: dict[str, str] = {}
    for id, fingerprint in fingerprints.items():
        if id not in named and fingerprint:
            free.setdefault(fingerprint, id)
    found = ((p.key, p.layer if p.layer in fingerprints else free.get(p.fingerprint)) for p in arrangement.layers)
    return {key: id for key, id in found if id is not None}


def arrangement_text(arrangement: Arrangement) -> str:
    """The JSON text of an arrangement, without what is default."""
    layers = []
    for placement in arrangement.layers:
        values = {f.name: getattr(placement, f.name) for f in fields(placement)}
        layers.append({name: _number(value) for name, value in values.items() if name not in DEFAULTS or value != DEFAULTS[name]})
    whole = {"version": VERSION, "canvas": list(arrangement.canvas), "layers": layers}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def parse_arrangement(text: str) -> Arrangement | None:
    """An arrangement from its text; None for an empty one: not composed by hand.

    Raises ValueError that names the input `composition`, what it was and what it must be.
    """
    if not text.strip():
        return None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(f"is {text[:40]!r}", "must be JSON, as the Flex Composer writes it, or empty")
    if not isinstance(whole, dict):
        _refuse(f"is {_shown(whole)}", "must be a JSON object")
    if whole.get("version") != VERSION or isinstance(whole.get("version"), bool):
        _refuse(f"has the version {_shown(whole.get('version'))}", f"must have the version {VERSION}")
    _known(whole, ("version", "canvas", "layers"), "")
    canvas, layers = whole.get("canvas"), whole.get("layers")
    if not isinstance(canvas, list) or len(canvas) != 2 or not all(_whole(side) for side in canvas):
        _refuse(f"has the canvas {_shown(canvas)}", f"must have its width and height, two whole numbers from 1 to {FARTHEST}")
    if not isinstance(layers, list):
        _refuse(f"has the layers {_shown(layers)}", "must have a list of layers")
    placed = tuple(_placement(entry, f", layer {n},") for n, entry in enumerate(layers, 1))
    seen: set[str] = set()
    for placement in placed:
        if placement.key in seen:
            _refuse(f"has the key {_shown(placement.key)} twice", "must have another key for each layer")
        seen.add(placement.key)
    return Arrangement((int(canvas[0]), int(canvas[1])), placed)


def _placement(entry: Any, where: str) -> Placement:
    if not isinstance(entry, dict):
        _refuse(f"{where} is {_shown(entry)}", "must be a JSON object")
    _known(entry, ("key", "layer", *DEFAULTS), where)
    for name in ("key", "layer"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            _refuse(f"{where} has the {name} {_shown(entry.get(name))}", "must be a text that is not empty")
    values: dict[str, Any] = {"key": entry["key"], "layer": entry["layer"]}
    for name, default in DEFAULTS.items():
        values[name] = _checked(name, entry.get(name, default), where)
    return Placement(**values)


def _checked(name: str, value: Any, where: str) -> Any:
    """A value of a placement in its range."""
    asked = f"{where} has the {name} {_shown(value)}"
    if name == "fingerprint":
        return value if isinstance(value, str) else _refuse(asked, "must be a text")
    if name == "blend":
        return cast(Blend, value) if isinstance(value, str) and value in BLENDS else _refuse(asked, f"must be one of {', '.join(BLENDS)}")
    if isinstance(DEFAULTS[name], bool):
        return value if isinstance(value, bool) else _refuse(asked, "must be true or false")
    low, high = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:  # NaN is in no range
        _refuse(asked, f"must be a number from {_number(low)} to {_number(high)}")
    return float(value)


LIMITS = {
    "x": (-FARTHEST, FARTHEST),
    "y": (-FARTHEST, FARTHEST),
    "scale_x": SCALES,
    "scale_y": SCALES,
    "rotation": (-FARTHEST, FARTHEST),
    "opacity": (0.0, 1.0),
}


def _known(entry: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    known = tuple(names)
    for name in entry:
        if name not in known:
            _refuse(f"{where} has the name {_shown(name)}", f"must have none but {', '.join(known)}")


def _whole(side: Any) -> bool:
    return not isinstance(side, bool) and isinstance(side, int | float) and 1 <= side <= FARTHEST and side == int(side)


def _number(value: Any) -> Any:
    """A whole number without a point, as JavaScript writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= 40 else text[:39] + "…"


def _refuse(what: str, must: str) -> NoReturn:
    raise ValueError(f"composition{what if what.startswith(',') else ' ' + what.strip()}, but it {must}")
