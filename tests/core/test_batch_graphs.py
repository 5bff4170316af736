"""Graphs made ready for bulk work, and what their results are called."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes import ROOT

from mild_core.batch.graphs import bulk_graph
from mild_core.batch.results import fingerprint, finished, named, stem
from mild_core.batch.sharing import JOINED, PARTED, shared_graph, why_not_shared

API = ROOT / "workflows" / "api"


def load(name: str) -> dict[str, Any]:
    return json.loads((API / f"{name}.json").read_text(encoding="utf-8"))


LIGHT: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "radius": 3, "sigma": 1.5}, "_meta": {"title": "Blur"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "street", "clip": ["9", 0]}, "_meta": {"title": "Prompt"}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}, "_meta": {"title": "Picture"}},
    "5": {"class_type": "MaskPreview", "inputs": {"mask": ["1", 1]}},
    "6": {"class_type": "Switch", "inputs": {"on": True}, "_meta": {"title": "Sharp"}},
}


@pytest.mark.parametrize("path", sorted(API.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_graph_of_one_photo_has_its_slots(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    if path.stem == "erase_batch":
        with pytest.raises(ValueError, match=r"node each, MILD Photo Batch, takes several photos, but the graph must take one"):
            bulk_graph(graph)
        return
    bulk = bulk_graph(graph)
    assert bulk.slots["photo"] == ("photo", "image")
    assert ("people" in bulk.slots) == ("magiceraser" not in path.stem)
    prefixes = [node["inputs"]["filename_prefix"] for node in bulk.graph.values() if "filename_prefix" in node["inputs"]]
    assert prefixes.count("1/picture") == 1
    assert len(set(prefixes)) == len(prefixes)
    assert bulk.graph[bulk.output]["inputs"]["filename_prefix"] == "1/picture"


def test_what_only_shows_is_left_out_and_the_picture_is_saved():
    bulk = bulk_graph(LIGHT, wanted=["prompt"])
    assert "5" not in bulk.graph
    assert bulk.graph["4"] == {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "1/picture"}}
    assert LIGHT["4"]["class_type"] == "PreviewImage", "the caller's graph stays as it was"
    assert bulk.slots["prompt"] == ("3", "text")


def test_values_become_what_stands_there():
    bulk = bulk_graph(LIGHT, {"sigma": "2.sigma", "radius": "2.radius", "sharp": "6.on"}, ["prompt"])
    filled = {"photo": "b.png", "sigma": "2", "radius": 7.0, "prompt": 12, "sharp": "No"}
    graph = bulk.one(filled)
    assert graph["2"]["inputs"] == {"image": ["1", 0], "radius": 7, "sigma": 2.0}
    assert graph["3"]["inputs"]["text"] == "12"
    assert graph["6"]["inputs"]["on"] is False
    assert graph["1"]["inputs"]["image"] == "b.png"
    for name, value, why in (
        ("radius", "big", r"radius is 'big', but it must be a whole number, as radius of node 2 is"),
        ("sigma", None, "sigma is None, but it must be a number"),
        ("sharp", "maybe", "sharp is 'maybe', but it must be yes or no"),
    ):
        with pytest.raises(ValueError, match=why):
            bulk.one({name: value})


def test_slots_that_are_not_there_say_what_they_could_be():
    bulk = bulk_graph(LIGHT)
    with pytest.raises(ValueError, match='slot mood is not clear: no node is titled "mood": it must be one of photo'):
        bulk.slot("mood")
    with pytest.raises(ValueError, match=r"slot sigma is '2', but it must be NODE\.input, such as 2\.image"):
        bulk_graph(LIGHT, {"sigma": "2"})
    twice = {**LIGHT, "7": copy.deepcopy(LIGHT["3"])}
    with pytest.raises(ValueError, match='several nodes are titled "prompt"'):
        bulk_graph(twice, wanted=["prompt"]).slot("prompt")
    with pytest.raises(ValueError, match=r"node 2 \(Blur\) has the values radius, sigma: name one with --slot blur=2\.input"):
        bulk_graph(LIGHT, wanted=["blur"]).slot("blur")
    with pytest.raises(ValueError, match="slot photo is not clear"):
        bulk_graph({"4": LIGHT["4"], "1": {"class_type": "EmptyImage", "inputs": {}}})


def test_a_fingerprint_tells_graphs_slots_and_values_apart_but_not_titles():
    bulk = bulk_graph(LIGHT, wanted=["prompt"])
    same = fingerprint(bulk.graph, bulk.slots, {})
    named_otherwise = copy.deepcopy(LIGHT)
    named_otherwise["2"]["_meta"]["title"] = "Soft"
    other = bulk_graph(named_otherwise, wanted=["prompt"])
    assert fingerprint(other.graph, other.slots, {}) == same
    assert fingerprint(bulk.graph, bulk.slots, {"prompt": "night"}) != same
    blurred = copy.deepcopy(LIGHT)
    blurred["2"]["inputs"]["radius"] = 4
    assert fingerprint(bulk_graph(blurred, wanted=["prompt"]).graph, bulk.slots, {}) != same


def test_results_are_named_and_the_picture_comes_last():
    kept = ["layers_00001_.png", "picture_00001_.png", "layers_00002_.png", "psd_00001.psd", "film/0001.png"]
    names = named("trip/a.jpg.0123abcd", kept)
    assert list(names.items())[-1] == ("picture_00001_.png", "trip/a.jpg.0123abcd.png")
    assert names["layers_00002_.png"] == "trip/a.jpg.0123abcd.layers.2.png"
    assert names["psd_00001.psd"] == "trip/a.jpg.0123abcd.psd.psd"
    assert names["film/0001.png"] == "trip/a.jpg.0123abcd.film/0001.png"
    several = named("x.0123abcd", ["picture_00001_.png", "picture_00002_.png"])
    assert list(several.values()) == ["x.0123abcd.2.png", "x.0123abcd.1.png"]


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0\n\r"), min_size=1, max_size=300)


@given(NAMES, st.integers(1, 12), st.lists(st.sampled_from(["layers", "mask", "for-painting-programs"]), unique=True))
def test_an_input_is_finished_when_its_last_file_is_there(id, pictures, others):
    own = stem(id, "0123abcd")
    kept = [f"picture_{n:05d}_.png" for n in range(1, pictures + 1)] + [f"{word}_{n:05d}_.png" for word in others for n in (1, 2)]
    names = list(named(own, kept).values())
    assert len(set(names)) == len(kept)
    assert max(len(part.encode()) for name in names for part in name.split("/")) <= 255
    assert finished(names) == {own}
    assert finished(names[:-1]) == set()


def test_photos_share_a_batch_in_the_shipped_graph():
    bulk = bulk_graph(load("erase"))
    photos = [{"photo": f"{n}.jpg", "people": f"{n}.png", "erase": str(n)} for n in (1, 2, 3)]
    graph = shared_graph(bulk, photos, most=8)
    assert [graph[f"photo@{n}"]["inputs"]["image"] for n in (1, 2, 3)] == ["1.jpg", "2.jpg", "3.jpg"]
    assert "photo" not in graph
    scene = graph["scene"]["inputs"]
    assert graph[scene["photo"][0]]["class_type"] == graph[scene["erase"][0]]["class_type"] == "CreateList"
    assert list(graph[scene["photo"][0]]["inputs"].values()) == [["photo@1", 0], ["photo@2", 0], ["photo@3", 0]]
    assert [graph[link[0]]["inputs"]["value"] for link in graph[scene["erase"][0]]["inputs"].values()] == ["1", "2", "3"]
    sampler = graph["sample"]["inputs"]
    assert [sampler[name] for name in ("positive", "negative", "latent_image")] == [[JOINED, 0], [JOINED, 1], [JOINED, 2]]
    assert graph["attend"]["inputs"]["plan"] == graph["control"]["inputs"]["plan"] == [JOINED, 3]
    assert graph[JOINED]["inputs"] == {
        "positive": ["encode", 0], "negative": ["encode", 1], "latent": ["encode", 2], "plan": ["encode", 3], "most": 8,
    }  # fmt: skip
    assert graph["decode"]["inputs"]["samples"] == [PARTED, 0]
    assert graph["decode"]["inputs"]["plan"] == [PARTED, 1]
    prefixes = graph[graph["picture"]["inputs"]["filename_prefix"][0]]["inputs"].values()
    assert [graph[link[0]]["inputs"]["value"] for link in prefixes] == ["1/picture", "2/picture", "3/picture"]
    for node in graph.values():
        for value in node["inputs"].values():
            assert not isinstance(value, list) or value[0] in graph, "no link leads nowhere"


def test_photos_share_no_batch_where_they_cannot():
    aimed = load("erase")
    aimed["attend"]["inputs"]["target_gap"] = 0.5
    told = load("erase")
    told["attend"]["inputs"]["target_gap"] = ["number", 0]
    told["number"] = {"class_type": "PrimitiveFloat", "inputs": {"value": 0.5}}
    whole = load("erase")
    whole["report"] = {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": ["model", 1]}}
    whole["shown"] = {"class_type": "SaveImage", "inputs": {"images": ["report", 0], "filename_prefix": "x"}, "_meta": {"title": "raw"}}
    for graph, why in (
        (load("smarteraser"), "it has 0 MILD Encode Layers"),
        (aimed, "node attend has a target_gap"),
        (told, "node attend has a target_gap"),
        (whole, "what node sample makes goes to node report"),
    ):
        bulk = bulk_graph(graph)
        assert why in why_not_shared(bulk)
        with pytest.raises(ValueError, match="photos cannot share a batch in this graph"):
            shared_graph(bulk, [{"photo": "a"}, {"photo": "b"}])
