"""Crops, region maps, pathways."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import disc

from mild_core.plan import make_plan, plan_of_fitting_size
from mild_core.plan.crops import MARGIN, clusters, crop_around
from mild_core.plan.layers import NOISES
from mild_core.plan.regions import RegionMap
from mild_core.scene import Box, MaskedPerson, choose, split_people


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_crop_is_a_square_that_holds_its_hole(data):
    height, width = data.draw(st.integers(16, 900)), data.draw(st.integers(16, 900))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    hole = Box(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    crop = crop_around(hole, height, width, data.draw(st.sampled_from([64, 256, 512])), data.draw(st.floats(1, 4)))
    assert crop.width == crop.height
    assert crop.left <= hole.left
    assert crop.top <= hole.top
    assert crop.right >= hole.right
    assert crop.bottom >= hole.bottom
    if crop.width <= min(height, width):
        assert crop == crop.clip(height, width), "a crop that fits the photo stays inside it"


@pytest.mark.parametrize(
    ("hole", "photo", "working", "context", "side"),
    [
        (Box(300, 300, 340, 400), (800, 1000), 256, 1.6, 256),  # small hole: one to one
        (Box(300, 100, 400, 500), (800, 1000), 256, 1.6, 640),  # large hole: context
        (Box(100, 10, 200, 410), (420, 900), 256, 1.6, 420 if 400 + 2 * MARGIN <= 420 else 432),  # tight photo: margin
        (Box(0, 0, 900, 420), (420, 900), 256, 1.6, 900),  # full frame
    ],
)
def test_how_long_a_crop_is(hole, photo, working, context, side):
    assert crop_around(hole, *photo, working, context).width == side


def test_far_holes_are_two_crops_and_near_ones_share():
    far = torch.maximum(disc(400, 1200, 200, 150, 60), disc(400, 1200, 200, 1050, 60))
    near = torch.maximum(disc(400, 1200, 200, 550, 30), disc(400, 1200, 200, 680, 30))
    assert len(clusters(far > 0, 128, 1.6)) == 2
    assert len(clusters(near > 0, 256, 1.6)) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 299), st.integers(1, 30)), min_size=1, max_size=6))
def test_clusters_partition_the_mask(discs):
    mask = torch.stack([disc(200, 300, *d) for d in discs]).amax(0) > 0
    parts = torch.stack([part.whole for part in clusters(mask, 64, 1.6)])
    assert torch.equal(parts.sum(0), mask.long())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(-20, 40), st.integers(-20, 40), st.integers(8, 90), st.sampled_from([(4, 4), (8, 8), (5, 7)]))
def test_memberships_sum_to_one_at_every_token_grid(seed, left, top, side, grid):
    generator = torch.Generator().manual_seed(seed)
    hole, own, other = (torch.rand(40, 50, generator=generator) > 0.6 for _ in range(3))
    crop = Box(left, top, left + side, top + side)
    regions = RegionMap.of(32, *(crop.cut_mask(mask) for mask in (hole, own, other)))
    assert torch.allclose(regions.membership.sum(0), torch.ones(32, 32), atol=1e-5)
    tokens = regions.tokens(*grid)
    assert tokens.shape == (grid[0] * grid[1], 4)
    assert torch.allclose(tokens.sum(1), torch.ones(len(tokens)), atol=1e-5)
    assert tokens.min() >= 0


def test_pathways_of_a_scene(two_people):
    plan = make_plan(two_people.erasing(choose("1", two_people.people)), working_size=64, grow_by=3)
    assert [p.role for p in plan.pathways] == ["background", "person"]
    background, behind = plan.pathways
    near, far = two_people.people[0], plan.scene.person(behind.person)
    assert far.number == 2
    assert (near.visible & ~background.hole.whole).sum() == 0, "all of the erased person is in the hole"
    assert (background.hole.whole & far.visible).sum() == 0, "the hole does not grow into somebody who stays"
    everybody = plan.scene.union(plan.scene.people)
    assert (background.source.whole & everybody).sum() == 0, "nothing is copied from people"
    assert (behind.source.whole & ~far.visible).sum() == 0, "a person is filled from nobody else"
    assert (far.hidden & ~behind.hole.whole).sum() == 0


def test_two_erased_people_far_apart_are_two_rows(two_people):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=32, grow_by=2, context=1.2)
    rows = [p for p in plan.pathways if p.role == "background"]
    assert len(rows) == 2
    assert torch.equal(rows[0].hole.whole, rows[1].hole.whole), "each row sees the other hole as a hole"
    assert not (rows[0].paste.whole & rows[1].paste.whole).any()
    assert torch.equal((rows[0].paste | rows[1].paste).whole, rows[0].hole.whole)


def test_erasing_one_more_person_leaves_the_noise_of_the_others(two_people):
    """Whatever the numbers are: they change with the masks' order, ids do not."""
    few = make_plan(two_people.erasing(choose("3", two_people.people)), working_size=32, context=1.2)
    more = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=32, context=1.2)
    few_noises = {(p.role, p.person, p.paste.box): p.batch_index for p in few.pathways}
    more_noises = {(p.role, p.person, p.paste.box): p.batch_index for p in more.pathways}
    assert len(few_noises) == 2
    assert few_noises.items() <= more_noises.items()
    assert all(p.batch_index % 2 == (p.role == "person") and 0 <= p.batch_index < 2 * NOISES for p in more.pathways)


@pytest.mark.parametrize(
    ("erase", "complete", "completed"),
    [
        ("1", "all", [2]),
        ("1", "staying", [2]),
        ("1", "nobody", []),
        ("3", "all", [2]),  # hidden by somebody who stays: the picture does not need it
        ("3", "staying", []),
        ("2", "staying", []),
        ("all", "all", [2]),
        ("all", "staying", []),
    ],
)
def test_who_is_completed(two_people, erase, complete, completed):
    plan = make_plan(two_people.erasing(choose(erase, two_people.people)), working_size=64, complete=complete)
    assert [plan.scene.person(p.person).number for p in plan.pathways if p.role == "person"] == completed


def test_effects_join_the_hole_but_not_people_who_stay(two_people):
    shadow = disc(96, 128, 80, 60, 14)[None]
    scene = two_people.erasing(choose("1", two_people.people))
    plain, plan = make_plan(scene, working_size=64, grow_by=0), make_plan(scene, working_size=64, grow_by=0, effects=shadow)
    staying = scene.union(scene.staying)
    assert torch.equal(plan.hole.whole, (plain.hole.whole | (shadow[0] > 0)) & ~staying)
    assert not (plan.pathways[0].source.whole & (shadow[0] > 0)).any(), "nothing is copied from a shadow"
    with pytest.raises(ValueError, match="effects are 96×100, but they must be one mask of 96×128"):
        make_plan(scene, working_size=64, effects=torch.zeros(96, 100))
    with pytest.raises(ValueError, match="complete is 'both'"):
        make_plan(scene, working_size=64, complete="both")


def test_a_shadow_alone_can_go(two_people):
    plan = make_plan(two_people, working_size=64, complete="nobody", effects=disc(96, 128, 80, 100, 8))
    assert [p.batch_index for p in plan.pathways] == [0]


def test_nothing_to_denoise_is_said():
    scene = split_people(torch.rand(1, 40, 40, 3), [MaskedPerson(1, disc(40, 40, 20, 20, 5))])
    with pytest.raises(ValueError, match="nothing to denoise"):
        make_plan(scene, working_size=64)


def test_the_working_view_of_a_crop_that_fits_is_the_photo_itself(two_people):
    plan = make_plan(two_people.erasing(choose("3", two_people.people)), working_size=64, grow_by=4)
    row = plan.pathways[0]
    assert row.crop.width == 64
    assert torch.equal(plan.working_image(row, two_people.photo[0]), row.crop.cut(two_people.photo[0]))
    assert torch.equal(plan.working_hole(row), row.hole.cut(row.crop))
    assert torch.equal(plan.working_source(row), row.source.cut(row.crop))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_tokens_of_any_grid_keep_their_memberships(height, width, cell):
    hole, other = disc(48, 48, 20, 20, 9) > 0, disc(48, 48, 30, 40, 9) > 0
    regions = RegionMap.of(48, hole, ~other, other)
    tokens = regions.tokens(height, width, cell)
    assert len(tokens) == -(-height // cell) * -(-width // cell)
    assert torch.allclose(tokens.sum(1), torch.ones(len(tokens)), atol=1e-5)
    distances = regions.distances(height, width, cell)
    assert distances.shape == tokens.shape[:1]
    assert 0 <= float(distances.min()) <= float(distances.max()) <= 1
    wholly = tokens[:, 0] > 0.999
    assert (distances[wholly] < 1e-6).all()


def test_soft_masks_share_a_pixel_in_their_order():
    hole, own, other = torch.tensor([[0.6, 1.0, 0.0]]), torch.tensor([[0.7, 1.0, 0.2]]), torch.tensor([[1.0, 1.0, 0.5]])
    shares = RegionMap.of_masks(hole, own, other).membership[:, 0].T
    assert torch.allclose(shares, torch.tensor([[0.6, 0.4, 0.0, 0.0], [1.0, 0, 0, 0], [0.0, 0.2, 0.5, 0.3]]), atol=1e-6)


def test_without_a_hole_nothing_is_far():
    everywhere = torch.zeros(8, 8, dtype=torch.bool)
    assert not RegionMap.of(8, everywhere, ~everywhere, everywhere).distances(4, 4).any()


@pytest.mark.parametrize(
    ("photo", "trained", "budget", "size"),
    [
        ((2000, 3000), 512, 0.0, 512),  # room enough: what the model was trained on
        ((300, 300), 512, 0.0, 384),  # a small photo is not blown up to it, but not below three quarters either
        ((430, 430), 512, 0.0, 448),
        ((2000, 3000), 512, 0.6, 512),  # two crops of 512: 0.52 megapixels
        ((2000, 3000), 512, 0.4, 384),  # 448 would be 0.401
        ((2000, 3000), 1024, 0.1, 768),  # no less than three quarters
        ((2000, 3000), 384, 0.0, 384),
    ],
)
def test_the_working_size(photo, trained, budget, size):
    height, width = photo
    radius = min(photo) // 30
    masks = [disc(height, width, height // 4, width // 5, radius), disc(height, width, height // 2, width * 4 // 5, radius)]
    scene = split_people(torch.zeros(1, height, width, 3), [MaskedPerson(n, m) for n, m in enumerate(masks, 1)])
    scene = scene.erasing(choose("all", scene.people))
    plan = plan_of_fitting_size(lambda size: make_plan(scene, working_size=size, grow_by=2), trained, budget)
    assert plan.working_size == size
