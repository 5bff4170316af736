"""Bulk runs of the real command: real ComfyUIs, a real Ray cluster, and everything that may die killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT

from mild_core.batch.journal import read_manifest
from mild_core.batch.places import place_of

pytest.importorskip("ray", reason="the extra [scale] is not installed")
psutil = pytest.importorskip("psutil")

PHOTOS = 120
KILLER = "017-kills.png"
LIGHT = {
    "photo": {"class_type": "LoadImage", "inputs": {"image": "none.png"}},
    "fragile": {"class_type": "FragileNode", "inputs": {"image": ["photo", 0], "strength": 1.0}, "_meta": {"title": "Strength"}},
    "picture": {"class_type": "SaveImage", "inputs": {"images": ["fragile", 0], "filename_prefix": "x"}, "_meta": {"title": "Picture"}},
    "shown": {"class_type": "PreviewImage", "inputs": {"images": ["fragile", 0]}},
}
FRAGILE = '''
import os

class Fragile:
    """Makes a picture darker; dies of one that begins with red, and cannot stand one that begins with blue."""

    CATEGORY, FUNCTION, RETURN_TYPES = "test", "run", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "strength": ("FLOAT", {"default": 1.0})}}

    def run(self, image, strength):
        first = (image[0, 0, 0] * 255).round().int().tolist()
        if first == [255, 0, 0]:
            os._exit(5)
        if first == [0, 0, 255]:
            raise ValueError("the photo begins with blue")
        return (image * (1 - 0.5 * strength),)

NODE_CLASS_MAPPINGS = {"FragileNode": Fragile}
'''


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """Photos, some of them bad; the graph; an installation with the node."""
    folder = tmp_path_factory.mktemp("bulk")
    rng = np.random.default_rng(0)
    (folder / "photos" / "trip").mkdir(parents=True)
    for number in range(PHOTOS):
        pixels = rng.integers(60, 200, (24, 32, 3), dtype=np.uint8)
        name = f"trip/{number:03d}.jpg" if number % 3 == 0 else f"{number:03d}.png"
        Image.fromarray(pixels).save(folder / "photos" / name, quality=95)
    for name, colour in ((KILLER, (255, 0, 0)), ("051-blue.png", (0, 0, 255))):
        Image.new("RGB", (32, 24), colour).save(folder / "photos" / name)
    (folder / "photos" / "080-broken.jpg").write_bytes(b"this is no picture")
    whole = (folder / "photos" / "trip" / "000.jpg").read_bytes()
    (folder / "photos" / "081-short.jpg").write_bytes(whole[: len(whole) // 2])
    shutil.copytree(folder / "photos", folder / "quiet")
    (folder / "quiet" / KILLER).unlink()
    (folder / "graph.json").write_text(json.dumps(LIGHT))
    node = folder / "comfyui" / "custom_nodes" / "fragile"
    node.mkdir(parents=True)
    (node / "__init__.py").write_text(FRAGILE)
    (folder / "comfyui" / "models").mkdir()
    return folder


def command(bench: Path, out: Path, *more: str, photos: str = "quiet", graph: str = "graph.json") -> list[str]:
    run = [sys.executable, "-m", "mild_core.batch", "run", str(bench / graph), str(bench / photos), "--out", str(out)]
    return [*run, "--comfyui", str(bench / "comfyui"), "--address", "local", "--no-dashboard", "--pause", "0.1", *more]


def environment() -> dict[str, str]:
    return {**os.environ, "RAY_worker_niceness": "0", "PYTHONUNBUFFERED": "1"}


def run(bench: Path, out: Path, *more: str, **parts: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(bench, out, *more, **parts), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500)


def results(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in (out / "results").rglob("*") if path.is_file()}


def ends(out: Path) -> dict[str, tuple[str, str]]:
    """How each photo ended, and why, but for what names the worker or the folder."""
    entries = read_manifest(place_of(str(out)))
    return {id: (entry["status"], entry["reason"].partition(";")[0].replace("/quiet/", "/photos/")) for id, entry in entries.items()}


def quiet_ends(calm: Path) -> dict[str, tuple[str, str]]:
    """Those of a calm run without the photo that kills."""
    return {id: end for id, end in ends(calm).items() if id != KILLER}


@pytest.fixture(scope="module")
def calm(bench) -> Path:
    out = bench / "calm"
    ran = run(bench, out, "--workers", "1", photos="photos")
    assert ran.returncode == 1, ran.stderr
    return out


def test_a_calm_run_does_what_can_be_done_and_says_what_cannot(bench, calm):
    bad = {
        KILLER: ("failed", "brought down 2 workers"),
        "051-blue.png": ("failed", "node fragile (FragileNode): ValueError: the photo begins with blue"),
        "080-broken.jpg": ("failed", f"photo is {bench}/photos/080-broken.jpg, which is no picture"),
    }
    found = ends(calm)
    assert {id: end for id, end in found.items() if id in bad} == bad
    assert "which cannot be read: image file is truncated" in found["081-short.jpg"][1]
    good = [id for id, end in found.items() if end == ("done", "")]
    assert len(good) == PHOTOS
    assert len(results(calm)) == PHOTOS, "one picture for each, and nothing of the bad ones"
    for name, tolerance in (("001.png", 1), ("trip/003.jpg", 40)):  # ComfyUI reads the colours of a JPEG with another decoder than we do
        before, after = (
            np.asarray(Image.open(next(p for p in root.rglob("*") if p.relative_to(root).as_posix().startswith(name))), float)
            for root in (bench / "photos", calm / "results")
        )
        assert np.abs(after - before / 2).max() <= tolerance
    report = (calm / "report.md").read_text()
    assert f"| done in this run | {PHOTOS} |" in report
    assert "the photo begins with blue (051-blue.png)" in report
    assert "ComfyUI runs at" in (calm / "logs" / "worker-1.log").read_text()
    assert not list(calm.rglob("*.mild-part"))


def test_the_same_command_again_does_only_what_failed(bench, calm):
    times = {path: path.stat().st_mtime_ns for path in (calm / "results").rglob("*.png")}
    ran = run(bench, calm, "--workers", "1", "--leave-failed", photos="photos")
    assert ran.returncode == 0, ran.stderr
    assert f"{PHOTOS + 4} done before" in ran.stderr
    assert {path: path.stat().st_mtime_ns for path in (calm / "results").rglob("*.png")} == times


def kill(
    bench: Path, out: Path, whom: Callable[[list[psutil.Process]], list[psutil.Process]], enough: int
) -> subprocess.CompletedProcess | None:
    """Begin a run, and when `enough` results are there kill some of its processes; how it ended, None where it was the run itself."""
    driver = subprocess.Popen(
        command(bench, out, "--workers", "2", "--cpus", "1"), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    while len(list((out / "results").rglob("*.png"))) < enough:
        assert driver.poll() is None, driver.stderr.read() if driver.stderr else ""
        time.sleep(0.02)
    victims = whom([psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)])
    assert victims
    for process in victims:
        process.send_signal(signal.SIGKILL)
    told = driver.communicate(timeout=500)[1]
    return None if driver.returncode == -signal.SIGKILL else subprocess.CompletedProcess([], driver.returncode, "", told)


def said(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_killed_workers_comfyuis_and_driver_cost_nothing(bench, calm):
    out = bench / "killed"
    ended = kill(bench, out, lambda all: [p for p in all if "ray::_Worker" in said(p)][:1], enough=10)
    assert ended is not None
    assert ended.returncode == 1, ended.stderr
    assert results(out) == results(calm)
    assert ends(out) == quiet_ends(calm)
    shutil.rmtree(out)
    assert kill(bench, out, lambda all: [p for p in all if p.pid == all[0].pid], enough=10) is None
    assert 10 <= len(results(out)) < PHOTOS
    assert set(results(out).items()) <= set(results(calm).items()), "whole ones, and no others"
    ended = kill(bench, out, lambda all: [p for p in all if "main.py" in said(p) and "guard.py" not in said(p)][:1], enough=40)
    assert ended is not None
    assert ended.returncode == 1, ended.stderr
    assert results(out) == results(calm)
    assert ends(out) == quiet_ends(calm)


def test_nothing_outlives_a_killed_driver(bench):
    """Its workers' ComfyUIs end, and their folders go with the next run."""
    left = [p for p in psutil.process_iter() if "mild-batch-" in said(p) and "main.py" in said(p)]
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive


def test_a_full_disk_stops_the_run_and_the_same_command_goes_on(bench, calm, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        ran = run(bench, disk / "out", "--workers", "1")
        assert ran.returncode == 2
        assert "is full" in ran.stderr or "No space left" in ran.stderr
        assert "the same command goes on from there" in ran.stderr
        there = results(disk / "out")
        assert 0 < len(there) < PHOTOS
        assert set(there.items()) <= set(results(calm).items()), "nothing half written"
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert run(bench, disk / "out", "--workers", "1").returncode == 1
        assert results(disk / "out") == results(calm)
        assert ends(disk / "out") == quiet_ends(calm)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_manifest_with_values_of_its_own(bench, tmp_path):
    lines = [
        "id,photo,strength,note",
        "half,photos/001.png,1,x",
        "same,photos/001.png,0,y",
        "odd,photos/001.png,much,z",
        "gone,photos/999.png,1,",
    ]
    (bench / "list.csv").write_text("\n".join(lines))
    ran = run(bench, tmp_path / "out", "--workers", "1", photos="list.csv")
    assert ran.returncode == 1, ran.stderr
    assert "not used, since the graph has no slot of that name: note" in ran.stderr
    found = ends(tmp_path / "out")
    assert found["odd"] == ("failed", "strength is 'much', but it must be a number, as strength of node fragile is")
    assert [status for status, why in found.values() if "photos/999.png" in why] == ["skipped"]
    pictures = {name.partition(".")[0]: np.asarray(Image.open(tmp_path / "out" / name)) for name in results(tmp_path / "out")}
    photo = np.asarray(Image.open(bench / "photos" / "001.png"))
    assert (pictures["results/same"] == photo).all()
    assert np.abs(pictures["results/half"].astype(float) - photo / 2).max() <= 1


def test_a_graph_that_comfyui_does_not_know_ends_the_run_at_once(bench, tmp_path):
    graph = {**LIGHT, "fragile": {**LIGHT["fragile"], "class_type": "NoSuchNode"}}
    (bench / "unknown.json").write_text(json.dumps(graph))
    ran = run(bench, tmp_path / "out", "--workers", "1", graph="unknown.json")
    assert ran.returncode == 2
    assert "ComfyUI does not know the nodes NoSuchNode" in ran.stderr
    assert not results(tmp_path / "out")


def test_photos_that_share_the_samplers_batches_come_out_as_alone(tmp_path, graph, scene):
    """The shipped graph, three photos of three sizes and choices."""
    rows = ["photo,people,erase"]
    for number, (side, erase) in enumerate(((96, "1"), (128, "all"), (112, "2,3")), start=1):
        size = (round(side * scene.photo.shape[1] / scene.photo.shape[0]), side)
        Image.fromarray(scene.photo).resize(size, Image.Resampling.LANCZOS).save(tmp_path / f"{number}.png")
        Image.fromarray(scene.labels).resize(size, Image.Resampling.NEAREST).save(tmp_path / f"{number}-people.png")
        rows.append(f'{number}.png,{number}-people.png,"{erase}"')
    (tmp_path / "list.csv").write_text("\n".join(rows))
    graph["sample"]["inputs"]["steps"] = 2
    graph["encode"]["inputs"].update(initialize="smooth", working_size=64)
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    runs = {}
    for together in ("1", "3"):
        out = tmp_path / f"together-{together}"
        told = [
            "run",
            str(tmp_path / "graph.json"),
            str(tmp_path / "list.csv"),
            "--out",
            str(out),
            "--together",
            together,
            "--workers",
            "1",
        ]
        command = [sys.executable, "-m", "mild_core.batch", *told, "--address", "local", "--no-dashboard"]
        ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500)
        assert ran.returncode == 0, ran.stderr
        runs[together] = out
    assert len(json.loads((runs["3"] / "manifest.jsonl").read_text().splitlines()[0])["files"]) > 2, "the picture, and layers"
    assert [line.count(".png") for line in (runs["3"] / "logs" / "worker-1.log").read_text().splitlines()].count(3) == 1, "all at once"
    alone, shared = (results(runs[together]) for together in ("1", "3"))
    assert set(alone) == set(shared)
    for name in alone:
        one, other = (np.asarray(Image.open(run / name), float) for run in (runs["1"], runs["3"]))
        assert np.abs(one - other).max() <= 1, name
        assert one.std() > 5
