"""Layers as OpenRaster, the exchange format of Krita, GIMP and MyPaint: a zip of PNGs and a stack.xml.

By the baseline specification 0.0.6 (openraster.org). The one library for it, pyora, has not changed since 2021, holds every layer as
an 8-bit picture as big as the canvas, and wants two more packages; the format is a zip, so the standard library writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from torch import Tensor

from .naming import readable
from .pixels import Depth, check_canvas, levels, png, rgba_levels
from .raster import Blend, Raster

__all__ = ["write_openraster"]

THUMBNAIL = 256  # pixels of the longer side at most
OTHER_OPERATORS: dict[Blend, str] = {
    "normal": "svg:src-over",
    "exclusion": "krita:exclusion",  # the specification has none; by this name Krita keeps it, and others fall back to normal
}


def write_openraster(
    path: Path,
    rasters: Sequence[Raster],
    size: tuple[int, int],
    picture: Tensor,
    depth: Depth = 8,
    *,
    text: Mapping[str, str] | None = None,
    on_layer: Callable[[int], None] | None = None,
) -> None:
    """Write an OpenRaster file.

    Args:
        rasters: bottom first.
        size: height and width of the canvas.
        picture: what the layers give together, [H, W, 3 or 4] in 0..1.
        text: what mergedimage.png holds as text, by keyword.
        on_layer: called with the number of layers done after each.
    Raises ValueError when layers or picture do not fit the canvas.
    """
    check_canvas(rasters, size, picture, depth)
    with ZipFile(path, "w", ZIP_STORED) as file:  # PNGs are compressed already
        file.writestr("mimetype", "image/openraster")  # first and stored, for those who look at the first bytes alone
        for number, raster in enumerate(rasters, start=1):
            file.writestr(_source(number), png(rgba_levels(raster, depth)))
            if on_layer is not None:
                on_layer(number)
        file.writestr("stack.xml", _stack(rasters, size), ZIP_DEFLATED)
        file.writestr("mergedimage.png", png(levels(picture, depth), text))
        file.writestr("Thumbnails/thumbnail.png", _thumbnail(picture))


def _source(number: int) -> str:
    """Where in the file the layer's pixels are. Its name, which is anybody's text, is said in stack.xml alone."""
    return f"data/layer{number:02}.png"


def _stack(rasters: Sequence[Raster], size: tuple[int, int]) -> bytes:
    height, width = size
    image = ElementTree.Element("image", version="0.0.6", w=str(width), h=str(height))
    stack = ElementTree.SubElement(image, "stack")
    for number, raster in reversed(list(enumerate(rasters, start=1))):  # top first
        layer = {
            "name": readable(raster.name),
            "src": _source(number),
            "x": str(raster.box.left),
            "y": str(raster.box.top),
            "opacity": f"{raster.opacity:.6f}",
            "visibility": "visible" if raster.visible else "hidden",
            "composite-op": OTHER_OPERATORS.get(raster.blend, f"svg:{raster.blend}"),
        }
        ElementTree.SubElement(stack, "layer", layer)
    return ElementTree.tostring(image, "UTF-8", xml_declaration=True)


def _thumbnail(picture: Tensor) -> bytes:
    from PIL import Image

    small, out = Image.fromarray(levels(picture, 8)), BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(out, "png")
    return out.getvalue()
