"""The example graphs beyond the erasing of one photo, in the real server."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from psd_tools import PSDImage
from shapes import ROOT

from mild_core.remote import GraphError
from scripts.demo_scene import SEGMENTS
from scripts.example_graphs import COMPOSED, MORE_PHOTO, PHOTO


def graph(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))


def pixels(server, file: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.view(file))).convert("RGB")).astype(int)


def test_recompose_puts_everybody_where_its_composition_says(server):
    asked = graph("recompose")
    asked["sample"]["inputs"]["steps"] = 1
    made = server.run(asked)
    (run,) = made["compose"]["mild_layers"]
    assert run["composed"]
    assert {layer["id"] for layer in run["layers"]} == {placed["layer"] for placed in COMPOSED}, "the demo's people have other ids now"
    (saved,) = made["keep"]["mild_files"]
    document = PSDImage.open(io.BytesIO(server.view(saved)))
    assert [layer.name for layer in document] == ["background", "person 2", "person 3", "person 1"]
    assert all(layer.visible for layer in document)
    picture, merged = pixels(server, made["picture"]["images"][0]), np.asarray(document.topil().convert("RGB")).astype(int)
    assert abs(picture - merged).max() <= 1, "Save Image cuts off where the PSD rounds"
    photo = pixels(server, {"filename": PHOTO, "subfolder": "", "type": "input"})
    (moved,) = [layer for layer in run["layers"] if layer["name"] == "person 2"]
    left, top, right, _ = moved["box"]
    rows, shift = slice(top, top + 60), COMPOSED[1]["x"]  # her head, which nobody is in front of
    (people,) = made["scene"]["mild_people"]
    number = [person["id"] for person in people["people"]].index(moved["id"]) + 1
    own = pixels(server, people["owners"])[rows, left:right, 0] == number
    own[:, 1:-1] &= own[:, 2:] & own[:, :-2]  # her edge is soft
    here, there = photo[rows, left:right], picture[rows, left + shift : right + shift]
    assert own.mean() > 0.1
    assert (abs(there[:, ::-1][own] - here[own]).max(-1) <= 1).mean() > 0.9, "she is her own mirror image"
    assert (abs(picture[rows, left:right][own] - here[own]).max(-1) <= 1).mean() < 0.1, "and gone from where she was"


def test_a_batch_erases_from_each_photo_whom_its_line_says(server):
    asked = graph("erase_batch")
    asked["sample"]["inputs"]["steps"] = 1
    made = server.run(asked)
    first, second = (pixels(server, file) for file in made["picture"]["images"])
    photos = [pixels(server, {"filename": name, "subfolder": "", "type": "input"}) for name in (PHOTO, MORE_PHOTO)]
    assert [file["filename"].rsplit(".")[-1] for file in made["keep"]["mild_files"]] == ["ora", "ora"]
    changed = [(picture != photo).any(-1).mean() for picture, photo in zip((first, second), photos, strict=True)]
    assert 0.03 < changed[0] < 0.15, "person 1 goes from the first"
    assert changed[1] > changed[0] + 0.1, "everybody but person 1 goes from the second"


def test_another_picture_stands_in_for_the_background(server):
    asked = graph("erase")
    asked["sample"]["inputs"]["steps"] = 1
    asked["elsewhere"] = {"class_type": "LoadImage", "inputs": {"image": MORE_PHOTO}}
    asked["compose"]["inputs"]["backdrop"] = ["elsewhere", 0]
    made = server.run(asked)
    (run,) = made["compose"]["mild_layers"]
    assert [layer["id"] for layer in run["layers"]][:2] == ["backdrop", "background"]
    picture = pixels(server, made["picture"]["images"][0])
    photo, other = (pixels(server, {"filename": name, "subfolder": "", "type": "input"}) for name in (PHOTO, MORE_PHOTO))
    (people,) = made["scene"]["mild_people"]
    owners = pixels(server, people["owners"])[..., 0]
    stays = [index for index, person in enumerate(people["people"], start=1) if not person["erased"]]
    assert (picture == other).all(-1)[:100].all(), "the sky, where nobody is, is the other picture's"
    assert (abs(picture - photo).max(-1) <= 1)[np.isin(owners, stays)].mean() > 0.8, "who stays stands before it"


def test_magiceraser_takes_the_people_from_what_the_photo_shows(server, scene):
    asked = graph("magiceraser")
    asked["sample"]["inputs"]["steps"] = 2
    asked["decode"]["inputs"]["detail"] = "as sampled"
    made = server.run(asked)
    (people,) = made["scene"]["mild_people"]
    owners = pixels(server, people["owners"])[..., 0]
    goes = [number for number, person in enumerate(people["people"], start=1) if person["erased"]]
    assert (np.isin(owners, goes) == np.isin(scene.labels, (1, 2))).all(), "the largest, and who stands in front of her"
    picture = pixels(server, made["picture"]["images"][0])
    gone = np.isin(scene.labels, (1, 2))
    assert (picture[gone] != scene.photo[gone]).any(-1).mean() > 0.98
    assert (picture[scene.labels == 3] == scene.photo[scene.labels == 3]).all()
    less = json.dumps({"segments_info": [{"id": segment.id, "category_id": segment.category_id} for segment in SEGMENTS[:4]]})
    asked["panoptic"]["inputs"]["legend"] = less  # people and the sky
    other = pixels(server, server.run(asked)["picture"]["images"][0])
    assert (other != picture).any(), "what is background makes no difference"


@pytest.mark.parametrize(("name", "files"), [("erase_flux_fill", {"model", "clip", "vae"})])
def test_a_graph_of_other_models_lacks_nothing_but_their_files(server, name, files):
    with pytest.raises(GraphError) as caught:
        server.run(graph(name))
    faults = str(caught.value).splitlines()
    assert {fault.split(" (")[0].removeprefix("node ") for fault in faults} == files
    assert all("not in" in fault.lower() for fault in faults), faults
