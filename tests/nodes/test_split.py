"""Splitting people, as a node in the real core."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import disc, stripes

SIZE = (96, 128)


@pytest.fixture
def temp(pack, tmp_path, monkeypatch) -> Path:
    """Where pictures for widgets go."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    return tmp_path


def split(pack, photo, masks, **options):
    node = pack.nodes.SplitPeople
    return node.execute(photo, masks=masks, **{**pack.nodes.types.defaults(node), **options})


def people():
    return torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)])


def opened(temp: Path, file: dict) -> np.ndarray:
    assert file["type"] == "temp"
    return np.asarray(Image.open(temp / file["subfolder"] / file["filename"]))


def test_it_shows_who_is_who(pack, temp):
    photo = stripes(*SIZE)[None]
    out = split(pack, photo, people(), erase="2")
    (shown,) = json.loads(json.dumps(out.ui))["mild_people"]
    scene = out.args[0]
    assert [(p["id"], p["number"]) for p in shown["people"]] == [(p.id, p.number) for p in scene.people]
    assert [p["number"] for p in shown["people"] if p["erased"]] == [2]
    assert (shown["size"], shown["scale"], shown["by_hand"]) == ([128, 96], 1, False)
    assert abs(opened(temp, shown["photo"]) - (photo[0] * 255).round().numpy()).max() <= 1
    owners = opened(temp, shown["owners"])
    for index, person in enumerate(scene.people, start=1):
        assert np.array_equal(owners[..., 0] == index, person.visible.numpy())


def test_a_large_photo_is_shown_smaller(pack, temp):
    masks = torch.nn.functional.interpolate(people()[None], (1440, 1920))[0]
    (shown,) = split(pack, torch.rand(1, 1440, 1920, 3), masks).ui["mild_people"]
    assert shown["size"] == [1920, 1440]
    assert shown["scale"] == pytest.approx(1024 / 1920)
    assert opened(temp, shown["photo"]).shape == (768, 1024, 3)
    owners = opened(temp, shown["owners"])
    assert owners.shape == (768, 1024, 3)
    for index, person in enumerate(shown["people"], start=1):
        x, y = (int(v * shown["scale"]) for v in person["at"])
        assert owners[y, x, 0] == index
        assert (owners[..., 0] == index).mean() == pytest.approx(person["area"], rel=0.02)


def test_an_order_by_ids_outlives_new_masks(pack, temp):
    photo = stripes(*SIZE)[None]
    near, far, apart = split(pack, photo, people()).args[0].people
    choice = {"erase": f"{near.id},{apart.id}", "depth_order": f"{far.id},{near.id},{apart.id}"}
    out = split(pack, photo, people()[[0, 1]], separate="by mask", **choice)
    assert [p.id for p in out.args[0].people] == [far.id, near.id]
    assert out.args[0].erased == {near.id}
    assert out.ui["mild_people"][0]["by_hand"]


def test_it_can_be_run_up_to_here_and_shows_again_what_is_cached(pack):
    schema = pack.nodes.SplitPeople.define_schema()
    assert schema.is_output_node
    assert getattr(schema, "has_intermediate_output", True)
