"""Panoptic labels: segments, readers of anyone's label maps, people."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mild_core.data.library import load_labels
from mild_core.scene import from_masks, split_people
from mild_core.scene.coco_panoptic import CATEGORIES, by_id, category_named, is_thing, word_for
from mild_core.scene.panoptic import Panoptic, Segment, panoptic_in_words
from mild_core.scene.panoptic_labels import from_category_ids, from_segment_ids, read_labels
from mild_core.scene.panoptic_picture import draw_panoptic

SKY, GRASS, PERSON = 187, 193, 1


def a_map():
    """Sky above, grass below, two people apart and a hole in the labels."""
    values = torch.full((40, 60), SKY)
    values[25:] = GRASS
    values[15:35, 5:15] = PERSON
    values[10:38, 30:45] = PERSON
    values[:3, :3] = 0
    return values


def as_image(values):
    return (values.float() / 255)[None, ..., None].expand(-1, -1, -1, 3)


def test_cocos_classes():
    assert len(CATEGORIES) == len({c.id for c in CATEGORIES}) == len({c.name for c in CATEGORIES}) == 133
    assert sum(c.thing for c in CATEGORIES) == 80
    assert [c.id for c in CATEGORIES] == sorted(c.id for c in CATEGORIES)
    assert by_id(187).name == "sky-other-merged"
    assert by_id(12) is None
    assert category_named("person").id == 1


@pytest.mark.parametrize(
    ("name", "word", "thing"),
    [
        ("sky-other-merged", "sky", False),
        ("wall-other-merged", "wall", False),
        ("wall-brick", "brick wall", False),
        ("floor-wood", "wooden floor", False),
        ("water-other", "water", False),
        ("tree-merged", "trees", False),
        ("mirror-stuff", "mirror", False),
        ("playingfield", "playing field", False),
        ("light", "light", False),
        ("potted plant", "potted plant", True),
        ("traffic light", "traffic light", True),
        ("person", "person", True),
        ("earth, ground", "earth", False),  # ADE20K
        ("person, individual, someone", "person", True),
        ("sidewalk", "sidewalk", False),  # Cityscapes
        ("traffic_cone", "traffic cone", True),
    ],
)
def test_what_prompts_call_a_class(name, word, thing):
    assert word_for(name) == word
    assert is_thing(name) == thing


def test_words_are_plain():
    for category in CATEGORIES:
        assert not set("-_,") & set(word_for(category.name)), category.name
        assert not {"merged", "other", "stuff"} & set(word_for(category.name).split())


def test_labels_without_a_segment_are_unknown_and_segments_without_a_pixel_are_left_out():
    labels = torch.tensor([[5, 7], [9, -1]])
    panoptic = Panoptic.of(labels, [Segment(7, "car", 3, True), Segment(4, "sky-other-merged", 187, False)])
    assert panoptic.labels.tolist() == [[0, 7], [0, 0]]
    assert [segment.name for segment in panoptic.segments] == ["car"]
    with pytest.raises(ValueError, match="segments have the ids 7, 7, but they must be different"):
        Panoptic.of(labels, [Segment(7, "car", 3, True)] * 2)
    with pytest.raises(ValueError, match="labels are 1×2×2, but they must be one map"):
        Panoptic.of(labels[None], [])
    nothing = Panoptic.of(labels, [])
    assert nothing.people().shape == (0, 2, 2)
    assert not nothing.background.any()


def test_people_are_the_largest_first_and_a_crowd_is_none():
    labels = torch.tensor([[1, 2, 2, 3, 3, 3]])
    people = [Segment(1, "person", 1, True), Segment(2, "person", 1, True), Segment(3, "person", 1, True, crowd=True)]
    panoptic = Panoptic.of(labels, people)
    assert panoptic.people().tolist() == [[[False, True, True, False, False, False]], [[True] + [False] * 5]]
    assert panoptic.of_words(["person"]).all(), "though it is of their class"


def test_category_ids_are_segments():
    panoptic = read_labels(as_image(a_map()), "category ids")
    assert [(s.word, s.thing) for s in panoptic.segments] == [("person", True), ("person", True), ("sky", False), ("grass", False)]
    assert torch.equal(panoptic.people().sum(0) > 0, a_map() == PERSON)
    assert torch.equal(panoptic.background, (a_map() == SKY) | (a_map() == GRASS))
    assert torch.equal(panoptic.labels == 0, a_map() == 0)
    assert panoptic_in_words(panoptic) == "sky 49 %, 2 × person 26 %, grass 25 %"
    as_mask = read_labels(a_map()[None].float() / 255, "category ids")
    assert torch.equal(as_mask.labels, panoptic.labels)


@pytest.mark.parametrize(
    "legend",
    [
        {"187": "person", "193": "lawn", "1": "sky"},
        [{"id": 187, "name": "person"}, {"id": 193, "name": "lawn"}, {"id": 1, "name": "sky"}],
        {"categories": [{"id": 187, "name": "person"}, {"id": 193, "name": "lawn"}, {"id": 1, "name": "sky"}]},
    ],
)
def test_a_legend_says_what_category_ids_mean(legend):
    panoptic = read_labels(as_image(a_map()), "category ids", json.dumps(legend))
    assert torch.equal(panoptic.people()[0], a_map() == SKY)
    assert torch.equal(panoptic.of_words(["sky"]), a_map() == PERSON)


def cocos(values):
    """A picture of segment ids with all three channels at work, and its annotation."""
    ids = {SKY: 3226956, GRASS: 70, PERSON: 65536 * 9 + 256 * 255 + 1}
    colours = torch.zeros(*values.shape, 3)
    for category, id in ids.items():
        colours[values == category] = torch.tensor([id % 256, id // 256 % 256, id // 65536], dtype=torch.float32) / 255
    segments = [{"id": id, "category_id": category, "iscrowd": 0, "area": 1} for category, id in ids.items()]
    return colours[None], {"image_id": 1, "file_name": "x.png", "segments_info": segments}


def test_cocos_own_format():
    image, annotation = cocos(a_map())
    for legend in (annotation, annotation["segments_info"], {"annotations": [annotation], "images": []}):
        panoptic = read_labels(image, "segment ids", json.dumps(legend))
        assert {s.name for s in panoptic.segments} == {"sky-other-merged", "grass-merged", "person"}
        for segment in panoptic.segments:
            assert torch.equal(panoptic.labels == segment.id, a_map() == segment.category)
    crowded = json.loads(json.dumps(annotation))
    crowded["segments_info"][2]["iscrowd"] = 1
    assert not len(read_labels(image, "segment ids", json.dumps(crowded)).people())


def test_segments_of_other_numberings():
    colours = torch.tensor([[[1, 0, 0], [2, 0, 0]]])
    contiguous = [{"id": 1, "label_id": 0, "was_fused": False, "score": 0.9}, {"id": 2, "label_id": 119, "was_fused": True, "score": 0.8}]
    first, second = from_segment_ids(colours, contiguous).segments
    assert (first.name, first.score, second.name, second.thing) == ("person", 0.9, "sky-other-merged", False)
    own = {"segments_info": [{"id": 1, "category_id": 5}], "categories": [{"id": 5, "name": "lamp post", "isthing": 0}]}
    (only,) = from_segment_ids(colours, own).segments
    assert (only.name, only.thing) == ("lamp post", False)
    (named,) = from_segment_ids(colours, [{"id": 2, "name": "beach", "isthing": False}]).segments
    assert (named.word, named.thing) == ("beach", False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, a: (i, "segment ids", "{"), "legend is '{', but it must be JSON"),
        (lambda i, a: (i, "segment ids", ""), "legend must say what each segment shows"),
        (lambda i, a: (i, "segment ids", '[{"id": 70, "category_id": 12}]'), "segment 70 of category 12, but that is none of COCO's"),
        (lambda i, a: (i, "segment ids", '[{"id": 5, "category_id": 1}]'), "none of the segment ids of the legend"),
        (lambda i, a: (i, "segment ids", json.dumps({"annotations": [a, a]})), "annotations of 2 photos"),
        (lambda i, a: (i, "category ids", ""), "labels have colours, but category ids are one grey value"),
        (lambda i, a: (i[..., 0] * 0 + 12 / 255, "category ids", ""), "values 12, of which none is a category id"),
        (lambda i, a: (as_image(a_map()), "category ids", '{"sky": 1}'), "legend must name category ids"),
        (lambda i, a: (i.expand(2, -1, -1, -1), "segment ids", json.dumps(a)), "labels are 2×40×60×3, but they must be one picture"),
        (lambda i, a: (i, "colours", ""), "labels are 'colours', but they must be one of"),
    ],
)
def test_what_is_no_label_map_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        read_labels(*change(*cocos(a_map())))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_category_ids_come_back(data):
    """Every pixel of a known class is in a segment of it, and a thing's segments do not touch."""
    values = torch.tensor(data.draw(st.lists(st.sampled_from([0, 1, 3, SKY, GRASS, 12]), min_size=48, max_size=48))).reshape(6, 8)
    values[0, 0] = 1
    panoptic = from_category_ids(values)
    back = torch.zeros_like(values)
    for segment in panoptic.segments:
        back[panoptic.labels == segment.id] = segment.category
    assert torch.equal(back, torch.where(values == 12, 0, values))
    for segment in panoptic.segments:
        if segment.thing:
            mine = (panoptic.labels == segment.id).float()
            around = torch.nn.functional.max_pool2d(mine[None, None], 3, 1, 1)[0, 0] > 0
            assert not (around & (values == segment.category) & (mine == 0)).any()


def test_the_picture_tints_and_names_every_segment():
    panoptic = read_labels(as_image(a_map()), "category ids")
    picture = draw_panoptic(torch.full((40, 60, 3), 0.5), panoptic)
    assert picture.shape == (1, 40, 60, 3)
    assert torch.allclose(picture[0, 0, 0], torch.tensor(0.5), atol=0.01), "what nobody labelled stays"
    corners = {tuple((picture[0, y, x] * 255).int().tolist()) for y, x in ((4, 58), (38, 1), (16, 6), (11, 44))}
    assert len(corners) == 4
    assert picture.max() > 0.95, "white words"
    with pytest.raises(ValueError, match="panoptic is of a picture of 40×60, but the photo is 41×60"):
        draw_panoptic(torch.zeros(41, 60, 3), panoptic)


def test_real_label_maps_have_their_people(photos):
    """COCO's own labels: people are where the people masks say, and each part of the map belongs to one of them."""
    known = {entry["name"]: entry for entry in json.loads((photos / "people" / "index.json").read_text())}
    maps = sorted((photos / "people").glob("*_panoptic.png"))[:12]
    if not maps:
        pytest.skip("needs people/*_panoptic.png in ../shared/photos")
    crowds = 0
    for path in maps:
        name = path.name.removesuffix("_panoptic.png")
        entry = known[name]
        values = torch.from_numpy(np.array(Image.open(path)))
        panoptic = read_labels(as_image(values), "category ids")
        legend = json.dumps(entry["panoptic"])
        assert torch.equal(read_labels(as_image(values), "category ids", legend).labels, panoptic.labels)
        assert {s.category for s in panoptic.segments if s.thing} <= set(entry["things"])
        assert not {s.category for s in panoptic.segments if not s.thing} & set(entry["things"])
        people = torch.from_numpy(load_labels(photos / "people" / f"{name}.png").astype(int)) > 0
        found = panoptic.people().any(0)
        assert (found & people).sum() == people.sum(), "nobody is missed"
        crowds += int((found & ~people).sum() > 0.01 * people.sum())
        scene = split_people(torch.zeros(1, *values.shape, 3), from_masks(panoptic.people().float(), "by mask"))
        assert torch.equal(scene.union(scene.people), found)
    assert crowds <= 1, "crowds are in the labels, but are nobody in particular"
