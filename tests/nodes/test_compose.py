"""MILD Compose Layers in the real core: composed by hand, on a backdrop, and what the node shows."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import disc, stripes

SIZE = (96, 128)


@pytest.fixture
def temp(pack, monkeypatch, tmp_path):
    """ComfyUI's temp folder."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def layers(pack):
    return made(pack, stripes(*SIZE)[None])


def made(pack, photo):
    """Layers of three people, the nearest of whom goes; the rows are flat grey."""
    scenes, room = pack.mild_core.scene, pack.mild_core.compose
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)])
    scene = scenes.split_people(photo, scenes.from_masks(masks))
    plan = pack.mild_core.plan.make_plan(scene.erasing(scenes.choose("1", scene.people)), working_size=64)
    return room.make_layers(plan, torch.full((len(plan.pathways), 64, 64, 3), 0.5))


def run(pack, layers, *what, **how):
    output = pack.nodes.ComposeLayers.execute(layers, *what, **how)
    image, changed, rgba, composed = output.args
    (shown,) = output.ui["mild_layers"]
    return image[0], changed[0], rgba, composed, shown


def text(layers, **changes):
    """The composition of all layers in place; `changes` are of the last one."""
    placed = [{"key": str(n), "layer": layer.id, "visible": not layer.erased} for n, layer in enumerate(layers.stack)]
    placed[-1] |= changes
    height, width = layers.scene.size
    return json.dumps({"version": 1, "canvas": [width, height], "layers": placed})


def picture(temp, file):
    assert file["type"] == "temp"
    return np.asarray(Image.open(Path(temp) / file["subfolder"] / file["filename"]))


def test_not_composed_is_the_picture_without_those_who_go(pack, temp, layers):
    image, changed, rgba, composed, shown = run(pack, layers)
    before = pack.mild_core.compose.compose(layers)
    assert torch.equal(image, before.image)
    assert torch.equal(changed, before.changed)
    assert rgba.shape == (4, *SIZE, 4)
    assert composed.arrangement is None
    assert not shown["composed"]


def test_everything_in_place_is_the_same_picture(pack, temp, layers):
    image, changed, _, composed, shown = run(pack, layers, text(layers))
    assert torch.equal(image, run(pack, layers)[0])
    assert torch.equal(changed > 0, run(pack, layers)[1] > 0)
    assert shown["composed"]
    assert len(composed.arrangement.layers) == 4


def test_somebody_moved_is_elsewhere(pack, temp, layers):
    image, changed, rgba, *_ = run(pack, layers, text(layers, visible=True, x=-20, y=-30))
    still = run(pack, layers)
    assert torch.equal(rgba, still[2]), "the batch of layers is as they were cut"
    moved = layers.stack[-1]
    inner = (moved.alpha >= 1).nonzero() + torch.tensor([moved.box.top - 30, moved.box.left - 20])
    inner = inner[(inner >= 0).all(-1) & (inner < torch.tensor(SIZE)).all(-1)]
    rows, columns = inner.T
    assert len(rows) > 100
    assert torch.equal(image[rows, columns], moved.colour[rows + 30 - moved.box.top, columns + 20 - moved.box.left])
    differs = (image != layers.scene.photo[0]).any(-1)
    assert torch.equal(changed == 1, differs)


def test_a_bad_composition_is_named(pack, temp, layers):
    with pytest.raises(ValueError, match="composition, layer 4, has the opacity 2, but it must be a number from 0 to 1"):
        run(pack, layers, text(layers, opacity=2))


def test_a_backdrop_of_another_size(pack, temp, layers):
    backdrop = torch.rand(1, 50, 300, 3)
    image, changed, rgba, _, shown = run(pack, layers, backdrop=backdrop)
    assert image.shape == (*SIZE, 3)
    assert rgba.shape == (5, *SIZE, 4)
    assert [layer["id"] for layer in shown["layers"]][:2] == ["backdrop", "background"]
    staying = layers.people[0]
    assert torch.equal(staying.box.view(image)[staying.alpha >= 1], staying.colour[staying.alpha >= 1])
    assert (changed > 0).float().mean() > 0.5
    with pytest.raises(ValueError, match="backdrop is a batch of 2 pictures, but it must be one picture"):
        run(pack, layers, backdrop=torch.rand(2, 50, 300, 3))


def test_what_the_node_shows(pack, temp, layers):
    *_, composed, shown = run(pack, layers)
    assert shown["canvas"] == [SIZE[1], SIZE[0]]
    assert shown["scale"] == 1
    assert json.loads(json.dumps(shown)) == shown, "it goes to the browser as JSON"
    assert np.array_equal(picture(temp, shown["photo"]["file"]), (layers.scene.photo[0] * 255).round().byte().numpy())
    for told, layer in zip(shown["layers"], composed.stack, strict=True):
        assert (told["id"], told["name"], told["box"], told["erased"]) == (layer.id, layer.name, list(layer.box), layer.erased)
        assert told["fingerprint"] == layer.fingerprint
        rgba = picture(temp, told["file"])
        assert rgba.shape == (layer.box.height, layer.box.width, 4)
        assert np.array_equal(rgba[..., 3], (layer.alpha * 255).round().byte().numpy())
        seen = rgba[..., 3] > 128
        assert np.abs(rgba[seen][:, :3] - (layer.colour.numpy() * 255).round()[seen]).max() <= 1
    depths = {told["id"]: told["depth"] for told in shown["layers"]}
    assert depths == {"background": 3} | {person.id: depth for depth, person in enumerate(layers.scene.people)}


def test_a_large_photo_is_shown_small(pack, temp):
    photo = torch.nn.functional.interpolate(stripes(*SIZE).permute(2, 0, 1)[None], (960, 1280))[0].permute(1, 2, 0)[None]
    scenes, room = pack.mild_core.scene, pack.mild_core.compose
    scene = scenes.Scene(photo, ())
    box, ones = scenes.Box(0, 0, 1280, 960), torch.ones(960, 1280)
    layers = room.Layers(scene, room.Layer("background", None, scene, box, photo[0], ones, 0 * ones, erased=False), ())
    shown = run(pack, layers)[-1]
    assert shown["scale"] == 0.8
    assert picture(temp, shown["layers"][0]["file"]).shape == (768, 1024, 4)


def test_equal_pictures_are_one_file(pack, temp):
    save = pack.nodes.host.save_proxy
    one = torch.rand(5, 7, 3)
    assert save(one) == save(one.clone())
    assert save(one) != save(1 - one)
    assert save((one * 255).round().byte()) == save(one)
    grey = save(one[..., :1])
    assert picture(temp, grey).shape == (5, 7)
    assert len(list(Path(temp).rglob("*.png"))) == 3
    assert not list(Path(temp).rglob("*.part"))
    with pytest.raises(ValueError, match="pixels are 5×7×2, but they must be height×width×1, 3 or 4"):
        save(one[..., :2])


def test_the_inputs_of_old_graphs_are_enough(pack):
    parts = pack.nodes.ComposeLayers.define_schema()
    assert [(i.id, bool(getattr(i, "optional", False))) for i in parts.inputs] == [
        ("layers", False), ("composition", True), ("backdrop", True),
    ]  # fmt: skip
    assert [o.display_name for o in parts.outputs] == ["image", "changed", "layers_rgba", "layers"]
