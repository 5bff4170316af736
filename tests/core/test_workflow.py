"""What a graph as an eraser sends to a ComfyUI, and what it makes of the answer; the ComfyUI is a stand-in."""

from __future__ import annotations

import io

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from shapes import ROOT

from mild_core.bench.cases import Task
from mild_core.bench.erasers import EraserGoneError
from mild_core.bench.store import as_png
from mild_core.bench.workflow import WorkflowEraser
from mild_core.remote import GraphError, Host
from mild_core.remote.slots import load_graph

PEOPLE = np.array([[0, 1, 2], [3, 3, 0]], np.uint8)
REPORTS = {"report": {"mild_attention": [{"gap": 0.5, "leakage": 0.25}]}}


class Standin:
    """A host and its client in one: remembers what it was sent, and gives a black picture. `deaths`: runs that end it."""

    def __init__(self, told: dict | None = None, deaths: tuple[int, ...] = (), size: tuple[int, int] = (2, 3)):
        self.told, self.deaths, self.size = told or {}, deaths, size
        self.files: dict[str, np.ndarray] = {}
        self.graphs: list[dict] = []
        self.forgotten: list[str] = []
        self.alive, self.restarts, self.url = True, 0, "http://standin"

    def client(self):
        return self

    def answers(self) -> bool:
        return self.alive

    def restart(self) -> None:
        self.alive, self.restarts = True, self.restarts + 1

    def forget(self, files) -> None:
        self.forgotten += [file["filename"] for _, file in files]

    def upload(self, png: bytes, name: str) -> str:
        self.files[name] = np.asarray(Image.open(io.BytesIO(png)))
        return name

    def run(self, graph: dict) -> dict:
        self.graphs.append(graph)
        if len(self.graphs) in self.deaths:
            self.alive = False
            raise requests.ConnectionError("refused")
        if self.told.get("error"):
            raise self.told["error"]
        return {"picture": {"images": [{"filename": "out.png", "subfolder": "", "type": "output"}]}, **self.told}

    def view(self, file: dict) -> bytes:
        return as_png(np.zeros((*self.size, 3), np.uint8))


def task(id: str = "a") -> Task:
    return Task(id, torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0)), PEOPLE, (1, 3))


def eraser(host: Standin, **changed) -> WorkflowEraser:
    return WorkflowEraser("ours", load_graph(ROOT / "workflows" / "api" / "erase.json"), host, **changed)  # type: ignore[arg-type]


def test_a_case_goes_into_its_slots_and_nowhere_else():
    host = Standin()
    eraser(host)(task())
    (graph,) = host.graphs
    assert graph["scene"]["inputs"]["erase"] == "1,3"
    assert graph["scene"]["inputs"]["separate"] == "by value"
    assert graph["scene"]["inputs"]["smallest"] == 0
    photo, people = (host.files[graph[id]["inputs"]["image"]] for id in ("photo", "people"))
    assert (photo == (task().photo.numpy() * 255).round()).all()
    assert (people[..., 0] == PEOPLE).all()
    shipped = load_graph(ROOT / "workflows" / "api" / "erase.json")
    for id in set(graph) - {"photo", "people", "scene"}:
        assert graph[id] == shipped[id]


def test_a_seed_is_set_on_all_nodes():
    host = Standin()
    eraser(host, seed=99)(task())
    assert host.graphs[0]["encode"]["inputs"]["seed"] == host.graphs[0]["sample"]["inputs"]["seed"] == 99


def test_files_of_two_erasers_and_two_cases_have_names_of_their_own():
    host = Standin()
    for one in (eraser(host), eraser(host)):
        for id in ("a", "b"):
            one(task(id))
    assert len(host.files) == 8
    assert {*host.files, "out.png"} == set(host.forgotten)


def test_attention_reports_are_readings():
    assert eraser(Standin())(task()).readings == {}
    assert eraser(Standin(REPORTS))(task()).readings == {"attention_gap": 0.5, "attention_leakage": 0.25}
    two = {**REPORTS, "other": {"mild_attention": [{"gap": 0.0, "leakage": 0.75}]}}
    assert eraser(Standin(two))(task()).readings == {"attention_gap": 0.25, "attention_leakage": 0.5}


@pytest.mark.parametrize("error", [GraphError("node 3: no"), RuntimeError("odd"), requests.HTTPError("500")])
def test_a_graph_that_fails_in_a_comfyui_that_lives_is_not_tried_again(error):
    host = Standin({"error": error})
    with pytest.raises(type(error)):
        eraser(host)(task())
    assert (len(host.graphs), host.restarts) == (1, 0)


def test_a_comfyui_that_died_is_started_again_once_for_each_picture():
    host = Standin(deaths=(1, 3))
    made = eraser(host)
    for _ in range(2):
        assert made(task()).image.shape == (2, 3, 3)
    assert (len(host.graphs), host.restarts) == (4, 2)


def test_a_picture_that_kills_it_twice_fails_and_the_next_may_go_well():
    host = Standin(deaths=(1, 2, 4))
    made = eraser(host)
    with pytest.raises(RuntimeError, match="ComfyUI died twice on this picture: refused"):
        made(task())
    assert made(task("b")).image.shape == (2, 3, 3)
    assert made(task("c")).image.shape == (2, 3, 3), "b went well, so that one more death is no series"
    assert host.restarts == 3


def test_pictures_that_kill_it_one_after_another_end_the_run():
    host = Standin(deaths=(1, 2, 3))
    made = eraser(host)
    with pytest.raises(RuntimeError, match="died twice"):
        made(task())
    with pytest.raises(EraserGoneError, match="died on one picture after another"):
        made(task("b"))


def test_a_comfyui_of_somebody_elses_is_not_started_again():
    made = WorkflowEraser("ours", load_graph(ROOT / "workflows" / "api" / "erase.json"), Host("http://127.0.0.1:9"))
    with pytest.raises(EraserGoneError, match=r"the ComfyUI at http://127\.0\.0\.1:9 does not answer"):
        made.open()
    with pytest.raises(EraserGoneError, match=r"the ComfyUI at http://127\.0\.0\.1:9 does not answer"):
        made(task())


def test_a_picture_of_another_size_says_both():
    with pytest.raises(ValueError, match="the picture of node picture is 5×4, but must be 3×2"):
        eraser(Standin(size=(4, 5)))(task())


def test_a_node_that_shows_nothing_is_named():
    with pytest.raises(ValueError, match="node picture gave 0 pictures"):
        eraser(Standin({"picture": {"text": ["hello"]}}))(task())
