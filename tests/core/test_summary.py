import math
from dataclasses import replace

import pytest
from bench_runs import a_run, with_features

from mild_core.bench.statistics import interval, paired
from mild_core.bench.summary import measure_of, scores_by_id, summarize
from mild_core.metrics.distribution import frechet_distance

FAST = {"resamples": 200, "set_resamples": 20}


def without(run, ids, error="broken"):
    """The run with errors in place of these cases' scores."""
    return replace(run, rows=tuple(replace(row, scores={}, error=error) if row.id in ids else row for row in run.rows))


def test_means_are_those_of_the_rows():
    run = a_run("ours")
    summary = summarize([run, a_run("theirs")], **FAST)
    scores = [row.scores["psnr.hole"] for row in run.rows]
    assert summary.scores["psnr.hole"]["ours"].mean == interval(scores, resamples=200)
    assert (summary.cases, summary.common["psnr.hole"]) == (24, 24)


def test_ranks_bests_and_ties():
    summary = summarize([a_run("far", -3), a_run("close", -0.01), a_run("best")], **FAST)
    found = summary.scores["psnr.hole"]
    ranks = {name: score.rank for name, score in found.items()}
    assert ranks["far"] == 3
    assert sorted(ranks.values()) == [1, 2, 3]
    assert {name for name, score in found.items() if score.best or score.tied} == {"close", "best"}
    best = next(name for name in found if found[name].best)
    assert not found[best].tied


def test_lower_is_better_where_the_measure_says_so():
    slow = a_run("slow")
    slow = replace(slow, rows=tuple(replace(row, seconds=9.0) for row in slow.rows))
    summary = summarize([slow, a_run("quick")], **FAST)
    assert summary.scores["seconds"]["quick"].best
    assert not summary.scores["seconds"]["slow"].tied


def test_erasers_are_compared_on_the_cases_that_all_have():
    """One that fails on the hard cases does not rise above one that answers them as well."""
    whole = a_run("whole")
    hard = sorted(whole.rows, key=lambda row: row.scores["psnr.hole"])[:8]
    summary = summarize([whole, without(a_run("picky", -0.5), {row.id for row in hard})], baseline="whole", **FAST)
    found = summary.scores["psnr.hole"]
    assert summary.common["psnr.hole"] == 16
    assert found["whole"].best
    assert (found["whole"].missing, found["picky"].missing) == (0, 8)
    assert found["picky"].mean.n == 16
    assert summary.erasers[1].errors == {row.id: "broken" for row in hard}
    assert summary.against["psnr.hole"]["picky"].n == 16


def test_the_comparison_with_the_baseline_is_the_paired_one():
    ours, base = a_run("ours", 1), a_run("base")
    summary = summarize([ours, base], baseline="base", **FAST)
    expected = paired(scores_by_id(ours, "psnr.hole"), scores_by_id(base, "psnr.hole"), resamples=200)
    assert summary.against["psnr.hole"] == {"ours": expected}
    assert expected.certain
    assert summarize([ours, base], **FAST).against == {}


def test_infinite_scores_are_ranked_by_the_median():
    kept, changed = a_run("kept"), a_run("changed")
    rows = [replace(row, scores={**row.scores, "psnr.background": 30.0 if k else math.inf}) for k, row in enumerate(changed.rows)]
    some = [replace(row, scores={**row.scores, "psnr.background": 20.0 if k < 3 else math.inf}) for k, row in enumerate(kept.rows)]
    summary = summarize([replace(changed, rows=tuple(rows)), replace(kept, rows=tuple(some))], **FAST)
    found = summary.scores["psnr.background"]
    assert found["kept"].best
    assert not found["changed"].tied
    assert (found["kept"].mean.mean, found["kept"].mean.infinite) == (20.0, 21)  # less than the other's 30


def test_means_by_tag_and_which_tags_are_kinds():
    runs = [a_run("ours"), a_run("theirs")]
    summary = summarize(runs, **FAST)
    assert summary.tags == {"people": {"1": 8, "2": 8, "3": 8}, "occlusion": {"none": 8, "light": 8, "heavy": 8}}  # in degrees
    assert list(summary.tags["occlusion"]) == ["none", "light", "heavy"]
    scores = [row.scores["psnr.hole"] for row in runs[0].rows if row.tags["people"] == "2"]
    assert summary.by_tag["people"]["2"]["psnr.hole"]["ours"] == interval(scores, resamples=200)


def test_distances_between_sets():
    near, far = with_features(a_run("near"), 0.1), with_features(a_run("far"), 2.0)
    summary = summarize([far, near, a_run("none")], baseline="far", **FAST)
    found = summary.scores["fid.full"]
    assert found["near"].best
    assert not found["far"].tied
    assert found["near"].mean.mean == pytest.approx(frechet_distance(*near.sets["fid.full"]))
    assert found["near"].mean.low < found["near"].mean.mean < found["near"].mean.high
    assert summary.common["fid.full"] == 24  # cases, not crops
    assert summary.against["fid.full"]["near"].difference.high < 0
    assert "none" not in found
    assert all("fid.full" not in found for found in summary.by_tag["people"].values())


def test_a_set_is_compared_on_common_cases_too():
    whole, part = with_features(a_run("whole"), 0.1, each=1), with_features(a_run("part"), 0.1, each=1)
    features = tuple(f[:10] for f in part.sets["fid.full"])
    part = replace(part, sets={"fid.full": features}, set_ids={"fid.full": part.set_ids["fid.full"][:10]})
    summary = summarize([whole, part], **FAST)
    assert summary.common["fid.full"] == 10
    assert summary.scores["fid.full"]["whole"].mean == summary.scores["fid.full"]["part"].mean
    assert summary.scores["fid.full"]["part"].missing == 14


def test_what_is_missing_is_told():
    needs = {"lpips_alex.full": "its network is not there"}
    ours, theirs = a_run("ours", skipped=needs), a_run("theirs", skipped={**needs, "attention_gap": "no record"})
    ours = replace(ours, rows=tuple(replace(r, scores={**r.scores, "attention_gap": 0.1, "rc_s.full": math.nan}) for r in ours.rows))
    summary = summarize([ours, theirs], **FAST)
    assert summary.skipped == {
        "lpips_alex.full": {"its network is not there": ("ours", "theirs")},
        "attention_gap": {"no record": ("theirs",)},
        "rc_s.full": {"no case has a score": ("ours", "theirs")},
    }
    assert list(summary.scores["attention_gap"]) == ["ours"]


def test_the_order_of_measures_is_the_protocols_then_readings_then_time():
    run = a_run("ours")
    run = replace(run, rows=tuple(replace(r, scores={"attention_gap": 0.1, "ours_alone": 1.0, **r.scores}) for r in run.rows))
    keys = [m.key for m in summarize([run], **FAST).measures]
    assert keys[0] == "psnr.hole"
    assert keys[-3:] == ["ours_alone", "attention_gap", "seconds"]


def test_what_keys_mean():
    told = measure_of("psnr.background")
    assert (told.label, told.unit, told.arrow) == ("PSNR, background", "dB", "↑")
    assert measure_of("fid.full").label == "FID"  # it is taken nowhere else
    assert measure_of("fid.full").of_sets
    assert (measure_of("seconds").label, measure_of("seconds").arrow) == ("time", "↓")
    assert measure_of("new.hole").label == "new, hole"


@pytest.mark.parametrize(
    ("second", "baseline", "message"),
    [
        (a_run("b", protocol="magiceraser"), None, "scenes and magiceraser"),
        (a_run("b", bench="other", bench_key="def456"), None, r"little \(abc123\) but b on other \(def456\)"),
        (a_run("a"), None, "two runs are of the eraser 'a'"),
        (a_run("b"), "c", "baseline is 'c', but it must be one of the erasers a, b"),
        (without(a_run("b"), {f"{k:04}" for k in range(24)}), None, r"no case went well with every eraser .*a 24, b 0"),
    ],
)
def test_runs_that_do_not_go_together(second, baseline, message):
    with pytest.raises(ValueError, match=message):
        summarize([a_run("a"), second], baseline)


def test_there_must_be_a_run():
    with pytest.raises(ValueError, match="at least one"):
        summarize([])


def test_equal_runs_give_equal_summaries():
    runs = [with_features(a_run("a", 1), 0.5), with_features(a_run("b"), 0.2)]
    assert summarize(runs, "b", **FAST) == summarize(runs, "b", **FAST)
