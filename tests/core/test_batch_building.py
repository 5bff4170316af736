"""Sets built on a real Ray cluster of this machine are the sets that one process builds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from batch_units import make_unit, tries_of
from own_cluster import QUICK, TWO, own_cluster
from shapes import ROOT
from tiny_clips import save_clip
from tiny_library import make_library
from tiny_panoptic import make_indexed

from mild_core.batch.building import RayWorkers, build
from mild_core.batch.cluster import Cluster
from mild_core.batch.engine import StopError
from mild_core.data.__main__ import main
from mild_core.data.video4 import PairSettings
from mild_core.data.video4_set import MaskSource, build_video4

ONE = replace(TWO, workers=1)


@pytest.fixture(scope="module", autouse=True)
def ray_cluster() -> Iterator[None]:
    with own_cluster():
        yield


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return make_library(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Path:
    return make_indexed(tmp_path_factory.mktemp("indexed"))


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the manifest."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.jsonl")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def manifest(folder: Path) -> dict[str, dict]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["id"]: line for line in map(json.loads, lines)}


def build_here(arguments: list[str], cluster: Cluster = ONE) -> int:
    return build(arguments, lambda step: None, lambda asked: (cluster, QUICK))


def scenes(library: Path, out: Path) -> list[str]:
    return f"scenes --photos {library} --out {out} --count 5 --first 3 --split train --short-side 128".split()


def olrd(indexed: Path, out: Path) -> list[str]:
    return f"olrd --photos {indexed} --out {out} --count 7 --first 3 --part all".split()


# -- sets --------------------------------------------------------------------------------------------------------------


def test_scenes_are_those_of_one_process(library, tmp_path, monkeypatch):
    assert main(scenes(library, tmp_path / "one")) == 0
    monkeypatch.chdir(tmp_path)  # paths are the driver's, and workers run elsewhere
    assert build_here(scenes(library, Path("ray")), TWO) == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")
    assert {id: line["status"] for id, line in manifest(tmp_path / "ray").items()} == {f"scene {n:06d}": "done" for n in range(3, 8)}


def test_videos_are_those_of_one_process_and_are_called_by_their_names(tmp_path):
    save_clip(tmp_path / "videos", "yard", track=tmp_path / "tracks")
    settings, masks = PairSettings(every=3, most=2), MaskSource(tmp_path / "tracks")
    build_video4(tmp_path / "videos", masks, tmp_path / "one", settings, tars=True)
    build_video4(tmp_path / "videos", masks, tmp_path / "ray", settings, RayWorkers(tmp_path / "ray", ONE), tars=True)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")
    assert list(manifest(tmp_path / "ray")) == ["video yard.mkv"]


KILLED = """
import os, signal
from mild_core.data import pair_set
from test_batch_building import build_here

def killed(finished, count, what):
    for _ in range(3):
        next(finished)
    os.kill(os.getpid(), signal.SIGKILL)

pair_set.tell = killed
build_here({arguments})
"""


def test_pairs_are_those_of_one_process_also_when_the_driver_is_killed(indexed, tmp_path):
    out, shards = tmp_path / "ray", ["--per-shard", "1"]
    arguments = [*olrd(indexed, out), *shards]
    paths = os.pathsep.join(str(ROOT / part) for part in ("", "tests", "tests/core"))
    driver = subprocess.run([sys.executable, "-c", KILLED.format(arguments=arguments)], env={**os.environ, "PYTHONPATH": paths})
    assert driver.returncode == -signal.SIGKILL
    assert not (out / "index.csv").exists()
    there = {path.name for path in out.glob("*.tar")}
    assert len(there) >= 3
    assert build_here(arguments, TWO) == 0
    assert main([*olrd(indexed, tmp_path / "one"), *shards]) == 0
    assert contents(out) == contents(tmp_path / "one")
    assert {f"shard {name[:-4]}" for name in contents(out) if name.endswith(".tar") and name not in there} <= set(manifest(out))


def test_a_photo_that_breaks_is_named_and_the_rest_is_made(indexed, tmp_path, capsys):
    """The driver reads no photo of such a set: the workers find out."""
    arguments = ["erasediff", "--photos", str(indexed), "--out", str(tmp_path / "set"), "--count", "5", "--part", "all"]
    photo = indexed / "photo2.jpg"
    whole = photo.read_bytes()
    photo.write_bytes(b"\0" * len(whole))
    try:
        assert build_here(arguments) == 2
    finally:
        photo.write_bytes(whole)
    told = capsys.readouterr().err
    ended = manifest(tmp_path / "set")
    (bad,) = (id for id, line in ended.items() if line["status"] == "failed")
    assert f"1 of 5 failed, the first: {bad}: {photo} cannot be read as a picture" in told
    assert f"{tmp_path / 'set' / 'manifest.jsonl'} names them all; the same command tries them again" in told
    assert ended[bad]["tries"] == 1
    assert len(list((tmp_path / "set" / "about").iterdir())) == 4
    assert not (tmp_path / "set" / "index.csv").exists()
    assert main(arguments) == 0  # with any workers
    assert main([*arguments[:4], str(tmp_path / "one"), *arguments[5:]]) == 0
    assert contents(tmp_path / "set") == contents(tmp_path / "one")


def test_a_folder_of_something_else_is_left_alone(indexed, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert build_here(olrd(indexed, tmp_path)) == 2
    assert "holds files but no pairs.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


# -- units -------------------------------------------------------------------------------------------------------------


def made(folder: Path, count: int, **todo: str) -> Iterator[int]:
    for name, what in todo.items():
        (folder / f"{name[1:]}.todo").write_text(what)
    return RayWorkers(folder, ONE, QUICK)(partial(make_unit, folder), {number: f"unit {number}" for number in range(count)})


def test_units_that_fail_are_told_and_all_others_made(tmp_path):
    with pytest.raises(RuntimeError, match=r"3 of 6 failed, the first: unit 0: photo 0 is no picture\. "):
        list(made(tmp_path, 6, n0="unfit", n1="unreachable", n2="die"))
    told = manifest(tmp_path)
    assert [line["status"] for line in told.values()] == ["failed"] * 3 + ["done"] * 3
    assert [tries_of(tmp_path, number) for number in range(6)] == [1, 3, 2, 1, 1, 1]  # a wrong photo, a file system, a worker's end
    assert told["unit 2"]["reason"].startswith("brought down 2 workers")
    assert told["unit 2"]["seconds"] is None
    assert {(tmp_path / str(number)).read_text() for number in (3, 4, 5)} == {"1 1"}  # threads


def test_a_full_disk_ends_the_run(tmp_path):
    with pytest.raises(StopError, match=r"No space left on device: 'x.png': make room, and give the same command again"):
        list(made(tmp_path, 50, n0="full"))
    assert not (tmp_path / "49").exists()


def test_nothing_to_make_needs_no_cluster(tmp_path):
    assert list(RayWorkers(tmp_path, Cluster(address="nowhere:1"))(partial(make_unit, tmp_path), {})) == []
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_of_shared_folders(capsys):
    with pytest.raises(SystemExit):
        build(["olrd", "--help"], lambda step: step.add_argument("--workers") and None, lambda asked: (TWO, QUICK))
    told = capsys.readouterr().out
    assert "usage: mild-batch build olrd" in told
    assert "--workers" in told
    assert "--jobs" not in told
    assert "on a file system" in " ".join(told.split())
