"""The rows of MagicEraser's ablation, in a real server."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import put, save_lama, save_sd15_inpaint

from mild_core.bench.cases import Task
from mild_core.bench.workflow import WorkflowEraser
from mild_core.remote import Host
from mild_core.remote.slots import find_slots
from scripts.bench_magiceraser import beside_the_paper
from scripts.graph import Graph
from scripts.graph_json import api_format
from scripts.magiceraser_rows import ROWS, Files, lacks, row_nodes

BY_NAME = {row.name: row for row in ROWS}
EVERYTHING = Files("sd-v1-5-inpainting.safetensors", "plain.safetensors", "R.safetensors", "word.safetensors", "big-lama.safetensors")


@pytest.fixture(scope="module")
def task(scene) -> Task:
    """The demo's scene, small: two go, one stays."""
    size = (240, 160)
    photo = cv2.resize(scene.photo, size, interpolation=cv2.INTER_AREA)
    people = cv2.resize(scene.labels, size, interpolation=cv2.INTER_NEAREST)
    return Task("demo", torch.from_numpy(photo).float() / 255, people, (1, 2), None)


def test_the_papers_order_of_contributions():
    assert [row.psnr for row in ROWS] == sorted(row.psnr for row in ROWS)
    full = set(ROWS[-1].parts)
    assert all(set(row.parts) <= full for row in ROWS)
    assert len(full) == 4
    assert BY_NAME["v"].parts != BY_NAME["iv"].parts


def test_what_a_row_lacks_is_said():
    assert [row.name for row in ROWS if not lacks(row, Files())] == ["i", "iii", "iv"]
    assert not any(lacks(row, EVERYTHING) for row in ROWS)
    assert [row.name for row in ROWS if not lacks(row, Files("a.safetensors"))] == ["i"]
    table = beside_the_paper({"i": {"psnr.full": 20.0}, "telea": {"psnr.full": 21.5}}, Files())
    assert "| i | baseline | 21.331 | 0.815 | 0.134 | 52.10 | 20.000 |" in table
    assert "not run: the bundled model takes no words" in table
    assert "| iii |" in table
    assert "not run: it failed" in table
    assert "| telea |  |  |  |  |  | 21.500 |" in table
    assert "its own, neither random masks nor OLRD" in table


@pytest.mark.parametrize("files", [Files(), EVERYTHING], ids=["bundled", "checkpoint"])
def test_a_row_has_its_parts(server, files):
    info = server.object_info()
    for row in ROWS:
        if lacks(row, files):
            continue
        graph = api_format(Graph(row.name, "", row_nodes(row, files), ()), info)
        kinds = {node["class_type"] for node in graph.values()}
        fills, refocuses, tuned = (part in row.parts for part in ("content initialization", "attention refocus", "prompt tuning"))
        assert ("MILDFillHoles" in kinds) == fills
        assert graph["sample"]["inputs"]["denoise"] == (0.9 if fills else 1.0)
        assert graph["sample"]["inputs"]["steps"] == {Files(): 10, EVERYTHING: 50}[files] * (0.9 if fills else 1)
        assert ("MILDModulateAttention" in kinds) == refocuses
        assert find_slots(graph).erase is None, "one hole for all who go"
        if files.checkpoint:
            assert ("LoraLoaderModelOnly" in kinds) == ("OLRD" in row.parts)
            assert graph["words"]["inputs"]["embedding"] == ("R.safetensors" if tuned else "none")


def save_tuned(path):
    """What prompt tuning makes: a word, or a LoRA of one layer of the tiny checkpoint, large enough to be seen."""
    if path.parent.name == "embeddings":
        return save_file({"clip_l": torch.full((1, 768), 0.5)}, path)
    checkpoint = load_file(path.parents[1] / "checkpoints" / EVERYTHING.checkpoint)
    layer = next(name for name in checkpoint if name.endswith("input_blocks.1.1.transformer_blocks.0.attn1.to_v.weight"))
    out, into = checkpoint[layer].shape
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_v"
    generator = torch.Generator().manual_seed(0)
    down, up = (torch.randn(shape, generator=generator) for shape in ((2, into), (out, 2)))
    save_file({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, path)


def test_the_last_row_runs_on_a_checkpoint(server, task):
    put(server, "checkpoints", EVERYTHING.checkpoint, save_sd15_inpaint)
    put(server, "inpaint", EVERYTHING.lama, save_lama)
    put(server, "embeddings", EVERYTHING.embedding, save_tuned)
    put(server, "loras", EVERYTHING.word_lora, save_tuned)
    graph = api_format(Graph("vi", "", row_nodes(BY_NAME["vi"], EVERYTHING), ()), server.object_info())
    graph["sample"]["inputs"]["steps"] = 1
    graph["encode"]["inputs"]["working_size"] = 128

    def erased():
        return WorkflowEraser("vi", graph, Host(server.url))(task).image

    picture = erased()
    changed = (picture != task.photo).any(-1).numpy()
    assert changed[task.hole].mean() > 0.9
    away = cv2.dilate(task.hole.astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
    assert not changed[away].any()
    graph["lora"]["inputs"]["strength_model"] = 0.0
    other = (erased() != picture).any(-1).numpy()
    assert other[task.hole].mean() > 0.5, "the LoRA makes hardly a difference"
