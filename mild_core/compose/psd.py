"""Layers as a Photoshop document, 8 or 16 bit, through psd-tools.

Its own layers are of 8 bit, so its structures of the file are filled here; they are the same at both depths. Only where they
stand differs: Photoshop keeps the layers of a 16-bit document in a block of its own, Lr16, and leaves their usual place empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from .naming import readable
from .pixels import Depth, check_canvas, levels, rgba_levels
from .raster import Raster

if TYPE_CHECKING:
    from psd_tools.psd import PSD
    from psd_tools.psd.layer_and_mask import ChannelDataList, LayerAndMaskInformation, LayerRecord

__all__ = ["XMP", "psd_suffix", "write_psd"]

PSD_SIDE = 30_000  # pixels of width or height; a large document (PSB) may have ten times as many
PSD_BYTES = 2**31
CHANNELS = [-1, 0, 1, 2]  # alpha, red, green, blue: their ids, and where they are in RGBA
XMP = "https://github.com/mild-layers/mild-layers/xmp/1.0/"
"""Namespace of the XMP property `text`: a bag of (keyword, value), as a PNG holds text by keyword."""
RDF, META = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "adobe:ns:meta/"


def psd_suffix(rasters: Sequence[Raster], size: tuple[int, int], depth: Depth = 8) -> str:
    """ ".psd", or ".psb" for what is too large for it: a side of more than 30000 pixels, or 2 GiB."""
    boxes = [size, *((raster.box.height, raster.box.width) for raster in rasters)]
    pixels = sum(height * width for height, width in boxes)
    large = max(map(max, boxes)) > PSD_SIDE or pixels * len(CHANNELS) * depth // 8 > PSD_BYTES
    return ".psb" if large else ".psd"


def write_psd(
    path: Path,
    rasters: Sequence[Raster],
    size: tuple[int, int],
    picture: Tensor,
    depth: Depth = 8,
    *,
    text: Mapping[str, str] | None = None,
    on_layer: Callable[[int], None] | None = None,
) -> None:
    """Write a Photoshop document, of the kind that `psd_suffix` names, whatever the path's own ending.

    Args:
        rasters: bottom first.
        size: height and width of the canvas.
        picture: what the layers give together, [H, W, 3 or 4] in 0..1; where it has alpha, so has the merged picture in the file.
        text: what the file holds as XMP, by keyword.
        on_layer: called with the number of layers done after each.
    Raises ValueError when layers or picture do not fit the canvas, RuntimeError without psd-tools.
    """
    check_canvas(rasters, size, picture, depth)
    try:
        from psd_tools.constants import ColorMode, Compression
        from psd_tools.psd import PSD
        from psd_tools.psd.header import FileHeader
        from psd_tools.psd.image_data import ImageData
    except ImportError as error:
        raise RuntimeError(
            "format psd needs the package psd-tools 1.24 or newer: install it with `pip install psd-tools` into the Python that runs "
            "ComfyUI, or choose openraster or png folder"
        ) from error
    height, width = size
    header = FileHeader(
        version=2 if psd_suffix(rasters, size, depth) == ".psb" else 1,
        channels=picture.shape[-1],
        height=height,
        width=width,
        depth=depth,
        color_mode=ColorMode.RGB,
    )
    document = PSD(header)
    _put_resources(document, text or {})
    document.layer_and_mask_information = _layers(document, rasters, on_layer)
    document.image_data = ImageData(Compression.RLE)
    document.image_data.set_data(_planes(levels(_on_white(picture), depth)), header)
    with path.open("wb") as file:
        document.write(file)


def _layers(document: PSD, rasters: Sequence[Raster], on_layer: Callable[[int], None] | None) -> LayerAndMaskInformation:
    from psd_tools.constants import Tag
    from psd_tools.psd.layer_and_mask import ChannelImageData, GlobalLayerMaskInfo, LayerAndMaskInformation, LayerInfo, LayerRecords
    from psd_tools.psd.tagged_blocks import TaggedBlocks

    deep, transparent = document.header.depth == 16, document.header.channels == 4
    records, channels = LayerRecords(), ChannelImageData()
    for number, raster in enumerate(rasters, start=1):
        record, data = _layer(document, raster, number)
        records.append(record)
        channels.append(data)
        if on_layer is not None:
            on_layer(number)
    # a negative number says that the merged picture's fourth channel is its alpha
    count = -len(records) if transparent else len(records)
    blocks = TaggedBlocks()
    if deep:
        blocks.set_data(Tag.LAYER_16, count, records, channels)  # before other blocks: older ImageMagicks look no further
    if transparent:
        blocks.set_data(Tag.SAVING_MERGED_TRANSPARENCY16 if deep else Tag.SAVING_MERGED_TRANSPARENCY)
    return LayerAndMaskInformation(LayerInfo() if deep else LayerInfo(count, records, channels), GlobalLayerMaskInfo(), blocks)


def _layer(document: PSD, raster: Raster, number: int) -> tuple[LayerRecord, ChannelDataList]:
    from psd_tools.constants import BlendMode, Compression, Tag
    from psd_tools.psd.layer_and_mask import ChannelData, ChannelDataList, ChannelInfo, LayerFlags, LayerRecord

    header, name, box = document.header, readable(raster.name), raster.box
    record = LayerRecord(
        top=box.top,
        left=box.left,
        bottom=box.bottom,
        right=box.right,
        channel_info=[ChannelInfo(channel) for channel in CHANNELS],
        blend_mode=BlendMode[raster.blend.upper().replace("-", "_")],
        opacity=int(raster.opacity * 255 + 0.5),
        flags=LayerFlags(visible=raster.visible),
        name=name.encode("macroman", "replace").decode("macroman"),  # for old readers; others take the one below
    )
    record.tagged_blocks.set_data(Tag.UNICODE_LAYER_NAME, name)
    record.tagged_blocks.set_data(Tag.LAYER_ID, number)
    data = ChannelDataList()
    for plane in _planes(rgba_levels(raster, 16 if header.depth == 16 else 8)[..., CHANNELS]):
        channel = ChannelData()
        if plane:
            channel.compression = Compression.RLE
            channel.set_data(plane, box.width, box.height, header.depth, header.version)
        data.append(channel)
    return record, data


def _planes(pixels: np.ndarray) -> list[bytes]:
    """Each channel's bytes of pixels [h, w, channels], the high byte first."""
    return [plane.astype(plane.dtype.newbyteorder(">")).tobytes() for plane in np.moveaxis(pixels, -1, 0)]


def _on_white(picture: Tensor) -> Tensor:
    """The merged picture as Photoshop keeps it: blended with white where it has alpha, which readers take out again."""
    if picture.shape[-1] == 3:
        return picture
    alpha = picture[..., 3:]
    return torch.cat([picture[..., :3] * alpha + (1 - alpha), alpha], -1)


def _put_resources(document: PSD, text: Mapping[str, str]) -> None:
    from psd_tools.constants import Resource
    from psd_tools.psd.image_resources import ImageResource, ImageResources

    document.image_resources = ImageResources.new()  # says that the document holds a merged picture
    if text:
        document.image_resources[Resource.XMP_METADATA] = ImageResource(key=Resource.XMP_METADATA, data=_xmp(text))


def _xmp(text: Mapping[str, str]) -> bytes:
    for prefix, space in (("x", META), ("rdf", RDF), ("mild", XMP)):
        ElementTree.register_namespace(prefix, space)
    meta = ElementTree.Element(f"{{{META}}}xmpmeta")
    about = ElementTree.SubElement(ElementTree.SubElement(meta, f"{{{RDF}}}RDF"), f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    bag = ElementTree.SubElement(ElementTree.SubElement(about, f"{{{XMP}}}text"), f"{{{RDF}}}Bag")
    for keyword, value in text.items():
        entry = ElementTree.SubElement(bag, f"{{{RDF}}}li", {f"{{{RDF}}}parseType": "Resource"})
        ElementTree.SubElement(entry, f"{{{XMP}}}keyword").text = keyword
        ElementTree.SubElement(entry, f"{{{XMP}}}value").text = value
    begin, end = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return f"{begin}{ElementTree.tostring(meta, 'unicode')}{end}".encode()
