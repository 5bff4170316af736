"""The pack in a real server: its nodes, its example graphs, and what comes out of them."""

from __future__ import annotations

import io
import json
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import ROOT

from mild_core.remote import GraphError, InterruptedRunError, Server
from mild_core.scene.masks import distance_inside, grow
from scripts.example_graphs import GRAPHS
from scripts.make_workflows import WORKFLOWS, out_of_step

NODES = [
    "MILDAttentionGap",
    "MILDAttentionReport",
    "MILDBackgroundPrompt",
    "MILDBeforeAfter",
    "MILDComposeLayers",
    "MILDCropImage",
    "MILDDecodeLayers",
    "MILDEncodeLayers",
    "MILDEnhanceMask",
    "MILDFillHoles",
    "MILDFindEffects",
    "MILDFindParsing",
    "MILDFindPoses",
    "MILDGuidanceMaps",
    "MILDJoinLayers",
    "MILDLayerControl",
    "MILDLayerLora",
    "MILDMiniModel",
    "MILDModulateAttention",
    "MILDMorphology",
    "MILDOmniEraser",
    "MILDPanoptic",
    "MILDPanopticRegions",
    "MILDPartLayers",
    "MILDPersonPrompt",
    "MILDPhotoBatch",
    "MILDPixelHackerPrompt",
    "MILDPowerPaintPrompt",
    "MILDRegions",
    "MILDSaveLayers",
    "MILDSmartEraser",
    "MILDSmartEraserPrompt",
    "MILDSplitPeople",
]
ERASED, STAYING = (1, 3), (2,)
FAR_TO_NEAR = (3, 2, 1)


class Run:
    """One run of the erasing graph on the demo's scene: the pictures it made, and the progress it told."""

    def __init__(self, server: Server, graph: dict):
        graph["scene"]["inputs"]["erase"] = ",".join(map(str, ERASED))
        self.progress: list[tuple[str, int, int]] = []
        made = server.run(graph, lambda *step: self.progress.append(step))
        pictures = {node: [pixels(server.view(file)) for file in made[node].get("images", [])] for node in made}
        (self.picture,), (changed,), self.layers = (pictures[node] for node in ("picture", "changed", "layers"))
        self.changed = changed[..., 0]
        (self.people,) = made["scene"]["mild_people"]
        self.owners = pixels(server.view(self.people["owners"]))[..., 0]


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


@pytest.fixture(scope="module")
def run(server) -> Run:
    graph = json.loads((WORKFLOWS / "api" / "erase.json").read_text(encoding="utf-8"))
    graph["sample"]["inputs"]["steps"] = 4
    return Run(server, graph)


def test_outside_the_changed_mask_every_pixel_is_the_photos_own(run, scene):
    assert run.picture.shape == scene.photo.shape
    untouched = run.changed == 0
    assert (run.picture[untouched] == scene.photo[untouched]).all()


def test_what_changed_covers_who_goes_and_little_else(run, scene):
    gone = np.isin(scene.labels, ERASED)
    assert (run.changed[gone] > 0).mean() > 0.99
    assert (run.changed[~gone] > 0).mean() < 0.1


def test_who_goes_is_gone(run, scene):
    gone = np.isin(scene.labels, ERASED)
    truth = scene.without(ERASED).astype(float)
    before = np.abs(scene.photo - truth)[gone].mean()
    after = np.abs(run.picture - truth)[gone].mean()
    assert after < before, f"mean error {after:.1f} after erasing, {before:.1f} with the people still there"


def test_layers_are_the_background_then_everybody_from_far_to_near(run, scene):
    height, width = scene.labels.shape
    assert [layer.shape for layer in run.layers] == [(height, width, 4)] * 4
    assert (run.layers[0][..., 3] == 255).all()
    for number, layer in zip(FAR_TO_NEAR, run.layers[1:], strict=True):
        visible = scene.labels == number
        assert (layer[visible][:, 3] > 127).all(), f"person {number} is not opaque where visible"
        # where somebody hides a part, its blended edge reaches into what is visible; and the outermost pixels are freed of the place
        inner = distance_inside(torch.from_numpy(visible)).numpy() >= 2
        own = inner & ~grow(torch.from_numpy(scene.hidden(number)), 5).numpy()
        assert own.sum() > visible.sum() * 0.9
        assert (layer[own][:, :3] == scene.photo[own]).all(), f"person {number} does not look like the photo"


def test_who_stood_behind_is_whole(run, scene):
    hidden = scene.hidden(STAYING[0])
    layer = run.layers[1 + FAR_TO_NEAR.index(STAYING[0])]
    assert hidden.sum() > 10_000
    assert (layer[hidden][:, 3] > 127).mean() > 0.95
    truth = scene.people[STAYING[0] - 1][hidden][:, :3].astype(float)
    in_front = np.abs(scene.photo[hidden] - truth).mean()
    assert np.abs(layer[hidden][:, :3] - truth).mean() < in_front


def test_progress_tells_every_step_of_the_sampler(run):
    told = [done for node, done, total in run.progress if node == "sample" and total == 4]
    assert told == sorted(told), "nothing is told late"
    assert set(told) == {0, 1, 2, 3, 4}, "0 and each step again come with the preview's pictures"
    assert {node for node, _, _ in run.progress} >= {"scene", "encode", "sample", "compose"}


def test_split_people_tells_its_picker_who_is_where(run, scene):
    people = run.people["people"]
    assert {person["number"] for person in people if person["erased"]} == set(ERASED)
    assert run.owners.shape == scene.labels.shape
    for index, person in enumerate(people, start=1):
        own = scene.labels == person["number"]
        assert ((run.owners == index) == own).mean() > 0.999


def test_every_node_is_there_and_explains_itself(server):
    info = server.object_info()
    assert sorted(name for name in info if name.startswith("MILD")) == NODES
    for name in NODES:
        assert info[name]["description"], name
        assert info[name]["display_name"].startswith("MILD "), name
        for part in ("required", "optional"):
            for socket, (_, *options) in info[name]["input"].get(part, {}).items():
                assert options, f"{name}.{socket} has no tooltip"
                assert options[0].get("tooltip"), f"{name}.{socket} has no tooltip"
        assert all(info[name]["output_tooltips"] or ()), name


def test_example_workflows_are_listed_and_served(server):
    listed = server.get("/workflow_templates").json()[server.pack]
    assert sorted(listed) == sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    assert {graph.name for graph in GRAPHS} <= set(listed)
    for name in listed:
        assert server.get(f"/api/workflow_templates/{server.pack}/{name}.json").json()["version"] == 0.4


def test_workflow_files_are_in_step_with_the_nodes(server):
    stale = [str(path.relative_to(ROOT)) for path in out_of_step(server.object_info())]
    assert not stale, "run  python3 scripts/bootstrap.py scripts/make_workflows.py"


@pytest.mark.parametrize("name", [graph.name for graph in GRAPHS])
def test_links_of_a_workflow_join_sockets_of_one_type(name):
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert workflow["last_node_id"] == max(nodes)
    for link, source, output, target, slot, kind in workflow["links"]:
        assert link in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] in kind.split(","), "a socket may take several types"
        assert nodes[target]["inputs"][slot]["link"] == link
        assert nodes[target]["inputs"][slot]["type"] == kind


@pytest.mark.parametrize("name", [graph.name for graph in GRAPHS])
def test_nodes_of_a_workflow_do_not_overlap_and_lie_in_their_groups(name):
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    title = 30  # pixels of a node's title bar, above its position
    boxes = {}
    for node in workflow["nodes"]:
        (x, y), (width, height) = node["pos"], node["size"]
        boxes[node["title"]] = (x, y - title, x + width, y + height)
    for one, (left, top, right, bottom) in boxes.items():
        for other, (left2, top2, right2, bottom2) in boxes.items():
            apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
            assert one == other or apart, f"{one} overlaps {other}"
    groups = [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in workflow["groups"])]
    for one, (left, top, right, bottom) in boxes.items():
        inside = [g for g in groups if g[0] <= left and g[1] <= top and right <= g[2] and bottom <= g[3]]
        assert one == "What to do" or len(inside) == 1, f"{one} lies in {len(inside)} groups"


def test_the_graph_with_shadows_runs(server, scene):
    graph = json.loads((WORKFLOWS / "api" / "erase_shadows.json").read_text(encoding="utf-8"))
    graph["sample"]["inputs"]["steps"] = 2
    made = server.run(graph)
    picture, changed, proposed = (pixels(server.view(made[node]["images"][0])) for node in ("picture", "changed", "effects"))
    untouched = changed[..., 0] == 0
    assert (picture[untouched] == scene.photo[untouched]).all()
    assert proposed.shape[:2] == scene.labels.shape


def test_the_graph_with_the_adapter_steers_people_and_nothing_else(server, scene, run):
    graph = json.loads((WORKFLOWS / "api" / "erase_guided.json").read_text(encoding="utf-8"))
    graph["sample"]["inputs"]["steps"] = 4
    graph["scene"]["inputs"]["erase"] = ",".join(map(str, ERASED))
    pictures = {}
    for strength in (0.0, 1.0):
        graph["pose"]["inputs"]["strength"] = strength
        pictures[strength] = pixels(server.view(server.run(graph)["picture"]["images"][0]))
    assert (pictures[0.0] == run.picture).all(), "an adapter of no strength is none"
    steered = (pictures[1.0] != pictures[0.0]).any(-1)
    behind = grow(torch.from_numpy(scene.hidden(STAYING[0])), 5).numpy()
    assert steered.any()
    assert not steered[~behind].any(), "the background is told nothing"


def test_two_photos_in_one_graph_are_the_two_one_by_one(server, graph):
    """With layers a few at a time, people painted less, and shadows looked for."""
    graph |= {
        "effects": {"class_type": "MILDFindEffects", "inputs": {"scene": ["scene", 0], "reach": 0.6, "sensitivity": 0.5, "grow": 2}},
        "control": {
            "class_type": "MILDLayerControl",
            "inputs": {"model": ["model", 0], "plan": ["encode", 3], "background": 1.0, "people": 0.5, "at_a_time": 1},
        },
    }
    graph["encode"]["inputs"]["effects"] = ["effects", 0]
    graph["attend"]["inputs"]["model"] = ["control", 0]
    alone = []
    for words in ("1", "3"):
        graph["scene"]["inputs"]["erase"] = words
        alone.append(pixels(server.view(server.run(graph)["picture"]["images"][0])))
    graph |= {
        "photos": {"class_type": "ImageBatch", "inputs": {"image1": ["photo", 0], "image2": ["photo", 0]}},
        "labels": {"class_type": "LoadImage", "inputs": {"image": graph["people"]["inputs"]["image"]}},
        "both": {"class_type": "ImageBatch", "inputs": {"image1": ["labels", 0], "image2": ["labels", 0]}},
        "masks": {"class_type": "ImageToMask", "inputs": {"image": ["both", 0], "channel": "red"}},
        "batch": {
            "class_type": "MILDPhotoBatch",
            "inputs": {"photos": ["photos", 0], "masks": ["masks", 0], "erase": "1\n3", "people_each": ""},
        },
    }
    del graph["people"]
    graph["scene"]["inputs"].update(photo=["batch", 0], masks=["batch", 1], erase=["batch", 2])
    together = [pixels(server.view(file)) for file in server.run(graph)["picture"]["images"]]
    assert len(together) == 2
    assert not np.array_equal(*together)
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_a_choice_of_somebody_who_is_not_there_says_who_is(server, graph):
    graph["scene"]["inputs"]["erase"] = "9"
    with pytest.raises(GraphError, match=r"'9'.*1, 2, 3") as caught:
        server.run(graph)
    assert caught.value.node == "scene"
    assert caught.value.kind == "ValueError"


def test_masks_of_another_size_say_both_sizes(server, graph, scene):
    small = io.BytesIO()
    Image.fromarray(scene.labels).resize((320, 200), Image.Resampling.NEAREST).save(small, "PNG")
    graph["people"]["inputs"]["image"] = server.upload(small.getvalue())
    with pytest.raises(GraphError, match=r"320×200.*640×427"):
        server.run(graph)


def test_a_graph_that_is_refused_names_the_node(server, graph):
    graph["photo"]["inputs"]["image"] = "not-there.png"
    with pytest.raises(GraphError, match=r"not-there\.png") as caught:
        server.run(graph)
    assert caught.value.node == "photo"


def test_an_interrupt_stops_the_sampler_and_leaves_the_server_well(server, graph):
    graph["sample"]["inputs"].update(steps=500, seed=1)
    sampling = threading.Event()

    def interrupt_when_sampling() -> None:
        assert sampling.wait(120)
        server.interrupt()

    stopper = threading.Thread(target=interrupt_when_sampling)
    stopper.start()
    done: list[int] = []

    def on_progress(node: str, step: int, total: int) -> None:
        if node == "sample" and total == 500:
            done.append(step)
            sampling.set()

    with pytest.raises(InterruptedRunError, match="KSampler"):
        server.run(graph, on_progress)
    stopper.join()
    assert len(done) < 100
    graph["sample"]["inputs"].update(steps=1)
    assert server.run(graph)["picture"]["images"]


def test_a_port_in_use_is_refused(server):
    with pytest.raises(RuntimeError, match=f"port is {server.port}"), Server(port=server.port):
        pass
