"""What a run leaves on disk, also when it is cut off."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.bench import store
from mild_core.bench.store import Row, RunFolder, put, read_picture, read_run, read_runs, save_picture

HEAD = {
    "eraser": "telea",
    "about": "Telea",
    "key": "0",
    "protocol": "scenes",
    "bench": "small",
    "bench_key": "1",
    "skipped": {"fid.full": "no network"},
}
MEASURES = ("psnr.hole", "ssim.full")


def row(id: str, **changed) -> Row:
    told = {"tags": {"people": "2"}, "seconds": 0.5, "scores": {"psnr.hole": 20.25, "ssim.full": 0.5}, "error": ""}
    return Row(id, **{**told, **changed})


def written(folder: Path, *rows: Row, measures=MEASURES) -> RunFolder:
    run = RunFolder(folder)
    run.begin(HEAD, measures)
    for one in rows:
        run.append(one)
    return run


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


numbers = st.floats(allow_nan=True, allow_infinity=True)
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(words, words, max_size=3), numbers, st.dictionaries(words, numbers, max_size=3), words)
def test_a_row_comes_back_as_it_was(tmp_path_factory, tags, seconds, scores, error):
    folder = tmp_path_factory.mktemp("run")
    written(folder, Row("a", tags, seconds, scores, error))
    (back,) = RunFolder(folder).rows.values()
    assert back.tags == tags
    assert same(back.seconds, seconds)
    assert back.scores.keys() == scores.keys()
    assert all(same(back.scores[name], scores[name]) for name in scores)
    assert back.error == "; ".join(part.strip() for part in error.splitlines() if part.strip())


def test_scores_that_were_never_taken_are_nan_and_a_folder_knows_which(tmp_path):
    written(tmp_path, row("a", scores={"psnr.hole": math.inf, "attention_gap": 0.25})).finish()
    (back,) = read_run(tmp_path).rows
    assert back.scores["psnr.hole"] == math.inf
    assert math.isnan(back.scores["ssim.full"])
    assert back.scores["attention_gap"] == 0.25
    assert set(RunFolder(tmp_path).rows["a"].scores) == {"psnr.hole", "attention_gap"}


def test_a_file_that_was_cut_anywhere_holds_the_rows_whose_lines_are_whole(tmp_path):
    rows = [row("a"), row("b", error='ValueError: "x", ü'), row("c", scores={"psnr.hole": 1 / 3})]
    written(tmp_path, *rows)
    whole = (tmp_path / "results.csv").read_bytes()
    for length in range(len(whole) + 1):
        (tmp_path / "results.csv").write_bytes(whole[:length])
        found = RunFolder(tmp_path).rows
        lines = whole[:length].count(b"\n") - 1
        assert list(found) == ["a", "b", "c"][: max(lines, 0)]
        assert all(found[one.id] == one for one in rows[: max(lines, 0)])


def test_after_a_cut_the_journal_goes_on_with_a_line_of_its_own(tmp_path):
    written(tmp_path, row("a"), row("b"))
    calm = (tmp_path / "results.csv").read_bytes()
    (tmp_path / "results.csv").write_bytes(calm[:-7])
    written(tmp_path, row("b"))
    assert (tmp_path / "results.csv").read_bytes() == calm


def test_a_line_that_is_no_row_is_named(tmp_path):
    written(tmp_path, row("a"), row("b"))
    results = tmp_path / "results.csv"
    results.write_text(results.read_text().replace("20.25", "often", 1))
    with pytest.raises(ValueError, match=r"results\.csv, line 2, is no row of results \(could not convert string to float: 'often'\)"):
        RunFolder(tmp_path)
    results.write_text("name,score\n1,2\n")
    with pytest.raises(ValueError, match="begins with name,score, but it must begin with id,error"):
        RunFolder(tmp_path)


def test_a_later_line_stands_in_for_an_earlier_one_and_rows_end_in_order(tmp_path):
    run = written(tmp_path, row("b"), row("a", error="no"), row("a", seconds=2.0))
    run.finish()
    assert [(r.id, r.seconds, r.error) for r in read_run(tmp_path).rows] == [("a", 2.0, ""), ("b", 0.5, "")]
    assert (tmp_path / "results.csv").read_text().count("\n") == 3


def test_a_measure_that_joins_later_leaves_the_others_scores(tmp_path):
    written(tmp_path, row("a")).finish()
    run = written(tmp_path, measures=("lpips_alex.box",))
    assert run.rows["a"].scores == {"psnr.hole": 20.25, "ssim.full": 0.5}
    run.append(row("a", scores={**run.rows["a"].scores, "lpips_alex.box": 0.125}))
    run.finish()
    assert (tmp_path / "results.csv").read_text().splitlines()[0].endswith(",psnr.hole,ssim.full,lpips_alex.box")
    assert read_run(tmp_path).rows[0].scores == {"psnr.hole": 20.25, "ssim.full": 0.5, "lpips_alex.box": 0.125}


def test_forgetting_scores_keeps_what_erasing_told(tmp_path):
    run = written(tmp_path, row("a", scores={"psnr.hole": 1.0, "attention_gap": 0.5}))
    run.keep_features("fid.full", "a", torch.ones(1, 2), torch.ones(1, 2))
    run.finish()
    run = RunFolder(tmp_path)
    run.forget_scores()
    run.begin(HEAD, ["ssim.full"])
    run.finish()
    back = RunFolder(tmp_path)
    assert back.rows["a"].scores == {"attention_gap": 0.5}
    assert back.features == {}


def test_features_come_back_by_id_with_as_many_rows_as_each_had(tmp_path):
    random = torch.Generator().manual_seed(0)
    run = written(tmp_path)
    kept = {
        id: (torch.randn(rows, 4, generator=random), torch.randn(rows, 4, generator=random)) for id, rows in (("b", 2), ("a", 1), ("c", 0))
    }
    for id, (result, reference) in kept.items():
        run.keep_features("local_fid.box", id, result, reference)
    run.finish()
    back = RunFolder(tmp_path).features["local_fid.box"]
    assert list(back) == ["a", "b", "c"]
    assert all(torch.equal(back[id][side], kept[id][side]) for id in kept for side in (0, 1))
    result = read_run(tmp_path)
    assert result.set_ids == {"local_fid.box": ("a", "b", "b")}
    assert torch.equal(result.sets["local_fid.box"][0], torch.cat([kept["a"][0], kept["b"][0]]))
    assert torch.equal(result.sets["local_fid.box"][1], torch.cat([kept["a"][1], kept["b"][1]]))


def test_a_run_says_what_it_is(tmp_path):
    written(tmp_path, row("a")).finish()
    run = read_run(tmp_path)
    assert (run.eraser, run.about, run.protocol, run.bench, run.bench_key) == ("telea", "Telea", "scenes", "small", "1")
    assert run.skipped == {"fid.full": "no network"}
    assert run.folder == tmp_path
    with pytest.raises(ValueError, match=r"holds no run\.json"):
        read_run(tmp_path / "elsewhere")


def test_runs_are_in_the_order_in_which_they_were_begun(tmp_path):
    for name, begun in (("b", "2026-01-01"), ("a", "2026-01-02")):
        RunFolder(tmp_path / "runs" / name).begin({**HEAD, "eraser": name, "begun": begun}, ())
    assert [run.eraser for run in read_runs(tmp_path)] == ["b", "a"]


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path, monkeypatch):
    put(tmp_path / "x" / "a.txt", b"one")

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(store.os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        put(tmp_path / "x" / "a.txt", b"two")
    assert (tmp_path / "x" / "a.txt").read_bytes() == b"one"


def test_a_picture_of_8_bits_comes_back_bit_for_bit(tmp_path):
    levels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    save_picture(tmp_path / "a.png", levels / 255)
    assert torch.equal(read_picture(tmp_path / "a.png"), levels / 255)
    save_picture(tmp_path / "b.png", torch.tensor([[True, False]]))
    assert read_picture(tmp_path / "b.png")[0, :, 0].tolist() == [1, 0]
