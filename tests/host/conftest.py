"""The demo's scene and the shipped graph."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shapes import ROOT

from scripts.demo_scene import DemoScene, demo_scene

GRAPH = ROOT / "workflows" / "api" / "erase.json"


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
