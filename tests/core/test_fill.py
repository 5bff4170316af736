"""Content initialization."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import disc, stripes

from mild_core.fill import (
    FILLERS,
    OF_PEOPLE,
    Fill,
    Sides,
    copy_detail,
    exemplar_fill,
    fill_pathway,
    network_fill,
    network_filler,
    smooth_fill,
    spread_fill,
    without_others,
)
from mild_core.plan import make_plan
from mild_core.scene import choose
from mild_core.scene.blur import blur
from mild_core.scene.masks import distance_inside


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


def test_what_is_somebody_elses_is_not_compared_with():
    """A wall with a red poster, and beside the hole somebody in the poster's red: nothing of that goes on into the wall."""
    image = 0.5 + 0.05 * torch.randn(64, 128, 3, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    red = torch.tensor([0.9, 0.1, 0.1])
    image[20:44, 8:32], image[:, 88:] = red, red
    hole, source = disc(64, 128, 32, 80, 12), (torch.arange(128) < 88).float().expand(64, 128)
    filled = {
        colour: exemplar_fill(image.where(source[..., None] > 0, torch.tensor(colour)), hole, source)
        for colour in ((0.9, 0.1, 0.1), (0.1, 0.9, 0.1))
    }
    inside = (hole > 0.5) & (source > 0.5)
    assert (filled[0.9, 0.1, 0.1][inside][:, 0] < 0.7).all(), "the wall goes on"
    assert torch.equal(*(picture[inside] for picture in filled.values())), "whatever they wear"


def stripes_of_two_colours():
    """Red stripes beside blue ones [96, 192, 3], with a hole in the middle; every pixel is at least 0.1."""
    rows = torch.where(torch.linspace(0, 1, 96)[:, None] * 24 % 1 > 0.5, 0.2, 0.0).expand(96, 96)
    red, blue = (torch.stack([rows + (0.6 if c == k else 0.1) for c in range(3)], -1) for k in (0, 2))
    return torch.cat([red, blue], 1), disc(96, 192, 48, 96, 24)


def test_a_layout_says_where_and_the_photo_says_what():
    image, hole = stripes_of_two_colours()
    middle = disc(96, 192, 48, 96, 10) > 0.5
    for colour, channel in (((0.7, 0.2, 0.2), 0), ((0.2, 0.2, 0.7), 2)):
        filled = torch.cat([exemplar_fill(image, hole, layout=torch.tensor(colour).expand(96, 192, 3), seed=n)[middle] for n in range(4)])
        assert (filled.argmax(1) == channel).float().mean() > 0.9, "the layout's colour"
        assert filled[:, channel].std() > 0.07, "with the stripes that the layout lacks"


def test_a_soft_layout_does_not_choose_what_is_dull(monkeypatch):
    """Stripes beside a plain wall of nearly their mean, and a layout that is their mean: no patch is like it but the wall's."""
    striped = torch.where(torch.linspace(0, 1, 96)[:, None] * 24 % 1 > 0.5, 0.8, 0.2).expand(96, 96)
    image = torch.cat([striped, torch.full((96, 96), 0.4)], 1)[..., None].expand(96, 192, 3)
    hole, layout = disc(96, 192, 48, 96, 24), torch.full((96, 192, 3), 0.5)
    middle = disc(96, 192, 48, 96, 10) > 0.5
    monkeypatch.setattr("mild_core.fill.exemplar.ROUGHNESS", 0.0)  # by which the wall would be ruled out
    assert exemplar_fill(image, hole, layout=layout)[middle].std() > 0.17, "the stripes have 0.3"
    monkeypatch.setattr("mild_core.fill.exemplar.SOFT", 0.0)
    assert exemplar_fill(image, hole, layout=layout)[middle].std() < 0.15, "compared as they are, the wall is nearer"


def test_a_hole_is_as_rough_as_what_is_around_it(monkeypatch):
    """Gravel beside a plain wall of its mean, which a layout cannot tell apart, with the hole in the gravel."""
    gravel = 0.5 + 0.2 * torch.randn(96, 144, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    image = torch.cat([gravel, torch.full((96, 96), 0.5)], 1)[..., None].expand(96, 240, 3)
    hole, middle = disc(96, 240, 48, 96, 24), disc(96, 240, 48, 96, 12) > 0.5
    assert exemplar_fill(image, hole)[middle].std() > 0.1, "the gravel has 0.18"
    monkeypatch.setattr("mild_core.fill.exemplar.ROUGHNESS", 0.0)
    assert exemplar_fill(image, hole)[middle].std() < 0.05, "by colour alone the wall is nearer"


def test_every_pixel_is_copied_even_where_no_patch_fits():
    image, hole = stripes_of_two_colours()
    layout = torch.where(torch.arange(96)[:, None, None] < 48, torch.tensor([0.7, 0.2, 0.2]), torch.tensor([0.2, 0.2, 0.7]))
    assert exemplar_fill(image, hole, layout=layout.expand(96, 192, 3)).min() > 0.099


def test_a_hole_so_deep_that_confidence_vanishes(monkeypatch):
    monkeypatch.setattr("mild_core.fill.exemplar.LAYOUT_DECAY", 1e10)  # of the coarsest level, which `decay` does not change
    image, hole = stripes(64, 64), disc(64, 64, 32, 32, 16)
    filled = exemplar_fill(image, hole, decay=1e10)
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


def averaging(picture, hidden, seed):
    """A network that paints the mean of what is not hidden, and by the seed a little of red."""
    seen = (1 - hidden).sum()
    mean = (picture * (1 - hidden)).sum((2, 3), keepdim=True) / seen
    return (mean + torch.tensor([0.01 * seed, 0, 0]).reshape(1, 3, 1, 1)).expand_as(picture)


SIDES = Sides(16, 32, 8)
ALL = {**FILLERS, "network": network_filler(averaging, SIDES)}


@pytest.mark.parametrize("how", ALL)
def test_rows_of_a_plan(two_people, how):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    fill = Fill(ALL[how], OF_PEOPLE.get(how, ALL[how]))
    for pathway in plan.pathways:
        told = []
        row, hole = fill_pathway(plan, pathway, fill, on_level=lambda *level, told=told: told.append(level)), plan.working_hole(pathway)
        seen = plan.working_image(pathway, two_people.photo[0])
        assert torch.equal(row[~hole], seen[~hole])
        assert torch.equal(row, seen) == (how == "photo")
        assert how == "photo" or told[-1][0] == told[-1][1], "it says when it is done"
        assert how == "network" or torch.equal(row, fill_pathway(plan, pathway, how)), "which is what the name stands for"
    with pytest.raises(ValueError, match="initialize is 'x', but it must be one of exemplar, smooth, telea, navier-stokes, photo"):
        fill_pathway(plan, plan.pathways[0], "x")


def test_background_and_people_are_filled_each_in_its_way(two_people):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    fill = Fill(FILLERS["telea"], FILLERS["smooth"])
    assert {pathway.role for pathway in plan.pathways} == {"background", "person"}
    for pathway in plan.pathways:
        expected = "telea" if pathway.role == "background" else "smooth"
        assert torch.equal(fill_pathway(plan, pathway, fill), fill_pathway(plan, pathway, expected))
        assert not torch.equal(fill_pathway(plan, pathway, "telea"), fill_pathway(plan, pathway, "smooth"))


def test_a_picture_that_is_filled_already(two_people):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    green = torch.tensor([0.1, 0.9, 0.1]).expand(96, 128, 3)
    for pathway in plan.pathways:
        row, hole = fill_pathway(plan, pathway, Fill(green, FILLERS["smooth"])), plan.working_hole(pathway)
        assert torch.equal(row[~hole], plan.working_image(pathway, two_people.photo[0])[~hole])
        assert torch.allclose(row[hole], green[0, 0], atol=1e-5) == (pathway.role == "background")
    with pytest.raises(ValueError, match="picture is 64×96, but it must be 128×96, as the photo is"):
        fill_pathway(plan, plan.pathways[0], Fill(green[:, :64], FILLERS["smooth"]))


@pytest.mark.parametrize("how", ["exemplar", "smooth"])
def test_a_row_does_not_show_the_people_it_is_not_for(two_people, how):
    """Whoever stays beside a hole, or hides a body, may wear what they like: the row is the same."""
    chosen = choose("3", two_people.people)
    rows = {}
    for colour in ((0.9, 0.1, 0.1), (0.1, 0.9, 0.1)):
        front = two_people.people[0]
        photo = two_people.photo.where(~front.seen.whole[..., None], torch.tensor(colour))
        plan = make_plan(replace(two_people, photo=photo).erasing(chosen), working_size=96, context=8.0)
        assert {pathway.role for pathway in plan.pathways} == {"background", "person"}
        filled = [fill_pathway(plan, pathway, how) for pathway in plan.pathways]
        rows[colour] = [without_others(plan, pathway, row) for pathway, row in zip(plan.pathways, filled, strict=True)]
        for pathway, before, after in zip(plan.pathways, filled, rows[colour], strict=True):
            kept = ~plan.working_others(pathway)
            assert torch.equal(after[kept], before[kept]), "all else stays"
            assert not torch.equal(after, before)
    for one, another in zip(*rows.values(), strict=True):
        assert torch.allclose(one, another, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([40, 48, 53]), st.floats(0.05, 0.95), st.sampled_from([n for n in ALL if n != "photo"]))
def test_a_hole_is_made_of_the_source_and_of_nothing_else(seed, size, share, how):
    """Neither what was in the hole nor anybody beside it changes what is filled in; the source stays bit for bit as it was.

    The exemplar fill copies nobody, but a patch is chosen by all it covers: a foot beside the hole helps to find the ground under it.
    """
    g = torch.Generator().manual_seed(seed)
    image, noise = torch.rand(2, size, size, 3, generator=g)
    hole = disc(size, size, *torch.randint(8, size - 8, (2,), generator=g).tolist(), 7) > 0.5
    somebody = disc(size, size, *torch.randint(0, size, (2,), generator=g).tolist(), share * 16) > 0.5
    source = ~hole & ~somebody
    filled = ALL[how](image, hole, source, seed)
    kept = ~hole if how == "exemplar" else source
    other = ALL[how](torch.where(kept[..., None], image, noise), hole, source, seed)
    assert torch.equal(filled[hole], other[hole])
    assert torch.equal(filled[source], image[source])
    assert filled.min() >= 0
    assert filled.max() <= 1


def test_people_who_stay_are_not_smeared_into_the_background():
    """A red person stands beside the hole: every filler paints the grey street, none the red."""
    image = torch.full((64, 64, 3), 0.5)
    hole, stays = disc(64, 64, 32, 24, 10) > 0.5, torch.zeros(64, 64, dtype=torch.bool)
    stays[:, 34:44] = True
    image[stays] = torch.tensor([1.0, 0.0, 0.0])
    image[hole] = torch.tensor([0.0, 0.0, 1.0])
    for how in [n for n in ALL if n != "photo"]:
        filled = ALL[how](image, hole, ~hole & ~stays)[hole]
        assert (filled - 0.5).abs().max() < 0.05, how
    smeared = spread_fill(image, ~hole)
    assert (smeared[hole] - 0.5).abs().max() > 0.2, "which it would be, were the person taken for street"


@pytest.mark.parametrize("how", ALL)
def test_without_source_what_is_not_hole_stands_in(how):
    image, hole = stripes(48, 48), disc(48, 48, 24, 24, 8) > 0.5
    filled = ALL[how](image, hole, torch.zeros(48, 48, dtype=torch.bool))
    assert torch.equal(filled[~hole], image[~hole])
    assert filled.isfinite().all()
    assert torch.equal(filled, image) == (how == "photo")


@pytest.mark.parametrize("method", ["telea", "navier-stokes"])
def test_a_ramp_is_carried_on(method):
    image = torch.linspace(0.1, 0.9, 64)[None, :, None].expand(64, 64, 3)
    hole = disc(64, 64, 32, 32, 8) > 0.5
    filled = spread_fill(image, ~hole, method)
    assert (filled - image)[hole].abs().max() < 0.08
    assert torch.equal(spread_fill(image, torch.zeros(64, 64, dtype=torch.bool), method), torch.full((64, 64, 3), 0.5))
    with pytest.raises(ValueError, match="method is 'criminisi', but it must be one of telea, navier-stokes"):
        spread_fill(image, ~hole, "criminisi")


@pytest.mark.parametrize(("size", "side"), [(8, 16), (16, 16), (17, 24), (32, 32), (33, 32), (1024, 32)])
def test_a_network_works_at_a_size_it_takes(size, side):
    assert SIDES.nearest(size) == side
    assert Sides(512, 512, 512).nearest(size) == 512
    seen = []

    def watched(picture, hidden, seed):
        seen.append((picture, hidden))
        return torch.full_like(picture, 0.25)

    image, known = torch.rand(size, size, 3), torch.ones(size, size, dtype=torch.bool)
    known[size // 4 : size // 2, size // 4 : size // 2] = False
    filled = network_fill(image, known, watched, SIDES)
    ((picture, hidden),) = seen
    assert picture.shape == (1, 3, side, side)
    assert hidden.shape == (1, 1, side, side)
    assert set(hidden.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(filled[known], image[known])
    assert torch.allclose(filled[~known], torch.tensor(0.25), atol=1e-5)


def test_every_pixel_that_is_hidden_in_part_is_hidden():
    """White people on black: were one white pixel averaged into what the network sees, it would show."""
    image, known = torch.zeros(64, 64, 3), torch.ones(64, 64, dtype=torch.bool)
    known[13:30, 17:34] = False
    image[~known] = 1.0
    seen = []
    network_fill(image, known, lambda picture, hidden, seed: seen.append(picture) or picture, Sides(16, 24, 8))
    assert seen[0].max() < 1e-6


def test_a_network_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"network gave a picture of \(1, 3, 64, 64\), but it must be of \(1, 3, 32, 32\)"):
        network_fill(stripes(32, 32), disc(32, 32, 9, 9, 4) < 0.5, lambda picture, *_: torch.zeros(1, 3, 64, 64), SIDES)


def test_what_is_painted_in_copies_keeps_the_colours_of_the_row(two_people):
    """A row in a colour that the photo has nowhere: copies alone would not have it."""
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    pathway = plan.pathways[0]
    tint = torch.tensor([0.1, 0.9, 0.4])
    row = copy_detail(plan, pathway, tint.expand(64, 64, 3))
    hole = plan.working_hole(pathway, len(row))
    deep = distance_inside(hole) > 6
    assert deep.any()
    assert (row[deep].mean(0) - tint).abs().max() < 0.15


def test_what_is_finest_is_shared_between_copies_and_row(two_people):
    """With a flat row: the less of the copies' finest, the less there is; what is coarser stays as it is."""
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    pathway, flat = plan.pathways[0], torch.full((64, 64, 3), 0.5)
    none, half, whole = (copy_detail(plan, pathway, flat, fine=share) for share in (0.0, 0.5, 1.0))
    hole = plan.working_hole(pathway, len(none))
    seen = plan.working_image(pathway, two_people.photo[0], len(none))
    assert torch.equal(none[~hole], seen[~hole])
    deep = distance_inside(hole) > 5
    fine = [(x - blur(x, 1.5))[deep].std() for x in (none, half, whole)]
    assert fine[0] < 0.35 * fine[2]
    assert torch.allclose(half[deep], (none + whole)[deep] / 2, atol=0.01)
    assert (blur(none, 4.0) - blur(whole, 4.0))[deep].abs().max() < 0.02


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_out_of_range_is_refused(two_people, share):
    plan = make_plan(two_people.erasing(choose("1,3", two_people.people)), working_size=64)
    with pytest.raises(ValueError, match=f"fine is {share}, but it must be from 0 to 1"):
        copy_detail(plan, plan.pathways[0], torch.full((64, 64, 3), 0.5), fine=share)


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
