"""The manifest of bulk work."""

from __future__ import annotations

import pytest

from mild_core.batch import journal as module
from mild_core.batch.journal import MANIFEST, Journal, read_manifest
from mild_core.batch.places import FullError, place_of


@pytest.fixture
def place(tmp_path):
    return place_of(str(tmp_path / "out"))


def names(place) -> list[str]:
    return [found.name for found in place.files()]


def test_a_closed_journal_is_one_file_in_order(place, tmp_path):
    journal = Journal(place)
    journal.add("b", "done", seconds=1.5)
    journal.add("ä/a", "failed", "no picture\nat all")
    journal.add("b", "failed", "worse")
    journal.close()
    assert names(place) == [MANIFEST]
    assert not (tmp_path / "out" / "manifest").exists()
    assert read_manifest(place) == {
        "b": {"id": "b", "status": "failed", "reason": "worse"},
        "ä/a": {"id": "ä/a", "status": "failed", "reason": "no picture\nat all"},
    }
    assert Journal(place).entry("b")["reason"] == "worse"
    assert Journal(place).entry("c") == {}


def test_what_was_flushed_survives_a_journal_that_was_not_closed(place, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_LINES", 3)
    first = Journal(place)
    for number in range(8):
        first.add(str(number), "done")
    first.flush()
    assert names(place) == ["manifest/000001.jsonl", "manifest/000002.jsonl", "manifest/000003.jsonl"]
    second = Journal(place)
    second.add("3", "failed", "the second time")
    second.flush()
    assert len(names(place)) == 4, "a segment of another run is not written over"
    assert read_manifest(place)["3"]["status"] == "failed", "later lines count"
    second.close()
    assert names(place) == [MANIFEST]
    assert sorted(read_manifest(place)) == [str(number) for number in range(8)]


def test_lines_are_written_as_time_goes(place, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_SECONDS", 0.0)
    journal = Journal(place)
    journal.add("a", "done")
    assert read_manifest(place) == {"a": {"id": "a", "status": "done", "reason": ""}}
    journal.add("b", "done")
    assert names(place) == ["manifest/000001.jsonl"], "one segment grows until it is full"
    assert set(read_manifest(place)) == {"a", "b"}


def test_a_line_that_is_none_is_named(place):
    place.write(MANIFEST, b'{"id":"a","status":"done"}\nnonsense\n')
    with pytest.raises(ValueError, match=r"manifest\.jsonl, line 2, is no line of a manifest"):
        Journal(place)


def test_a_full_place_is_told(place, monkeypatch):
    journal = Journal(place)
    journal.add("a", "done")
    monkeypatch.setattr(type(place), "write", lambda *_: (_ for _ in ()).throw(FullError("no room")))
    with pytest.raises(FullError):
        journal.close()
