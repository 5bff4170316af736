"""Which photos share a batch, and the way back."""

import random
from functools import cache
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import disc, stripes

from mild_core.plan import JoinedPlan, make_plan, one_photo, places_of, share_batches
from mild_core.plan.panoptic_regions import with_panoptic_regions
from mild_core.scene import MaskedPerson, split_people

KINDS = st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), max_size=30)  # rows and kind of each photo


@cache
def plan_of(people=2, size=(64, 80)):
    masks = [disc(*size, 30, 20 + 20 * n, 12) for n in range(people)]
    scene = split_people(stripes(*size)[None], [MaskedPerson(n, mask) for n, mask in enumerate(masks, start=1)])
    return make_plan(scene.erasing([scene.people[0].id]), working_size=64)


@settings(max_examples=60, deadline=None)
@given(KINDS, st.integers(0, 12))
def test_every_photo_is_in_one_batch_of_its_kind_and_no_batch_is_too_large(photos, most):
    batches = share_batches([rows for rows, _ in photos], lambda i, j: photos[i][1] == photos[j][1], most)
    assert sorted(place for batch in batches for place in batch) == list(range(len(photos)))
    assert [batch[0] for batch in batches] == sorted(batch[0] for batch in batches)
    for batch in batches:
        assert batch == sorted(batch)
        assert len({photos[place][1] for place in batch}) == 1
        assert not most or len(batch) == 1 or sum(photos[place][0] for place in batch) <= most
    ordered = sorted(batches, key=lambda batch: photos[batch[0]][1])
    for kind, same in groupby(ordered, key=lambda batch: photos[batch[0]][1]):
        taken = [place for batch in same for place in batch]
        assert taken == [place for place, photo in enumerate(photos) if photo[1] == kind], "in the photos' order from batch to batch"


@pytest.mark.parametrize(
    ("rows", "kinds", "most", "batches"),
    [
        ([1, 2, 3], "aaa", 0, [[0, 1, 2]]),
        ([1, 2, 3], "aba", 0, [[0, 2], [1]]),
        ([2, 2, 2], "aaa", 4, [[0, 1], [2]]),
        ([2, 3, 1], "aaa", 4, [[0], [1, 2]]),
        ([1, 9, 1, 1], "aaaa", 2, [[0], [1], [2, 3]]),  # a photo's rows stay together
        ([2, 1, 2, 1], "abab", 3, [[0], [1, 3], [2]]),
        ([], "", 3, []),
    ],
)
def test_who_shares_with_whom(rows, kinds, most, batches):
    assert share_batches(rows, lambda i, j: kinds[i] == kinds[j], most) == batches


@settings(max_examples=60, deadline=None)
@given(KINDS, st.integers(0, 12))
def test_the_way_back_is_the_order_in_which_photos_came(photos, most):
    plan = plan_of()
    batches = share_batches([rows for rows, _ in photos], lambda i, j: photos[i][1] == photos[j][1], most)
    random.Random(len(photos)).shuffle(batches)
    places = places_of([JoinedPlan((plan,) * len(batch), tuple(batch), len(photos)) for batch in batches])
    assert [batches[batch][which] for batch, which in places] == list(range(len(photos)))


def test_batches_must_be_all_there_and_of_one_join():
    plan = plan_of()
    first, second = JoinedPlan((plan, plan), (0, 2), 3), JoinedPlan((plan,), (1,), 3)
    assert places_of([first, second]) == [(0, 0), (1, 0), (0, 1)]
    with pytest.raises(ValueError, match="plan holds 2 of the 3 photos that were joined"):
        places_of([first])
    for others in ([first, second, second], [first, JoinedPlan((plan,), (1,), 2)]):
        with pytest.raises(ValueError, match="not joined together"):
            places_of(others)


def test_its_rows_are_the_photos_rows_and_it_is_no_photo():
    one, two = plan_of(2), plan_of(3, (96, 112))
    joined = JoinedPlan((one, two), (0, 1), 2)
    assert joined.pathways == one.pathways + two.pathways
    assert joined.plans == (*one.plans, *two.plans)
    assert one_photo(one) is one
    for ask in (one_photo, lambda plan: plan.scene, lambda plan: plan.working_size):
        with pytest.raises(ValueError, match="plan is of a batch that was joined, of 2 of 2 photos, but it must be one photo's"):
            ask(joined)


def test_panoptic_regions_are_told_before_photos_are_joined():
    class Panoptic:
        def check_size(self, size, of):
            raise AssertionError

    with pytest.raises(ValueError, match="before MILD Join Layers"):
        with_panoptic_regions(JoinedPlan((plan_of(),), (0,), 1), Panoptic())
