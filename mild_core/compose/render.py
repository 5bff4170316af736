"""Layers put on the canvas as an arrangement says, and laid over each other. The same arithmetic as web/composer/render.js.

A layer that is only moved by whole pixels or mirrored keeps its pixels, bit for bit. Any other is mapped back from the canvas and
read between pixels (bilinear, on premultiplied colour, transparent outside); an axis that shrinks to half or less is first halved
by means of two pixels until it does not. It costs what the placed box within the canvas does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box
from .arrangement import Placement, match_layers, shown_by_default
from .blend import composite
from .raster import Raster

if TYPE_CHECKING:
    from .layers import Layer, Layers

__all__ = ["flatten", "laid_over", "rasters"]

BAND = 1 << 18  # pixels that are resampled at once, so that the memory for coordinates stays small


def rasters(layers: Layers, *, hidden: bool = True) -> tuple[Raster, ...]:
    """Every placement at its place, bottom first.

    A layer that is moved by whole pixels keeps what lies beyond the canvas; one that is resampled is cut at it, and left out
    where nothing of it is on the canvas. A photo's own alpha multiplies that of the layers cut from it.

    Args:
        hidden: give the invisible ones too.
    """
    placed = (pair for pair in _placements(layers) if hidden or pair[0].visible)
    made = (_raster(layer, placement, layers.scene.size) for placement, layer in placed)
    return tuple(raster for raster in made if raster is not None)


def flatten(rasters: Iterable[Raster], size: tuple[int, int]) -> Tensor:
    """The picture of some layers, bottom first, on a transparent canvas of that height and width: [H, W, 4], straight, in 0..1."""
    colour, alpha = laid_over(rasters, size)
    return torch.cat([colour, alpha[..., None]], -1)


def laid_over(rasters: Iterable[Raster], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """`flatten`, as colour [H, W, 3] and alpha [H, W]."""
    colour, alpha = torch.zeros(*size, 3), torch.zeros(size)
    for place, raster in enumerate(rasters):
        if place == 0:
            colour, alpha = colour.to(raster.colour), alpha.to(raster.colour)
        box = raster.box.clip(*size)
        if not raster.visible or box.width <= 0 or box.height <= 0:
            continue
        within = box.moved(-raster.box.left, -raster.box.top)
        composite(box.view(colour), box.view(alpha), within.view(raster.colour), within.view(raster.alpha) * raster.opacity, raster.blend)
    return colour, alpha


def _placements(layers: Layers) -> list[tuple[Placement, Layer]]:
    """What is on the canvas, bottom first."""
    if layers.arrangement is None:
        shown = shown_by_default(layers.stack)
        return [(Placement(layer.id, layer.id, visible=v), layer) for layer, v in zip(layers.stack, shown, strict=True)]
    by_id = {layer.id: layer for layer in layers.stack}
    height, width = layers.scene.size
    arrangement = layers.arrangement.fitted((width, height))
    matched = match_layers(arrangement, {id: layer.fingerprint for id, layer in by_id.items()})
    return [(p, by_id[matched[p.key]]) for p in arrangement.layers if p.key in matched]


def _raster(layer: Layer, placement: Placement, size: tuple[int, int]) -> Raster | None:
    if _is_copy(placement):
        box = layer.box.moved(round(placement.x), round(placement.y))
        axes = [axis for axis, flip in ((1, placement.flip_x), (0, placement.flip_y)) if flip]
        colour, alpha = (pixels.flip(axes) if axes else pixels for pixels in (layer.colour, layer.shown_alpha))
    else:
        to_layer = _Inverse.of(placement, layer.box)
        box = to_layer.bounds(layer.box).clip(*size)
        if box.width <= 0 or box.height <= 0:
            return None
        colour, alpha = _resampled(layer, to_layer, box)
    return Raster(layer.name, layer.id, box, colour, alpha, placement.opacity, placement.blend, placement.visible)


def _is_copy(placement: Placement) -> bool:
    """Whether pixels fall on pixels."""
    whole = placement.x == round(placement.x) and placement.y == round(placement.y)
    return whole and placement.scale_x == placement.scale_y == 1 and placement.rotation % 360 == 0


class _Inverse(NamedTuple):
    """The affine map from canvas to layer, u = A · (p − p0) + u0, with u in the layer's own pixels from the corner of its box."""

    xx: float
    xy: float
    yx: float
    yy: float
    centre: tuple[float, float]  # p0: of the placed layer, on the canvas
    middle: tuple[float, float]  # u0: of the layer
    halvings: tuple[int, int]  # of the layer's columns and rows, before it is read

    @classmethod
    def of(cls, placement: Placement, box: Box) -> _Inverse:
        cos, sin = _turn(placement.rotation)
        across = -placement.scale_x if placement.flip_x else placement.scale_x
        down = -placement.scale_y if placement.flip_y else placement.scale_y
        centre = ((box.left + box.right) / 2 + placement.x, (box.top + box.bottom) / 2 + placement.y)
        halvings = (_halvings(placement.scale_x), _halvings(placement.scale_y))
        return cls(cos / across, sin / across, -sin / down, cos / down, centre, (box.width / 2, box.height / 2), halvings)

    def bounds(self, box: Box) -> Box:
        """The pixels of the canvas that the layer reaches: half a pixel beyond its edge, where it fades out."""
        half = (self.middle[0] + 2 ** self.halvings[0], self.middle[1] + 2 ** self.halvings[1])
        size = self.xx * self.yy - self.xy * self.yx
        across = (abs(self.yy) * half[0] + abs(self.xy) * half[1]) / abs(size)
        down = (abs(self.yx) * half[0] + abs(self.xx) * half[1]) / abs(size)
        x, y = self.centre
        return Box(math.floor(x - across), math.floor(y - down), math.ceil(x + across), math.ceil(y + down))


def _turn(degrees: float) -> tuple[float, float]:
    """Cosine and sine; exact for quarter turns."""
    quarters = degrees / 90
    if quarters == round(quarters):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarters) % 4]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _halvings(scale: float) -> int:
    count = 0
    while scale <= 0.5:
        scale, count = scale * 2, count + 1
    return count


def _resampled(layer: Layer, to_layer: _Inverse, box: Box) -> tuple[Tensor, Tensor]:
    """Colour [h, w, 3] and alpha [h, w] of a layer in a box of the canvas."""
    source = torch.cat([layer.colour * layer.shown_alpha[..., None], layer.shown_alpha[..., None]], -1)
    for axis, count in zip((1, 0), to_layer.halvings, strict=True):
        for _ in range(count):
            source = _halved(source, axis)
    height, width = source.shape[:2]
    source = F.pad(source, (0, 0, 1, 1, 1, 1))  # a transparent pixel on each side stands for all beyond
    out = source.new_empty(box.height, box.width, 4)
    rows = max(BAND // box.width, 1)
    for top in range(box.top, box.bottom, rows):
        band = Box(box.left, top, box.right, min(top + rows, box.bottom))
        x, y = _coordinates(to_layer, band, source.device)
        read = _read_between(source.view(-1, 4), x, y, height, width)
        band.moved(0, -box.top).moved(-box.left, 0).view(out).copy_(read)
    alpha = out[..., 3]
    return torch.where(alpha[..., None] > 0, out[..., :3] / alpha[..., None], 0), alpha


def _halved(image: Tensor, axis: int) -> Tensor:
    """The means of pairs along an axis of [h, w, 4]; a last pixel without a partner is paired with transparency."""
    if image.shape[axis] % 2:
        image = F.pad(image, (0, 0, 0, 1) if axis == 1 else (0, 0, 0, 0, 0, 1))
    pairs = image.unflatten(axis, (-1, 2))
    return (pairs.select(axis + 1, 0) + pairs.select(axis + 1, 1)) * 0.5


def _coordinates(to_layer: _Inverse, band: Box, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where in the layer, halved as it is, the pixels of a band of the canvas lie: x and y [h, w] float64."""
    across = torch.arange(band.left, band.right, dtype=torch.float64, device=device) + (0.5 - to_layer.centre[0])
    down = (torch.arange(band.top, band.bottom, dtype=torch.float64, device=device) + (0.5 - to_layer.centre[1]))[:, None]
    shrink = [0.5**count for count in to_layer.halvings]
    x = across * (to_layer.xx * shrink[0]) + (down * to_layer.xy + to_layer.middle[0]) * shrink[0]
    y = across * (to_layer.yx * shrink[1]) + (down * to_layer.yy + to_layer.middle[1]) * shrink[1]
    return x, y


def _read_between(pixels: Tensor, x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    """Bilinear: pixels [(height + 2)·(width + 2), 4], whose frame is transparent, at x, y [h, w]; 0 is the edge of the first within."""
    # in the frame's own count the pixel to the left of x is the whole part of x + 0.5
    x, y = x.add_(0.5).clamp_(0, width + 1), y.add_(0.5).clamp_(0, height + 1)
    column, row = x.int(), y.int()
    right_share, down_share = (x.sub_(column).float()[..., None], y.sub_(row).float()[..., None])
    here = row * (width + 2) + column
    across, below = (column <= width).int(), (row <= height).int() * (width + 2)  # no further than the frame

    def at(place: Tensor) -> Tensor:
        return pixels.index_select(0, place.view(-1)).view(*place.shape, 4)

    lower = here + below
    upper_row = at(here).lerp_(at(here + across), right_share)
    lower_row = at(lower).lerp_(at(lower + across), right_share)
    return upper_row.lerp_(lower_row, down_share)
