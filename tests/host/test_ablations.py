"""The graphs that scores are taken of, without each of their parts, in a real server."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mild_core.bench.cases import Task
from mild_core.bench.workflow import WorkflowEraser
from mild_core.remote import Host
from mild_core.remote.slots import find_slots
from scripts.ablations import PARTS, VARIANTS, variant
from scripts.graph import Graph
from scripts.graph_json import api_format

KINDS = {"attention": {"MILDModulateAttention"}, "morphology": {"MILDMorphology", "MILDGuidanceMaps", "ControlNetApplyAdvanced"}}


@pytest.fixture(scope="module")
def graphs(server) -> dict[str, dict]:
    info = server.object_info()
    return {name: api_format(Graph(name, "", variant(kept), ()), info) for name, kept in VARIANTS.items()}


@pytest.fixture(scope="module")
def task(scene) -> Task:
    """The demo's scene, small: person 1 goes, in front of somebody who stays, and so does a shadow."""
    size = (240, 160)
    photo = cv2.resize(scene.photo, size, interpolation=cv2.INTER_AREA)
    people = cv2.resize(scene.labels, size, interpolation=cv2.INTER_NEAREST)
    effects = torch.zeros(160, 240, dtype=torch.bool)
    effects[150:156, 100:140] = True
    return Task("demo", torch.from_numpy(photo).float() / 255, people, (1,), effects)


def test_each_part_is_left_out_once_and_left_alone_once():
    parts = frozenset(PARTS)
    assert VARIANTS["full"] == parts
    assert VARIANTS["none"] == frozenset()
    for part in parts:
        assert VARIANTS[f"no-{part}"] == parts - {part}
        assert VARIANTS[f"{part}-alone"] == {part}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_graph_has_the_parts_it_is_named_for(graphs, name):
    graph, kept = graphs[name], VARIANTS[name]
    kinds = {node["class_type"] for node in graph.values()}
    for part, nodes in KINDS.items():
        assert (nodes <= kinds) if part in kept else not nodes & kinds
    slots = find_slots(graph)
    assert (slots.erase is not None) == ("layers" in kept)  # else one hole
    assert slots.effects == ("effects", "image")
    assert (graph["encode"]["inputs"]["initialize"] == "exemplar") == ("fill" in kept)
    assert (graph["decode"]["inputs"]["detail"] == "copied") == ("fill" in kept)
    assert (graph["sample"]["inputs"]["denoise"] == 1.0) == ("fill" not in kept)


@pytest.mark.parametrize("name", ["full", "no-layers", "none"])
def test_a_graph_erases_and_tells_the_attention_gap(server, graphs, task, name):
    erased = WorkflowEraser(name, graphs[name], Host(server.url), effects=True)(task)
    changed = (erased.image - task.photo).abs().amax(-1).numpy() > 1 / 512
    assert changed[task.hole].mean() > 0.9
    assert changed[task.effects.numpy() & ~(task.people > 0)].mean() > 0.9
    away = cv2.dilate((task.hole | task.effects.numpy()).astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
    assert not changed[away].any()
    assert -1 <= erased.readings["attention_gap"] <= 1
    others_known = "layers" in VARIANTS[name]
    assert (erased.readings["attention_leakage"] > 0) == others_known
