"""Masks to people."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapes import disc

from mild_core.scene import MaskedPerson, from_masks, from_segs, split_people

PHOTO = torch.rand(1, 24, 32, 3, generator=torch.Generator().manual_seed(0))

mask_batches = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.just(24), st.just(32)), elements=st.sampled_from([0.0, 0.3, 0.7, 1.0])
)


def scene_of(masks, **options):
    return split_people(PHOTO, from_masks(torch.as_tensor(masks), "by mask"), **options)


@settings(max_examples=60, deadline=None)
@given(mask_batches)
def test_each_pixel_has_one_owner_and_none_is_lost(masks):
    if not (masks > 0.5).any():
        with pytest.raises(ValueError, match="hold nobody"):
            scene_of(masks)
        return
    scene = scene_of(masks)
    owners = torch.stack([p.visible for p in scene.people]).sum(0)
    assert owners.max() == 1
    assert torch.equal(owners > 0, torch.from_numpy(masks > 0.5).any(0))
    for person in scene.people:
        assert (person.visible & ~person.whole).sum() == 0
        assert person.alpha.min() >= 0
        assert person.alpha.max() <= 1
        assert (person.alpha[person.visible] > 0.5).all()
    alphas = torch.stack([p.alpha for p in scene.people])
    assert ((alphas > 0.5).sum(0) <= 1).all()


@settings(max_examples=40, deadline=None)
@given(mask_batches, st.randoms(use_true_random=False))
def test_reordering_changes_numbers_but_nothing_else(masks, random):
    if not (masks > 0.5).any():
        return
    order = list(range(len(masks)))
    random.shuffle(order)
    before, after = scene_of(masks), scene_of(masks[order])
    assert [p.id.split("-")[0] for p in before.people] == [p.id.split("-")[0] for p in after.people]
    for one, other in zip(before.people, after.people, strict=True):
        assert torch.equal(one.visible, other.visible)
        assert torch.equal(one.whole, other.whole)


@settings(max_examples=40, deadline=None)
@given(mask_batches)
def test_hidden_parts_lie_behind_somebody_nearer(masks):
    if not (masks > 0.5).any():
        return
    nearer = torch.zeros(24, 32, dtype=torch.bool)
    for person in scene_of(masks).people:
        assert (person.hidden & ~nearer).sum() == 0
        nearer |= person.visible


def test_who_reaches_lower_is_nearer_and_owns_the_overlap():
    scene = scene_of(torch.stack([disc(24, 32, 8, 12, 6), disc(24, 32, 14, 16, 6)]))
    assert [p.number for p in scene.people] == [2, 1]
    assert scene.people[0].area == int(disc(24, 32, 14, 16, 6).sum())
    behind = scene.people[1]
    assert torch.equal(behind.whole, disc(24, 32, 8, 12, 6) > 0.5)
    assert behind.hidden.any()


def test_a_given_order_wins():
    masks = torch.stack([disc(24, 32, 8, 12, 6), disc(24, 32, 14, 16, 6)])
    assert [p.number for p in scene_of(masks, depth_order="1,2").people] == [1, 2]


def crowd(count: int = 5):
    """Discs in a row, who overlap their neighbours."""
    return torch.stack([disc(24, 32, 8 + n, 5 + 5 * n, 4) for n in range(count)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), unique=True), st.booleans())
def test_those_whom_ids_name_change_places_and_others_keep_theirs(picked, gone_too):
    told = scene_of(crowd())
    ids = [told.people[i].id for i in picked]
    scene = scene_of(crowd(), depth_order=",".join(["pdeadbeef"] * gone_too + ids))
    now = [p.id for p in scene.people]
    assert [id for id in now if id in ids] == ids
    for before, after in zip(told.people, scene.people, strict=True):
        assert (before.id in ids) == (after.id in ids)
        assert before.id in ids or before.id == after.id


def test_how_sure_an_order_is_that_names_some():
    told = scene_of(crowd(3))
    first, middle, last = (p.id for p in told.people)
    sure = {(pair.nearer, pair.farther): pair.confidence for pair in told.order}
    scene = scene_of(crowd(3), depth_order=f"{last},{first}")
    assert [p.id for p in scene.people] == [last, middle, first]
    now = {(pair.nearer, pair.farther): pair.confidence for pair in scene.order}
    assert now == {(last, middle): 0.5, (last, first): 1.0, (middle, first): 0.5}
    scene = scene_of(crowd(3), depth_order=f"{middle},{first}")
    now = {(pair.nearer, pair.farther): pair.confidence for pair in scene.order}
    assert now == {(middle, first): 1.0, (middle, last): sure[middle, last], (first, last): sure[first, last]}


def test_one_mask_is_split_by_its_parts_largest_first():
    mask = torch.maximum(disc(24, 32, 6, 6, 3), disc(24, 32, 16, 22, 6))
    found = from_masks(mask[None])
    assert [p.mask.area for p in found] == [int(disc(24, 32, 16, 22, 6).sum()), int(disc(24, 32, 6, 6, 3).sum())]
    assert len(from_masks(mask[None], "by mask")) == 1
    assert len(from_masks(torch.stack([mask, mask]))) == 2


def test_values_of_a_label_map_are_the_numbers():
    labels = torch.zeros(24, 32)
    labels[2:8, 2:8], labels[10:20, 10:20], labels[22:, 30:] = 1, 7, 255
    found = from_masks((labels / 255)[None], "by value")
    assert [p.number for p in found] == [1, 7, 255]
    assert torch.equal(found[1].mask.whole, labels == 7)


def test_segs_are_laid_on_the_photo():
    segment = SimpleNamespace(cropped_mask=np.ones((5, 4), np.float32), crop_region=[3, 2, 7, 7], label="person")
    batched = SimpleNamespace(cropped_mask=torch.ones(1, 2, 2), crop_region=[0, 0, 2, 2], label=None)
    scene = split_people(PHOTO, from_segs(((24, 32), [segment, batched])))
    assert {(p.number, p.area, p.label) for p in scene.people} == {(1, 20, "person"), (2, 4, "")}


def test_empty_masks_and_specks_keep_the_numbers_of_the_others():
    masks = torch.stack([torch.zeros(24, 32), disc(24, 32, 12, 12, 8), disc(24, 32, 2, 30, 0)])
    assert [p.number for p in scene_of(masks).people] == [2, 3]
    assert [p.number for p in scene_of(masks, smallest=0.01).people] == [2]


def test_twins_get_ids_of_their_own_and_full_frames_work():
    scene = scene_of(torch.ones(1, 24, 32))
    assert scene.people[0].visible.all()
    masks = torch.stack([disc(24, 32, 8, 12, 6)] * 2)
    assert len(scene_of(masks).people) == 1  # nothing is left to see of the second


@pytest.mark.parametrize(
    ("photo", "masks", "message"),
    [
        (PHOTO, torch.ones(1, 20, 32), "people masks are 32×20 but the photo is 32×24"),
        (PHOTO.repeat(2, 1, 1, 1), torch.ones(1, 24, 32), r"photo is 2×24×32×3, but it must be one picture"),
        (PHOTO, torch.zeros(2, 24, 32), "hold nobody"),
    ],
)
def test_bad_input_is_named(photo, masks, message):
    with pytest.raises(ValueError, match=message):
        split_people(photo, from_masks(masks, "by mask"))


def test_an_unknown_separation_is_named():
    with pytest.raises(ValueError, match="separate is 'x'"):
        from_masks(torch.ones(1, 4, 4), "x")
    with pytest.raises(ValueError, match="batch of 2"):
        from_masks(torch.ones(2, 4, 4), "by value")


def test_an_alpha_channel_of_the_photo_is_kept_apart():
    photo = torch.rand(1, 24, 32, 4)
    scene = split_people(photo, [MaskedPerson(1, torch.ones(24, 32))])
    assert torch.equal(scene.photo, photo[..., :3])
    assert torch.equal(scene.opacity, photo[0, ..., 3])
    assert split_people(PHOTO, [MaskedPerson(1, torch.ones(24, 32))]).opacity is None


@pytest.mark.parametrize("shape", [(24, 32), (1, 24, 32), (1, 1, 24, 32), (1, 24, 32, 1)])
def test_masks_come_with_and_without_a_channel(shape):
    assert [p.size for p in from_masks(torch.ones(shape), "by mask")] == [(24, 32)]


def test_values_that_are_no_numbers_are_named():
    wrong = torch.ones(2, 24, 32)
    wrong[1, 3, 4] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity in the mask of person 2"):
        scene_of(wrong)
    with pytest.raises(ValueError, match="photo holds NaN"):
        split_people(PHOTO / 0, from_masks(torch.ones(1, 24, 32), "by mask"))
    with pytest.raises(ValueError, match="people masks are 3×24×32×2, but they must be batch×height×width"):
        from_masks(torch.ones(3, 24, 32, 2))
