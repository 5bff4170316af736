import base64
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from bench_runs import SIZE, a_run, with_features, with_pictures
from PIL import Image

from mild_core.bench.pictures import data_uri, gallery, hole_uri
from mild_core.bench.report import wanted_cases, write_report
from mild_core.bench.summary import summarize

FAST = {"resamples": 100, "set_resamples": 5}


@pytest.fixture
def runs(tmp_path):
    return with_pictures([with_features(a_run("ours", 1, 8, tmp_path), 0.1), a_run("theirs", 0, 8, tmp_path)])


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_the_page_holds_all_numbers(runs, tmp_path):
    summary = summarize(runs, "theirs", **FAST)
    path = write_report(summary, runs, tmp_path / "page.html", stamp="on a day")
    data = data_of(path.read_text())
    assert [m["key"] for m in data["measures"]] == [m.key for m in summary.measures]
    mean = summary.scores["psnr.hole"]["ours"].mean
    assert data["cells"]["psnr.hole"]["ours"]["interval"] == pytest.approx([mean.mean, mean.low, mean.high], rel=1e-4)
    assert data["scores"]["psnr.hole"]["ours"] == pytest.approx([row.scores["psnr.hole"] for row in runs[0].rows], rel=1e-4)
    assert data["cells"]["psnr.background"]["ours"]["interval"] == ["Infinity"] * 3
    assert data["against"]["psnr.hole"]["ours"]["wins"] == summary.against["psnr.hole"]["ours"].wins
    assert "fid.full" in data["cells"]
    assert "fid.full" not in data["scores"]
    assert data["stamp"] == "on a day"


def test_it_needs_nothing_else(runs, tmp_path):
    page = write_report(summarize(runs, **FAST), runs, tmp_path).read_text()
    assert (tmp_path / "report.html").exists()
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page.replace(re.search(r"<script>.*?</script>", page, re.DOTALL)[0], ""))
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "{{" not in re.sub(r"<script>.*</script>", "", page, flags=re.DOTALL)


def test_equal_runs_give_an_equal_file(runs, tmp_path):
    files = [write_report(summarize(runs, "ours", **FAST), runs, tmp_path / f"{k}.html").read_bytes() for k in range(2)]
    assert files[0] == files[1]


def test_text_cannot_leave_its_place(runs, tmp_path):
    evil = "</script><script>alert(1)</script><!--{{script}}"
    rows = (replace(runs[0].rows[0], scores={}, error=evil), *runs[0].rows[1:])
    runs = [replace(runs[0], rows=rows, bench=evil, about=evil), runs[1]]
    page = write_report(summarize(runs, **FAST), runs, tmp_path).read_text()
    data = data_of(page)
    assert data["bench"] == data["erasers"][0]["about"] == data["erasers"][0]["errors"][0][1] == evil
    assert page.count("</script>") == 2
    assert "alert(1)</script>" not in page


def test_the_worst_best_and_median_of_each_eraser_are_wanted(runs):
    summary = summarize(runs, **FAST)
    wanted = wanted_cases(summary, runs, 1)
    for run in runs:
        order = sorted(run.rows, key=lambda row: row.scores["psnr.hole"])
        assert {order[0].id, order[-1].id} <= set(wanted)
        assert {order[3].id, order[4].id} & set(wanted)
    assert len(wanted) <= 6
    assert sorted(wanted_cases(summary, runs, 8)) == [row.id for row in runs[0].rows]


def test_infinite_scores_are_the_best_cases(runs):
    rows = [replace(row, scores={**row.scores, "psnr.hole": math.inf if row.id == "0005" else 3.0}) for row in runs[0].rows]
    runs = [replace(runs[0], rows=tuple(rows))]
    assert wanted_cases(summarize(runs, **FAST), runs, 1)[1] == "0005"


def test_pictures_are_those_of_the_files(runs):
    found = gallery(runs, ["0003"], 640, 10**7)["0003"]
    assert found["size"] == [SIZE[1], SIZE[0]]
    assert set(found["results"]) == {"ours", "theirs"}
    for name, uri in {"photo": found["photo"], "truth": found["truth"]}.items():
        with Image.open(runs[0].folder.parents[1] / "cases" / "0003" / f"{name}.png") as picture:
            apart = np.abs(np.asarray(opened(uri).convert("RGB"), float) - np.asarray(picture, float))
        assert apart.mean() < 8
    tint = np.asarray(opened(found["hole"]).convert("RGBA"))
    assert (tint[..., 3] > 0).sum() == 120
    assert tint[8, 12, 0] > 200


def test_pictures_are_no_larger_than_asked(runs):
    out = runs[0].folder.parents[1]
    assert opened(data_uri(out / "cases" / "0001" / "photo.png", 16)).size == (16, 12)
    assert opened(hole_uri(out / "cases" / "0001" / "hole.png", 16)).size == (16, 12)
    assert data_uri(out / "nowhere.png", 16) is None
    assert hole_uri(out / "nowhere.png", 16) is None


def test_pictures_end_where_the_room_ends(runs, tmp_path):
    ids = [row.id for row in runs[0].rows]
    sizes = {i: len(json.dumps(case)) for i, case in gallery(runs, ids, 640, 10**7).items()}
    assert list(gallery(runs, ids, 640, sum(list(sizes.values())[:3]))) == ids[:3]
    assert gallery(runs, ids, 640, 0) == {}
    data = data_of(write_report(summarize(runs, **FAST), runs, tmp_path, max_bytes=0).read_text())
    assert data["pictures"] == {}
    assert len(data["ids"]) == 8


def test_a_picture_that_is_not_there_is_left_out(runs):
    (runs[0].folder / "pictures" / "0002.png").unlink()
    (runs[0].folder.parents[1] / "cases" / "0002" / "truth.png").unlink()
    found = gallery(runs, ["0002", "nobody"], 640, 10**7)
    assert list(found) == ["0002"]
    assert list(found["0002"]["results"]) == ["theirs"]
    assert found["0002"]["truth"] is None
