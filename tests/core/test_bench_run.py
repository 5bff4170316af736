"""Erasing and scoring a benchmark: what is done, what is kept, and going on."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mild_core.bench import run as running
from mild_core.bench.cases import Case, Task
from mild_core.bench.erasers import Erased, EraserGoneError, Folder
from mild_core.bench.run import check_measures, key_of, run_eraser
from mild_core.metrics.catalog import Metric
from mild_core.metrics.compared import Compared

SIZE = 12
COUNT = 5
MEASURES = ("error.full", "error.hole", "greyness.full", "means.full")


class Rules:
    """A protocol that judges at the photos' own size."""

    name, title, source, measures = "plain", "plain rules", "these tests", MEASURES

    def task(self, case: Case) -> Task:
        photo, people = (np.array(Image.open(path)) for path in (case.photo, case.people))
        return Task(case.id, torch.from_numpy(photo).float() / 255, people, case.erase)

    def truth(self, case: Case) -> Tensor | None:
        return None if case.truth is None else torch.from_numpy(np.array(Image.open(case.truth))).float() / 255

    def compared(self, case: Case, task: Task, result: Tensor) -> Compared:
        if result.shape != task.photo.shape:
            raise ValueError(f"the picture is {result.shape[1]}×{result.shape[0]}")
        return Compared(task.photo, result, torch.from_numpy(task.hole), self.truth(case))


def error(compared: Compared, region: str, networks) -> float:
    assert compared.truth is not None
    off = (compared.result - compared.truth).abs().mean(-1)
    return float(off.mean() if region == "full" else off[compared.hole].mean())


def greyness(compared: Compared, region: str, networks) -> float:
    return float(compared.result.mean())


def means(compared: Compared, region: str, networks) -> tuple[Tensor, Tensor]:
    assert compared.truth is not None
    return compared.result.mean((0, 1))[None], compared.truth.mean((0, 1))[None]


METRICS = {
    "error": Metric("error", "error", "lower", ("full", "hole"), score=error),
    "greyness": Metric("greyness", "greyness", "higher", ("full",), needs_truth=False, score=greyness),
    "means": Metric("means", "means", "lower", ("full",), features=means, distance=lambda a, b: 0.0),
    "deep": Metric("deep", "deep", "higher", ("full",), needs_truth=False, networks=("net",), score=greyness),
}


@dataclass
class Shelf:
    """Networks that are there or not."""

    there: set[str] = field(default_factory=set)

    def missing(self, keys) -> str:
        absent = [key for key in keys if key not in self.there]
        return f"no folder of networks was given; it must hold {', '.join(absent)}" if absent else ""


class Grey:
    """Paints the hole grey, and tells a reading. `stop` is raised in place of that call, `bad` ids fail."""

    name, about, key, rereads = "grey", "grey paint", "1", False

    def __init__(self, stop: tuple[int, BaseException] | None = None, bad: tuple[str, ...] = ()):
        self.stop, self.bad = stop, bad
        self.did: list[str] = []
        self.opened = 0

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.opened -= 1

    def __call__(self, task: Task) -> Erased:
        assert self.opened == 1
        if self.stop and len(self.did) == self.stop[0]:
            raise self.stop[1]
        self.did.append(task.id)
        if task.id in self.bad:
            raise RuntimeError("out of paint\nin two lines")
        hole = torch.from_numpy(task.hole)[..., None]
        return Erased(torch.where(hole, 0.4999, task.photo), 0.25 * len(self.did), {"attention_gap": 0.125})


@pytest.fixture
def cases(tmp_path) -> list[Case]:
    random = np.random.default_rng(0)
    made = []
    for number in range(COUNT):
        folder = tmp_path / "bench" / f"{number:02}"
        folder.mkdir(parents=True)
        people = np.zeros((SIZE, SIZE), np.uint8)
        people[3:8, 2 + number : 5 + number] = 1
        truth = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        photo = np.where(people[..., None] > 0, 255, truth).astype(np.uint8)
        for name, pixels in (("photo", photo), ("people", people), ("truth", truth)):
            Image.fromarray(pixels).save(folder / f"{name}.png")
        paths = {name: folder / f"{name}.png" for name in ("photo", "people", "truth")}
        made.append(Case(f"{number:02}", erase=(1,), tags={"people": str(number)}, **paths))
    return made


def go(cases, out: Path, eraser=None, **changed):
    told = {"protocol": Rules(), "metrics": METRICS, "networks": Shelf(), "bench": "small", "bench_key": "k", **changed}
    return run_eraser(eraser or Grey(), cases, out=out, **told)


def files(out: Path) -> dict[str, bytes]:
    """All that a run left but times."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.name != "run.json"}
    results = "runs/grey/results.csv"
    lines = list(csv.DictReader(io.StringIO(found[results].decode())))
    return {**found, results: "\n".join(str({**line, "seconds": ""}) for line in lines).encode()}


def test_what_a_calm_run_leaves(cases, tmp_path):
    run = go(cases, tmp_path / "out")
    assert [row.id for row in run.rows] == [case.id for case in cases]
    for case, row in zip(cases, run.rows, strict=True):
        rules = Rules()
        task = rules.task(case)
        # a score is of the picture as it is kept, with 8 bits
        result = torch.where(torch.from_numpy(task.hole)[..., None], 127 / 255, task.photo)
        compared = rules.compared(case, task, result)
        assert row.scores["error.hole"] == error(compared, "hole", None)
        assert row.scores["greyness.full"] == float(result.mean())
        assert row.scores["attention_gap"] == 0.125
        assert row.tags == case.tags
        assert not row.error
        folder = tmp_path / "out" / "cases" / case.id
        assert {path.name for path in folder.iterdir()} == {"photo.png", "hole.png", "truth.png"}
        assert (np.array(Image.open(folder / "hole.png")) == task.hole * 255).all()
    assert [row.seconds for row in run.rows] == [0.25 * n for n in range(1, COUNT + 1)]
    assert run.set_ids["means.full"] == tuple(case.id for case in cases)
    assert run.sets["means.full"][0].shape == (COUNT, 3)
    assert run.skipped == {}


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), EraserGoneError("no server"), SystemExit(1)])
@pytest.mark.parametrize("after", range(COUNT))
def test_a_run_that_was_stopped_goes_on_to_what_a_calm_one_leaves(cases, tmp_path, after, stop):
    go(cases, tmp_path / "calm")
    first, second = Grey(stop=(after, stop)), Grey()
    with pytest.raises(type(stop)):
        go(cases, tmp_path / "out", first)
    assert first.opened == 0
    go(cases, tmp_path / "out", second)
    assert first.did + second.did == [case.id for case in cases], "no picture is made twice"
    assert files(tmp_path / "out") == files(tmp_path / "calm")


def test_a_stop_while_scoring_loses_no_picture_that_was_scored(cases, tmp_path):
    go(cases, tmp_path / "calm")
    left = iter([0.0] * 7)

    def slow(compared, region, networks):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return error(compared, region, networks)

    with pytest.raises(KeyboardInterrupt):
        go(cases, tmp_path / "out", metrics={**METRICS, "error": replace(METRICS["error"], score=slow)})
    again = Grey()
    go(cases, tmp_path / "out", again)
    assert again.did == ["03", "04"]
    assert files(tmp_path / "out") == files(tmp_path / "calm")


def test_a_run_that_was_killed_goes_on_from_a_torn_line(cases, tmp_path):
    go(cases, tmp_path / "calm")
    go(cases[:4], tmp_path / "out")
    results = tmp_path / "out" / "runs" / "grey" / "results.csv"
    results.write_bytes(results.read_bytes()[:-10])
    (tmp_path / "out" / "runs" / "grey" / "features" / "means.full.safetensors").unlink()
    again = Grey()
    go(cases, tmp_path / "out", again)
    assert again.did == ["03", "04"]
    assert files(tmp_path / "out") == files(tmp_path / "calm")


def test_a_run_that_is_complete_opens_nothing(cases, tmp_path):
    go(cases, tmp_path / "out")
    before, told = files(tmp_path / "out"), []
    again = Grey(stop=(0, AssertionError()))
    again.open = lambda: pytest.fail("nothing is to be erased")
    go(cases, tmp_path / "out", again, tell=told.append)
    assert told == []
    assert files(tmp_path / "out") == before


def test_a_case_that_fails_is_told_and_the_others_go_on(cases, tmp_path):
    told: list[str] = []
    run = go(cases, tmp_path / "out", Grey(bad=("01",)), tell=told.append)
    assert [row.error for row in run.rows] == ["", "RuntimeError: out of paint; in two lines", "", "", ""]
    assert all(math.isnan(score) for score in run.rows[1].scores.values())
    assert "01" not in run.set_ids["means.full"]
    assert told[1].startswith("grey 2/5 01: failed: RuntimeError: out of paint")
    again = Grey()
    go(cases, tmp_path / "out", again)
    assert again.did == ["01"], "what failed is tried again"
    go(cases, tmp_path / "calm")
    assert files(tmp_path / "out") == files(tmp_path / "calm")


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (torch.zeros(SIZE, SIZE + 1, 3), "ValueError: the picture is 13×12"),
        (torch.zeros(SIZE, SIZE), "ValueError: the eraser's picture is 12×12, but it must be height×width×3"),
        (torch.full((SIZE, SIZE, 3), math.nan), "ValueError: the eraser's picture holds NaN or infinity"),
    ],
)
def test_a_picture_that_is_none_is_an_error_of_its_case(cases, tmp_path, picture, said):
    class Odd(Grey):
        def __call__(self, task: Task) -> Erased:
            return Erased(picture, 1.0)

    run = go(cases[:1], tmp_path / "out", Odd())
    assert run.rows[0].error == said
    assert not (run.folder / "pictures" / "00.png").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bench_key": "other"}, r"is of the benchmark small \(k\), but this run is of small \(other\): name another folder with --out"),
        ({"protocol": type("Others", (Rules,), {"name": "others"})()}, "by the protocol plain, but this run is by others"),
        (
            {"eraser": type("New", (Grey,), {"key": "2"})()},
            r"by grey paint \(1\), but this run is by grey paint \(2\): erase anew with --again grey",
        ),
    ],
)
def test_what_cannot_be_gone_on_with_says_what_differs(cases, tmp_path, changed, said):
    go(cases, tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(ValueError, match=said):
        go(cases, tmp_path / "out", **changed)
    assert files(tmp_path / "out") == before


def test_another_eraser_of_another_benchmark_does_not_share_the_folder(cases, tmp_path):
    go(cases, tmp_path / "out")
    with pytest.raises(ValueError, match="name another folder"):
        go(cases, tmp_path / "out", type("Other", (Grey,), {"name": "other"})(), bench_key="other")


def test_a_measure_that_joins_later_is_scored_from_the_pictures(cases, tmp_path):
    go(cases, tmp_path / "out", measures=("error.full",))
    again = Grey()
    run = go(cases, tmp_path / "out", again)
    assert again.did == []
    go(cases, tmp_path / "calm")
    assert files(tmp_path / "out") == files(tmp_path / "calm")
    assert all(not math.isnan(score) for row in run.rows for score in row.scores.values())


def test_a_network_that_is_not_there_is_told_and_made_up_for_when_it_is(cases, tmp_path):
    asked = (*MEASURES, "deep.full")
    run = go(cases, tmp_path / "out", measures=asked)
    assert run.skipped == {"deep.full": "no folder of networks was given; it must hold net"}
    assert "deep.full" not in run.rows[0].scores
    again = Grey()
    run = go(cases, tmp_path / "out", again, measures=asked, networks=Shelf({"net"}))
    assert again.did == []
    assert run.skipped == {}
    assert all(row.scores["deep.full"] == row.scores["greyness.full"] for row in run.rows)


def test_without_any_truth_what_needs_it_is_left_out(cases, tmp_path):
    run = go([replace(case, truth=None) for case in cases], tmp_path / "out")
    assert set(run.skipped) == {"error.full", "error.hole", "means.full"}
    assert set(run.skipped.values()) == {"the benchmark knows no truth"}
    assert run.sets == {}
    assert all(row.scores["greyness.full"] > 0 for row in run.rows)


def test_with_some_truths_the_others_scores_cannot_be_told(cases, tmp_path):
    some = [replace(case, truth=None) if case.id == "02" else case for case in cases]
    run = go(some, tmp_path / "out")
    assert [math.isnan(row.scores["error.full"]) for row in run.rows] == [False, False, True, False, False]
    assert run.set_ids["means.full"] == ("00", "01", "03", "04")
    again = Grey()
    told: list[str] = []
    go(some, tmp_path / "out", again, tell=told.append)
    assert told == [], "what cannot be told is not tried again"


def test_a_measure_that_fails_of_some_pictures_leaves_their_other_scores(cases, tmp_path):
    def picky(compared, region, networks):
        if compared.hole[3, 3]:
            raise ValueError("not this one")
        return 1.0

    metrics = {**METRICS, "greyness": replace(METRICS["greyness"], score=picky)}
    run = go(cases, tmp_path / "out", metrics=metrics)
    assert run.skipped == {"greyness.full": "could not be taken of 00 (ValueError: not this one), and of 1 more"}
    assert [math.isnan(row.scores["greyness.full"]) for row in run.rows] == [True, True, False, False, False]
    assert not any(row.error or math.isnan(row.scores["error.full"]) for row in run.rows)
    again = Grey()
    assert go(cases, tmp_path / "out", again).skipped == {}
    assert again.did == []


def test_features_of_unequal_shape_are_refused(cases, tmp_path):
    odd = replace(METRICS["means"], features=lambda *_: (torch.zeros(1, 3), torch.zeros(2, 3)))
    assert "must be two of [K, D]" in go(cases, tmp_path / "out", metrics={**METRICS, "means": odd}).skipped["means.full"]


def test_when_the_code_that_scores_changes_the_pictures_stay(cases, tmp_path, monkeypatch):
    go(cases, tmp_path / "out")
    monkeypatch.setattr(running, "sources_key", lambda folders: "changed")
    metrics = {**METRICS, "greyness": replace(METRICS["greyness"], score=lambda *_: 7.0)}
    again, told = Grey(), []
    run = go(cases, tmp_path / "out", again, metrics=metrics, tell=told.append)
    assert again.did == []
    assert "scores are taken anew" in told[0]
    assert [row.scores["greyness.full"] for row in run.rows] == [7.0] * COUNT
    assert [row.scores["attention_gap"] for row in run.rows] == [0.125] * COUNT
    assert [row.seconds for row in run.rows] == [0.25 * n for n in range(1, COUNT + 1)]


def test_a_folder_of_pictures_lacks_some_now_and_has_others_then(cases, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for case in cases[1:]:
        Image.open(case.truth).save(made / f"{case.id}.png")
    run = go(cases, tmp_path / "out", Folder(made, "theirs"))
    assert run.rows[0].error.startswith("FileNotFoundError: ")
    assert "holds no picture 00" in run.rows[0].error
    assert [row.scores["error.full"] for row in run.rows[1:]] == [0.0] * 4
    assert all(math.isnan(row.seconds) for row in run.rows)
    Image.open(cases[0].photo).save(made / "00.png")
    Image.open(cases[1].photo).save(made / "01.png")
    (made / "02.png").unlink()
    run = go(cases, tmp_path / "out", Folder(made, "theirs"))
    assert [bool(row.error) for row in run.rows] == [False, False, True, False, False]
    assert run.rows[0].scores["error.full"] > 0
    assert run.rows[1].scores["error.full"] > 0
    assert run.set_ids["means.full"] == ("00", "01", "03", "04")
    (result, reference) = run.sets["means.full"]
    assert not torch.equal(result[1], reference[1]), "features are of the picture that is there now"


def test_the_key_is_of_what_files_hold_not_of_where_they_lie(cases, tmp_path):
    key = key_of(cases)
    moved = tmp_path / "moved"
    (tmp_path / "bench").rename(moved)

    def there(case: Case) -> Case:
        return replace(case, **{name: moved / case.id / f"{name}.png" for name in ("photo", "people", "truth")})

    assert key_of([there(case) for case in reversed(cases)]) == key
    assert key_of([there(case) for case in cases[1:]]) != key
    assert key_of([replace(there(cases[0]), erase=(2,)), *map(there, cases[1:])]) != key
    (moved / "00" / "truth.png").write_bytes((moved / "01" / "truth.png").read_bytes())
    assert key_of([there(case) for case in cases]) != key


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("psnr.full", "must be NAME.REGION with one of the names error, greyness"),
        ("error.box", "error is taken in full, hole"),
        ("error", "error is taken in"),
    ],
)
def test_measures_that_are_none_are_refused(measure, said):
    with pytest.raises(ValueError, match=said):
        check_measures([measure], METRICS)
