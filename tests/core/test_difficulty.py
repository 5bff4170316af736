import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.difficulty import colour_bins, difficulty_tags, histogram, measure, shape_distance, shape_of, similarity

SIZE = (100, 150)


def box(top, bottom, left, right) -> np.ndarray:
    body = np.zeros(SIZE, bool)
    body[top:bottom, left:right] = True
    return body


def measured(bodies, photo=None, background=None, erase=(0,)):
    whole = np.stack(bodies)
    visible = whole & (whole.cumsum(0) == 1)
    blank = np.zeros((*SIZE, 3), np.float32)
    return measure(blank if photo is None else photo, blank if background is None else background, whole, visible, erase)


def test_what_is_hidden():
    found = measured([box(20, 80, 40, 60), box(20, 80, 55, 75), box(20, 80, 100, 110)])
    assert found["hidden_most"] == pytest.approx(0.25)
    assert found["hidden_mean"] == pytest.approx(0.25 / 3)
    assert found["people"] == 3


@pytest.mark.parametrize(("between", "gap"), [(-3, 0), (0, 0), (1, 0.01), (20, 0.2)])
def test_the_gap_between_the_nearest_two(between, gap):
    found = measured([box(20, 80, 5, 15), box(20, 80, 60, 80), box(20, 80, 80 + between, 100 + between)])
    assert found["gap"] == pytest.approx(gap, abs=0.004)


def test_the_share_of_those_who_go_is_what_is_seen_of_them():
    bodies = [box(0, 50, 0, 60), box(0, 50, 30, 90)]
    assert measured(bodies, erase=(0,))["hole"] == pytest.approx(0.2)
    assert measured(bodies, erase=(1,))["hole"] == pytest.approx(0.1)
    assert measured(bodies, erase=(0, 1))["hole"] == measured(bodies)["covered"] == pytest.approx(0.3)


def test_what_takes_two_is_not_known_of_one():
    found = measured([box(20, 80, 40, 60)])
    assert found["gap"] is None
    assert found["pose_distance"] is None
    tags = difficulty_tags(found, 1)
    assert tags["occlusion"] == tags["contact"] == tags["poses"] == "alone"


def test_camouflage_is_high_for_who_has_the_colours_around_and_low_for_others():
    rng = np.random.default_rng(0)
    body = box(20, 80, 40, 60)
    background = (0.4 + 0.1 * rng.random((*SIZE, 3))).astype(np.float32)
    alike = np.where(body[..., None], background[::-1, ::-1], background)
    unlike = np.where(body[..., None], np.float32([0.9, 0.1, 0.1]), background)
    assert measured([body], alike, background)["camouflage"] > 0.8
    assert measured([body], unlike, background)["camouflage"] < 0.1


def test_a_neighbour_in_the_same_clothes_hides_somebody_too():
    background = np.zeros((*SIZE, 3), np.float32)
    bodies = [box(20, 80, 40, 60), box(20, 80, 60, 80)]
    same, other = background.copy(), background.copy()
    for body, (one, two) in zip(bodies, ((0, 0), (0, 1)), strict=True):
        colours = np.float32([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]])
        same[body], other[body] = colours[one], colours[two]
    assert measured(bodies, same, background)["camouflage"] > measured(bodies, other, background)["camouflage"] + 0.05


@pytest.mark.parametrize(
    ("name", "value", "tag"),
    [
        ("hidden_most", 0.0, "occlusion none"),
        ("hidden_most", 0.0199, "occlusion none"),
        ("hidden_most", 0.02, "occlusion light"),
        ("hidden_most", 0.19, "occlusion light"),
        ("hidden_most", 0.2, "occlusion heavy"),
        ("hidden_most", 0.65, "occlusion heavy"),
        ("gap", 0.0, "contact touching"),
        ("gap", 0.01, "contact apart"),
        ("camouflage", 0.24, "camouflage low"),
        ("camouflage", 0.25, "camouflage medium"),
        ("camouflage", 0.38, "camouflage high"),
        ("pose_distance", 0.39, "poses alike"),
        ("pose_distance", 0.4, "poses mixed"),
        ("pose_distance", 0.48, "poses varied"),
        ("hole", 0.049, "size small"),
        ("hole", 0.05, "size medium"),
        ("hole", 0.12, "size large"),
    ],
)
def test_a_measure_becomes_a_tag(name, value, tag):
    measures = {"people": 3, "hidden_most": 0.0, "gap": 0.1, "camouflage": 0.1, "pose_distance": 0.3, "hole": 0.1, name: value}
    key, word = tag.split()
    tags = difficulty_tags(measures, 2)
    assert tags[key] == word
    assert tags["people"] == "3"
    assert tags["erased"] == "some"
    assert difficulty_tags(measures, 3)["erased"] == "all"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 400))
def test_histograms_sum_to_one_and_are_most_like_themselves(seed, count):
    rng = np.random.default_rng(seed)
    one, other = (histogram(colour_bins(rng.random((1, count, 3), np.float32))) for _ in range(2))
    assert one.sum() == pytest.approx(1, abs=1e-4)
    assert similarity(one, one) == pytest.approx(1, abs=1e-4)
    assert 0 <= similarity(one, other) <= similarity(one, one) + 1e-6
    assert similarity(one, other) == similarity(other, one)


def test_like_colours_are_alike_and_unlike_are_not():
    colours = np.float32([[0.5, 0.2, 0.2], [0.52, 0.21, 0.2], [0.2, 0.2, 0.6]])
    red, almost, blue = (histogram(colour_bins(c[None, None])) for c in colours)
    assert similarity(red, almost) > 0.4
    assert similarity(red, blue) == 0
    assert (histogram(np.zeros(0, np.int64)) == 0).all()


def test_silhouettes_are_compared_at_one_height():
    tall = box(10, 90, 40, 60)
    small = box(50, 90, 100, 110)
    wide = box(10, 90, 30, 100)
    assert shape_distance(shape_of(tall), shape_of(small)) < 0.05
    assert shape_distance(shape_of(tall), shape_of(wide)) > 0.5
    assert shape_distance(shape_of(tall), shape_of(tall)) == 0
    assert shape_of(np.zeros(SIZE, bool)).sum() == 0
