from itertools import pairwise

import pytest
import torch
from tiny_library import make_library

from mild_core.data.library import PhotoLibrary
from mild_core.data.recipe import Recipe, benchmark_recipe
from mild_core.data.scenes import TrueScene, make_scene
from mild_core.scene import from_masks, split_people

SEEDS = range(12)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> PhotoLibrary:
    return PhotoLibrary(make_library(tmp_path_factory.mktemp("photos")), "train")


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


def composed(scene: TrueScene, who: list[int]) -> torch.Tensor:
    """These people over the background under their shadows, in float64."""
    background = scene.background.double()
    light = torch.where(background <= 0.04045, background / 12.92, ((background + 0.055) / 1.055) ** 2.4)
    for index in who:
        light = light * (1 - scene.shadows[index].double()[..., None])
    picture = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    for index in reversed(who):
        layer = scene.layers[index].double()
        picture = picture * (1 - layer[..., 3:]) + layer[..., :3] * layer[..., 3:]
    return picture


def test_layers_over_the_background_under_the_shadows_are_the_photo(scenes):
    for scene in scenes:
        everybody = list(range(len(scene.layers)))
        assert torch.allclose(composed(scene, everybody), scene.photo.double(), atol=1e-5)
        untouched = (scene.layers[..., 3] == 0).all(0) & (scene.shadows == 0).all(0)
        assert untouched.any()
        assert torch.equal(scene.photo[untouched], scene.background[untouched])


def test_the_truth_is_the_same_without_those_who_go(scenes):
    for scene in scenes:
        assert scene.erase
        assert list(scene.erase) == sorted({*scene.erase} & {*range(len(scene.layers))})
        assert {*scene.erase} | {*scene.staying} == {*range(len(scene.layers))}
        assert torch.allclose(composed(scene, list(scene.staying)), scene.truth().double(), atol=1e-5)
        if not scene.staying:
            assert torch.equal(scene.truth(), scene.background)
        assert torch.equal(scene.without(()), scene.photo)


def test_effects_are_shadows_of_those_who_go_on_nobody(scenes):
    assert any(scene.effects().any() for scene in scenes)
    for scene in scenes:
        effects = scene.effects()
        assert not (effects & scene.whole.any(0)).any()
        assert (scene.shadows[list(scene.erase)].sum(0)[effects] > 0.07).all()
        soft = (scene.layers[..., 3] > 0).any(0)
        left = ~effects & ~soft
        alone = scene.without(scene.staying)  # those who go, by themselves: what they do to the ground
        assert (alone - scene.background)[left].abs().max() < 0.05  # what is left out is hardly seen
        for index in range(len(scene.layers)):
            assert scene.shadows[index].any()


def test_somebody_goes_and_often_somebody_behind_stays(library):
    seen = {"all": 0, "front": 0, "hiding": 0}
    for seed in range(40):
        scene = make_scene(library, seed, short_side=128, recipe=Recipe(3, "light", "touching"))
        seen["all"] += not scene.staying
        hidden = scene.whole & ~scene.visible
        if scene.staying and scene.tags["occlusion"] != "none":
            seen["hiding"] += 1
            others = torch.stack([scene.visible[n] for n in scene.erase]).any(0)
            seen["front"] += bool((others & hidden[list(scene.staying)].any(0)).any())
    assert 2 <= seen["all"] <= 20
    assert seen["front"] >= seen["hiding"] / 2 > 3


def test_layers_and_shadows_are_in_steps_that_files_hold(scenes):
    for scene in scenes:
        for tensor in (scene.layers, scene.shadows, scene.background):
            assert torch.equal((tensor * 255).round() / 255, tensor)
        nobody = scene.layers[..., 3] == 0
        assert (scene.layers[..., :3][nobody] == 0).all()


def test_sources_name_people_of_the_library(library, scenes):
    known = {(photo.stem, value) for photo, _, value in library.persons()}
    for scene in scenes:
        assert len(scene.sources) == len(scene.layers) == len(set(scene.sources))
        assert {(source.photo, source.value) for source in scene.sources} <= known
        assert scene.name == f"{scene.place}-{scene.seed}"


def test_a_scene_is_what_its_recipe_asks_as_far_as_it_can_be(library):
    reached = {"people": 0, "occlusion": 0, "contact": 0}
    seeds = range(1, 48)
    for seed in seeds:
        recipe = benchmark_recipe(seed, 3)
        tags = make_scene(library, seed, short_side=128, recipe=recipe).tags
        reached["people"] += tags["people"] == str(recipe.people)
        for name in ("occlusion", "contact"):
            reached[name] += tags[name] in (getattr(recipe, name), "alone")
    assert reached["people"] == len(seeds)
    assert min(reached["occlusion"], reached["contact"]) > 0.7 * len(seeds), reached


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


def test_people_are_seen_to_reach_lower_the_nearer_they_are(scenes):
    for scene in scenes:
        lowest = [int(visible.any(1).nonzero()[-1]) for visible in scene.visible]
        assert all(near - far >= 4 for near, far in pairwise(lowest))


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
