"""The real frontend in headless Chromium, with the classic canvas and with Nodes 2.0."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import requests
from PIL import Image
from shapes import ROOT

from scripts.example_graphs import PHOTO


def literals(prompt: dict) -> list[tuple[str, dict]]:
    """Each node's class and the values typed into it (links name nodes by ids, which the two formats choose differently)."""
    found = []
    for node in prompt.values():
        typed = {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
        found.append((node["class_type"], typed))
    return sorted(found, key=lambda entry: (entry[0], entry[1].get("text", entry[1].get("filename_prefix", ""))))


@pytest.mark.parametrize("name", ["erase", "erase_shadows", "erase_guided", "erase_checkpoint", "erase_pose"])
def test_the_workflow_loads_and_turns_into_the_graph_that_runs(page, name):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text())
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text())
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_timeout(1500)
    kinds = page.evaluate("() => window.app.graph.nodes.map(node => [node.type, !!node.has_errors])")
    assert sorted(kind for kind, _ in kinds) == sorted(node["type"] for node in workflow["nodes"])
    missing_file = {"CheckpointLoaderSimple", "ControlNetLoader"}  # files that two of the examples name are not there
    assert {kind for kind, broken in kinds if broken} <= missing_file
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert literals(prompt) == literals(graph)
    assert page.errors == []


def test_skeletons_are_shown_on_the_node(page, server):
    """Run what the artist sees of MILD Morphology, and find its picture on the node."""
    workflow = json.loads((ROOT / "workflows" / "erase.json").read_text())
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_timeout(1500)
    node = page.evaluate(
        """async () => {
            const graph = window.app.graph, kept = ["LoadImage", "LoadImageMask", "MILDSplitPeople", "MILDMorphology"];
            for (const node of [...graph.nodes]) if (!kept.includes(node.type)) graph.remove(node);
            const [scene, bodies] = ["MILDSplitPeople", "MILDMorphology"].map(type => graph.nodes.find(node => node.type === type));
            // another value than in any run before: nodes whose results are cached send no picture
            scene.widgets.find(widget => widget.name === "smallest").value = 0.0005 + Math.random() / 1e4;
            const preview = window.LiteGraph.createNode("PreviewImage");
            graph.add(preview);
            bodies.connect(bodies.findOutputSlot("relations"), preview, 0);
            await window.app.queuePrompt(0, 1);
            return bodies.id;
        }"""
    )
    page.wait_for_function("id => window.app.nodeOutputs[id]?.images?.length === 1", arg=node, timeout=120_000)
    (file,) = page.evaluate("id => window.app.nodeOutputs[id].images", node)
    picture = np.asarray(Image.open(io.BytesIO(server.view(file))).convert("RGB")).astype(int)
    photo = np.asarray(Image.open(server.input / PHOTO).convert("RGB")).astype(int)
    assert picture.shape == photo.shape
    assert 0.05 < (abs(picture - photo).max(-1) > 8).mean() < 0.6, "people are tinted and have skeletons; the rest is the photo"
    assert page.errors == []


def test_every_node_can_be_added_by_hand(page):
    for node in sorted(path.stem for path in (ROOT / "web" / "docs").glob("MILD*.md")):
        made = page.evaluate(
            """type => { const node = window.LiteGraph.createNode(type); window.app.graph.add(node);
                         return [node.inputs.length, node.outputs.length, (node.widgets ?? []).map(w => w.name)] }""",
            node,
        )
        assert made[0] + made[1] >= 1, node
    assert page.errors == []


def test_the_help_page_is_served(server):
    for page in (ROOT / "web" / "docs").glob("MILD*.md"):
        answers = [requests.get(f"{server.url}/extensions/{folder}/docs/{page.name}", timeout=30) for folder in _extension_folders(server)]
        assert any(a.ok and a.content == page.read_bytes() for a in answers), page.name


def _extension_folders(server) -> list[str]:
    """The names under which custom node packs' web folders are served."""
    packs = {kind.get("python_module", "").removeprefix("custom_nodes.") for kind in server.object_info().values()}
    return [name for name in packs if name and not name.startswith("comfy")]
