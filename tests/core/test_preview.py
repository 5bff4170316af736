"""The rough picture of a run that is not done."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import disc

from mild_core.compose import compose, make_layers
from mild_core.compose.preview import make_preview
from mild_core.plan import make_plan
from mild_core.scene import MaskedPerson, choose, split_people
from mild_core.scene.resize import resized

HEIGHT, WIDTH = 72, 100
RED, GREEN = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])


def scene_of(discs, erase, scale=1):
    height, width = HEIGHT * scale, WIDTH * scale
    rows, columns = torch.linspace(0.2, 0.8, height)[:, None], torch.linspace(0.2, 0.8, width)
    photo = torch.stack([rows.expand(height, width), columns.expand(height, width), (rows + columns) / 2], -1)[None]
    found = [MaskedPerson(n, disc(height, width, *(scale * part for part in d))) for n, d in enumerate(discs, start=1)]
    scene = split_people(photo, found, depth_order=",".join(str(n) for n in range(1, len(discs) + 1)))
    return scene.erasing(choose(erase, scene.people))


def flat(plan, colours, size=16):
    """A row of one colour for each pathway: of the background, of people."""
    return [colours[p.role].expand(size, size, 3) for p in plan.pathways]


def test_it_is_the_photo_where_no_row_shows_and_fits_the_size_asked_for():
    scene = scene_of([(36, 30, 12), (36, 80, 10)], "1", scale=3)
    preview = make_preview(make_plan(scene, working_size=64), 100)
    assert preview.photo.shape == (72, 100, 3)
    picture = preview.picture(flat(make_plan(scene, working_size=64), {"background": RED, "person": GREEN}))
    assert torch.allclose(preview.photo, resized(scene.photo[0], 72, 100))
    assert torch.allclose(picture[:, 60:], preview.photo[:, 60:], atol=1e-6), "far from the hole, and over who stays"
    assert torch.allclose(picture[36, 30], RED, atol=1e-6), "in the hole"


def test_a_small_photo_stays_as_big_as_it_is():
    scene = scene_of([(36, 30, 12)], "1")
    assert make_preview(make_plan(scene, working_size=64)).photo.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match="longest is 0, but it must be at least 1"):
        make_preview(make_plan(scene, working_size=64), 0)


def test_who_stays_is_completed_and_who_goes_has_no_part_in_it():
    near, far = (44, 40, 16), (36, 54, 16)
    plan = make_plan(scene_of([near, far], "1"), working_size=64)
    hidden = plan.scene.people[1].hidden
    picture = make_preview(plan).picture(flat(plan, {"background": RED, "person": GREEN}))
    inner = hidden & (torch.nn.functional.avg_pool2d(hidden[None, None].float(), 3, 1, 1)[0, 0] == 1)
    assert inner.any()
    assert torch.allclose(picture[inner], GREEN.expand(int(inner.sum()), 3), atol=1e-5)
    everybody = make_plan(scene_of([near, far], "all"), working_size=64)
    assert [p.role for p in everybody.pathways] == ["background", "person"], "the hidden one has a row, though it goes"
    picture = make_preview(everybody).picture(flat(everybody, {"background": RED, "person": GREEN}))
    assert torch.allclose(picture[hidden], RED.expand(int(hidden.sum()), 3), atol=1e-5)


def test_the_nearer_of_two_who_stay_is_in_front():
    plan = make_plan(scene_of([(36, 30, 14), (36, 50, 14), (36, 14, 8)], "3"), working_size=64)
    both = plan.scene.people[0].visible & plan.scene.people[1].whole
    picture = make_preview(plan).picture(flat(plan, {"background": RED, "person": GREEN}))
    overlap = both & ~torch.nn.functional.max_pool2d(plan.hole.whole[None, None].float(), 9, 1, 4)[0, 0].bool()
    assert overlap.any()
    assert torch.allclose(picture[overlap], plan.scene.photo[0][overlap], atol=1e-5)


people = st.lists(st.tuples(st.integers(8, 64), st.integers(8, 92), st.integers(6, 20)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(people, st.sampled_from(["1", "all", "largest"]), st.integers(0, 8), st.sampled_from([40, 100]))
def test_weights_are_a_mean_and_the_picture_is_near_the_composed_one(discs, erase, feather, longest):
    plan = make_plan(scene_of(discs, erase), working_size=64, feather=feather)
    preview = make_preview(plan, longest)
    one = preview.picture([torch.ones(8, 8, 3)] * len(plan.pathways))
    none = preview.picture([torch.zeros(8, 8, 3)] * len(plan.pathways))
    weight = sum_of_weights(preview)
    assert weight.min() >= -1e-5
    assert weight.max() <= 1 + 1e-5
    assert torch.allclose(one - none, weight[..., None].expand_as(one), atol=1e-2)
    assert torch.allclose(none, preview.photo * (1 - weight[..., None]), atol=1e-2), "the rest is the photo"
    rows = [torch.stack([torch.full((64, 64), 0.25 + 0.5 * (p.role == "person"))] * 3, -1) for p in plan.pathways]
    composed = resized(compose(make_layers(plan, rows, seam="feather")).image, *preview.photo.shape[:2])
    assert (preview.picture(rows) - composed).abs().mean() < 0.03


def sum_of_weights(preview):
    total = torch.zeros(preview.photo.shape[:2])
    for share in preview.shares:
        share.box.view(total).add_(share.weight[..., 0])
    return total


def test_rows_of_any_size_and_a_crop_that_reaches_beyond_the_photo():
    scene = scene_of([(36, 2, 24)], "1")
    plan = make_plan(scene, working_size=128, context=3.0)
    crop = plan.pathways[0].crop
    assert crop.left < 0 or crop.bottom > HEIGHT
    preview = make_preview(plan)
    small, large = (preview.picture(flat(plan, {"background": RED, "person": GREEN}, size)) for size in (8, 200))
    assert torch.allclose(small, large, atol=1e-5)
    assert torch.allclose(small[36, 2], RED, atol=1e-5)


def test_a_row_lies_where_its_crop_does():
    """The photo's own crops as rows give the photo back."""
    scene = scene_of([(30, 30, 14), (40, 70, 18)], "all", scale=2)
    plan = make_plan(scene, working_size=128)
    preview = make_preview(plan, 100)
    picture = preview.picture([plan.working_image(p, scene.photo[0]) for p in plan.pathways])
    assert (picture - preview.photo).abs().max() < 0.02


def test_another_number_of_rows_is_refused():
    plan = make_plan(scene_of([(36, 30, 12)], "1"), working_size=64)
    with pytest.raises(ValueError, match="rows are 2, but the plan has 1 pathways"):
        make_preview(plan).picture([torch.zeros(8, 8, 3)] * 2)
