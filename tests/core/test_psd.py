"""Photoshop documents, opened back by psd-tools, Pillow and ImageMagick."""

import builtins
import json
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import NAMES, canvases, noise, painted, stacks
from PIL import Image

from mild_core.compose.naming import readable
from mild_core.compose.pixels import levels, rgba_levels
from mild_core.compose.psd import XMP, psd_suffix, write_psd
from mild_core.compose.raster import BLENDS

psd_tools = pytest.importorskip("psd_tools", reason="needs psd-tools")
every_depth = pytest.mark.parametrize("depth", [8, 16])
every_channels = pytest.mark.parametrize("channels", [3, 4])
SIZE = (40, 61)
TYPES = {8: np.uint8, 16: np.uint16}


def some_layers():
    return [
        painted("background", (0, 0, 61, 40), 0),
        painted("inside", (7, 3, 18, 20), 1, opacity=0.5, blend="multiply"),
        painted("over the corner", (-9, -4, 12, 11), 2, blend="soft-light"),
        painted("outside", (100, 50, 113, 61), 3, visible=False),
        painted("empty", (5, 5, 5, 5), 4),
    ]


def written(tmp_path, layers, depth=8, size=SIZE, channels=3, **more):
    file, picture = tmp_path / "a.psd", noise(*size, channels, seed=99)
    write_psd(file, layers, size, picture, depth, **more)
    return file, picture


def pixels_of(layer, depth, version=1):
    """A layer of psd-tools as [h, w, 4] levels, from its channels' own bytes."""
    record, planes = layer._record, {}
    for info, data in zip(record.channel_info, layer._channels, strict=True):
        if record.width and record.height:
            raw = data.get_data(record.width, record.height, depth, version)
            planes[int(info.id)] = np.frombuffer(raw, f">u{depth // 8}").reshape(record.height, record.width)
        else:
            planes[int(info.id)] = np.zeros((record.height, record.width))
    return np.stack([planes[channel] for channel in (0, 1, 2, -1)], -1)


def merged_pixels(opened):
    """The merged picture as it stands in the file."""
    header = opened._record.header
    planes = opened._record.image_data.get_data(header)
    return np.stack([np.frombuffer(plane, f">u{header.depth // 8}").reshape(header.height, header.width) for plane in planes], -1)


def check(opened, layers, depth):
    assert len(opened) == len(layers)
    for layer, raster in zip(opened, layers, strict=True):
        assert layer.name == readable(raster.name)
        assert (layer.left, layer.top) == (raster.box.left, raster.box.top)
        assert (layer.width, layer.height) == (raster.box.width, raster.box.height)
        assert layer.opacity == int(raster.opacity * 255 + 0.5)
        assert layer.visible == raster.visible
        assert layer.blend_mode.name == raster.blend.replace("-", "_").upper()
        assert (pixels_of(layer, depth) == rgba_levels(raster, depth)).all()


@every_depth
@every_channels
def test_layers_come_back(tmp_path, depth, channels):
    layers = some_layers()
    file, picture = written(tmp_path, layers, depth, channels=channels)
    opened = psd_tools.PSDImage.open(file)
    assert (opened.height, opened.width, opened.depth, opened.channels) == (*SIZE, depth, channels)
    assert opened.version == 1
    assert opened.has_preview()
    check(opened, layers, depth)
    if channels == 3:
        assert (merged_pixels(opened) == levels(picture, depth)).all()
    else:
        assert (merged_pixels(opened)[..., 3] == levels(picture[..., 3], depth)).all()


@every_depth
@settings(max_examples=40, deadline=None)
@given(layers=stacks(), size=canvases(), channels=st.sampled_from([3, 4]))
def test_any_layers_come_back(tmp_path_factory, depth, layers, size, channels):
    file, _ = written(tmp_path_factory.mktemp("psd"), layers, depth, size, channels)
    check(psd_tools.PSDImage.open(file), layers, depth)


@every_depth
def test_where_photoshop_looks_for_the_layers(tmp_path, depth):
    """Its own 16-bit documents have nothing at the usual place, and the layers in the block Lr16."""
    file, _ = written(tmp_path, some_layers(), depth, channels=4)
    section = psd_tools.PSDImage.open(file)._record.layer_and_mask_information
    deep = section.tagged_blocks.get(psd_tools.constants.Tag.LAYER_16)
    assert section.layer_info.layer_count == (0 if depth == 16 else -5), "negative: the merged picture has alpha"
    assert (deep is not None) == (depth == 16)
    if deep is not None:
        assert deep.data.layer_count == -5
        assert next(iter(section.tagged_blocks)) == psd_tools.constants.Tag.LAYER_16


@pytest.mark.parametrize("name", NAMES)
def test_any_name(tmp_path, name):
    file, _ = written(tmp_path, [painted(name, (0, 0, 3, 3))])
    (layer,) = psd_tools.PSDImage.open(file)
    assert layer.name == readable(name)
    short = layer._record.name.encode("macroman")
    assert len(short) <= 255
    assert len(short) == len(readable(name)), "a question mark for what old readers have no letter for"


def test_all_blend_modes_of_photoshop(tmp_path):
    layers = [painted(blend, (0, 0, 2, 2), blend=blend) for blend in BLENDS]
    file, _ = written(tmp_path, layers)
    keys = [layer._record.blend_mode.value for layer in psd_tools.PSDImage.open(file)]
    specified = "norm mul  scrn over dark lite div  idiv hLit sLit diff smud hue  sat  colr lum "
    assert keys == [specified[n : n + 4].encode() for n in range(0, len(specified), 5)]


def test_what_is_transparent_is_on_white_in_the_merged_picture(tmp_path):
    size = (2, 2)
    picture = torch.tensor([[[0.2, 0.4, 0.6, 1.0], [0.2, 0.4, 0.6, 0.0]], [[0.0, 0.0, 0.0, 0.5], [1.0, 1.0, 1.0, 0.5]]])
    file = tmp_path / "a.psd"
    write_psd(file, [painted("one", (0, 0, 2, 2))], size, picture)
    opened = psd_tools.PSDImage.open(file)
    raw = merged_pixels(opened)
    assert raw.tolist() == [[[51, 102, 153, 255], [255, 255, 255, 0]], [[128, 128, 128, 128], [255, 255, 255, 128]]]
    read = np.asarray(opened.topil()).astype(int)
    assert (abs(read - levels(picture, 8)) * (read[..., 3:] > 0)).max() <= 1, "a reader takes the white out again"


def texts_in(file):
    packet = psd_tools.PSDImage.open(file).image_resources.get_data(psd_tools.constants.Resource.XMP_METADATA)
    root = ElementTree.fromstring(packet.decode().split("?>", 1)[1].rsplit("<?", 1)[0])
    return {li.find(f"{{{XMP}}}keyword").text: li.find(f"{{{XMP}}}value").text for li in root.iter(f"{{{RDF}}}li")}


RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@every_depth
def test_the_workflow_is_inside(tmp_path, depth):
    workflow = {"nodes": [{"title": "<b>&amp;]]> 人 \u0000 \" '"}], "n": 1.5}
    text = {"prompt": json.dumps({"1": {}}), "workflow": json.dumps(workflow), "odd key <>": "[]"}
    file, _ = written(tmp_path, some_layers(), depth, text=text)
    assert texts_in(file) == text
    assert json.loads(texts_in(file)["workflow"]) == workflow
    file, _ = written(tmp_path, some_layers(), depth)
    assert psd_tools.constants.Resource.XMP_METADATA not in psd_tools.PSDImage.open(file).image_resources


def test_pillow_reads_picture_and_layer_list(tmp_path):
    """It reads the pixels of layers in its own order of channels, and only those as big as the canvas."""
    layers = some_layers()
    file, picture = written(tmp_path, layers)
    with Image.open(file) as image:
        assert (np.asarray(image) == levels(picture, 8)).all()
        assert [(name, mode, box) for name, mode, box, *_ in image.layers] == [(r.name, "RGBA", tuple(r.box)) for r in layers]


def imagemagick(program):
    """A real one: some systems have other programs by that name."""
    for found in filter(None, (shutil.which(program), shutil.which("magick"), shutil.which(program, path="/usr/bin"))):
        command = [found] if found.endswith(program) else [found, program]
        said = subprocess.run([*command, "-version"], capture_output=True)
        if b"ImageMagick" in said.stdout:
            return command
    pytest.skip("needs ImageMagick: apt-get install imagemagick")


@every_depth
@every_channels
def test_imagemagick_reads_the_same(tmp_path, depth, channels):
    layers = some_layers()
    file, picture = written(tmp_path, layers, depth, channels=channels)
    told = subprocess.run([*imagemagick("identify"), "-format", "%wx%h%O %z %l\n", str(file)], capture_output=True, check=True, text=True)
    full = [raster for raster in layers if raster.alpha.numel()]  # it leaves out those of no pixel
    expected = [f"{r.box.width}x{r.box.height}{r.box.left:+}{r.box.top:+} {depth} {r.name}" for r in full]
    assert told.stdout.strip().splitlines() == [f"{SIZE[1]}x{SIZE[0]}+0+0 {depth} ", *expected]

    def read(number, height, width, kind):
        command = [*imagemagick("convert"), f"{file}[{number}]", "-depth", str(depth), "-endian", "MSB", f"{kind}:-"]
        raw = subprocess.run(command, capture_output=True, check=True).stdout
        return np.frombuffer(raw, f">u{depth // 8}").reshape(height, width, -1)

    for number, raster in enumerate(full, start=1):
        seen, wanted = read(number, raster.box.height, raster.box.width, "rgba"), rgba_levels(raster, depth)
        if raster.opacity == 1:
            assert (seen == wanted).all(), raster.name
        else:  # it multiplies the opacity in
            assert (seen[..., :3] == wanted[..., :3]).all()
            assert abs(seen[..., 3] - wanted[..., 3] * (128 / 255)).max() <= 1
    if channels == 3:
        assert (read(0, *SIZE, "rgb") == levels(picture, depth)).all()
    else:
        assert (read(0, *SIZE, "rgba")[..., 3] == levels(picture[..., 3], depth)).all()


def test_large_documents_are_psb(tmp_path):
    small, wide = painted("small", (0, 0, 2, 2)), painted("wide", (0, 0, 30001, 1))
    assert psd_suffix([small], (30000, 30000 // 4)) == ".psd"
    assert psd_suffix([small], (4, 30001)) == ".psb"
    assert psd_suffix([small, wide], (4, 4)) == ".psb"
    assert psd_suffix([small], (20000, 20000), 8) == ".psd"
    assert psd_suffix([small], (20000, 20000), 16) == ".psb", "3.2 GB"
    for depth in (8, 16):
        layers, picture, file = [small, wide], noise(2, 30001, 3), tmp_path / "a.psb"
        write_psd(file, layers, (2, 30001), picture, depth)
        opened = psd_tools.PSDImage.open(file)
        assert opened.version == 2
        assert (merged_pixels(opened) == levels(picture, depth)).all()
        for layer, raster in zip(opened, layers, strict=True):
            assert layer.name == raster.name
            assert (pixels_of(layer, depth, version=2) == rgba_levels(raster, depth)).all()


def test_each_layer_is_reported_and_may_stop_it(tmp_path):
    seen = []
    written(tmp_path, some_layers(), on_layer=seen.append)
    assert seen == [1, 2, 3, 4, 5]


def test_without_psd_tools_it_says_what_to_install(tmp_path, monkeypatch):
    def missing(name, *rest, real=builtins.__import__, **more):
        if name.startswith("psd_tools"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(RuntimeError, match="pip install psd-tools"):
        write_psd(tmp_path / "a.psd", [], (2, 2), noise(2, 2, 3))
    assert list(tmp_path.iterdir()) == []
