"""Floats to 8 and 16 bit, and PNGs of both."""

import cv2
import numpy as np
import pytest
import torch
from painted import noise, painted
from PIL import Image

from mild_core.compose.pixels import check_canvas, levels, png, rgba_levels

DEPTHS = [(8, np.uint8), (16, np.uint16)]
every_depth = pytest.mark.parametrize(("depth", "dtype"), DEPTHS)


@every_depth
def test_levels_come_back(depth, dtype):
    whole = np.arange(2**depth)
    made = levels(torch.from_numpy(whole.astype(np.float32)) / (2**depth - 1), depth)
    assert made.dtype == dtype
    assert (made == whole).all()


@every_depth
def test_the_nearest_level_is_taken(depth, dtype):
    highest = 2**depth - 1
    for value, level in ((0.49, 0), (0.51, 1), (7.4, 7), (7.6, 8), (highest - 0.4, highest), (highest + 9, highest), (-3, 0)):
        assert levels(torch.tensor([value / highest]), depth)[0] == level, value
    assert levels(torch.tensor([0.5]), 8)[0] == 128, "a half goes up"


def test_what_is_given_stays():
    values = noise(4, 5)
    before = values.clone()
    levels(values, 8)
    assert torch.equal(values, before)


@every_depth
@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_is_read_back_by_others(depth, dtype, channels, tmp_path):
    pixels = levels(noise(7, 13, channels), depth)
    file = tmp_path / "a.png"
    file.write_bytes(png(pixels, {"workflow": '{"a": 1}', "prompt": "人"}))
    read = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    assert (read[..., [2, 1, 0, 3][:channels]] == pixels).all()
    image = Image.open(file)
    image.load()
    assert image.text == {"workflow": '{"a": 1}', "prompt": "人"}
    if depth == 8:
        assert (np.asarray(image) == pixels).all()


def test_text_comes_before_the_pixels_as_comfyui_writes_it():
    file = png(np.zeros((2, 2, 3), np.uint8), {"workflow": "{}"})
    assert file[33:].startswith(b"\x00\x00\x00\x0btEXtworkflow\x00{}")


@every_depth
def test_no_pixels_are_a_transparent_one(depth, dtype):
    empty = rgba_levels(painted("nobody", (4, 4, 4, 9)), depth)
    assert empty.shape == (5, 0, 4)
    read = cv2.imdecode(np.frombuffer(png(empty), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    assert read.shape == (1, 1, 4)
    assert not read.any()


LAYER = painted("somebody", (0, 0, 4, 3))


@pytest.mark.parametrize(
    ("size", "picture", "depth", "message"),
    [
        ((3, 4), noise(3, 5, 3), 8, "picture is 3×5×3, but it must be the canvas's 3×4 with 3 or 4 channels"),
        ((3, 4), noise(3, 4, 1), 8, "picture is 3×4×1"),
        ((3, 4), noise(1, 3, 4, 3), 8, "picture is 1×3×4×3"),
        ((3, 4), noise(3, 4, 3), 32, "depth is 32, but it must be 8 or 16 bit"),
    ],
)
def test_wrong_pictures_are_named(size, picture, depth, message):
    with pytest.raises(ValueError, match=message):
        check_canvas([LAYER], size, picture, depth)


def test_a_layer_that_is_not_as_big_as_its_box_is_named():
    wrong = painted("somebody", (0, 0, 4, 3))
    object.__setattr__(wrong, "alpha", noise(2, 4))
    with pytest.raises(ValueError, match="layer 'somebody' has a box of 3×4, but colour of 3×4×3 and alpha of 2×4"):
        check_canvas([LAYER, wrong], (3, 4), noise(3, 4, 3), 8)
