import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_vision import PlainDino, PlainSam, a_picture, saved, sure_sam, tiny_dino, tiny_sam

from mild_core.metrics.cfd import DinoRegions, cfd, cfd_of, distinct, patches_in
from mild_core.metrics.dino import load_dino
from mild_core.metrics.sam import automatic_masks, load_sam

DINO = PlainDino()
HEIGHT, WIDTH = 60, 80


def a_box(top, left, bottom, right, height=HEIGHT, width=WIDTH):
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


class ByPlace:
    """Features that tell regions apart, and a region in the picture from one cut out: by the region's middle and size."""

    def within(self, region):
        return self._of(region, 0.0)

    def alone(self, region):
        return self._of(region, 1.0)

    def _of(self, region, kind):
        assert region.any()
        y, x = region.nonzero().double().mean(0)
        vector = torch.tensor([math.sin(y / 9), math.cos(x / 7), math.sin(int(region.sum()) / 50), kind, 0.3], dtype=torch.float64)
        return vector / vector.norm()


def slow_cfd(masks, features, hole):
    """The paper's definition with the authors' thresholds, mask by mask, on NumPy and OpenCV."""

    def apart(one, other):
        return 1 - float(np.dot(one.numpy(), other.numpy()))

    masks = sorted([np.asarray(mask) for mask in masks if mask.any()], key=lambda mask: -mask.sum())
    kept = []
    for mask in masks:
        if all((mask & k).sum() / (mask | k).sum() <= 0.8 and (mask & k).sum() / mask.sum() <= 0.9 for k in kept):
            kept.append(mask)
    count, labels = cv2.connectedComponents(hole.numpy().astype(np.uint8))
    scores = []
    for index in range(1, count):
        part = labels == index
        rows, columns = np.nonzero(part.any(1))[0], np.nonzero(part.any(0))[0]
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        down, across = (bottom - top) // 3, (right - left) // 3
        around = np.zeros_like(part)
        around[max(top - down, 0) : bottom + down, max(left - across, 0) : right + across] = True
        around &= ~part
        if not around.any():
            continue
        score = apart(features.within(torch.from_numpy(part)), features.within(torch.from_numpy(around)))
        nested = [mask for mask in kept if not (mask & ~part).any()]
        crossing = [mask & part for mask in kept if (mask & part).any() and (mask & ~part).any()]
        for mask in nested:
            grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8), iterations=3) > 0
            beside = [other for other in crossing if (other & grown).any()]
            if beside:
                joined = np.logical_or.reduce(beside)
                share = mask.sum() / sum(other.sum() for other in nested)
                score += share * apart(features.alone(torch.from_numpy(mask)), features.alone(torch.from_numpy(joined)))
        scores.append(score)
    return sum(scores) / len(scores) if scores else math.nan


@st.composite
def boxes(draw, largest=60):
    top, left = draw(st.integers(0, HEIGHT - 2)), draw(st.integers(0, WIDTH - 2))
    return a_box(top, left, draw(st.integers(top + 1, min(top + largest, HEIGHT))), draw(st.integers(left + 1, min(left + largest, WIDTH))))


def stacked(masks):
    return torch.stack(masks) if masks else torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool)


@settings(max_examples=60, deadline=None)
@given(holes=st.lists(boxes(40), min_size=1, max_size=3), masks=st.lists(boxes(25), max_size=12))
def test_the_score_is_the_papers(holes, masks):
    hole = torch.stack(holes).any(0)
    assert cfd_of(stacked(masks), ByPlace(), hole) == pytest.approx(slow_cfd(masks, ByPlace(), hole), abs=1e-12, nan_ok=True)


HOLE = a_box(10, 20, 50, 60)
INSIDE, SMALL = a_box(20, 30, 30, 40), a_box(40, 50, 45, 55)
CROSSING, FAR = a_box(5, 30, 16, 40), a_box(30, 55, 40, 70)


def test_hand_made_masks():
    """INSIDE (100 pixels) lies 4 pixels from CROSSING, SMALL (25 pixels) beside FAR; INSIDE and FAR are 15 apart."""
    features = ByPlace()
    context = cfd_of(stacked([]), features, HOLE)
    around = a_box(0, 7, 60, 73) & ~HOLE
    assert context == pytest.approx(1 - float(features.within(HOLE) @ features.within(around)))

    def apart(one, other):
        return 1 - float(features.alone(one) @ features.alone(other & HOLE))

    assert cfd_of(stacked([INSIDE]), features, HOLE) == context, "nothing beside it"
    assert cfd_of(stacked([CROSSING, FAR]), features, HOLE) == context, "nothing inside"
    assert cfd_of(stacked([INSIDE, FAR]), features, HOLE) == context
    found = cfd_of(stacked([INSIDE, CROSSING]), features, HOLE)
    assert found == pytest.approx(context + apart(INSIDE, CROSSING))
    found = cfd_of(stacked([INSIDE, CROSSING, SMALL, FAR]), features, HOLE)
    assert found == pytest.approx(context + 0.8 * apart(INSIDE, CROSSING) + 0.2 * apart(SMALL, FAR))
    found = cfd_of(stacked([INSIDE, CROSSING, SMALL]), features, HOLE)
    assert found == pytest.approx(context + 0.8 * apart(INSIDE, CROSSING)), "a mask without neighbours has its share"


def test_six_pixels_are_beside_and_seven_are_not():
    for gap, near in ((6, True), (7, False)):
        inside = a_box(16 + gap - 1, 30, 40, 40)
        score = cfd_of(stacked([inside, CROSSING]), ByPlace(), HOLE)
        assert (score > cfd_of(stacked([]), ByPlace(), HOLE)) == near


def test_repeats_are_left_out():
    nearly = a_box(20, 30, 30, 39)  # an IoU of 0.9
    part = a_box(21, 31, 25, 35)
    sticking_out = a_box(28, 30, 33, 40)  # two fifths in INSIDE
    nothing = a_box(0, 0, 0, 0)
    found = distinct(stacked([part, nearly, sticking_out, INSIDE, nothing]))
    assert torch.equal(found, stacked([INSIDE, sticking_out]))
    assert distinct(stacked([])).shape == (0, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("other", "repeats"),
    [
        (a_box(0, 7, 1, 77), True),  # 63 of 70 in common: no more than 0.9, but an IoU of 0.82
        (a_box(0, 8, 1, 78), False),  # an IoU of 0.795
        (a_box(0, 61, 1, 71), False),  # 9 of 10
        (a_box(0, 60, 1, 71), True),  # 10 of 11
    ],
)
def test_what_a_repetition_is(other, repeats):
    found = distinct(stacked([a_box(0, 0, 1, 70), other]))
    assert len(found) == (1 if repeats else 2)


@settings(max_examples=25, deadline=None)
@given(masks=st.lists(boxes(25), min_size=2, max_size=8, unique_by=lambda mask: int(mask.sum())), data=st.data())
def test_neither_order_nor_repetition_counts(masks, data):
    score = cfd_of(stacked(masks), ByPlace(), HOLE)
    shuffled = data.draw(st.permutations(masks))
    assert cfd_of(stacked(list(shuffled) + masks), ByPlace(), HOLE) == pytest.approx(score, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(masks=st.lists(boxes(25), max_size=8))
def test_parts_of_a_hole_count_alike(masks):
    one, other = a_box(5, 5, 40, 30), a_box(20, 45, 50, 75)
    both = (cfd_of(stacked(masks), ByPlace(), one) + cfd_of(stacked(masks), ByPlace(), other)) / 2
    assert cfd_of(stacked(masks), ByPlace(), one | other) == pytest.approx(both, abs=1e-12)


def test_equal_features_are_no_distance():
    picture = torch.full((HEIGHT, WIDTH, 3), 0.6)
    score = cfd_of(stacked([]), DinoRegions(picture, DINO), HOLE)
    assert score == pytest.approx(0, abs=1e-9)
    other = torch.where(HOLE[..., None], 1 - picture, picture)
    assert cfd_of(stacked([]), DinoRegions(other, DINO), HOLE) > 0.01


def slow_feature(picture, region, dino):
    """By Pillow's own resizing: bicubic for the picture (on floating point), twice the nearest pixel for the region."""
    planes = [Image.fromarray(plane).resize((224, 224), Image.Resampling.BICUBIC) for plane in picture.movedim(-1, 0).numpy()]
    sized = np.stack([np.asarray(plane).clip(0, 1) for plane in planes])
    sized = (sized - np.array([0.485, 0.456, 0.406])[:, None, None]) / np.array([0.229, 0.224, 0.225])[:, None, None]
    states = dino(torch.from_numpy(sized).float()[None]).last_hidden_state[0, 1:].double().numpy()
    mask = Image.fromarray(region.numpy().astype(np.uint8) * 255)
    mask = mask.resize((224, 224), Image.Resampling.NEAREST).resize((16, 16), Image.Resampling.NEAREST)
    chosen = states[np.asarray(mask).flatten() > 0]
    mean = (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).mean(0)
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("size", [(60, 80), (333, 250)])
def test_features_of_regions_are_those_of_their_patches(size, tmp_path):
    pytest.importorskip("transformers")
    picture = a_picture(*size)
    region = torch.zeros(size, dtype=torch.bool)
    region[size[0] // 4 : size[0] // 2, size[1] // 3 : size[1] // 2] = True
    region[size[0] // 3 : size[0] * 2 // 3, size[1] // 3 : size[1] * 3 // 7] = True
    rows, columns = slice(size[0] // 4, size[0] * 2 // 3), slice(size[1] // 3, size[1] // 2)
    cut = torch.where(region[..., None], picture, torch.ones(()))[rows, columns]
    for dino in (DINO, load_dino(saved(tiny_dino(), tmp_path))):
        features = DinoRegions(picture, dino)
        within, alone = features.within(region), features.alone(region)
        assert np.abs(within.numpy() - slow_feature(picture, region, dino)).max() < 2e-4
        assert np.abs(alone.numpy() - slow_feature(cut, region[rows, columns], dino)).max() < 2e-4
        assert within @ within == pytest.approx(1)
        assert within @ alone < 0.9999


@settings(max_examples=30, deadline=None)
@given(height=st.integers(16, 700), width=st.integers(16, 700), seed=st.integers(0, 10**6))
def test_patches_are_pillows_nearest(height, width, seed):
    region = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask = Image.fromarray(region.numpy().astype(np.uint8) * 255)
    mask = mask.resize((224, 224), Image.Resampling.NEAREST).resize((16, 16), Image.Resampling.NEAREST)
    assert np.array_equal(patches_in(region).numpy(), np.asarray(mask) > 0)


def test_a_region_between_the_patches_middles_has_the_nearest_patch():
    region = a_box(33, 1, 34, 2, 160, 160)
    found = patches_in(region)
    assert found.nonzero().tolist() == [[3, 0]]


@pytest.fixture(scope="module")
def sam_folder(tmp_path_factory):
    pytest.importorskip("transformers")
    return saved(tiny_sam(), tmp_path_factory.mktemp("sam"))


def test_with_the_networks(sam_folder, tmp_path):
    sam, dino = sure_sam(load_sam(sam_folder)), load_dino(saved(tiny_dino(), tmp_path))
    picture = a_picture(48, 72)
    masks = automatic_masks(picture, sam)
    hole = a_box(21, 5, 31, 40, 48, 72)  # around the third of them
    assert not (distinct(masks)[2] & ~hole).any()
    features = DinoRegions(picture, dino)
    score = cfd(picture, hole, sam, dino)
    assert score == pytest.approx(slow_cfd(list(masks), features, hole), abs=1e-9)
    assert 0 <= score <= 4
    nothing = cfd(picture, hole, load_sam(sam_folder), dino)
    assert nothing == pytest.approx(slow_cfd([], features, hole), abs=1e-9)
    assert score > nothing, "what was found inside the hole adds to it"


def test_a_hole_that_covers_the_picture_is_nan():
    assert math.isnan(cfd_of(stacked([INSIDE]), ByPlace(), torch.ones(HEIGHT, WIDTH) > 0))


@pytest.mark.parametrize(
    ("image", "hole", "message"),
    [
        (torch.zeros(16, 16), torch.ones(16, 16) > 0, "image is 16×16, but it must be one picture"),
        (torch.zeros(16, 16, 3), torch.ones(16, 16), "hole is of torch.float32, but it must be bool"),
        (torch.zeros(16, 16, 3), torch.ones(8, 16) > 0, "hole is 8×16 but image is 16×16×3"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16) > 0, "hole is empty"),
    ],
)
def test_errors_name_the_input(image, hole, message):
    with pytest.raises(ValueError, match=message):
        cfd(image, hole, PlainSam(), DINO)
