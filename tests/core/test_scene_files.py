import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_library import make_library

from mild_core.data.library import PhotoLibrary
from mild_core.data.recipe import Recipe
from mild_core.data.scene_files import files_of, is_complete, read_description, read_scene, write_scene
from mild_core.data.scenes import TrueScene, make_scene


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> PhotoLibrary:
    return PhotoLibrary(make_library(tmp_path_factory.mktemp("photos")), "train")


@pytest.fixture(scope="module")
def scenes(library) -> dict[str, TrueScene]:
    """One where somebody stays, and one where all go."""
    found: dict[str, TrueScene] = {}
    seed = 0
    while len(found) < 2:
        scene = make_scene(library, seed, short_side=128, recipe=Recipe(3, "light", "touching"))
        found.setdefault("some" if scene.staying else "all", scene)
        seed += 1
    return found


@pytest.fixture(params=["some", "all"])
def written(request, scenes, tmp_path):
    write_scene(scenes[request.param], tmp_path, "000007")
    return scenes[request.param], tmp_path


def pixels(path):
    return np.asarray(Image.open(path))


def test_what_is_read_is_what_was_written(written):
    scene, folder = written
    again = read_scene(folder)
    for name in ("layers", "shadows", "whole", "visible", "background"):
        assert torch.equal(getattr(again, name), getattr(scene, name)), name
    assert (again.photo - scene.photo).abs().max() <= 0.5 / 255 + 1e-6
    assert (again.truth() - scene.truth()).abs().max() < 1e-6
    assert torch.equal(again.effects(), scene.effects())
    for name in ("name", "erase", "staying", "place", "seed", "sources"):
        assert getattr(again, name) == getattr(scene, name)
    assert dict(again.tags) == dict(scene.tags)
    for name, value in scene.measures.items():
        assert again.measures[name] == (None if value is None else pytest.approx(value, abs=1e-6))


def test_the_pictures_are_what_anybody_reads(written):
    scene, folder = written
    height, width = scene.photo.shape[:2]
    for name, wanted in (("photo", scene.photo), ("background", scene.background), ("truth", scene.truth())):
        if name == "truth" and not scene.staying:
            assert not (folder / "truth.png").exists()
            continue
        assert pixels(folder / f"{name}.png").shape == (height, width, 3)
        assert np.abs(pixels(folder / f"{name}.png") / 255 - wanted.numpy()).max() <= 0.5 / 255 + 1e-6
    people = pixels(folder / "people.png")
    assert people.dtype == np.uint8
    for index, visible in enumerate(scene.visible):
        assert np.array_equal(people == index + 1, visible.numpy())
    assert np.array_equal(pixels(folder / "effects.png") == 255, scene.effects().numpy())


def test_layers_lie_where_the_description_says(written):
    scene, folder = written
    told = json.loads((folder / "scene.json").read_text())
    assert told["size"] == [scene.photo.shape[1], scene.photo.shape[0]]
    assert [index + 1 for index in scene.erase] == told["erase"]
    for person, layer, shadow in zip(told["people"], scene.layers, scene.shadows, strict=True):
        for box, name, wanted in ((person["box"], "layer", layer), (person["shadow_box"], "shadow", shadow)):
            left, top, right, bottom = box
            part = pixels(folder / f"{name}-{person['number']}.png")
            assert part.shape[:2] == (bottom - top, right - left)
            assert np.array_equal(part, (wanted[top:bottom, left:right] * 255).round().byte().numpy())
        left, top, right, bottom = person["box"]
        assert (layer[..., 3] > 0).sum() == (layer[top:bottom, left:right, 3] > 0).sum()


def test_the_same_scene_gives_the_same_bytes(written, tmp_path_factory):
    scene, folder = written
    other = tmp_path_factory.mktemp("other")
    write_scene(scene, other, "000007")
    for path in folder.iterdir():
        assert (other / path.name).read_bytes() == path.read_bytes()


def test_a_whole_folder_is_complete_and_a_broken_one_is_not(written):
    scene, folder = written
    assert sorted(path.name for path in folder.iterdir()) == files_of(read_description(folder))
    assert is_complete(folder, "000007", scene.seed)
    assert not is_complete(folder, "000008", scene.seed)
    assert not is_complete(folder, "000007", scene.seed + 1)
    assert not is_complete(folder / "nowhere", "000007", scene.seed)
    for name in files_of(read_description(folder)):
        data = (folder / name).read_bytes()
        for broken in (data[: len(data) // 2], b""):
            (folder / name).write_bytes(broken)
            assert not is_complete(folder, "000007", scene.seed), name
        (folder / name).unlink()
        assert not is_complete(folder, "000007", scene.seed), name
        (folder / name).write_bytes(data)
    (folder / "more.png").write_bytes(b"")
    assert not is_complete(folder, "000007", scene.seed)


def test_errors_name_the_file(written):
    _, folder = written
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(folder / "layer-1.png")
    with pytest.raises(ValueError, match=r"layer-1.png has 1 channels, but it must be a PNG of 4"):
        read_scene(folder)
    Image.fromarray(np.zeros((3, 4, 4), np.uint8)).save(folder / "layer-1.png")
    with pytest.raises(ValueError, match=r"layer-1.png is 4×3, but scene.json says"):
        read_scene(folder)
    (folder / "layer-1.png").unlink()
    with pytest.raises(ValueError, match=r"layer-1.png is missing or no picture"):
        read_scene(folder)
    (folder / "scene.json").write_text("{")
    with pytest.raises(ValueError, match=r"scene.json cannot be read as a scene's description"):
        read_scene(folder)
