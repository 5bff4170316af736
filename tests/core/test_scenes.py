import numpy as np
import pytest
import torch
from PIL import Image

from mild_core.data.library import PhotoLibrary
from mild_core.data.scenes import TrueScene, make_scene
from mild_core.scene import from_masks, split_people

SEEDS = range(12)
BACKDROP = (0, 255, 0)  # what is around the people of the tiny library


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> PhotoLibrary:
    """Places of noise without green, and people (a head on a body) without green before a green backdrop."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for folder in ("places", "people"):
        (root / folder).mkdir()
    for number in range(14):
        size = (150, 220) if number % 3 else (220, 150)
        save(root / "places" / f"place{number}.jpg", rng.integers(60, 200, (*size, 3)) * (1, 0, 1))
        photo, values = np.full((240, 200, 3), BACKDROP), np.zeros((240, 200), np.uint8)
        y, x = np.mgrid[:240, :200]
        for value, middle in enumerate((50, 140), start=1):
            head = (y - 40) ** 2 + (x - middle) ** 2 < 18**2
            body = (abs(x - middle) < 12 + number) & (y >= 50) & (y < 180 + 4 * number % 40)
            photo[head | body] = (90 + 5 * number, 0, 60 * value)
            values[head | body] = value
        save(root / "people" / f"people{number}.jpg", photo)
        Image.fromarray(values).save(root / "people" / f"people{number}.png")
    return PhotoLibrary(root, "train")


def save(path, photo: np.ndarray) -> None:
    Image.fromarray(photo.astype(np.uint8)).save(path, quality=100, subsampling=0)


@pytest.fixture(scope="module")
def scenes(library) -> list[TrueScene]:
    return [make_scene(library, seed, short_side=160) for seed in SEEDS]


def test_the_same_seed_gives_the_same_scene(library, scenes):
    again = make_scene(library, 3, short_side=160)
    assert again.name == scenes[3].name
    for name in ("photo", "background", "layers", "whole", "visible"):
        assert torch.equal(getattr(again, name), getattr(scenes[3], name))
    assert not torch.equal(scenes[3].layers[0], scenes[4].layers[0])
    assert len({scene.name for scene in scenes}) == len(scenes)


def test_layers_over_the_background_are_the_photo(scenes):
    for scene in scenes:
        picture = scene.background
        for layer in reversed(list(scene.layers)):
            picture = picture * (1 - layer[..., 3:]) + layer[..., :3] * layer[..., 3:]
        assert torch.allclose(picture, scene.photo, atol=1e-6)
        nobody = (scene.layers[..., 3] == 0).all(0)
        assert torch.equal(scene.photo[nobody], scene.background[nobody])


def test_shapes_and_ranges(scenes):
    assert {len(scene.whole) for scene in scenes} == {1, 2, 3}
    for scene in scenes:
        height, width = scene.photo.shape[:2]
        assert min(height, width) == 160
        assert max(height, width) == pytest.approx(160 * 220 / 150, abs=1)
        assert scene.background.shape == scene.photo.shape == (height, width, 3)
        assert scene.layers.shape == (len(scene.whole), height, width, 4)
        assert scene.visible.shape == scene.whole.shape == scene.layers.shape[:3]
        assert scene.visible.dtype == scene.whole.dtype == torch.bool
        for tensor in (scene.photo, scene.background, scene.layers):
            assert tensor.dtype == torch.float32
            assert 0 <= tensor.min() <= tensor.max() <= 1


def test_every_pixel_shows_at_most_one_person_and_that_is_the_nearest(scenes):
    for scene in scenes:
        assert (scene.visible.sum(0) <= 1).all()
        nearer = torch.zeros_like(scene.whole[0])
        for whole, visible in zip(scene.whole, scene.visible, strict=True):
            assert torch.equal(visible, whole & ~nearer)
            nearer |= whole
        assert torch.equal(scene.visible.any(0), scene.whole.any(0))
    hidden = [(scene.whole & ~scene.visible).any() for scene in scenes]
    assert any(hidden)
    assert not all(hidden)


def test_splitting_the_masks_finds_the_truth(scenes):
    for scene in scenes:
        found = split_people(scene.photo[None], from_masks(scene.masks(), "by mask"))
        assert [person.number for person in found.people] == list(range(1, len(scene.whole) + 1))
        for person, visible in zip(found.people, scene.visible, strict=True):
            assert torch.equal(person.visible, visible)
        whole = split_people(scene.photo[None], from_masks(scene.layers[..., 3], "by mask"))
        for person, body in zip(whole.people, scene.whole, strict=True):
            assert (person.whole & body).sum() == body.sum()


def test_people_have_the_size_and_place_that_was_asked_for(scenes):
    for scene in scenes:
        height = scene.photo.shape[0]
        assert 0.04 <= scene.whole.any(0).float().mean() <= 0.30
        assert (scene.visible.sum((1, 2)) >= 0.35 * scene.whole.sum((1, 2))).all()
        lowest = []
        for body in scene.whole:
            rows = body.any(1).nonzero()[:, 0]
            assert 0.33 * height <= rows[-1] - rows[0] + 1 <= 0.76 * height
            lowest.append(int(rows[-1]))
        assert lowest == sorted(lowest, reverse=True)


def test_nothing_of_the_photo_they_were_cut_from_comes_along(scenes):
    # the backdrop is the only green there is; some comes from JPEG, next to nothing from the backdrop
    assert max(scene.photo[..., 1].max() for scene in scenes) < 0.2


def test_as_many_people_as_asked(library):
    assert {len(make_scene(library, seed, people=(2, 2), short_side=128).whole) for seed in range(4)} == {2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"people": (0, 2)}, r"people is \(0, 2\), but it must be"),
        ({"people": (3, 2)}, r"people is \(3, 2\), but it must be"),
        ({"short_side": 20}, "short_side is 20, but it must be at least 64"),
    ],
)
def test_errors_name_the_input(library, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_scene(library, 0, **arguments)
