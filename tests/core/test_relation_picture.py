"""Relations as a picture for people."""

from dataclasses import replace

import pytest
import torch
from crowd import HEIGHT, LEFT, RIGHT, WIDTH, block, posed, scene_of

from mild_core.morphology import relation_picture as room
from mild_core.morphology.relation_picture import draw_relations
from mild_core.morphology.relations import relate
from mild_core.scene import MaskedPerson, split_people


def brightness(picture, mask):
    return float(picture[0][mask > 0.5].mean())


def test_near_people_are_bright_and_warm():
    masks = [block(10, 20 + 30 * n, 90, 40 + 30 * n) for n in range(3)]
    photo = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    scene = replace(relate(scene_of(*masks, order="2,3,1")), photo=photo)
    picture = draw_relations(scene)
    assert picture.shape == photo.shape
    assert picture.min() >= 0
    assert picture.max() <= 1
    near, middle, far = masks[1], masks[2], masks[0]
    assert brightness(picture, near) > brightness(picture, middle) > brightness(picture, far)
    warmth = [float((picture[0, ..., 0] - picture[0, ..., 2])[mask > 0.5].mean()) for mask in (near, middle, far)]
    assert warmth == sorted(warmth, reverse=True)
    empty = picture[0, :, 115:]
    assert torch.equal(empty[..., 0], empty[..., 1])
    assert empty.mean() < photo.mean()


def test_the_ramp_is_evenly_lighter():
    """Against CIELAB's lightness, which made it not."""
    ramp = torch.stack([room._ramp(n / 20) for n in range(21)])
    linear = torch.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    lightness = 116 * (linear @ torch.tensor([0.2126, 0.7152, 0.0722])) ** (1 / 3) - 16
    steps = lightness.diff()
    assert (steps > 0).all()
    assert steps.max() < 3 * steps.mean()


def test_contact_is_a_white_line():
    scene = scene_of(block(10, 20, 90, 60), block(10, 60, 90, 100))
    for column in (59, 60):
        assert (draw_relations(relate(scene))[0, 12:25, column] > 0.95).all()
        assert (draw_relations(scene)[0, 12:25, column] < 0.95).any(1).all()


def test_the_surer_the_stronger_the_arrow():
    """From 1 to 2, between whom there is room for more than the words."""
    scene = relate(scene_of(block(20, 20, 180, 180, 200, 400), block(20, 210, 180, 380, 200, 400)))
    plain = draw_relations(replace(scene, relations=()))

    def arrow(sure):
        said = replace(scene, relations=tuple(r._replace(in_front=sure) for r in scene.relations))
        return (draw_relations(said) - plain)[0].abs().sum(-1)

    assert arrow(0.96)[:, 110:180].sum() > 1.3 * arrow(0.66)[:, 110:180].sum() > 0
    assert not arrow(0.96)[:, :90].any()
    assert not arrow(0.96)[:, 310:].any()


def test_a_hand_that_reaches_has_a_ring():
    scene = relate(posed(scene_of(LEFT, RIGHT), 1, {"right elbow": (40, 20), "right wrist": (70, 20)}))
    x, y, radius = 70 + 0.35 * 30, 20, 0.35 * 30
    ring = draw_relations(scene)[0]
    for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        at = ring[
            round(y + down * radius) - 1 : round(y + down * radius) + 2, round(x + right * radius) - 1 : round(x + right * radius) + 2
        ]
        assert at.amin(-1).max() > 0.8
    without = draw_relations(replace(scene, relations=tuple(r._replace(hands=()) for r in scene.relations)))[0]
    assert without[5:9, 75:86].amin(-1).max() < 0.8


def test_objects_are_outlined():
    scene = scene_of(block(10, 10, 30, 30))
    picture = draw_relations(relate(scene, torch.stack([block(60, 60, 80, 90), block(0, 0, 0, 0)])))[0]
    changed = (picture - draw_relations(scene)[0]).abs().sum(-1) > 0.1
    assert changed[60, 60:90].all()
    assert not changed[64:76, 64:86].any()
    assert not changed[:55].any()


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (24, 700), (1500, 1200)])
def test_pictures_of_all_sizes(size):
    height, width = size
    masks = [block(0, 0, height, max(width // 2, 1), height, width), block(0, width // 2, height, width, height, width)]
    found = [MaskedPerson(n, mask) for n, mask in enumerate(masks, start=1)]
    picture = draw_relations(relate(split_people(torch.rand(1, height, width, 3), found), masks[0]))
    assert picture.shape == (1, height, width, 3)
    assert picture.isfinite().all()
