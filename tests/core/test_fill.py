"""Content initialization."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import disc, stripes

from mild_core.fill import copy_detail, exemplar_fill, fill_pathway, smooth_fill
from mild_core.plan import make_plan
from mild_core.scene import choose


def psnr(a, b, hole):
    return float(-10 * torch.log10(((a - b)[hole > 0.5] ** 2).mean()))


def test_a_texture_goes_on_through_the_hole():
    image, hole = stripes(96, 96), disc(96, 96, 48, 48, 20)
    filled = exemplar_fill(image.where(hole[..., None] < 0.5, torch.ones(3)), hole)
    assert psnr(filled, image, hole) > 30, "a periodic texture has an exact continuation"
    assert psnr(smooth_fill(image, hole < 0.5), image, hole) < 15, "which no smooth fill finds"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 14))
def test_known_pixels_are_untouched_and_the_rest_is_in_range(seed, radius):
    image = torch.rand(40, 48, 3, generator=torch.Generator().manual_seed(seed))
    hole = disc(40, 48, 20, 24, radius)
    for filled in (exemplar_fill(image, hole, seed=seed), smooth_fill(image, hole < 0.5)):
        assert torch.equal(filled[hole < 0.5], image[hole < 0.5])
        assert filled.min() >= 0
        assert filled.max() <= 1


def test_nothing_is_copied_from_what_is_not_allowed():
    image = torch.zeros(64, 96, 3)
    image[:, :48] = torch.tensor([0.2, 0.6, 0.2])
    image[:, 48:] = torch.tensor([1.0, 0.0, 0.0])  # a person in red, right up to the hole
    hole = disc(64, 96, 32, 40, 12)
    source = torch.zeros(64, 96)
    source[:, :44] = 1
    filled = exemplar_fill(image, hole, source)
    assert filled[hole > 0.5][:, 0].max() < 0.21, "no red came along"


def stripes_of_two_colours():
    """Red stripes beside blue ones [96, 192, 3], with a hole in the middle; every pixel is at least 0.1."""
    rows = torch.where(torch.linspace(0, 1, 96)[:, None] * 24 % 1 > 0.5, 0.2, 0.0).expand(96, 96)
    red, blue = (torch.stack([rows + (0.6 if c == k else 0.1) for c in range(3)], -1) for k in (0, 2))
    return torch.cat([red, blue], 1), disc(96, 192, 48, 96, 24)


def test_a_layout_says_where_and_the_photo_says_what():
    image, hole = stripes_of_two_colours()
    middle = disc(96, 192, 48, 96, 10) > 0.5
    for colour, channel in (((0.7, 0.2, 0.2), 0), ((0.2, 0.2, 0.7), 2)):
        filled = exemplar_fill(image, hole, layout=torch.tensor(colour).expand(96, 192, 3))[middle]
        assert (filled.argmax(1) == channel).float().mean() > 0.9, "the layout's colour"
        assert filled[:, channel].std() > 0.07, "with the stripes that the layout lacks"


def test_every_pixel_is_copied_even_where_no_patch_fits():
    image, hole = stripes_of_two_colours()
    layout = torch.where(torch.arange(96)[:, None, None] < 48, torch.tensor([0.7, 0.2, 0.2]), torch.tensor([0.2, 0.2, 0.7]))
    assert exemplar_fill(image, hole, layout=layout.expand(96, 192, 3)).min() > 0.099


def test_a_hole_so_deep_that_confidence_vanishes(monkeypatch):
    monkeypatch.setattr("mild_core.fill.exemplar.CONFIDENCE_DECAY", 1e10)
    image, hole = stripes(64, 64), disc(64, 64, 32, 32, 16)
    filled = exemplar_fill(image, hole)
    assert filled.isfinite().all()
    assert filled[hole > 0.5].std() > 0.1


def test_where_nothing_may_be_copied_the_layout_shows():
    image, layout, hole = torch.rand(32, 32, 3), torch.rand(32, 32, 3), disc(32, 32, 16, 16, 6)
    filled = exemplar_fill(image, hole, torch.zeros(32, 32), layout=layout)
    assert torch.equal(filled, torch.where(hole[..., None] > 0.5, layout, image))


def test_the_hole_itself_does_not_matter():
    image, hole = stripes(64, 64), disc(64, 64, 30, 30, 10)
    other = torch.where(hole[..., None] > 0.5, torch.rand(64, 64, 3), image)
    assert torch.equal(exemplar_fill(image, hole), exemplar_fill(other, hole))


def test_the_same_seed_gives_the_same_picture():
    image = torch.rand(48, 48, 3, generator=torch.Generator().manual_seed(1))
    hole = disc(48, 48, 24, 24, 8)
    assert torch.equal(exemplar_fill(image, hole, seed=3), exemplar_fill(image, hole, seed=3))
    assert not torch.equal(exemplar_fill(image, hole, seed=3), exemplar_fill(image, hole, seed=4))


@pytest.mark.parametrize("hole", [torch.ones(32, 32), torch.zeros(32, 32)], ids=["everything", "nothing"])
def test_the_ends(hole):
    image = torch.rand(32, 32, 3)
    filled = exemplar_fill(image, hole)
    assert torch.equal(filled, image if not hole.any() else torch.full_like(image, 0.5))


def test_without_a_whole_patch_of_source_the_fill_is_smooth():
    image, hole = stripes(32, 32), disc(32, 32, 16, 16, 6)
    source = torch.zeros(32, 32)
    source[0, :5] = 1
    filled = exemplar_fill(image, hole, source)
    low, high = image[0, :5].amin(0), image[0, :5].amax(0)
    inside = filled[hole > 0.5]
    assert (inside >= low - 1e-4).all()
    assert (inside <= high + 1e-4).all()


@pytest.mark.parametrize("size", [(7, 9), (1, 40), (16, 200)])
def test_small_and_long_pictures(size):
    image = torch.rand(*size, 3)
    hole = torch.zeros(size)
    hole[:, size[1] // 2] = 1
    assert exemplar_fill(image, hole).isfinite().all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"hole is \(4, 4\) but the image is \(8, 8\)"):
        exemplar_fill(torch.rand(8, 8, 3), torch.zeros(4, 4))
    with pytest.raises(ValueError, match=r"layout is \(4, 4, 3\) but the image is \(8, 8\)"):
        exemplar_fill(torch.rand(8, 8, 3), torch.zeros(8, 8), layout=torch.rand(4, 4, 3))


def test_progress_is_told():
    told = []
    exemplar_fill(stripes(128, 128), disc(128, 128, 64, 64, 30), on_level=lambda done, total: told.append((done, total)))
    assert told == [(n, len(told)) for n in range(1, len(told) + 1)]
    assert len(told) > 1


@pytest.mark.parametrize("how", ["exemplar", "smooth", "photo"])
def test_rows_of_a_plan(two_people, how):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    for pathway in plan.pathways:
        row, hole = fill_pathway(plan, pathway, how), plan.working_hole(pathway)
        seen = plan.working_image(pathway, two_people.photo[0])
        assert torch.equal(row[~hole], seen[~hole])
        assert torch.equal(row, seen) == (how == "photo")
    with pytest.raises(ValueError, match="initialize is 'x'"):
        fill_pathway(plan, plan.pathways[0], "x")


@pytest.mark.parametrize("longest", [1024, 48])
def test_detail_is_copied_into_the_hole_and_nowhere_else(two_people, longest):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    for pathway in plan.pathways:
        row = copy_detail(plan, pathway, torch.full((64, 64, 3), 0.5), longest=longest)
        size = min(pathway.crop.width, longest)
        assert row.shape == (size, size, 3), "the photo's own resolution, unless that is too large"
        hole, seen = plan.working_hole(pathway, size), plan.working_image(pathway, two_people.photo[0], size)
        assert torch.equal(row[~hole], seen[~hole])
        assert row[hole].std() > 0.05, "the sampled row was flat"
