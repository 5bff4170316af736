"""Who is in a scene, for a picture to pick them from."""

import json

import pytest
import torch
from shapes import disc

from mild_core.scene import MaskedPerson, split_people
from mild_core.scene.census import list_people, map_owners, shown_size


@pytest.mark.parametrize(
    ("size", "longest", "shown"),
    [((96, 128), 1024, (96, 128)), ((2160, 3840), 1024, (576, 1024)), ((4000, 10), 1024, (1024, 3)), ((9000, 1), 1024, (1024, 1))],
)
def test_a_large_photo_is_shown_smaller(size, longest, shown):
    assert shown_size(size, longest) == shown


def test_people_are_listed_nearest_first(two_people):
    scene = two_people.erasing(frozenset([two_people.people[1].id]))
    people = json.loads(json.dumps(list_people(scene)))
    assert [p["id"] for p in people] == [p.id for p in scene.people]
    assert [p["depth"] for p in people] == [0, 1, 2]
    assert [p["erased"] for p in people] == [False, True, False]
    for told, person in zip(people, scene.people, strict=True):
        (left, top, right, bottom), (x, y) = told["box"], told["at"]
        assert person.visible[y, x], "the number stands on the person"
        assert person.visible[top:bottom, left:right].sum() == person.area
        assert told["area"] == person.area / (96 * 128)


def test_owners_at_full_size_are_the_visible_masks(two_people):
    owners = map_owners(two_people, two_people.size)
    assert owners.dtype == torch.uint8
    for index, person in enumerate(two_people.people, start=1):
        assert torch.equal(owners[..., 0] == index, person.visible)
    assert not owners[..., 1:].any()


def test_owners_made_smaller_are_the_pixels_in_the_middle(two_people):
    small = map_owners(two_people, (32, 32))[..., 0]
    full = map_owners(two_people, two_people.size)[..., 0]
    assert torch.equal(small, full[1::3, 2::4])


def test_more_people_than_a_byte_holds():
    rows = 300
    found = [MaskedPerson(n + 1, torch.zeros(rows, 8).index_fill(0, torch.tensor(n), 1)) for n in range(rows)]
    scene = split_people(torch.rand(1, rows, 8, 3), found)
    owners = map_owners(scene, scene.size).int()
    index = owners[..., 0] + 256 * owners[..., 1]
    assert sorted(set(index.flatten().tolist())) == list(range(1, rows + 1))


def test_a_number_stands_where_its_person_is_broadest():
    mask = torch.maximum(disc(60, 90, 30, 25, 15), disc(60, 90, 30, 75, 5))
    (person,) = list_people(split_people(torch.rand(1, 60, 90, 3), [MaskedPerson(1, mask)]))
    assert person["at"] == [25, 30]
