"""What builders of sets share."""

import pytest

from mild_core.data.building import claim, sweep, unfinished, write_whole


def test_a_folder_is_claimed_once_and_gone_on_with_by_the_same(tmp_path):
    claim(tmp_path / "set", "pairs", {"count": 3, "sizes": [1, 2]})
    before = (tmp_path / "set" / "pairs.json").read_bytes()
    (tmp_path / "set" / "manifest.jsonl").write_text("")
    claim(tmp_path / "set", "pairs", {"count": 3, "sizes": [1, 2]})
    assert (tmp_path / "set" / "pairs.json").read_bytes() == before


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"count": 4}, "holds pairs made with count 3, but now count is 4"),
        ({"count": 3, "tars": True}, "made with tars None, but now tars is True"),
        ({}, "made with count 3, but now count is None"),
    ],
)
def test_what_was_made_otherwise_is_an_error_whoever_says_more(tmp_path, header, message):
    claim(tmp_path, "pairs", {"count": 3})
    with pytest.raises(ValueError, match=message):
        claim(tmp_path, "pairs", header)


def test_a_manifest_alone_is_something_else(tmp_path):
    (tmp_path / "manifest.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"holds files but no pairs.json"):
        claim(tmp_path, "pairs", {})


def test_what_is_unfinished_has_a_place_of_its_own_and_is_swept(tmp_path):
    write_whole(tmp_path / "a.json", "{}")
    places = {unfinished(tmp_path / "a.json") for _ in range(20)}
    assert len(places) == 20  # two workers at the same file do not write into each other's
    for number, place in enumerate(sorted(places)):
        place.mkdir() if number % 2 else place.write_text("half")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
