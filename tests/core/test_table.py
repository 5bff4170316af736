import math
from dataclasses import replace

import pytest
from bench_runs import a_run, with_features

from mild_core.bench.statistics import Interval
from mild_core.bench.summary import summarize
from mild_core.bench.table import by_tag, decimals, markdown, number, written

FAST = {"resamples": 200, "set_resamples": 10}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_one_row_an_eraser_and_one_column_a_measure():
    summary = summarize([a_run("far", -3), a_run("best")], **FAST)
    head, rule, far, best, *rest = markdown(summary, ["psnr.hole", "seconds"]).splitlines()
    assert cells(head) == ["eraser", "PSNR, hole (dB) ↑", "time (s) ↓"]
    assert cells(rule) == ["---", "---:", "---:"]
    assert cells(best)[1] == f"**{written(summary.scores['psnr.hole']['best'].mean, 2)}**"
    assert cells(far)[1] == written(summary.scores["psnr.hole"]["far"].mean, 2)
    assert rest[0] == ""


def test_erasers_that_cannot_be_told_from_the_best_are_marked():
    text = markdown(summarize([a_run("one"), a_run("two", -0.01)], **FAST), ["psnr.hole"])
    assert text.count("** |") == 1
    assert text.count("≈ |") == 1


def test_notes_name_what_one_must_know():
    broken = a_run("broken", skipped={"lpips_alex.full": "its network is not there", "attention_gap": "no record"})
    rows = tuple(replace(row, scores={}, error="boom") if k < 2 else row for k, row in enumerate(broken.rows))
    whole = a_run("whole", skipped={"lpips_alex.full": "its network is not there"})
    text = markdown(summarize([whole, replace(broken, rows=rows)], **FAST))
    assert "24 cases of little (`abc123`), protocol MILD scenes" in text
    assert "22 in PSNR, hole, " in text
    assert "- broken failed on 2 of 24 cases." in text
    assert "- Skipped: lpips\\_alex.full: its network is not there." in text
    assert "- Skipped for broken: attention\\_gap: no record." in text


def test_a_table_by_tag():
    summary = summarize([with_features(a_run("ours"), 0.1), a_run("theirs")], **FAST)
    lines = by_tag(summary, "psnr.hole", "occlusion").splitlines()
    assert cells(lines[2]) == ["tag", "cases", "ours", "theirs"]
    assert [cells(line)[:2] for line in lines[4:]] == [["occlusion: none", "8"], ["occlusion: light", "8"], ["occlusion: heavy", "8"]]
    assert "people: 3" in by_tag(summary, "psnr.hole")
    assert cells(by_tag(summary, "fid.full", "people").splitlines()[4]) == ["people: 1", "0", "–"]
    with pytest.raises(ValueError, match="no tag is called 'mood'; there are people, occlusion"):
        by_tag(summary, "psnr.hole", "mood")
    with pytest.raises(ValueError, match=r"no measure is called 'psnr.moon'"):
        markdown(summary, ["psnr.moon"])


def test_text_has_no_meaning_to_markdown():
    run = a_run("a|b*c\n<img src=x>", about="")
    text = markdown(summarize([run], **FAST), ["psnr.hole"])
    assert "| a\\|b\\*c &lt;img src=x&gt; |" in text


@pytest.mark.parametrize(
    ("found", "style", "expected"),
    [
        (Interval(21.3, 20.8, 21.9, 9), "half", "21.30 ± 0.55"),
        (Interval(21.3, 20.8, 21.9, 9), "ends", "21.30 [20.80, 21.90]"),
        (Interval(-0.5, -0.6, -0.4, 9), "ends", "−0.50 [−0.60, −0.40]"),
        (Interval(math.inf, math.inf, math.inf, 0, 0, 9), "half", "∞"),
        (Interval(40.0, 39.0, 41.0, 8, 0, 1), "half", "40.00 ± 1.00 (1 × ∞)"),
        (Interval(3.0, math.nan, math.nan, 1), "half", "3.00"),
        (Interval(math.nan, math.nan, math.nan, 0), "half", "–"),
    ],
)
def test_how_an_interval_is_written(found, style, expected):
    assert written(found, 2, style) == expected


@pytest.mark.parametrize(
    ("means", "digits"), [([12345.6], 0), ([1234.5, 3], 1), ([21.3, 0.01], 2), ([0.87], 3), ([0.02], 4), ([math.inf], 4)]
)
def test_digits_tell_a_columns_means_apart(means, digits):
    assert decimals(means) == digits
    assert number(math.nan, digits) == "–"
