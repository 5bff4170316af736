"""Graphs as erasers, in a real server."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import ROOT

from mild_core.bench.__main__ import main
from mild_core.bench.cases import Case, Task
from mild_core.bench.erasers import hole_of
from mild_core.bench.protocols import PROTOCOLS
from mild_core.bench.store import read_picture, read_runs
from mild_core.bench.workflow import WorkflowEraser
from mild_core.remote import Host
from mild_core.scene.masks import grow

SCENES = PROTOCOLS["scenes"]
ERASE = ROOT / "workflows" / "api" / "erase.json"


def node(kind: str, title: str = "", **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


@pytest.fixture(scope="module")
def bench(tmp_path_factory, scene) -> Path:
    """The demo's scene as a benchmark of two: person 1 goes, or 1 and 3 do. A label map says who is where."""
    root = tmp_path_factory.mktemp("bench") / "demo"
    for id, erase in (("000001", (1,)), ("000002", (1, 3))):
        folder = root / id
        folder.mkdir(parents=True)
        pictures = {"photo": scene.photo, "people": scene.labels, "truth": scene.without(erase), "background": scene.background}
        for name, pixels in pictures.items():
            small = Image.fromarray(pixels).resize((320, 214), Image.Resampling.NEAREST)
            small.save(folder / f"{name}.png")
        told = {"id": id, "erase": erase, "people": [{"number": n} for n in (1, 2, 3)], "tags": {"going": str(len(erase))}}
        (folder / "scene.json").write_text(json.dumps(told))
    (root / "scenes.json").write_text("{}")
    (root / "index.csv").write_text("id\n000001\n000002\n")
    return root


def case_of(bench: Path, id: str) -> Case:
    folder = bench / id
    erase = tuple(json.loads((folder / "scene.json").read_text())["erase"])
    return Case(id, folder / "photo.png", folder / "people.png", erase, folder / "truth.png")


@pytest.fixture
def task(bench) -> Task:
    return SCENES.task(case_of(bench, "000002"))


def test_the_shipped_graph_beside_telea(server, bench, tmp_path, capsys):
    """And beside them graphs that are refused or fail: their errors are told, and the others' scores are there."""
    for name, broken, slot, value in (("refused", "sample", "sampler_name", "none such"), ("failing", "scene", "depth_order", "77")):
        graph = json.loads(ERASE.read_text())
        graph[broken]["inputs"][slot] = value
        (tmp_path / f"{name}.json").write_text(json.dumps(graph))
    out = tmp_path / "out"
    asked = ["--measures", "psnr.hole,psnr.background,ssim.full", "--url", server.url, "--out", str(out)]
    graphs = ["--eraser", f"ours={ERASE}", "--eraser", f"{tmp_path}/refused.json", "--eraser", f"{tmp_path}/failing.json"]
    assert main([str(bench), *graphs, "--eraser", "telea", *asked]) == 0
    said = capsys.readouterr()
    assert "refused 2/2 000002: failed: GraphError: node sample (KSampler)" in said.err
    assert "failing 2/2 000002: failed: GraphError: node scene (MILDSplitPeople): ValueError" in said.err
    assert "| ours |" in said.out
    runs = {run.eraser: run for run in read_runs(out)}
    for name in ("refused", "failing"):
        assert [row.error.split(":")[0] for row in runs[name].rows] == ["GraphError"] * 2
    for row in runs["ours"].rows:
        assert not row.error
        assert row.seconds > 0
        assert all(math.isfinite(row.scores[measure]) for measure in ("psnr.hole", "ssim.full"))
        task = SCENES.task(case_of(bench, row.id))
        picture = read_picture(runs["ours"].folder / "pictures" / f"{row.id}.png")
        # beyond the hole lie its soft edge, and what is completed of who stays behind who goes
        near = grow(hole_of(task, effects=False) | torch.from_numpy(task.hole), 6)
        assert torch.equal(picture[~near], task.photo[~near])
        assert (picture != task.photo).any(-1)[torch.from_numpy(task.hole)].float().mean() > 0.9
    assert not any(row.error for row in runs["telea"].rows)


def stock(**people) -> dict:
    """A graph of stock nodes that paints a mask's pixels black: the mask is what the composite takes."""
    return {
        "1": node("LoadImage", "Photo", image="x.png"),
        "2": people,
        "3": node("EmptyImage", width=320, height=214, batch_size=1, color=0),
        "4": node("ImageCompositeMasked", destination=["1", 0], source=["3", 0], mask=["2", 0], x=0, y=0, resize_source=False),
        "5": node("SaveImage", images=["4", 0], filename_prefix="mild-test"),
    }


MASKS = {
    "red": stock(**node("LoadImageMask", "Mask", image="x.png", channel="red")),
    "alpha": stock(**node("LoadImageMask", "Mask", image="x.png", channel="alpha")),
    "blue": stock(**node("LoadImageMask", "Mask", image="x.png", channel="blue")),
}
MASKS["of an image"] = stock(**node("LoadImage", "Mask", image="x.png"))
MASKS["of an image"]["4"]["inputs"]["mask"] = ["2", 1]
MASKS["by value"] = stock(**node("LoadImage", "Mask", image="x.png")) | {"6": node("ImageToMask", image=["2", 0], channel="green")}
MASKS["by value"]["4"]["inputs"]["mask"] = ["6", 0]
MASKS["in the photo's alpha"] = stock(**node("InvertMask", mask=["1", 1])) | {"6": node("InvertMask", mask=["2", 0])}
MASKS["in the photo's alpha"]["4"]["inputs"]["mask"] = ["6", 0]


@pytest.mark.parametrize("how", MASKS)
def test_a_graph_of_other_nodes_gets_a_mask_of_all_who_go(server, task, how):
    eraser = WorkflowEraser("theirs", MASKS[how], Host(server.url))
    eraser.open()
    picture = eraser(task).image
    hole = torch.from_numpy(task.hole)
    assert (picture[hole] == 0).all()
    assert torch.equal(picture[~hole], task.photo[~hole])


def test_shadows_join_the_mask_when_they_are_given(server, task):
    shadow = torch.zeros(task.people.shape, dtype=torch.bool)
    shadow[-20:] = True
    told = Task(task.id, task.photo, task.people, task.erase, shadow)
    eraser = WorkflowEraser("theirs", MASKS["red"], Host(server.url), effects=True)
    black = (eraser(told).image == 0).all(-1)
    stays = torch.from_numpy((task.people > 0) & ~task.hole)
    assert black[shadow & ~stays].all()
    assert torch.equal(eraser(told).image[stays], task.photo[stays])


def test_a_picture_of_another_size_says_both(server, task):
    graph = json.loads(json.dumps(MASKS["red"]))
    graph["7"] = node("ImageScale", image=["4", 0], upscale_method="area", width=100, height=50, crop="disabled")
    graph["5"]["inputs"]["images"] = ["7", 0]
    with pytest.raises(ValueError, match="the picture of node 5 is 100×50, but must be 320×214"):
        WorkflowEraser("theirs", graph, Host(server.url))(task)


def test_several_pictures_are_none(server, task):
    graph = json.loads(json.dumps(MASKS["red"]))
    graph["7"] = node("RepeatImageBatch", image=["4", 0], amount=2)
    graph["5"]["inputs"]["images"] = ["7", 0]
    with pytest.raises(ValueError, match="node 5 gave 2 pictures, but the graph must give one"):
        WorkflowEraser("theirs", graph, Host(server.url))(task)


def test_a_server_that_dies_is_started_again_and_leaves_no_files(task):
    host = Host()
    eraser = WorkflowEraser("theirs", MASKS["red"], host)
    try:
        eraser.open()
        first = eraser(task).image
        server = host.client()
        assert not list(server.input.glob("mild-score-*")), "uploads are deleted when they are used"
        assert not list((server.base / "output").rglob("*.png"))
        server.process.kill()
        server.process.wait()
        assert torch.equal(eraser(task).image, first)
        assert host.client() is not server
    finally:
        host.close()
    assert not np.any([path.exists() for path in (server.base, server.input)])
