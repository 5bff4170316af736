"""Layers as a folder of PNGs, read back by Pillow and OpenCV."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import NAMES, canvases, noise, painted, stacks
from PIL import Image

from mild_core.compose.naming import readable
from mild_core.compose.pixels import levels, rgba_levels
from mild_core.compose.png_folder import write_png_folder

every_depth = pytest.mark.parametrize("depth", [8, 16])
RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}


def written(tmp_path, layers, depth=8, size=(40, 61), channels=3, **more):
    folder, picture = tmp_path / "layers", noise(*size, channels, seed=99)
    write_png_folder(folder, layers, size, picture, depth, **more)
    return folder, picture, json.loads((folder / "layers.json").read_text("utf-8"))


def pixels(file):
    read = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    return read[..., [2, 1, 0, 3][: read.shape[-1]]]


@every_depth
@settings(max_examples=40, deadline=None)
@given(layers=stacks(), size=canvases(), channels=st.sampled_from([3, 4]))
def test_any_layers_come_back(tmp_path_factory, depth, layers, size, channels):
    folder, picture, told = written(tmp_path_factory.mktemp("png"), layers, depth, size, channels)
    assert (told["height"], told["width"], told["depth"]) == (*size, depth)
    assert (pixels(folder / told["picture"]) == levels(picture, depth)).all()
    files = [layer["file"] for layer in told["layers"]]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*files, "layers.json", "picture.png"])
    for layer, raster in zip(told["layers"], layers, strict=True):
        assert layer["name"] == readable(raster.name)
        assert layer["id"] == raster.id
        assert (layer["x"], layer["y"], layer["x"] + layer["width"], layer["y"] + layer["height"]) == raster.box
        assert (layer["opacity"], layer["blend"], layer["visible"]) == (raster.opacity, raster.blend, raster.visible)
        seen = pixels(folder / layer["file"])
        assert seen.dtype == (np.uint8 if depth == 8 else np.uint16)
        assert (seen == rgba_levels(raster, depth)).all() if raster.alpha.numel() else not seen.any()


def test_files_are_named_after_the_layers_and_safe_everywhere(tmp_path):
    folder, _, told = written(tmp_path, [painted(name, (0, 0, 2, 2)) for name in NAMES])
    files = [layer["file"] for layer in told["layers"]]
    assert files[:3] == ["01_background.png", "02_person 1.png", "03_person 1.png"]
    assert files[-1] == "12_layer.png"
    assert len({file.casefold() for file in files}) == len(NAMES)
    for file in files:
        assert (folder / file).parent == folder
        assert (folder / file).is_file()
        assert not set(file) & set('<>:"/\\|?*')
        assert file.split(".")[0].casefold() not in RESERVED
        assert len(file.encode()) < 200
    assert list(tmp_path.iterdir()) == [folder]


def test_pillow_reads_the_pictures(tmp_path):
    layer = painted("person 1", (-4, 8, 31, 77), 1)
    folder, picture, _ = written(tmp_path, [layer], text={"workflow": '{"n": 1}', "prompt": "{}"})
    assert (np.asarray(Image.open(folder / "01_person 1.png")) == rgba_levels(layer, 8)).all()
    with Image.open(folder / "picture.png") as image:
        assert (np.asarray(image) == levels(picture, 8)).all()
        assert image.text == {"workflow": '{"n": 1}', "prompt": "{}"}


def test_a_folder_that_is_there_is_not_written_into(tmp_path):
    (tmp_path / "layers").mkdir()
    with pytest.raises(FileExistsError):
        written(tmp_path, [painted("one", (0, 0, 2, 2))])
    assert list((tmp_path / "layers").iterdir()) == []


def test_each_layer_is_reported(tmp_path):
    seen = []
    written(tmp_path, [painted("one", (0, 0, 2, 2)), painted("two", (0, 0, 2, 2))], on_layer=seen.append)
    assert seen == [1, 2]
