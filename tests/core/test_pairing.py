"""Whose masks are whose."""

import pytest
import torch

from mild_core.scene.pairing import pair_lines, pair_photos


def photo(value, height=6, width=8, count=1):
    return torch.full((count, height, width, 3), float(value))


def masks(*values, height=6, width=8):
    return torch.stack([torch.full((height, width), float(v)) for v in values])


def values(pairs):
    return [(float(p[0, 0, 0, 0]), m[:, 0, 0].tolist()) for p, m in pairs]


def test_a_list_of_masks_for_each_photo():
    pairs = pair_photos([photo(1), photo(2, 5, 5)], [masks(10, 11), masks(20, height=5, width=5)])
    assert values(pairs) == [(1, [10, 11]), (2, [20])]


def test_a_mask_for_each_photo_of_a_batch():
    batch = torch.cat([photo(1), photo(2), photo(3)])
    assert values(pair_photos([batch], [masks(10, 20, 30)])) == [(1, [10]), (2, [20]), (3, [30])]


def test_two_photos_with_two_lists_of_two_are_paired_by_list():
    assert values(pair_photos([photo(1), photo(2)], [masks(10, 11), masks(20, 21)])) == [(1, [10, 11]), (2, [20, 21])]


def test_numbers_of_people_deal_the_masks_out():
    batch = torch.cat([photo(1), photo(2), photo(3)])
    assert values(pair_photos([batch], [masks(10, 11), masks(20, 30, 31)], "2, 1 2")) == [(1, [10, 11]), (2, [20]), (3, [30, 31])]


def test_single_masks_without_a_batch():
    assert values(pair_photos([photo(1)], [masks(10)[0]])) == [(1, [10])]


@pytest.mark.parametrize(
    ("photos", "given", "people", "message"),
    [
        ([photo(1, count=3)], [masks(1, 2)], "", "3 photos, but 1 lists of masks with 2 masks in all"),
        ([photo(1, count=2)], [masks(1, 2)], "1,2", "says 3 masks, but there are 2"),
        ([photo(1, count=2)], [masks(1, 2)], "2", "has 1 numbers, but there are 2 photos"),
        ([photo(1, count=2)], [masks(1, 2)], "2,x", "people_each is '2,x'"),
        ([photo(1, count=2)], [masks(1, 2)], "2,0", "photo 2 has no masks"),
        ([photo(1), photo(2)], [masks(1), masks(2, height=5)], "", "photo 2 is 8×6 but one of its masks is 8×5"),
    ],
)
def test_what_cannot_be_paired_is_named(photos, given, people, message):
    with pytest.raises(ValueError, match=message):
        pair_photos(photos, given, people)


def test_lines():
    assert pair_lines("1", 3, "erase") == ["1", "1", "1"]
    assert pair_lines("1\nall but 2 \nnone", 3, "erase") == ["1", "all but 2", "none"]
    assert pair_lines(" ", 2, "erase") == ["", ""]
    with pytest.raises(ValueError, match="erase has 2 lines, but there are 3 photos"):
        pair_lines("1\n2", 3, "erase")
