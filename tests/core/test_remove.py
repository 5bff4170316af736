import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_vision import PlainSam, a_picture, saved, tiny_sam

from mild_core.metrics.remove import cells_within, remove, remove_of
from mild_core.metrics.sam import load_sam, sam_pixels

SAM = PlainSam()


def a_hole(height, width, top, left, bottom, right):
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[top:bottom, left:right] = True
    return hole


def slow_remove(features, inside, outside):
    """The paper's equation, a cell at a time, in float64."""
    features = np.asarray(features, dtype=np.float64)
    sums = []
    for cells in (inside, outside):
        total = np.zeros(len(features))
        for y, x in np.argwhere(np.asarray(cells)):
            total += features[:, y, x]
        sums.append(total / int(cells.sum()))
    return sums[0] @ sums[1] / np.sqrt((sums[0] @ sums[0]) * (sums[1] @ sums[1]))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 0.9))
def test_the_score_is_the_papers(seed, share):
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(7, 9, 9, generator=g, dtype=torch.float64)
    inside = torch.rand(9, 9, generator=g) < share
    inside[0, 0], inside[8, 8] = True, False
    score = remove_of(features, inside, ~inside)
    assert score == pytest.approx(slow_remove(features, inside, ~inside), abs=1e-12)
    assert remove_of(features, ~inside, inside) == pytest.approx(score)
    assert remove_of(features * 7.5, inside, ~inside) == pytest.approx(score)
    turned, _ = torch.linalg.qr(torch.randn(7, 7, generator=g, dtype=torch.float64))
    assert remove_of(torch.einsum("ij,jyx->iyx", turned, features), inside, ~inside) == pytest.approx(score)


def test_its_ends():
    inside = a_hole(4, 4, 1, 1, 3, 3)
    same = torch.full((3, 4, 4), 0.7, dtype=torch.float64)
    assert remove_of(same, inside, ~inside) == pytest.approx(1)
    assert remove_of(torch.where(inside, -same, same), inside, ~inside) == pytest.approx(-1)
    assert math.isnan(remove_of(same, ~inside & inside, ~inside))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_cells_of_the_hole_are_full_ones(data):
    """Bicubic shrinking looks two cells' widths away, so a cell with nothing but hole that near is full."""
    height, width, cells = data.draw(st.integers(64, 200)), data.draw(st.integers(64, 200)), 16
    top, left = data.draw(st.integers(0, height - 20)), data.draw(st.integers(0, width - 20))
    hole = a_hole(height, width, top, left, data.draw(st.integers(top + 10, height)), data.draw(st.integers(left + 10, width)))
    found = cells_within(hole, cells)
    for row in range(cells):
        for column in range(cells):
            y, x = [(n * size / cells, (n + 1) * size / cells) for n, size in ((row, height), (column, width))]

            def part(near, y=y, x=x):
                dy, dx = near * height / cells, near * width / cells
                rows = slice(max(math.floor(y[0] - dy), 0), math.ceil(y[1] + dy))
                return hole[rows, max(math.floor(x[0] - dx), 0) : math.ceil(x[1] + dx)].float().mean()

            if part(2) == 1:
                assert found[row, column]
            if part(0) < 0.7:
                assert not found[row, column]


def test_the_whole_is_what_the_authors_do(tmp_path):
    pytest.importorskip("transformers")
    sam = load_sam(saved(tiny_sam(), tmp_path))
    picture, hole = a_picture(90, 160), a_hole(90, 160, 20, 30, 70, 110)
    features = sam.vision_encoder(sam_pixels(picture, 128)[None])[0][0]
    mask = Image.fromarray(hole.numpy().astype(np.uint8) * 255).resize((8, 8))  # Pillow's default is bicubic
    inside = np.array(mask) // 255 == 1
    assert 4 < inside.sum() < 20
    score = remove(picture, hole, sam)
    assert score == pytest.approx(slow_remove(features, inside, ~inside), abs=1e-6)
    assert -1 <= score < 0.999


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((40, 50, 100, 80), (24, 34, 116, 126)),  # 60 high, 30 wide: a side of 60, and 16 on each side
        ((40, 50, 60, 120), (24, 34, 126, 136)),
        ((5, 50, 60, 80), (0, 45, 65, 110)),  # 5 pixels of room above: 5 on each side
        ((40, 10, 60, 195), (34, 4, 150, 200)),  # 5 pixels of room at the right and one that the authors add; then cut by the frame
        ((60, 80, 146, 100), (55, 75, 150, 171)),  # 4 below, and one
    ],
)
def test_crop_is_the_authors_square(box, square):
    picture, hole = a_picture(150, 200), a_hole(150, 200, *box)
    top, left, bottom, right = square
    cut = remove(picture[top:bottom, left:right], hole[top:bottom, left:right], SAM)
    assert remove(picture, hole, SAM, crop=True) == pytest.approx(cut, abs=1e-12)
    assert abs(cut - remove(picture, hole, SAM)) > 1e-3


def test_padded_looks_where_the_hole_is():
    """A red hole in a blue picture, low at the left of one that is wide: only with padding are inside and outside told apart."""
    hole = a_hole(128, 256, 64, 0, 128, 128)
    picture = torch.where(hole[..., None], torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    one, other = (torch.cat([(torch.tensor(c) - mean) / std, torch.ones(1)]).double() for c in ([1.0, 0, 0], [0, 0, 1.0]))
    full = a_hole(8, 16, 5, 0, 8, 7)  # the outermost cells have the hole's edge beside them
    inner = a_hole(8, 16, 4, 0, 8, 8)
    mixed = (one * int((inner & ~full).sum()) + other * int((~inner).sum())) / int((~full).sum())
    told = remove(picture, hole, SAM, padded=True)
    assert told == pytest.approx(float(torch.cosine_similarity(one, mixed, dim=0)), abs=1e-6)
    assert told < remove(picture, hole, SAM) - 0.1
    square, inside = a_picture(100, 100), a_hole(100, 100, 20, 20, 70, 60)
    assert remove(square, inside, SAM, padded=True) == pytest.approx(remove(square, inside, SAM), abs=1e-12)


def test_too_small_or_everything_is_nan():
    picture = a_picture(160, 160)
    assert math.isnan(remove(picture, a_hole(160, 160, 50, 50, 53, 53), SAM))
    assert math.isnan(remove(picture, torch.ones(160, 160) > 0, SAM))
    assert not math.isnan(remove(picture, a_hole(160, 160, 50, 50, 90, 90), SAM))


@pytest.mark.parametrize(
    ("image", "hole", "message"),
    [
        (torch.zeros(16, 16), torch.ones(16, 16) > 0, "image is 16×16, but it must be one picture"),
        (torch.full((16, 16, 3), 2.0), torch.ones(16, 16) > 0, "image has values from 2 to 2"),
        (torch.zeros(16, 16, 3), torch.ones(16, 16), "hole is of torch.float32, but it must be bool"),
        (torch.zeros(16, 16, 3), torch.ones(8, 16) > 0, "hole is 8×16 but image is 16×16×3"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16) > 0, "hole is empty"),
    ],
)
def test_errors_name_the_input(image, hole, message):
    with pytest.raises(ValueError, match=message):
        remove(image, hole, SAM)
