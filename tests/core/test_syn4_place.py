import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.syn4_instances import ClassSize
from mild_core.data.syn4_place import boxes_in_the_way, centres, covered_share, fits, place_for, target_share
from mild_core.scene.box import Box
from mild_core.scene.panoptic import Panoptic, Segment

SIZE = (48, 60)  # height, width
FAR = 60  # pixels beyond the picture that the slow check counts


@st.composite
def a_box(draw, inside=True):
    low, high = (0, 0) if inside else (-30, 30)
    left = draw(st.integers(low, SIZE[1] - 2 + high // 2))
    top = draw(st.integers(low, SIZE[0] - 2 + high // 2))
    right = draw(st.integers(left + 1, SIZE[1] if inside else left + 60))
    bottom = draw(st.integers(top + 1, SIZE[0] if inside else top + 60))
    return Box(left, top, right, bottom)


def pixels(box: Box) -> np.ndarray:
    """Of a box on a canvas that goes beyond the picture."""
    drawn = np.zeros((SIZE[0] + 2 * FAR, SIZE[1] + 2 * FAR), bool)
    drawn[box.top + FAR : box.bottom + FAR, box.left + FAR : box.right + FAR] = True
    return drawn


def fits_slowly(box: Box, others: list[Box]) -> bool:
    """R₁ ∩ R₂ by counting pixels."""
    pasted, picture = pixels(box), pixels(Box(0, 0, SIZE[1], SIZE[0]))
    in_picture = (pasted & picture).sum() / pasted.sum() >= 0.6
    return bool(in_picture and all((pasted & pixels(other)).sum() / pixels(other).sum() <= 0.5 for other in others))


@settings(max_examples=150, deadline=None)
@given(a_box(inside=False), st.lists(a_box(), max_size=3))
def test_a_box_fits_when_counting_pixels_says_so(box, others):
    assert fits(box, others, *SIZE) == fits_slowly(box, others)


@pytest.mark.parametrize(
    ("box", "others", "expected"),
    [
        (Box(0, 0, 10, 10), [], True),
        (Box(-4, 0, 6, 10), [], True),  # 0.6 inside
        (Box(-5, 0, 5, 10), [], False),
        (Box(-3, -3, 7, 7), [], False),  # 0.49, though each side is 0.7
        (Box(-30, 0, 90, 10), [], False),  # beyond both sides: half of it
        (Box(0, 0, 10, 10), [Box(5, 0, 15, 10)], True),  # half of the other
        (Box(0, 0, 10, 10), [Box(4, 0, 14, 10)], False),
        (Box(0, 0, 40, 40), [Box(10, 10, 12, 12)], False),  # a small one is hidden whole, however little of the pasted that is
        (Box(10, 10, 12, 12), [Box(0, 0, 40, 40)], True),
        (Box(0, 0, 10, 10), [Box(20, 20, 30, 30), Box(4, 0, 14, 10)], False),
    ],
)
def test_the_rules_by_hand(box, others, expected):
    assert fits(box, others, 48, 60) is expected


@settings(max_examples=60, deadline=None)
@given(st.lists(a_box(), max_size=3))
def test_centres_are_in_the_middle_and_in_no_box(others):
    found = {tuple(pixel) for pixel in centres(others, *SIZE)}
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            inner = 0.2 * SIZE[0] <= row + 0.5 <= 0.8 * SIZE[0] and 0.2 * SIZE[1] <= column + 0.5 <= 0.8 * SIZE[1]
            taken = any(o.left <= column < o.right and o.top <= row < o.bottom for o in others)
            assert ((row, column) in found) == (inner and not taken)


@settings(max_examples=60, deadline=None)
@given(st.lists(a_box(), max_size=3), st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**31))
def test_what_is_placed_keeps_all_rules(others, height, width, seed):
    free = centres(others, *SIZE)
    box = place_for((height, width), free, others, SIZE, np.random.default_rng(seed))
    if box is None:
        assert len(free) == 0 or not all(fits_slowly(around(c, height, width), others) for c in free)
        return
    assert (box.height, box.width) == (height, width)
    assert fits_slowly(box, others)
    assert (box.top + height // 2, box.left + width // 2) in {tuple(c) for c in free}


def around(centre, height: int, width: int) -> Box:
    top, left = int(centre[0]) - height // 2, int(centre[1]) - width // 2
    return Box(left, top, left + width, top + height)


def test_ten_places_are_tried():
    """Few centres are good: some seeds miss them ten times."""
    others = [Box(0, 0, 60, 10), Box(0, 38, 60, 48)]
    free = centres(others, *SIZE)
    good = [c for c in free if fits_slowly(around(c, 40, 40), others)]
    assert 0 < len(good) < len(free) / 4
    found = [place_for((40, 40), free, others, SIZE, np.random.default_rng(seed)) is not None for seed in range(150)]
    expected = 1 - (1 - len(good) / len(free)) ** 10
    assert abs(np.mean(found) - expected) < 0.1


def test_the_share_that_boxes_cover_counts_overlaps_once():
    assert covered_share([Box(0, 0, 10, 10), Box(5, 0, 15, 10)], 20, 20) == pytest.approx(150 / 400)
    assert covered_share([], 20, 20) == 0
    assert covered_share([Box(-5, -5, 5, 5), Box(30, 30, 40, 40)], 20, 20) == pytest.approx(25 / 400)


def test_sizes_follow_the_class():
    rng = np.random.default_rng(0)
    drawn = np.array([target_share(ClassSize(9, 0.3, 0.04), 0.0, rng) for _ in range(2000)])
    assert drawn.mean() == pytest.approx(0.3, abs=0.005)
    assert drawn.std() == pytest.approx(0.04, abs=0.004)
    drawn = np.array([target_share(ClassSize(9, 0.3, 0.04), 0.5, rng) for _ in range(200)])
    assert drawn.max() == 0.25  # half of what is free
    assert target_share(ClassSize(9, 0.01, 0.0), 0.0, rng) == 0.05
    assert target_share(ClassSize(9, 0.3, 0.0), 0.98, rng) == 0.05  # the floor comes last


def test_large_things_and_stuff_are_not_in_the_way():
    labels = torch.zeros(10, 10, dtype=torch.long)
    labels[:4] = 1  # a thing of 0.4
    labels[5:8, 2:6] = 2
    labels[9] = 3
    segments = [Segment(1, "bus", 6, True), Segment(2, "dog", 18, True), Segment(3, "grass-merged", 193, False)]
    assert boxes_in_the_way(Panoptic.of(labels, segments)) == [Box(2, 5, 6, 8)]
    labels[3, 9] = 0
    assert boxes_in_the_way(Panoptic.of(labels, segments)) == [Box(0, 0, 10, 4), Box(2, 5, 6, 8)]
