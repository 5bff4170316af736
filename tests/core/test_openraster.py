"""OpenRaster files, held against the baseline specification (openraster.org) by zipfile alone."""

import json
from io import BytesIO
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import NAMES, canvases, noise, painted, stacks
from PIL import Image

from mild_core.compose.naming import readable
from mild_core.compose.openraster import write_openraster
from mild_core.compose.pixels import levels, rgba_levels
from mild_core.compose.raster import BLENDS

every_depth = pytest.mark.parametrize("depth", [8, 16])
SIZE = (40, 61)
OPERATORS = {
    "svg:src-over", "svg:multiply", "svg:screen", "svg:overlay", "svg:darken", "svg:lighten", "svg:color-dodge", "svg:color-burn",
    "svg:hard-light", "svg:soft-light", "svg:difference", "svg:color", "svg:luminosity", "svg:hue", "svg:saturation", "svg:plus",
    "svg:dst-in", "svg:dst-out", "svg:src-atop", "svg:dst-atop",
}  # fmt: skip


def written(tmp_path, layers, depth=8, size=SIZE, channels=3, **more):
    file, picture = tmp_path / "a.ora", noise(*size, channels, seed=99)
    write_openraster(file, layers, size, picture, depth, **more)
    return file, picture


def pixels(file, name):
    """A PNG of the zip, RGB or RGBA."""
    with ZipFile(file) as content:
        read = cv2.imdecode(np.frombuffer(content.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
    return read[..., [2, 1, 0, 3][: read.shape[-1]]]


def stack(file):
    """The layers' attributes, bottom first."""
    with ZipFile(file) as content:
        root = ElementTree.fromstring(content.read("stack.xml").decode("utf-8"))
    return list(reversed([layer.attrib for layer in root.find("stack")]))


def follows_the_specification(file, size):
    with ZipFile(file) as content:
        assert content.testzip() is None
        infos = content.infolist()
        names = [info.filename for info in infos]
        assert names[0] == "mimetype"
        assert infos[0].compress_type == ZIP_STORED
        assert not infos[0].extra
        assert content.read("mimetype") == b"image/openraster"
        assert {info.compress_type for info in infos} <= {ZIP_STORED, ZIP_DEFLATED}
        assert len(set(names)) == len(names)
        assert {"stack.xml", "mergedimage.png", "Thumbnails/thumbnail.png"} <= set(names)
        xml = content.read("stack.xml")
        assert xml.split(b"?>")[0].replace(b'"', b"'") == b"<?xml version='1.0' encoding='UTF-8'"
        image = ElementTree.fromstring(xml)
        assert image.tag == "image"
        assert [child.tag for child in image] == ["stack"]
        assert (int(image.get("h")), int(image.get("w"))) == size
        assert all(int(part) >= 0 for part in image.get("version").split("."))
        sources = set()
        for layer in image[0]:
            assert layer.tag == "layer"
            assert set(layer.attrib) == {"name", "src", "x", "y", "opacity", "visibility", "composite-op"}
            int(layer.get("x")), int(layer.get("y"))
            assert 0 <= float(layer.get("opacity")) <= 1
            assert layer.get("visibility") in ("visible", "hidden")
            assert layer.get("composite-op") in OPERATORS | {"krita:exclusion"}
            sources.add(layer.get("src"))
        assert sources == {name for name in names if name.startswith("data/")}, "each file of data is a layer's, and the other way round"
        for name in (name for name in names if name.endswith(".png")):
            with Image.open(BytesIO(content.read(name))) as picture:
                assert picture.format == "PNG"
                assert not picture.info.get("interlace")
                if name == "mergedimage.png":
                    assert picture.size == size[::-1]
                if name.startswith("Thumbnails"):
                    assert max(picture.size) <= 256
                    assert picture.mode in ("RGB", "RGBA")


def check(file, layers, depth):
    for told, raster in zip(stack(file), layers, strict=True):
        assert told["name"] == readable(raster.name)
        assert (int(told["x"]), int(told["y"])) == raster.box[:2]
        assert float(told["opacity"]) == pytest.approx(raster.opacity, abs=1e-6)
        assert (told["visibility"] == "visible") == raster.visible
        seen = pixels(file, told["src"])
        assert seen.dtype == (np.uint8 if depth == 8 else np.uint16)
        if raster.alpha.numel():
            assert (seen == rgba_levels(raster, depth)).all()
        else:
            assert seen.shape == (1, 1, 4)
            assert not seen.any()


@every_depth
@settings(max_examples=40, deadline=None)
@given(layers=stacks(), size=canvases(), channels=st.sampled_from([3, 4]))
def test_any_layers_come_back(tmp_path_factory, depth, layers, size, channels):
    file, picture = written(tmp_path_factory.mktemp("ora"), layers, depth, size, channels)
    follows_the_specification(file, size)
    check(file, layers, depth)
    assert (pixels(file, "mergedimage.png") == levels(picture, depth)).all()


def test_pillow_reads_the_layers(tmp_path):
    layers = [painted("background", (0, 0, 61, 40)), painted("person 1", (-4, 8, 31, 77), 1)]
    file, picture = written(tmp_path, layers)
    with ZipFile(file) as content:
        for told, raster in zip(stack(file), layers, strict=True):
            assert (np.asarray(Image.open(BytesIO(content.read(told["src"])))) == rgba_levels(raster, 8)).all()
        assert (np.asarray(Image.open(BytesIO(content.read("mergedimage.png")))) == levels(picture, 8)).all()


@pytest.mark.parametrize("name", NAMES)
def test_any_name(tmp_path, name):
    file, _ = written(tmp_path, [painted(name, (0, 0, 3, 3))])
    follows_the_specification(file, SIZE)
    assert stack(file)[0]["name"] == readable(name)


def test_blend_modes_are_those_of_the_specification(tmp_path):
    file, _ = written(tmp_path, [painted(blend, (0, 0, 2, 2), blend=blend) for blend in BLENDS])
    said = {layer["name"]: layer["composite-op"] for layer in stack(file)}
    assert said.pop("normal") == "svg:src-over"
    assert said.pop("exclusion") == "krita:exclusion", "which the specification has not"
    assert all(operator == f"svg:{blend}" and operator in OPERATORS for blend, operator in said.items())


@pytest.mark.parametrize(
    ("size", "small"),
    [((400, 1000), (102, 256)), ((1000, 300), (256, 77)), ((20, 30), (20, 30)), ((256, 256), (256, 256)), ((1, 600), (1, 256))],
)
def test_the_thumbnail_is_as_big_as_it_may_be(tmp_path, size, small):
    file, _ = written(tmp_path, [painted("one", (0, 0, 2, 2))], 16, size)
    seen = pixels(file, "Thumbnails/thumbnail.png")
    assert seen.dtype == np.uint8
    assert seen.shape[:2] == small


def test_the_workflow_is_in_the_merged_picture(tmp_path):
    text = {"prompt": "{}", "workflow": json.dumps({"title": "人 <b>"}), "other": "ünï 人"}
    file, _ = written(tmp_path, [painted("one", (0, 0, 2, 2))], 16, text=text)
    with ZipFile(file) as content, Image.open(BytesIO(content.read("mergedimage.png"))) as picture:
        picture.load()
        assert picture.text == text


def test_each_layer_is_reported(tmp_path):
    seen = []
    written(tmp_path, [painted("one", (0, 0, 2, 2)), painted("two", (0, 0, 2, 2))], on_layer=seen.append)
    assert seen == [1, 2]
