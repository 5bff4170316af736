"""Region maps by MagicEraser's rule: hole, positive, negative, and what is neither."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapes import disc

from mild_core.data.library import load_labels
from mild_core.plan import make_plan
from mild_core.plan.panoptic_regions import erased_words, negative_and_positive, with_panoptic_regions
from mild_core.scene import choose, from_masks, split_people
from mild_core.scene.panoptic_labels import from_category_ids

SIZE = (96, 128)
SKY, GRASS, PERSON, CAR, DOG = 187, 193, 1, 3, 18
WORKING = 64


def scene_of(*masks, erase="1"):
    order = ",".join(str(number) for number in range(1, len(masks) + 1))
    scene = split_people(torch.full((1, *SIZE, 3), 0.5), from_masks(torch.stack(masks), "by mask"), depth_order=order)
    return scene.erasing(choose(erase, scene.people))


def a_map(*things):
    """Sky above grass, with things on it: (class, mask)."""
    values = torch.full(SIZE, SKY)
    values[48:] = GRASS
    for category, mask in things:
        values[mask > 0] = category
    return values


GOES, STAYS, BYSTANDER, CARS = disc(*SIZE, 40, 40, 14), disc(*SIZE, 44, 80, 10), disc(*SIZE, 20, 100, 8), disc(*SIZE, 80, 20, 9)


def test_the_papers_rule():
    """One person goes, one stays, one is seen by the network only; a car is neither."""
    values = a_map((PERSON, GOES), (PERSON, STAYS), (PERSON, BYSTANDER), (CAR, CARS))
    values[:2] = 0
    scene, panoptic = scene_of(GOES, STAYS), from_category_ids(values)
    negative, positive = negative_and_positive(panoptic, scene)
    assert torch.equal(negative, values == PERSON)
    assert torch.equal(positive, (values == SKY) | (values == GRASS))
    plan = with_panoptic_regions(make_plan(scene, working_size=WORKING, context=8.0), panoptic)
    (pathway,) = [p for p in plan.pathways if p.role == "background"]
    crop = pathway.crop
    hole = pathway.hole.cut(crop)
    assert crop.width > 90, "all of them are in the crop"
    shown = crop.cut_mask(values)
    rest = (shown == CAR) | (shown == 0)  # and what is beyond the frame
    wanted = torch.stack([hole, crop.cut_mask(positive), crop.cut_mask(negative), rest]) & torch.stack([hole | True, *[~hole] * 3])
    grid = torch.nn.functional.interpolate(wanted.float()[None], (WORKING, WORKING), mode="area")[0]
    assert torch.allclose(pathway.regions.membership, grid, atol=1e-5)
    assert (grid.flatten(1).sum(1) > 0).all(), "each of the four is there"


def test_people_who_stay_are_negative_though_the_network_missed_them():
    scene = scene_of(GOES, STAYS)
    negative, positive = negative_and_positive(from_category_ids(a_map((PERSON, GOES))), scene)
    assert negative[STAYS > 0].all()
    assert not positive[STAYS > 0].any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (a_map((PERSON, GOES)), {"person"}),
        (a_map((DOG, GOES)), {"dog"}),
        (a_map((PERSON, GOES), (CAR, disc(*SIZE, 40, 40, 6))), {"person"}),  # what they hold in front of themselves
        (a_map((CAR, disc(*SIZE, 40, 40, 6))), {"person", "people", "rider", "pedestrian"}),  # the network missed them
        (a_map(), {"person", "people", "rider", "pedestrian"}),
    ],
)
def test_the_class_of_what_is_erased(values, words):
    assert erased_words(from_category_ids(values), scene_of(GOES)) == words


def test_where_a_dog_goes_cars_stay_as_they_are_and_dogs_are_negative():
    other_dog = disc(*SIZE, 20, 100, 8)
    values = a_map((DOG, GOES), (DOG, other_dog), (CAR, CARS), (PERSON, BYSTANDER * 0 + disc(*SIZE, 70, 100, 6)))
    negative, positive = negative_and_positive(from_category_ids(values), scene_of(GOES))
    assert torch.equal(negative, values == DOG)
    assert not positive[(values == CAR) | (values == PERSON)].any()


def test_rows_of_people_and_all_else_stay():
    near, far = disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18)
    scene = scene_of(near, far)
    plan = make_plan(scene, working_size=WORKING)
    again = with_panoptic_regions(plan, from_category_ids(a_map((PERSON, torch.maximum(near, far)))))
    assert {p.role for p in plan.pathways} == {"background", "person"}
    for before, after in zip(plan.pathways, again.pathways, strict=True):
        assert (after.regions is before.regions) == (before.role == "person")
        assert (after.hole, after.paste, after.crop, after.batch_index) == (before.hole, before.paste, before.crop, before.batch_index)
    assert again.scene is plan.scene


def test_another_photo_is_refused():
    plan = make_plan(scene_of(GOES), working_size=WORKING)
    with pytest.raises(ValueError, match="panoptic is of a picture of 40×128, but the plan's photo is 96×128"):
        with_panoptic_regions(plan, from_category_ids(a_map()[:40]))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_memberships_sum_to_one(data):
    """Whatever the map says, on every token grid; and the hole is the plan's."""
    g = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    blocks = torch.tensor([0, PERSON, SKY, GRASS, CAR, DOG])[torch.randint(0, 6, (12, 16), generator=g)]
    values = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1)
    row, column = data.draw(st.integers(10, 85)), data.draw(st.integers(10, 117))
    plan = make_plan(scene_of(disc(*SIZE, row, column, 9), STAYS), working_size=WORKING)
    again = with_panoptic_regions(plan, from_category_ids(values))
    for before, after in zip(plan.pathways, again.pathways, strict=True):
        membership = after.regions.membership
        assert membership.min() >= 0
        assert torch.allclose(membership.sum(0), torch.ones(WORKING, WORKING), atol=1e-5)
        assert torch.allclose(membership[0], before.regions.membership[0], atol=1e-6)
        for cell in (1, 2):
            assert torch.allclose(after.regions.tokens(8, 8, cell).sum(1), torch.ones((8 // cell) ** 2), atol=1e-5)


def test_real_photographs_have_all_regions(photos):
    """COCO's own labels: where somebody goes, stuff is positive, everybody else negative, and nothing is both."""
    maps = sorted((photos / "people").glob("*_panoptic.png"))
    if not maps:
        pytest.skip("needs people/*_panoptic.png in ../shared/photos")
    known = {entry["name"]: entry for entry in json.loads((photos / "people" / "index.json").read_text())}
    for path in [path for path in maps if known[path.name.removesuffix("_panoptic.png")]["people"] in (2, 3)][:3]:
        name = path.name.removesuffix("_panoptic.png")
        values = torch.from_numpy(np.array(Image.open(path)).astype(int))
        owners = torch.from_numpy(load_labels(photos / "people" / f"{name}.png").astype(np.uint8))
        scene = split_people(torch.zeros(1, *values.shape, 3), from_masks(owners[None] / 255, "by value"))
        scene = scene.erasing(choose("largest", scene.people))
        negative, positive = negative_and_positive(from_category_ids(values), scene)
        things = torch.tensor(known[name]["things"])
        assert torch.equal(negative, (values == PERSON) | (owners > 0))
        assert torch.equal(positive, (values > 0) & ~torch.isin(values, things) & ~negative)
        plan = make_plan(scene, working_size=128)
        for pathway in with_panoptic_regions(plan, from_category_ids(values)).pathways:
            if pathway.role == "background":
                assert pathway.regions.membership[1].sum() > 0
                assert torch.allclose(pathway.regions.membership.sum(0), torch.ones(128, 128), atol=1e-5)
