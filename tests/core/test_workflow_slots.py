"""Where a benchmark's cases go into graphs."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT

from mild_core.bench.erasers import Settings, parse_eraser
from mild_core.bench.workflow import WorkflowEraser
from mild_core.remote import Host
from mild_core.remote.masks import mask_file
from mild_core.remote.slots import Slots, find_slots, leading_to, load_graph, set_seeds

SHIPPED = Slots(("photo", "image"), ("people", "image"), ("scene", "erase"), None, "picture")
BATCHES = {"erase_batch"}
LED = {"magiceraser", "magiceraser_checkpoint"}  # by a panoptic map
OF_ONE_MASK = {"omnieraser", "omnieraser_controlnet", "smarteraser"}  # of all who go


def shipped(name: str) -> dict:
    return load_graph(ROOT / "workflows" / "api" / f"{name}.json")


def node(kind: str, title: str = "", **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def stock(**more) -> dict:
    """An eraser of stock nodes, numbered as the editor does."""
    return {
        "1": node("LoadImage", "Load Image", image="a.png"),
        "2": node("LoadImageMask", "Load Image (as Mask)", image="b.png", channel="red"),
        "3": node("SomeInpainting", image=["1", 0], mask=["2", 0], seed=7),
        "4": node("SaveImage", "Save Image", images=["3", 0]),
    } | more


@pytest.mark.parametrize("name", sorted({path.stem for path in (ROOT / "workflows" / "api").glob("*.json")} - BATCHES - LED))
def test_every_shipped_graph_says_by_itself_where_a_case_goes(name):
    assert find_slots(shipped(name)) == (replace(SHIPPED, erase=None) if name in OF_ONE_MASK else SHIPPED)


@pytest.mark.parametrize("name", sorted(LED))
def test_people_of_a_panoptic_map_are_no_cases_people(name):
    with pytest.raises(ValueError, match="people come from node panoptic, MILD Panoptic, but a case's people are masks"):
        find_slots(shipped(name))


def test_a_loader_titled_hole_gets_one_mask_of_all_who_go():
    graph = shipped("erase")
    graph["people"]["_meta"]["title"] = "Hole"
    assert find_slots(graph) == replace(SHIPPED, erase=None)
    graph = stock()
    graph["2"]["_meta"]["title"] = "Hole"
    graph["5"] = node("LoadImageMask", "Another", image="c.png", channel="red")
    assert find_slots(graph).people == ("2", "image")


def test_a_graph_of_several_photos_is_refused():
    graph = shipped("erase_batch")
    with pytest.raises(ValueError, match="erase of node scene comes from another node"):
        find_slots(graph)
    graph["first"] = graph.pop("photo")
    graph["photos"]["inputs"]["image1"] = ["first", 0]
    with pytest.raises(ValueError, match=r"slot photo is not clear.*photo_2 \(Photo 2\).*first \(Photo 1\)"):
        find_slots(graph)


ALPHA = {"2": node("Note"), "3": node("SomeInpainting", image=["1", 0], mask=["1", 1])}
TWO_PHOTOS = {"5": node("LoadImage", "Style", image="c.png")}


@pytest.mark.parametrize(
    ("graph", "given", "slots"),
    [
        (stock(), {}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**ALPHA), {}, Slots(("1", "image"), ("1", "image"), None, None, "4")),
        (stock(**TWO_PHOTOS), {"photo": "1"}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**TWO_PHOTOS, **{"1": node("LoadImage", "Photo")}), {}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**{"2": node("LoadImage", "MASK", image="")}), {}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**{"4": node("PreviewImage")}), {}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**{"9": node("PreviewImage", images=["1", 0])}), {}, Slots(("1", "image"), ("2", "image"), None, None, "4")),
        (stock(**{"9": node("SaveImage", "Picture", images=["3", 0])}), {}, Slots(("1", "image"), ("2", "image"), None, None, "9")),
        (stock(**{"9": node("SaveImage", images=["3", 0])}), {"output": "9"}, Slots(("1", "image"), ("2", "image"), None, None, "9")),
        (
            stock(**{"9": node("LoadImageMask", "Shadows", image="")}),
            {},
            Slots(("1", "image"), ("2", "image"), None, ("9", "image"), "4"),
        ),
        (
            stock(**{"3": node("X", words="", path="")}),
            {"erase": "3.words"},
            Slots(("1", "image"), ("2", "image"), ("3", "words"), None, "4"),
        ),
    ],
)
def test_slots_of_other_graphs(graph, given, slots):
    assert find_slots(graph, given) == slots


@pytest.mark.parametrize(
    ("graph", "given", "said"),
    [
        (stock(**TWO_PHOTOS), {}, r"slot photo is not clear, several nodes could be it \(1 \(Load Image\), 5 \(Style\)\)"),
        (stock(**{"2": node("Note")}), {}, r"slot people is not clear, no node takes it"),
        (stock(**{"9": node("SaveImage", images=["3", 0])}), {}, r"could be that of 4 \(Save Image\), 9 \(SaveImage\)"),
        (stock(**{"4": node("Note")}), {}, "no Save Image and no Preview Image"),
        (stock(), {"photo": "8.image"}, r"slot photo is '8.image', but it must be NODE.input of a node in the graph: 1 \(Load Image\)"),
        (stock(), {"photo": "1.picture"}, "node 1 has the inputs image"),
        (stock(), {"output": "8"}, "slot output is node '8'"),
        (stock(), {"seeds": "3"}, "slot is 'seeds', but it must be one of photo, people, erase, effects, output"),
    ],
)
def test_what_is_not_clear_says_what_it_could_be(graph, given, said):
    with pytest.raises(ValueError, match=said):
        find_slots(graph, given)


def test_a_choice_that_comes_from_another_node_is_refused():
    graph = shipped("erase")
    graph["words"] = node("PrimitiveString", value="1")
    graph["scene"]["inputs"]["erase"] = ["words", 0]
    with pytest.raises(ValueError, match="erase of node scene comes from another node"):
        find_slots(graph)


def test_people_that_a_detector_finds_are_not_the_benchmarks():
    graph = shipped("erase")
    graph["people"] = node("Detector", image=["photo", 0])
    with pytest.raises(ValueError, match="slot people is not clear, no node takes it"):
        find_slots(graph)


def test_the_editors_format_says_how_to_export():
    with pytest.raises(ValueError, match=r"erase\.json is in the editor's format.*Export \(API\)"):
        load_graph(ROOT / "workflows" / "erase.json")


@pytest.mark.parametrize("text", ["[]", "{}", '{"1": 2}', '{"1": {"inputs": {}}}', "no"])
def test_what_is_no_graph_is_refused(tmp_path, text):
    (tmp_path / "graph.json").write_text(text)
    with pytest.raises(ValueError, match=r"graph graph\.json"):
        load_graph(tmp_path / "graph.json")


def test_only_what_leads_to_the_picture_and_reports_are_run():
    graph = shipped("erase")
    graph["report"] = node("MILDAttentionReport", samples=["sample", 0])
    kept = leading_to(graph, "picture")
    assert set(graph) - set(kept) == {"compare", "layers", "changed"}
    kept["sample"]["inputs"]["steps"] = 99
    assert graph["sample"]["inputs"]["steps"] != 99


def test_seeds_are_set_where_they_are_written():
    graph = stock(**{"5": node("Noise", noise_seed=3), "6": node("Y", seed=["5", 0])})
    set_seeds(graph, 11)
    assert graph["3"]["inputs"]["seed"] == graph["5"]["inputs"]["noise_seed"] == 11
    assert graph["6"]["inputs"]["seed"] == ["5", 0]


def test_a_masks_file_reads_the_same_in_every_channel():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    red, green, blue, alpha = np.moveaxis(np.asarray(Image.open(io.BytesIO(mask_file(values)))), 2, 0)
    assert (red == values).all()
    assert (green == values).all()
    assert (blue == values).all()
    assert (255 - alpha == values).all()


def test_the_key_tells_graphs_seeds_and_slots_apart():
    def key(graph: dict, **settings) -> str:
        return WorkflowEraser("a", graph, Host("http://nowhere"), **settings).key

    masks = stock(**{"8": node("LoadImageMask", "People", image="")})
    masks["3"]["inputs"]["other"] = ["8", 0]
    assert key(stock()) == key(stock(**{"1": node("LoadImage", "renamed", image="a.png")})) == key(json.loads(json.dumps(stock())))
    assert len({key(stock()), key(stock(), seed=1), key(stock(), seed=2), key(masks), key(masks, slots={"people": "2"})}) == 5


def test_effects_need_a_place_in_a_graph_that_splits_people():
    with pytest.raises(ValueError, match=r"its graph has no place for them.*--slot effects=NODE"):
        WorkflowEraser("ours", shipped("erase"), Host("http://nowhere"), effects=True)
    assert "shadows" in WorkflowEraser("theirs", stock(), Host("http://nowhere"), effects=True).about


def test_a_case_that_would_not_reach_the_picture_is_refused():
    graph = stock(**{"4": node("SaveImage", images=["1", 0])})
    with pytest.raises(ValueError, match="node 2, which ours's cases would go into, does not lead to its output, node 4"):
        WorkflowEraser("ours", graph, Host("http://nowhere"))


def test_slots_may_be_for_one_eraser(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(stock(**TWO_PHOTOS)))
    settings = Settings(slots={"": {"output": "4"}, "ours": {"photo": "1"}}, host=Host("http://nowhere"))
    eraser = parse_eraser(f"ours={tmp_path}/mine.json", settings)
    assert isinstance(eraser, WorkflowEraser)
    assert eraser.slots.photo == ("1", "image")
    with pytest.raises(ValueError, match="slot photo is not clear"):
        parse_eraser(f"{tmp_path}/mine.json", settings)
