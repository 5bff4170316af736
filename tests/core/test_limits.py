"""Any masks, any sizes: a right picture or an error that names the input, never anything else."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mild_core.compose import compose, make_layers
from mild_core.fill import fill_pathway
from mild_core.plan import make_plan
from mild_core.scene import choose, from_masks, split_people

NAMED = ("photo", "people masks", "choice", "there is nothing to denoise", "effects", "samples")


@st.composite
def masks(draw, height, width, most=64):
    """Boxes, noise, specks, everything, nothing, soft edges, values out of range."""
    count = draw(st.integers(0, most))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    kinds = draw(st.lists(st.sampled_from(["box", "noise", "speck", "full", "empty", "soft", "wild"]), min_size=count, max_size=count))
    made = torch.zeros(count, height, width)
    for mask, kind in zip(made, kinds, strict=True):
        top, left = (int(torch.randint(n, (1,), generator=generator)) for n in (height, width))
        if kind in ("box", "soft"):
            mask[top : top + max(height // 3, 1), left : left + max(width // 4, 1)] = 1
            if kind == "soft":
                mask *= torch.rand(height, width, generator=generator)
        elif kind == "noise":
            mask.copy_(torch.rand(height, width, generator=generator))
        elif kind == "speck":
            mask[top, left] = 1
        elif kind == "full":
            mask.fill_(1)
        elif kind == "wild":
            mask.copy_(torch.randn(height, width, generator=generator) * 50)
    return made


def erase(photo, found, words, seed=0, effects=None, **options):
    scene = split_people(photo, from_masks(found, "by mask"))
    scene = scene.erasing(choose(words, scene.people))
    plan = make_plan(scene, effects=effects, **options)
    generator = torch.Generator().manual_seed(seed)
    rows = [fill_pathway(plan, p, "smooth") for p in plan.pathways]
    rows = [torch.rand(row.shape, generator=generator).lerp(row, 0.5) for row in rows]
    return plan, compose(make_layers(plan, rows))


def check(photo, plan, picture):
    scene = plan.scene
    assert picture.image.shape == photo.shape[1:]
    assert picture.changed.shape == photo.shape[1:3]
    assert picture.image.isfinite().all()
    assert 0 <= float(picture.changed.min()) <= float(picture.changed.max()) <= 1
    same = picture.changed == 0
    assert torch.equal(picture.image[same], photo[0][same])
    owners = torch.stack([p.visible for p in scene.people]).sum(0)
    assert owners.max() == 1
    assert not (plan.hole.whole & scene.union(scene.staying)).any()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_masks_of_any_size(data):
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    found = data.draw(masks(height, width))
    channels = data.draw(st.sampled_from([3, 4]))
    photo = torch.rand(1, height, width, channels, generator=torch.Generator().manual_seed(0))
    words = data.draw(st.sampled_from(["all", "1", "largest", "all but 1", "none", "1-3", "2,1"]))
    options = {
        "working_size": data.draw(st.sampled_from([8, 16, 64])),
        "grow_by": data.draw(st.integers(0, 40)),
        "feather": data.draw(st.integers(0, 40)),
        "context": data.draw(st.floats(1, 8)),
        "complete": data.draw(st.sampled_from(["all", "staying", "nobody"])),
        "effects": data.draw(st.sampled_from([None, torch.rand(1, height, width)])),
    }
    try:
        plan, picture = erase(photo, found, words, **options)
    except ValueError as error:
        said = str(error)
    else:
        said = NAMED[0]
        check(photo, plan, picture)
    assert said.startswith(NAMED)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    st.booleans(),
    st.integers(0, 19),
    st.integers(0, 29),
)
def test_what_is_no_number_is_named(value, in_photo, row, column):
    photo, found = torch.rand(1, 20, 30, 3), torch.zeros(2, 20, 30)
    found[:, 5:15, 5:15] = 1
    if in_photo:
        photo[0, row, column, 1] = value
    else:
        found[1, row, column] = value
    with pytest.raises(ValueError, match="photo holds NaN" if in_photo else "people masks hold NaN"):
        erase(photo, found, "1", working_size=16)


@pytest.mark.parametrize(
    "shape", [(20,), (20, 30), (20, 30, 3), (1, 20, 30), (2, 20, 30, 3), (1, 20, 30, 1), (1, 1, 20, 30, 3), (0, 20, 30, 3)]
)
def test_photos_of_another_rank_are_named(shape):
    with pytest.raises(ValueError, match=r"photo is .*but it must be one picture"):
        split_people(torch.rand(shape), from_masks(torch.ones(1, 20, 30), "by mask"))


@pytest.mark.parametrize("shape", [(20,), (1, 1, 1, 20, 30), ()])
def test_masks_of_another_rank_are_named(shape):
    with pytest.raises(ValueError, match="people masks are"):
        from_masks(torch.ones(shape), "by mask")


def test_no_masks_at_all_are_nobody():
    with pytest.raises(ValueError, match="hold nobody"):
        split_people(torch.rand(1, 20, 30, 3), from_masks(torch.zeros(0, 20, 30), "by mask"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.uint8])
def test_masks_of_any_type(dtype):
    found = torch.zeros(2, 20, 30)
    found[0, 5:15, 5:15], found[1, 2:9, 18:28] = 1, 1
    photo = torch.rand(1, 20, 30, 3)
    plan, picture = erase(photo, found.to(dtype), "1", working_size=16)
    check(photo, plan, picture)
    assert [p.area for p in plan.scene.people] == [100, 70]


def test_the_largest_photo():
    """8192×8192, two people at opposite ends: what is held beside the photo is small."""
    side = 8192
    photo = torch.rand(64, 64, 3).repeat(side // 64, side // 64, 1)[None]
    found = torch.zeros(2, side, side, dtype=torch.uint8)
    found[0, 100:400, 200:300], found[1, 7800:8100, 7900:8000] = 1, 1
    plan, picture = erase(photo, found, "all", working_size=64)
    assert [p.crop.width for p in plan.pathways] == [499, 499]
    assert torch.equal(picture.image[4000:4100], photo[0, 4000:4100])
    assert (picture.changed[120:380, 220:280] == 1).all()
    picture.changed[90:411, 190:311] = picture.changed[7790:8111, 7890:8011] = 0
    assert not picture.changed.any()
