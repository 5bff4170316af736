"""The real frontend in headless Chromium, with the classic canvas and with Nodes 2.0."""

from __future__ import annotations

import json
import shutil

import pytest
import requests
from shapes import ROOT

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
READY = "() => !!(window.app?.extensionManager && window.LiteGraph?.registered_node_types['MILDSplitPeople'])"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (chromium, chromium-browser or google-chrome on the PATH)")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[False, True], ids=["canvas", "nodes-2.0"])
def page(request, browser, server):
    """The frontend with the pack's nodes registered; its uncaught errors are in `page.errors`."""
    for name, value in {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": request.param}.items():
        requests.post(f"{server.url}/settings/{name}", json=value, timeout=30).raise_for_status()
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_function(READY, timeout=180_000)
    yield page
    page.close()


def literals(prompt: dict) -> list[tuple[str, dict]]:
    """Each node's class and the values typed into it (links name nodes by ids, which the two formats choose differently)."""
    found = []
    for node in prompt.values():
        typed = {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
        found.append((node["class_type"], typed))
    return sorted(found, key=lambda entry: (entry[0], entry[1].get("text", entry[1].get("filename_prefix", ""))))


@pytest.mark.parametrize("name", ["erase", "erase_shadows", "erase_checkpoint", "erase_pose"])
def test_the_workflow_loads_and_turns_into_the_graph_that_runs(page, name):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text())
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text())
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_timeout(1500)
    kinds = page.evaluate("() => window.app.graph.nodes.map(node => [node.type, !!node.has_errors])")
    assert sorted(kind for kind, _ in kinds) == sorted(node["type"] for node in workflow["nodes"])
    missing_file = {"CheckpointLoaderSimple"}  # the checkpoint that the second example names is not there
    assert {kind for kind, broken in kinds if broken} <= missing_file
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert literals(prompt) == literals(graph)
    assert page.errors == []


def test_every_node_can_be_added_by_hand(page):
    for node in sorted(path.stem for path in (ROOT / "web" / "docs").glob("MILD*.md")):
        made = page.evaluate(
            """type => { const node = window.LiteGraph.createNode(type); window.app.graph.add(node);
                         return [node.inputs.length, node.outputs.length, (node.widgets ?? []).map(w => w.name)] }""",
            node,
        )
        assert made[1] >= 1, node
    assert page.errors == []


def test_the_help_page_is_served(server):
    for page in (ROOT / "web" / "docs").glob("MILD*.md"):
        answers = [requests.get(f"{server.url}/extensions/{folder}/docs/{page.name}", timeout=30) for folder in _extension_folders(server)]
        assert any(a.ok and a.content == page.read_bytes() for a in answers), page.name


def _extension_folders(server) -> list[str]:
    """The names under which custom node packs' web folders are served."""
    packs = {kind.get("python_module", "").removeprefix("custom_nodes.") for kind in server.object_info().values()}
    return [name for name in packs if name and not name.startswith("comfy")]
