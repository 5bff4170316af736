"""The command of bulk runs, as far as it goes without a cluster."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from object_storage import object_storage
from PIL import Image
from shapes import ROOT

from mild_core.batch import run as module
from mild_core.batch.__main__ import main
from mild_core.batch.engine import Job, Outcome
from mild_core.batch.journal import read_manifest
from mild_core.batch.places import place_of
from mild_core.batch.report import Summary

GRAPH = str(ROOT / "workflows" / "api" / "erase.json")


@pytest.fixture
def photos(tmp_path) -> Path:
    for kind in ("photos", "people"):
        (tmp_path / kind).mkdir()
    for number in range(5):
        Image.fromarray(np.full((8, 9, 3), number, np.uint8)).save(tmp_path / "photos" / f"{number}.jpg")
        if number != 3:
            Image.fromarray(np.eye(8, 9, dtype=np.uint8)).save(tmp_path / "people" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def jobs(monkeypatch) -> list[Job]:
    """What would be handed to workers; each job is done, and writes its picture, at once."""
    handed: list[Job] = []

    def do(work, jobs, cluster, policy):
        for job in jobs:
            handed.append(job)
            told = []
            for photo in job.payload:
                work.results.write(f"{photo.stem}.png", b"x")
                told.append({"id": photo.id, "files": [f"{photo.stem}.png"], "bytes": 1})
            yield Outcome(job.id, "done", seconds=2.0, worker="worker-1", result=told)

    class Joined:
        def __init__(self, cluster):
            self.cluster = cluster

        def __enter__(self):
            return replace(self.cluster, workers=1, cpus=1.0, gpus=0.0)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(module, "run_jobs", do)
    monkeypatch.setattr(module, "joined", Joined)
    return handed


def run(photos: Path, *more: str, graph: str = GRAPH) -> int:
    return main(["run", graph, str(photos), "--out", str(photos.parent / "out"), "--people", str(photos.parent / "people"), *more])


def manifest(photos: Path) -> dict[str, dict]:
    return read_manifest(place_of(str(photos.parent / "out")))


def test_what_lacks_its_mask_is_skipped_and_told(photos, jobs, capsys):
    assert run(photos, "--set", "erase=all") == 0
    assert [job.id for job in jobs] == ["0.jpg", "1.jpg", "2.jpg", "4.jpg"]
    assert "4 photos to do, 1 skipped" in capsys.readouterr().err
    found = manifest(photos)
    assert found["3.jpg"]["status"] == "skipped"
    assert "people" in found["3.jpg"]["reason"]
    (photo,) = jobs[0].payload
    assert (photo.id, photo.values, set(photo.files)) == ("0.jpg", {"erase": "all"}, {"photo", "people"})


def test_again_does_nothing_but_what_changed(photos, jobs, capsys):
    run(photos)
    before = list(jobs)
    jobs.clear()
    assert run(photos) == 0
    assert jobs == []
    Image.fromarray(np.full((8, 9), 2, np.uint8)).save(photos.parent / "people" / "1.png")
    run(photos)
    assert [job.id for job in jobs] == ["1.jpg"]
    jobs.clear()
    run(photos, "--set", "erase=2")
    assert [job.id for job in jobs] == [job.id for job in before], "another choice is another picture"
    stems = {job.payload[0].stem for job in [*before, *jobs]}
    assert len(stems) == 8


def test_a_result_that_is_gone_is_made_again_and_one_without_a_line_counts(photos, jobs):
    run(photos)
    out = photos.parent / "out"
    (gone,) = (path for path in (out / "results").iterdir() if path.name.startswith("2.jpg"))
    gone.unlink()
    (out / "manifest.jsonl").unlink()
    jobs.clear()
    run(photos)
    assert [job.id for job in jobs] == ["2.jpg"]
    assert {id for id, entry in manifest(photos).items() if entry["status"] == "done"} == {"0.jpg", "1.jpg", "2.jpg", "4.jpg"}


def test_failed_ones_are_tried_again_unless_they_are_left(photos, jobs, monkeypatch):
    def fail(work, todo, cluster, policy):
        for job in todo:
            jobs.append(job)
            yield Outcome(job.id, "failed", "a node raised", 3, worker="worker-1")

    monkeypatch.setattr(module, "run_jobs", fail)
    assert run(photos) == 1
    assert {entry["reason"] for entry in manifest(photos).values() if entry["status"] == "failed"} == {"a node raised"}
    assert "- 4: a node raised (0.jpg, 1.jpg, 2.jpg and 1 more)" in (photos.parent / "out" / "report.md").read_text()
    jobs.clear()
    assert run(photos, "--leave-failed") == 0
    assert jobs == []
    run(photos)
    assert len(jobs) == 4


def test_photos_that_were_together_are_together_again(photos, jobs):
    run(photos, "--together", "2")
    assert [[photo.id for photo in job.payload] for job in jobs] == [["0.jpg", "1.jpg"], ["2.jpg", "4.jpg"]]
    assert [[part.id for part in job.parts] for job in jobs] == [["0.jpg", "1.jpg"], ["2.jpg", "4.jpg"]]
    assert manifest(photos)["4.jpg"]["seconds"] == 1.0, "its share of the job"
    next(path for path in (photos.parent / "out" / "results").iterdir() if path.name.startswith("4.jpg")).unlink()
    jobs.clear()
    run(photos, "--together", "2")
    assert [[photo.id for photo in job.payload] for job in jobs] == [["2.jpg", "4.jpg"]]


def test_what_cannot_be_done_is_told_before_anything_begins(photos, jobs, capsys, tmp_path):
    smart, panoptic = (str(ROOT / "workflows" / "api" / f"{name}.json") for name in ("smarteraser", "magiceraser"))
    for wrong, why in (
        (lambda: run(photos, "--set", "mood=happy"), "slot mood is not clear"),
        (lambda: run(photos, "--set", "mood"), "--set is 'mood', but it must be NAME=VALUE"),
        (lambda: run(photos, "--together", "0"), "together is 0"),
        (lambda: run(photos, "--together", "2", graph=smart), "together is 2, but photos cannot share a batch in this graph"),
        (lambda: run(photos, graph=panoptic), "slot people is not clear"),
        (lambda: run(photos, "--comfyui", str(tmp_path)), "but it must be an installed ComfyUI"),
        (lambda: run(photos, graph=str(tmp_path / "none.json")), "which is not there"),
        (lambda: run(photos, "--retries", "-1"), "retries is -1"),
        (lambda: main(["run", GRAPH, str(photos), "--out", str(photos / "out")]), "out, which is in the source"),
        (lambda: main(["run", GRAPH, str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]), "nothing is not there"),
    ):
        assert wrong() == 2
        assert why in capsys.readouterr().err
    assert jobs == []
    assert not (photos.parent / "out").exists() or not (photos.parent / "out" / "results").exists()


def test_columns_that_the_graph_has_no_slot_for_are_told(photos, jobs, capsys):
    rows = [{"photo": "0.jpg", "people": "../people/0.png", "erase": "1", "note": "x"}, {"photo": "1.jpg", "people": "../people/1.png"}]
    (photos / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["run", GRAPH, str(photos / "list.jsonl"), "--out", str(photos.parent / "out"), "--set", "erase=all"]) == 0
    assert "the graph has no slot of that name: note" in capsys.readouterr().err
    assert [dict(job.payload[0].values) for job in jobs] == [{"erase": "1"}, {"erase": "all"}]
    found = manifest(photos)
    assert [found[id]["values"] for id in ("0.jpg", "1.jpg")] == [{"erase": "1"}, {"erase": "all"}]
    (graph,) = (photos.parent / "out" / "graphs").iterdir()
    assert found["0.jpg"]["graph"] == graph.stem
    assert json.loads(graph.read_text(encoding="utf-8")) == json.loads(Path(GRAPH).read_text(encoding="utf-8"))


def test_a_summary_puts_alike_failures_together():
    summary = Summary("out")
    for number in range(30):
        told = {"id": f"{number}.jpg", "status": "failed", "reason": f"photo is /a/b/{number}.jpg, which is no picture"}
        summary.ended(told, Outcome(told["id"], "failed"))
    summary.ended({"id": "x", "status": "failed", "reason": "out of memory"}, Outcome("x", "failed"))
    summary.ended({"id": "y", "status": "done", "seconds": 3.0, "bytes": 500}, Outcome("y", "done", tries=2, worker="worker-2"))
    text = summary.text()
    assert "- 30: photo is /a/b/0.jpg, which is no picture (0.jpg, 1.jpg, 2.jpg and 27 more)" in text
    assert "- 1: out of memory (x)" in text
    assert "1 needed more than one try" in text
    assert "| worker-2 | 1 | 3.00 |" in text


def test_source_and_results_in_object_storage(photos, jobs, capsys):
    with object_storage() as storage:
        for kind in ("photos", "people"):
            for path in sorted((photos.parent / kind).iterdir()):
                place_of(storage.uri(f"photos/trip/{kind}")).write(path.name, path.read_bytes())
        out = place_of(storage.uri("results/erased"))
        told = ["run", GRAPH, storage.uri("photos/trip"), "--out", storage.uri("results/erased"), "--set", "erase=all"]
        assert main(told) == 0
        assert [job.id for job in jobs] == ["0.jpg", "1.jpg", "2.jpg", "4.jpg"]
        names = {found.name for found in out.files()}
        assert {f"results/{job.payload[0].stem}.png" for job in jobs} | {"manifest.jsonl", "report.md"} <= names
        assert not any(name.startswith("manifest/") for name in names)
        assert {id: entry["status"] for id, entry in read_manifest(out).items()} == {
            **dict.fromkeys(("0.jpg", "1.jpg", "2.jpg", "4.jpg"), "done"),
            "3.jpg": "skipped",
        }
        jobs.clear()
        assert main(told) == 0
        assert jobs == []
        written = "".join(out.read(name).decode("utf-8", "replace") for name in names)
    assert "whisper" not in written + capsys.readouterr().err, "no key is written anywhere"
