"""Layers as a folder: a PNG of each, one of the picture, and a JSON file that says how they lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from .naming import file_name, readable
from .pixels import Depth, check_canvas, levels, png, rgba_levels
from .raster import Raster

__all__ = ["write_png_folder"]


def write_png_folder(
    path: Path,
    rasters: Sequence[Raster],
    size: tuple[int, int],
    picture: Tensor,
    depth: Depth = 8,
    *,
    text: Mapping[str, str] | None = None,
    on_layer: Callable[[int], None] | None = None,
) -> None:
    """Make the folder `path`, which must not be there yet.

    It holds picture.png, a PNG for each layer as big as the layer's box (01_background.png, …, bottom first), and layers.json:
    width, height and depth of the canvas, and of each layer, bottom first, file, name, id, x, y, width, height (in pixels), opacity
    (0..1), blend and visible.

    Args:
        size: height and width of the canvas.
        picture: what the layers give together, [H, W, 3 or 4] in 0..1.
        text: what picture.png holds as text, by keyword.
        on_layer: called with the number of layers done after each.
    Raises ValueError when layers or picture do not fit the canvas.
    """
    check_canvas(rasters, size, picture, depth)
    path.mkdir()
    (path / "picture.png").write_bytes(png(levels(picture, depth), text))
    said = []
    for number, raster in enumerate(rasters, start=1):
        file = f"{number:02}_{file_name(raster.name, 'layer')}.png"  # the number tells layers of the same name apart
        (path / file).write_bytes(png(rgba_levels(raster, depth)))
        said.append(_described(file, raster))
        if on_layer is not None:
            on_layer(number)
    canvas = {"width": size[1], "height": size[0], "depth": depth, "picture": "picture.png", "layers": said}
    (path / "layers.json").write_text(json.dumps(canvas, ensure_ascii=False, indent=1), "utf-8")


def _described(file: str, raster: Raster) -> dict[str, object]:
    return {
        "file": file,
        "name": readable(raster.name),
        "id": raster.id,
        "x": raster.box.left,
        "y": raster.box.top,
        "width": raster.box.width,
        "height": raster.box.height,
        "opacity": raster.opacity,
        "blend": raster.blend,
        "visible": raster.visible,
    }
