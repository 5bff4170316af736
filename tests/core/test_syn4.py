import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.olrd import free_background
from mild_core.data.syn4 import make_syn4_pair, turned
from mild_core.data.syn4_instances import ClassSize
from mild_core.data.syn4_photos import fitted, load_things, things_photos
from mild_core.data.syn4_place import boxes_in_the_way, fits
from mild_core.scene.panoptic import Panoptic, Segment

GRASS, DOG = Segment(1, "grass-merged", 193, False), Segment(2, "dog", 18, True)


def a_thing(height=60, width=30) -> tuple[np.ndarray, np.ndarray]:
    """A photo [100, 80, 3], and the mask of a red box in it on green."""
    mask = np.zeros((100, 80), bool)
    mask[20 : 20 + height, 25 : 25 + width] = True
    photo = np.where(mask[..., None], (210, 20, 30), (20, 180, 40)).astype(np.uint8)
    return photo, mask


def a_background(*boxes: tuple[int, int, int, int], size=(120, 140)) -> tuple[np.ndarray, Panoptic]:
    """Blue noise, and a dog in each box (top, bottom, left, right)."""
    rng = np.random.default_rng(0)
    labels = torch.ones(size, dtype=torch.long)
    for number, (top, bottom, left, right) in enumerate(boxes, start=2):
        labels[top:bottom, left:right] = number
    picture = (rng.integers(40, 60, (*size, 3)) + np.array((0, 0, 150))).astype(np.uint8)
    return picture, Panoptic.of(labels, [GRASS, *(Segment(n, "dog", 18, True) for n in range(2, 2 + len(boxes)))])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(), ((10, 50, 10, 60),), ((0, 120, 0, 30), (90, 118, 50, 139))]), st.floats(0, 0.5))
def test_a_pair_keeps_the_rules(seed, boxes, mean):
    photo, thing = a_thing()
    background, panoptic = a_background(*boxes)
    pair = make_syn4_pair(photo, thing, ClassSize(9, mean, 0.05), background, panoptic, seed)
    if pair is None:
        return
    assert np.array_equal(pair.truth, background)
    assert np.array_equal(pair.input[~pair.mask], background[~pair.mask])
    assert fits(pair.box, boxes_in_the_way(panoptic), *pair.mask.shape)
    rows, columns = np.nonzero(pair.mask)
    inside = pair.box.clip(*pair.mask.shape)
    assert rows.min() >= inside.top
    assert rows.max() < inside.bottom
    assert columns.min() >= inside.left
    assert columns.max() < inside.right
    row, column = pair.box.top + pair.box.height // 2, pair.box.left + pair.box.width // 2
    assert not any(o[0] <= row < o[1] and o[2] <= column < o[3] for o in boxes)
    assert 24 <= row <= 96
    assert 28 <= column <= 112
    shown = pair.input[pair.mask].astype(int)
    assert (shown[:, 0] > 150).mean() > 0.3  # the thing is red; its edge may be soft
    assert shown[:, 1].max() < 100  # and nothing of its own green background came with it
    assert abs(pair.angle) <= 45


def test_no_colour_of_its_own_background_comes_along():
    """The thing's edge is soft in its photo: what is mixed there is half green."""
    photo, thing = a_thing()
    photo = cv2.GaussianBlur(photo, (0, 0), 1.2)
    background, panoptic = a_background()
    for seed in range(6):
        pair = make_syn4_pair(photo, thing, ClassSize(9, 0.3, 0.0), background, panoptic, seed)
        assert pair.input[pair.mask][:, 1].max() < 66  # the blue place has up to 60 of green, the red thing 20


def test_it_is_as_large_as_was_sought():
    photo, thing = a_thing()
    background, panoptic = a_background(size=(300, 300))
    for seed in range(12):
        pair = make_syn4_pair(photo, thing, ClassSize(9, 0.12, 0.0), background, panoptic, seed)
        assert (pair.target, pair.shrunk) == (0.12, 1)
        turn = np.deg2rad(abs(pair.angle))
        tall = np.sqrt(0.12 * 300 * 300 * 2)
        assert pair.box.height == pytest.approx(tall * np.cos(turn) + tall / 2 * np.sin(turn), abs=4)
        assert pair.box.width == pytest.approx(tall / 2 * np.cos(turn) + tall * np.sin(turn), abs=4)


def test_a_thing_without_room_shrinks():
    """Things in the way, each of 24×24 and 8 apart: a box of a quarter of the picture hides some whole."""
    boxes = [(top, top + 12, left, left + 12) for top in range(2, 110, 24) for left in range(2, 130, 24)]
    background, panoptic = a_background(*boxes)
    photo, thing = a_thing()
    times = []
    for seed in range(20):
        pair = make_syn4_pair(photo, thing, ClassSize(9, 0.5, 0.0), background, panoptic, seed)
        times.append(0 if pair is None else pair.shrunk)
    assert set(times) <= {0, 2, 3, 4}
    assert any(t > 1 for t in times)


def test_no_centre_is_no_pair():
    """A thing of less than 0.4 that takes all the middle."""
    labels = torch.ones(120, 140, dtype=torch.long)
    labels[20, 10:130] = labels[100, 10:130] = labels[20:100, 70] = 2
    panoptic = Panoptic.of(labels, [GRASS, DOG])
    photo, thing = a_thing()
    assert make_syn4_pair(photo, thing, ClassSize(9, 0.1, 0.0), np.zeros((120, 140, 3), np.uint8), panoptic, 0) is None


def test_a_seed_gives_one_pair_and_another_seed_another():
    photo, thing = a_thing()
    background, panoptic = a_background()
    pairs = [make_syn4_pair(photo, thing, ClassSize(9, 0.1, 0.02), background, panoptic, seed) for seed in (1, 1, 2)]
    assert np.array_equal(pairs[0].input, pairs[1].input)
    assert not np.array_equal(pairs[0].input, pairs[2].input)


def test_tags_are_what_is_behind():
    photo, thing = a_thing()
    background, panoptic = a_background()
    assert make_syn4_pair(photo, thing, ClassSize(9, 0.1, 0.0), background, panoptic, 0).tags == ("grass",)
    unknown = Panoptic.of(torch.zeros(panoptic.size, dtype=torch.long), ())
    assert make_syn4_pair(photo, thing, ClassSize(9, 0.1, 0.0), background, unknown, 0).tags == ()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 3), st.floats(-45, 45))
def test_turning_keeps_the_area_and_the_direction(scale, angle):
    photo, thing = a_thing()
    photo[20:50][thing[20:50]] = (240, 240, 20)  # the upper half is yellow
    ready = turned(photo, thing, scale, angle)
    assert ready.mask.sum() == pytest.approx(thing.sum() * scale**2, rel=0.12, abs=20)
    rows, columns = np.nonzero(ready.mask)
    assert (ready.box.top, ready.box.left, ready.box.bottom, ready.box.right) == (
        rows.min(), columns.min(), rows.max() + 1, columns.max() + 1,
    )  # fmt: skip
    yellow = ready.mask & (ready.colour[..., 1] > 130)
    lean = np.argwhere(yellow).mean(0) - np.argwhere(ready.mask).mean(0)
    assert np.rad2deg(np.arctan2(-lean[1], -lean[0])) == pytest.approx(angle, abs=12)


def test_a_thing_at_the_frame_is_cut_out_whole():
    photo, thing = a_thing()
    thing[:] = False
    thing[0:40, 0:30] = True
    photo[:] = np.where(thing[..., None], (210, 20, 30), (20, 180, 40))
    ready = turned(photo, thing, 1.0, 0.0)
    assert (ready.box.height, ready.box.width) == (40, 30)
    assert (ready.colour[ready.mask] == (210, 20, 30)).all()


def test_an_empty_mask_is_an_error():
    photo, thing = a_thing()
    background, panoptic = a_background()
    with pytest.raises(ValueError, match="thing is an empty mask"):
        make_syn4_pair(photo, thing & False, ClassSize(9, 0.1, 0.0), background, panoptic, 0)
    with pytest.raises(ValueError, match="background is 60×140"):
        make_syn4_pair(photo, thing, ClassSize(9, 0.1, 0.0), background[:60], panoptic, 0)


def test_pairs_of_real_photos(photos):
    people, places = things_photos(photos / "people", "all")[:3], things_photos(photos / "places", "all", mapped=False)[:3]
    for one, place in zip(people, places, strict=True):
        photo, panoptic = load_things(one)
        areas = panoptic.areas()
        largest = max((s for s in panoptic.segments if s.thing), key=lambda s: areas[s.id])
        background, behind = fitted(*load_things(place), 256)
        thing = (panoptic.labels == largest.id).numpy()
        pair = make_syn4_pair(photo, thing, ClassSize(6, 0.1, 0.02), background, behind, 3)
        assert np.array_equal(pair.input[~pair.mask], background[~pair.mask])
        changed = (pair.input != pair.truth).any(-1)
        assert changed[pair.mask].mean() > 0.8
        assert not free_background(behind).any()  # a place without a map tells of no background
