"""The real frontend in headless Chromium, with the classic canvas and with Nodes 2.0."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import requests
from PIL import Image
from shapes import ROOT

from scripts.example_graphs import BLUEPRINTS, GRAPHS, PEOPLE, PHOTO


def literals(prompt: dict) -> list[tuple[str, dict]]:
    """Each node's class and the values typed into it (links name nodes by ids, which the two formats choose differently)."""
    found = []
    for node in prompt.values():
        typed = {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
        found.append((node["class_type"], typed))
    return sorted(found, key=lambda entry: (entry[0], entry[1].get("text", entry[1].get("filename_prefix", ""))))


NAMING_FILES = {
    "CLIPLoader",
    "CLIPVisionLoader",
    "CheckpointLoaderSimple",
    "ControlNetLoader",
    "DualCLIPLoader",
    "LoraLoaderModelOnly",
    "MILDFillHoles",
    "MILDOmniEraser",
    "MILDSmartEraser",
    "UNETLoader",
    "VAELoader",
}


def test_workflows_load_and_turn_into_the_graphs_that_run(page):
    for name in (graph.name for graph in GRAPHS):
        workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text())
        graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text())
        page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
        page.wait_for_timeout(1500)
        kinds = page.evaluate("() => window.app.graph.nodes.map(node => [node.type, !!node.has_errors])")
        assert sorted(kind for kind, _ in kinds) == sorted(node["type"] for node in workflow["nodes"]), name
        # files that some examples name are not there
        assert {kind for kind, broken in kinds if broken} <= NAMING_FILES, name
        prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
        assert literals(prompt) == literals(graph), name
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


@pytest.mark.newest
@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda blueprint: blueprint.name)
def test_a_blueprint_erases_as_one_node(page, server, picture, blueprint):
    """Drop it, connect a photo and masks, choose on its outside, run."""
    listed = requests.get(f"{server.url}/global_subgraphs", timeout=30).json()
    (entry,) = [key for key, value in listed.items() if value["name"] == blueprint.name]
    data = json.loads(requests.get(f"{server.url}/global_subgraphs/{entry}", timeout=30).json()["data"])
    page.evaluate("data => window.app.loadGraphData(data)", data)
    page.wait_for_function("() => window.app.graph.nodes.length === 1")
    page.evaluate(
        """async people => {
            const graph = window.app.graph, [erase] = graph.nodes;
            erase.pos = [700, 120];
            const made = (kind, at) => {
                const node = window.LiteGraph.createNode(kind);
                graph.add(node);
                node.pos = at;
                return node;
            };
            const photo = made("LoadImage", [100, 120]), masks = made("LoadImageMask", [100, 520]);
            const seen = made("PreviewImage", [1250, 120]);
            photo.widgets.find(widget => widget.name === "image").value = people[0];
            masks.widgets.find(widget => widget.name === "image").value = people[1];
            masks.widgets.find(widget => widget.name === "channel").value = "red";
            photo.connect(0, erase, erase.inputs.findIndex(input => input.name === "photo"));
            masks.connect(0, erase, erase.inputs.findIndex(input => input.name === "masks"));
            erase.connect(erase.outputs.findIndex(output => output.name === "image"), seen, 0);
            const set = (name, value) => { erase.widgets.find(widget => widget.name === name).value = value; };
            set("separate", "by value");
            set("erase", "3");
            set("steps", 1);
            set("seed", Math.floor(Math.random() * 1e9));  // nodes whose results are cached show no picture
            const done = new Promise((resolve, reject) => {
                window.app.api.addEventListener("execution_success", resolve, { once: true });
                window.app.api.addEventListener("execution_error", event => reject(event.detail.exception_message), { once: true });
            });
            await window.app.queuePrompt(0, 1);
            await done;
        }""",
        [PHOTO, PEOPLE],
    )
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    (split,) = [node["inputs"] for node in prompt.values() if node["class_type"] == "MILDSplitPeople"]
    assert (split["erase"], split["separate"]) == ("3", "by value")
    preview = page.evaluate("() => window.app.graph.nodes.find(node => node.type === 'PreviewImage').id")
    page.wait_for_function("id => window.app.nodeOutputs[id]?.images?.length === 1", arg=str(preview), timeout=60_000)
    (file,) = page.evaluate("id => window.app.nodeOutputs[id].images", str(preview))
    made = np.asarray(Image.open(io.BytesIO(server.view(file))).convert("RGB")).astype(int)
    photo = np.asarray(Image.open(server.input / PHOTO).convert("RGB")).astype(int)
    assert 0.03 < (made != photo).any(-1).mean() < 0.2
    page.evaluate("() => { Object.assign(window.app.canvas.ds, { scale: 1, offset: [0, 60] }); window.app.canvas.setDirty(true, true); }")
    page.wait_for_timeout(1000)
    picture("dropped")
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
