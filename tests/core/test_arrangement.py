"""Arrangements and their text. The same tables as tests/web/arrangement.test.mjs."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from arranged import layers_of
from hypothesis import given
from hypothesis import strategies as st

from mild_core.compose import BLENDS, Arrangement, Placement, arrange_default, arrangement_text, parse_arrangement
from mild_core.compose.arrangement import fingerprint, match_layers
from mild_core.scene import Box

ENTRY = {"key": "1", "layer": "background"}


def text(**changed):
    whole = {"version": 1, "canvas": [100, 80], "layers": [ENTRY]} | changed
    return json.dumps({name: value for name, value in whole.items() if value is not None})


def test_what_is_not_said_has_its_default():
    arrangement = parse_arrangement(text())
    assert arrangement == Arrangement((100, 80), (Placement("1", "background"),))
    assert asdict(arrangement.layers[0]) == {
        "key": "1", "layer": "background", "fingerprint": "", "x": 0, "y": 0, "scale_x": 1, "scale_y": 1, "rotation": 0,
        "flip_x": False, "flip_y": False, "opacity": 1, "blend": "normal", "visible": True,
    }  # fmt: skip


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_text_is_not_composed_by_hand(empty):
    assert parse_arrangement(empty) is None


numbers = st.floats(-1e6, 1e6, allow_nan=False)
placements = st.builds(
    Placement,
    key=st.text(min_size=1),
    layer=st.text(min_size=1),
    fingerprint=st.text(),
    x=numbers,
    y=numbers,
    scale_x=st.floats(0.01, 100),
    scale_y=st.floats(0.01, 100),
    rotation=numbers,
    flip_x=st.booleans(),
    flip_y=st.booleans(),
    opacity=st.floats(0, 1),
    blend=st.sampled_from(BLENDS),
    visible=st.booleans(),
)


@given(st.integers(1, 20000), st.integers(1, 20000), st.lists(placements, max_size=4, unique_by=lambda p: p.key))
def test_the_text_says_all(width, height, placed):
    arrangement = Arrangement((width, height), tuple(placed))
    assert parse_arrangement(arrangement_text(arrangement)) == arrangement


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", r"composition is '{', but it must be JSON"),
        ("[" * 100_000, "but it must be JSON"),
        ("[1]", r"composition is \[1\], but it must be a JSON object"),
        (text(version=2), "composition has the version 2, but it must have the version 1"),
        (text(version=None), "composition has the version missing, but it must have the version 1"),
        (text(canvas=[0, 5]), r"composition has the canvas \[0,5\], but it must have its width and height"),
        (text(canvas=[5.5, 5]), r"the canvas \[5.5,5\]"),
        (text(canvas="100"), "the canvas"),
        (text(layers={}), "composition has the layers {}, but it must have a list"),
        (text(layers=None), "composition has the layers missing, but it must have a list"),
        (text(zoom=2), 'composition has the name "zoom", but it must have none but version, canvas, layers'),
        (text(layers=[1]), "composition, layer 1, is 1, but it must be a JSON object"),
        (text(layers=[ENTRY, ENTRY]), 'composition has the key "1" twice'),
        (text(layers=[{"layer": "a"}]), "composition, layer 1, has the key missing, but it must be a text"),
        (text(layers=[ENTRY | {"layer": ""}]), 'composition, layer 1, has the layer ""'),
        (text(layers=[ENTRY, {"key": "2", "layer": 5}]), "composition, layer 2, has the layer 5"),
        (text(layers=[ENTRY | {"scale": 2}]), 'composition, layer 1, has the name "scale", but it must have none but key, layer'),
        (text(layers=[ENTRY | {"x": "7"}]), 'composition, layer 1, has the x "7", but it must be a number from -1000000 to 1000000'),
        (text(layers=[ENTRY | {"x": True}]), "has the x true, but"),
        (text(layers=[ENTRY | {"y": None}]), "has the y missing, but"),
        (text(layers=[ENTRY | {"y": 1e300}]), "has the y 1e"),
        (text(layers=[ENTRY | {"rotation": float("nan")}]), "rotation"),
        (text(layers=[ENTRY]).replace('"key"', '"x": 1e999, "key"'), "has the x"),
        (text(layers=[ENTRY]).replace('"key"', f'"x": {"9" * 5000}, "key"'), "must be"),
        (text(layers=[ENTRY | {"scale_x": 0}]), "has the scale_x 0, but it must be a number from 0.01 to 100"),
        (text(layers=[ENTRY | {"scale_y": -1}]), "has the scale_y -1"),
        (text(layers=[ENTRY | {"opacity": 1.5}]), "has the opacity 1.5, but it must be a number from 0 to 1"),
        (text(layers=[ENTRY | {"blend": "dissolve"}]), 'has the blend "dissolve", but it must be one of normal, multiply'),
        (text(layers=[ENTRY | {"blend": ["normal"]}]), "has the blend"),
        (text(layers=[ENTRY | {"visible": 1}]), "has the visible 1, but it must be true or false"),
        (text(layers=[ENTRY | {"fingerprint": 5}]), "has the fingerprint 5, but it must be a text"),
    ],
)
def test_a_bad_text_is_named(bad, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_arrangement(bad)
    assert str(error.value).startswith("composition")
    assert len(str(error.value)) < 300


def test_a_photo_of_another_size_moves_by_the_ratio():
    arrangement = Arrangement((100, 80), (Placement("1", "background", x=10, y=-8, scale_x=2),))
    (placement,) = arrangement.fitted((50, 160)).layers
    assert (placement.x, placement.y, placement.scale_x) == (5, -16, 2)
    assert arrangement.fitted((100, 80)) is arrangement


@pytest.mark.parametrize(
    ("placed", "there", "expected"),
    [
        ([("1", "a", "ff")], {"a": "00"}, {"1": "a"}),  # by its id, whatever it shows now
        ([("1", "a", "ff")], {"b": "ff"}, {"1": "b"}),  # by what it shows
        ([("1", "a", "ff"), ("2", "b", "00")], {"b": "ff"}, {"2": "b"}),  # which another's id names already
        ([("1", "a", "ff"), ("2", "a", "ff")], {"b": "ff"}, {"1": "b", "2": "b"}),  # a layer placed twice
        ([("1", "a", "ff")], {"b": "ff", "c": "ff"}, {"1": "b"}),  # the lowest of two that are the same
        ([("1", "a", "")], {"b": ""}, {}),  # nobody knows what it showed
        ([("1", "a", "ff")], {"b": "00"}, {}),
        ([], {"b": "00"}, {}),
    ],
)
def test_a_placement_finds_its_layer(placed, there, expected):
    arrangement = Arrangement((9, 9), tuple(Placement(*each) for each in placed))
    assert match_layers(arrangement, there) == expected


def test_the_default_is_every_layer_in_place_without_those_who_go():
    layers = layers_of((20, 30), [Box(1, 2, 9, 9), Box(5, 5, 20, 15)])
    gone = replace(layers.people[1], erased=True)
    arrangement = arrange_default((layers.background, layers.people[0], gone))
    assert arrangement.canvas == (30, 20)
    assert [(p.key, p.layer, p.visible) for p in arrangement.layers] == [
        ("1", "background", True), ("2", "p00000001", True), ("3", "p00000002", False),
    ]  # fmt: skip
    assert [p.fingerprint for p in arrangement.layers] == [each.fingerprint for each in (layers.background, layers.people[0], gone)]
    assert all(p == Placement(p.key, p.layer, p.fingerprint, visible=p.visible) for p in arrangement.layers)


def test_a_fingerprint_says_what_a_layer_shows():
    colour, alpha = torch.rand(7, 9, 3), torch.rand(7, 9)
    alpha[0] = 0
    one = fingerprint(colour, alpha)
    assert len(one) == 8
    assert int(one, 16) >= 0
    assert fingerprint(colour.clone(), alpha.clone()) == one
    unseen = colour.clone()
    unseen[0] = 0
    assert fingerprint(unseen, alpha) == one, "a colour that cannot be seen does not count"
    seen = colour.clone()
    seen[3, 3] = 1 - seen[3, 3].round()
    assert fingerprint(seen, alpha.clamp(min=0.1)) != fingerprint(colour, alpha.clamp(min=0.1))
    assert fingerprint(colour, 1 - alpha) != one
    assert fingerprint(colour.reshape(9, 7, 3), alpha.reshape(9, 7)) != one, "nor is another shape the same"
