"""A real ComfyUI with the pack, started once for all tests of this folder, with the demo's pictures among its inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from shapes import ROOT

from scripts.comfy import Server
from scripts.demo_scene import DemoScene, demo_scene
from scripts.serve import put_demo

GRAPH = ROOT / "workflows" / "api" / "erase.json"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as started:
        put_demo(started.input)
        yield started


@pytest.fixture(scope="session")
def scene() -> DemoScene:
    """What the demo's pictures show."""
    return demo_scene()


@pytest.fixture
def graph() -> dict[str, Any]:
    """The shipped erasing graph, with few steps."""
    loaded = json.loads(GRAPH.read_text(encoding="utf-8"))
    loaded["sample"]["inputs"]["steps"] = 4
    return loaded
