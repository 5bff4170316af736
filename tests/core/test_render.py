"""Layers put on the canvas."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from arranged import layers_of, random_arrangement
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.compose import BLENDS, Arrangement, Placement, arrange_default, compose, flatten, rasters, with_backdrop
from mild_core.compose import render as module
from mild_core.scene import Box

SIZE = (30, 44)
BOXES = [Box(4, 6, 17, 21), Box(15, 0, 44, 12)]


def arranged(*placed, size=SIZE, boxes=BOXES, **options):
    return replace(layers_of(size, boxes, **options), arrangement=Arrangement(size[::-1], placed))


def only(*placed, **options):
    """The one raster of an arrangement, and the layer."""
    layers = arranged(*placed, **options)
    (raster,) = rasters(layers)
    return raster, next(layer for layer in layers.stack if layer.id == placed[0].layer)


@pytest.mark.parametrize("seed", range(5))
def test_the_default_arrangement_is_the_picture(seed):
    layers = layers_of((50, 70), [Box(3, 5, 30, 40), Box(10, 10, 70, 50), Box(0, 30, 20, 50)], seed)
    people = (layers.people[0], replace(layers.people[1], erased=True), layers.people[2])
    layers = replace(layers, people=people)
    picture = compose(layers).image
    laid = layers.scene.photo[0].clone()  # what the nodes have always computed
    for layer in people:
        if not layer.erased:
            layer.box.view(laid).lerp_(layer.colour, layer.alpha[..., None])
    assert torch.equal(picture, laid)
    for arrangement in (None, arrange_default(layers.stack)):
        flat = flatten(rasters(replace(layers, arrangement=arrangement)), (50, 70))
        assert torch.equal(flat[..., 3], torch.ones(50, 70))
        assert (flat[..., :3] - picture).abs().max() <= 1e-6


@settings(max_examples=40, deadline=None)
@given(st.integers(-60, 60), st.integers(-60, 60), st.booleans(), st.booleans())
def test_whole_moves_and_mirrors_keep_every_pixel(x, y, flip_x, flip_y):
    raster, layer = only(Placement("1", "p00000001", x=x, y=y, flip_x=flip_x, flip_y=flip_y))
    assert raster.box == layer.box.moved(x, y)
    axes = [axis for axis, flip in ((1, flip_x), (0, flip_y)) if flip]
    assert torch.equal(raster.colour, layer.colour.flip(axes))
    assert torch.equal(raster.alpha, layer.alpha.flip(axes))


@pytest.mark.parametrize("turn", [0, 360, -720, 360000])
def test_a_whole_turn_is_none(turn):
    raster, layer = only(Placement("1", "p00000002", rotation=turn))
    assert torch.equal(raster.colour, layer.colour)


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (270, 1), (-90, 1), (450, -1)])
def test_quarter_turns_are_clockwise_and_sharp(degrees, quarters):
    """A layer of even sides turned about its centre lands on pixels."""
    raster, layer = only(Placement("1", "p00000001", x=10, rotation=degrees), boxes=[Box(4, 6, 16, 18)])
    inner = layer.box.moved(10, 0).moved(-raster.box.left, -raster.box.top)
    turned = torch.rot90(torch.cat([layer.colour * layer.alpha[..., None], layer.alpha[..., None]], -1), quarters)
    got = torch.cat([raster.colour * raster.alpha[..., None], raster.alpha[..., None]], -1)
    assert torch.allclose(inner.view(got), turned, atol=1e-6)
    assert math.isclose(float(got.sum()), float(turned.sum()), rel_tol=1e-5), "nothing beyond"


placements = st.builds(
    Placement,
    key=st.just("1"),
    layer=st.just("p00000001"),
    x=st.floats(-20, 20),
    y=st.floats(-20, 20),
    scale_x=st.floats(0.05, 4),
    scale_y=st.floats(0.05, 4),
    rotation=st.floats(-400, 400),
    flip_x=st.booleans(),
    flip_y=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(placements)
def test_a_pixel_is_read_from_where_it_comes(placement):
    """The map back, against the map there as it is defined; and nothing outside the box a layer reaches."""
    box = BOXES[0]
    to_layer = module._Inverse.of(placement, box)
    x, y = module._coordinates(to_layer, Box(0, 0, SIZE[1], SIZE[0]), torch.device("cpu"))
    angle, centre = math.radians(placement.rotation), np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    across, down = (-1 if placement.flip_x else 1) * placement.scale_x, (-1 if placement.flip_y else 1) * placement.scale_y
    there = turn @ np.diag([across, down])
    for row, column in itertools.product((0, 7, SIZE[0] - 1), (0, 13, SIZE[1] - 1)):
        at = [x[row, column].item() * 2 ** to_layer.halvings[0], y[row, column].item() * 2 ** to_layer.halvings[1]]
        read = np.array([at[0] + box.left, at[1] + box.top])
        assert centre + [placement.x, placement.y] + there @ (read - centre) == pytest.approx([column + 0.5, row + 0.5], abs=1e-6)
    reach = to_layer.bounds(box)
    for corner in itertools.product((box.left, box.right), (box.top, box.bottom)):
        p = centre + [placement.x, placement.y] + there @ (np.array(corner) - centre)
        assert reach.left - 1e-6 <= p[0] <= reach.right + 1e-6
        assert reach.top - 1e-6 <= p[1] <= reach.bottom + 1e-6


def reference(layer, placement, size):
    """What a placed layer shows, premultiplied [H, W, 4] float64, one pixel after the other, straight from the definition."""
    premultiplied = torch.cat([layer.colour * layer.alpha[..., None], layer.alpha[..., None]], -1).double().numpy()
    halved = [1, 1]
    for axis, scale in ((1, placement.scale_x), (0, placement.scale_y)):
        while scale * halved[axis] <= 0.5:
            if premultiplied.shape[axis] % 2:
                premultiplied = np.concatenate([premultiplied, np.zeros_like(premultiplied.take([0], axis))], axis)
            even, odd = (premultiplied.take(range(start, premultiplied.shape[axis], 2), axis) for start in (0, 1))
            premultiplied, halved[axis] = (even + odd) / 2, halved[axis] * 2
    height, width = premultiplied.shape[:2]
    out = np.zeros((*size, 4))
    cos, sin = math.cos(math.radians(placement.rotation)), math.sin(math.radians(placement.rotation))
    for row, column in itertools.product(range(size[0]), range(size[1])):
        right = column + 0.5 - (layer.box.left + layer.box.right) / 2 - placement.x
        down = row + 0.5 - (layer.box.top + layer.box.bottom) / 2 - placement.y
        u, v = (cos * right + sin * down) / placement.scale_x, (cos * down - sin * right) / placement.scale_y
        u, v = (-u if placement.flip_x else u), (-v if placement.flip_y else v)
        u, v = (u + layer.box.width / 2) / halved[1] - 0.5, (v + layer.box.height / 2) / halved[0] - 0.5
        for j, i in itertools.product((math.floor(v), math.floor(v) + 1), (math.floor(u), math.floor(u) + 1)):
            if 0 <= j < height and 0 <= i < width:
                out[row, column] += (1 - abs(u - i)) * (1 - abs(v - j)) * premultiplied[j, i]
    return out


@settings(max_examples=25, deadline=None)
@given(placements)
def test_resampling_is_its_definition(placement):
    layers = arranged(placement)
    flat = flatten(rasters(layers), SIZE)
    got = torch.cat([flat[..., :3] * flat[..., 3:], flat[..., 3:]], -1).double().numpy()
    assert np.abs(got - reference(layers.people[0], replace(placement, rotation=placement.rotation % 360), SIZE)).max() < 1e-5


@pytest.mark.parametrize("blend", BLENDS)
def test_opacity_0_draws_nothing(blend):
    below = Placement("0", "background")
    placed = Placement("1", "p00000002", rotation=20, x=-5.5, opacity=0, blend=blend)
    assert torch.equal(flatten(rasters(arranged(below, placed)), SIZE), flatten(rasters(arranged(below)), SIZE))


def test_the_invisible_is_there_but_not_drawn():
    below, hidden = Placement("0", "background"), Placement("1", "p00000002", visible=False)
    layers = arranged(below, hidden)
    assert [raster.visible for raster in rasters(layers)] == [True, False]
    assert len(rasters(layers, hidden=False)) == 1
    assert torch.equal(compose(layers).image, layers.scene.photo[0])


def test_the_dormant_is_not_drawn_and_what_is_off_the_canvas_costs_nothing():
    placed = (Placement("1", "p12345678", "ffffffff"), Placement("2", "p00000001", x=900, rotation=3), Placement("3", "p00000002", y=900))
    (raster,) = rasters(arranged(*placed))
    assert (raster.id, raster.box.top) == ("p00000002", 900)
    assert not flatten([raster], SIZE).any()
    assert not flatten([], SIZE).any()


def test_a_placement_finds_its_layer_by_what_it_shows():
    layers = layers_of(SIZE, BOXES)
    lost = Placement("1", "pdeadbeef", layers.people[1].fingerprint, x=3)
    (raster,) = rasters(replace(layers, arrangement=Arrangement(SIZE[::-1], (lost,))))
    assert raster.id == "p00000002"


def test_a_photo_of_another_size_keeps_the_arrangement():
    layers = layers_of(SIZE, BOXES)
    half = Arrangement((SIZE[1] // 2, SIZE[0] // 2), (Placement("1", "p00000001", x=2, y=-3),))
    (raster,) = rasters(replace(layers, arrangement=half))
    assert raster.box == BOXES[0].moved(4, -6)


def test_resampling_in_bands_is_the_same(monkeypatch):
    placed = Placement("1", "background", rotation=10, scale_x=1.2)
    whole = flatten(rasters(arranged(placed)), SIZE)
    monkeypatch.setattr(module, "BAND", 100)
    assert torch.equal(flatten(rasters(arranged(placed)), SIZE), whole)


def test_a_transparent_photo_is_as_transparent_in_its_layers():
    opacity = torch.rand(SIZE, generator=torch.Generator().manual_seed(4)).round()
    layers = layers_of(SIZE, BOXES, opacity=opacity)
    people = rasters(layers)[1:]
    for raster, layer in zip(people, layers.people, strict=True):
        assert torch.equal(raster.alpha, layer.alpha * layer.box.view(opacity))
    moved = replace(layers, arrangement=Arrangement(SIZE[::-1], (Placement("1", "background", x=5),)))
    picture = compose(moved)
    assert torch.equal(picture.image[:, 5:, 3], opacity[:, :-5])
    assert not picture.image[:, :5, 3].any()
    assert torch.equal(compose(layers).image[..., 3], opacity)


def test_changed_is_where_a_composed_picture_differs_from_the_photo():
    still = compose(arranged(Placement("0", "background")))
    assert still.image.shape == (*SIZE, 3)
    assert not still.changed.any()
    picture = compose(arranged(Placement("0", "background"), Placement("1", "p00000001", x=3)))
    layer = arranged().people[0]
    drawn = torch.zeros(SIZE)
    layer.box.moved(3, 0).view(drawn).copy_(layer.alpha)
    assert torch.equal(picture.changed, ((picture.image != layer.scene.photo[0]).any(-1)).float())
    assert not picture.changed[drawn == 0].any()
    open_canvas = compose(arranged(Placement("0", "background", y=4)))
    assert open_canvas.image.shape == (*SIZE, 4)
    assert (open_canvas.changed[:4] == 1).all()


def test_a_backdrop_stands_in_for_the_background():
    layers = layers_of(SIZE, BOXES)
    picture = torch.rand(60, 60, 3, generator=torch.Generator().manual_seed(9))
    swapped = with_backdrop(layers, picture)
    assert [layer.id for layer in swapped.stack] == ["backdrop", "background", "p00000001", "p00000002"]
    assert swapped.backdrop.box == Box(0, 0, 44, 30)
    expected = swapped.backdrop.colour.clone()
    for layer in layers.people:
        layer.box.view(expected).lerp_(layer.colour, layer.alpha[..., None])
    assert torch.equal(compose(swapped).image, expected)
    assert [p.visible for p in arrange_default(swapped.stack).layers] == [True, False, True, True]
    by_hand = replace(swapped, arrangement=Arrangement(SIZE[::-1], (Placement("1", "background"),)))
    assert torch.equal(compose(by_hand).image, layers.scene.photo[0]), "a composition says itself what is shown"


@pytest.mark.parametrize(("height", "width"), [(30, 44), (60, 44), (30, 90), (61, 200), (7, 5), (1, 1)])
def test_a_backdrop_covers_the_canvas_from_its_centre(height, width):
    """A ramp from 0 to 1 along each axis: what the middle shows is the middle, and the axis that fits is shown from end to end."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    backdrop = with_backdrop(layers_of(SIZE, []), torch.stack([rows, columns, rows], -1)).backdrop
    assert backdrop.colour.shape == (*SIZE, 3)
    assert (backdrop.alpha - 1).abs().max() < 1e-6
    if min(height, width) > 1:
        assert backdrop.colour.mean((0, 1))[:2].tolist() == pytest.approx([0.5, 0.5], abs=0.02)
        fits = 0 if height / SIZE[0] <= width / SIZE[1] else 1
        ramp = backdrop.colour[..., fits].mean(1 - fits)
        assert ramp[0] < 0.1
        assert ramp[-1] > 0.9


def test_a_transparent_backdrop_stays_transparent():
    picture = torch.rand(*SIZE, 4, generator=torch.Generator().manual_seed(2))
    layers = with_backdrop(layers_of(SIZE, []), picture)
    assert torch.allclose(compose(layers).image, picture, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_any_picture_is_in_its_range(seed):
    layers = layers_of(SIZE, BOXES, seed)
    flat = flatten(rasters(replace(layers, arrangement=random_arrangement(layers, seed, 6))), SIZE)
    assert flat.isfinite().all()
    assert flat.min() >= 0
    assert flat.max() <= 1 + 1e-5
