"""Shadows that people cast, where the truth is known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mild_core.scene import MaskedPerson, Scene, split_people
from mild_core.scene.effects import find_shadows, show_effects
from mild_core.scene.masks import grow

SIZE = (240, 320)
SUN = (0.42, 0.44, 0.5)  # what is left of red, green and blue light in a shadow: the sky is blue
ASPHALT = (0.30, 0.29, 0.28)  # linear light


def textured(height, width, colour=ASPHALT, seed=0):
    """Ground in linear light, [3, H, W]: grain, and blotches some pixels wide."""
    generator = torch.Generator().manual_seed(seed)
    grain = torch.rand(1, 1, height, width, generator=generator) - 0.5
    blotches = torch.rand(1, 1, height // 12 + 2, width // 12 + 2, generator=generator) - 0.5
    texture = 1 + 0.25 * grain + 0.2 * F.interpolate(blotches, (height, width), mode="bicubic")
    return torch.tensor(colour)[:, None, None] * texture[0].clamp(0.3)


def figure(height, width, column, foot, tall):
    """Somebody upright, [H, W]: a body on two legs that stand at row `foot`."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    up, aside = (foot - rows) / tall, (columns - column) / tall
    body = (up > 0.45) & (((up - 0.72) / 0.28) ** 2 + (aside / 0.13) ** 2 <= 1)
    legs = (up >= 0) & (up <= 0.5) & ((aside.abs() - 0.07).abs() <= 0.045)
    return (body | legs).float()


def cast(height, width, column, foot, tall, length=0.4):
    """How deep in shadow the ground is, 0..1 [H, W]: a soft ellipse from the feet to the right."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    across, down = (columns - column - length * tall / 2) / (length * tall / 2 + 0.1 * tall), (rows - foot) / (0.055 * tall)
    return (1.5 - (across**2 + down**2).sqrt()).mul(2).clamp(0, 1)


def photo_of(light):
    """Linear light [3, H, W] as a photo IMAGE [1, H, W, 3]."""
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).permute(1, 2, 0)[None]


def scene_of(light, masks, going=None):
    """A scene of these people; `going` numbers who goes, from 1 (default: all). They wear blue."""
    for mask in masks:
        light = torch.where(mask > 0.5, torch.tensor([0.05, 0.08, 0.3])[:, None, None], light)
    scene = split_people(photo_of(light), [MaskedPerson(n, m) for n, m in enumerate(masks, start=1)])
    return scene.erasing(frozenset(p.id for p in scene.people if going is None or p.number in going))


def shaded(light, depth, left=SUN):
    """The light with what `depth` [H, W] leaves of it."""
    return light * (1 - depth * (1 - torch.tensor(left)[:, None, None]))


def overlap(found, truth, scene: Scene):
    """Intersection over union, of what is seen of the truth."""
    found, truth = found > 0.5, (truth > 0.5) & ~scene.union(scene.people)
    return float((found & truth).sum() / (found | truth).sum())


def test_a_soft_shadow_is_found_where_it_is():
    for seed, colour in enumerate((ASPHALT, (0.2, 0.32, 0.08), (0.45, 0.22, 0.14))):  # a road, a lawn, bricks
        person, depth = figure(*SIZE, 130, 190, 140), cast(*SIZE, 130, 190, 140)
        scene = scene_of(shaded(textured(*SIZE, colour, seed), depth), [person])
        assert overlap(find_shadows(scene), depth, scene) > 0.75


@pytest.mark.parametrize("side", [1, 3])
def test_also_in_a_large_photo(side):
    height, width = SIZE[0] * side, SIZE[1] * side
    where = (130 * side, 190 * side, 140 * side)
    person, depth = figure(height, width, *where), cast(height, width, *where)
    scene = scene_of(shaded(textured(height, width), depth), [person])
    assert overlap(find_shadows(scene), depth, scene) > 0.75


@pytest.mark.parametrize("sensitivity", [0.0, 0.5])
def test_none_is_found_where_there_is_none(sensitivity):
    for seed in range(4):
        scene = scene_of(textured(*SIZE, seed=seed), [figure(*SIZE, 130, 190, 140)])
        assert (find_shadows(scene, sensitivity=sensitivity) > 0.5).float().mean() < 0.0005


def test_a_faint_shadow_takes_sensitivity():
    person, depth = figure(*SIZE, 130, 190, 140), cast(*SIZE, 130, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth, (0.72, 0.73, 0.75)), [person])
    assert not (find_shadows(scene, sensitivity=0.0) > 0.5).any()
    assert overlap(find_shadows(scene, sensitivity=0.9), depth, scene) > 0.75


def patch(top, bottom, left, right):
    out = torch.zeros(SIZE)
    out[top:bottom, left:right] = 1
    return out


def test_what_is_only_dark_is_no_shadow():
    apart = patch(186, 198, 200, 236)  # does not touch the feet
    upright = patch(140, 192, 152, 186)  # a bin beside the leg
    along = patch(188, 198, 0, 320)  # the gutter
    for thing in (apart, upright, along):
        scene = scene_of(shaded(textured(*SIZE), thing), [figure(*SIZE, 130, 190, 140)])
        assert float((find_shadows(scene) > 0.5)[thing > 0.5].float().mean()) < 0.05


@pytest.mark.parametrize("left", [(0.3, 0.6, 0.3), (0.9, 0.4, 0.3), (0.3, 0.4, 0.9)])
def test_what_has_another_colour_is_no_shadow(left):
    depth = cast(*SIZE, 130, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth, left), [figure(*SIZE, 130, 190, 140)])
    assert float((find_shadows(scene) > 0.5)[depth > 0.9].float().mean()) < 0.05


def test_everybody_has_their_own_shadow():
    places = [(60, 160, 100), (180, 200, 120)]
    people, depths = [figure(*SIZE, *p) for p in places], [cast(*SIZE, *p) for p in places]
    light = shaded(textured(*SIZE), torch.stack(depths).amax(0))
    both = scene_of(light, people)
    assert overlap(find_shadows(both), torch.stack(depths).amax(0), both) > 0.7
    for number, depth in enumerate(depths, start=1):
        one = scene_of(light, people, going={number})
        assert overlap(find_shadows(one), depth, one) > 0.65
        other = depths[2 - number] > 0.5
        assert not (find_shadows(one) > 0.5)[other & ~one.union(one.people)].any()


def test_somebody_at_the_edge_of_the_photo():
    for column in (0, 319):
        person, depth = figure(*SIZE, column, 190, 140), cast(*SIZE, column - 60, 190, 140)
        scene = scene_of(shaded(textured(*SIZE), depth), [person])
        found = find_shadows(scene)
        assert found.isfinite().all()
    person, depth = figure(*SIZE, 4, 190, 140), cast(*SIZE, 4, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth), [person])
    assert overlap(find_shadows(scene), depth, scene) > 0.7


def test_who_is_cut_off_above_the_feet_has_none():
    scene = scene_of(shaded(textured(*SIZE), patch(200, 240, 150, 200)), [figure(*SIZE, 130, 320, 200)])
    assert not find_shadows(scene).any()


def test_nothing_goes_and_nothing_is_searched():
    depth = cast(*SIZE, 130, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth), [figure(*SIZE, 130, 190, 140)], going=set())
    assert not find_shadows(scene).any()
    everybody = scene.erasing(frozenset(p.id for p in scene.people))
    assert find_shadows(everybody).any()
    assert (find_shadows(everybody, reach=0) > 0.5).sum() < 0.1 * (depth > 0.5).sum()


def test_growing_is_by_pixels_and_never_over_people():
    depth = cast(*SIZE, 130, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth), [figure(*SIZE, 130, 190, 140), figure(*SIZE, 225, 200, 120)], going={1})
    found, grown = find_shadows(scene), find_shadows(scene, grow_by=9)
    anybody = scene.union(scene.people)
    assert not (grown * anybody).any()
    assert torch.equal(grown > 0.5, grow(found, 9) & ~anybody)
    assert (grown >= found).all()


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_photo_of_one_colour_has_no_shadow(value):
    person = figure(*SIZE, 130, 190, 140)
    scene = split_people(torch.full((1, *SIZE, 3), value), [MaskedPerson(1, person)])
    assert not find_shadows(scene.erasing(frozenset([scene.people[0].id])), sensitivity=1.0).any()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"reach": -1.0}, "reach is -1.0"),
        ({"reach": float("nan")}, "reach is nan"),
        ({"sensitivity": 1.1}, "sensitivity is 1.1"),
        ({"sensitivity": float("nan")}, "sensitivity is nan"),
    ],
)
def test_numbers_out_of_range_are_named(two_people, numbers, message):
    with pytest.raises(ValueError, match=message):
        find_shadows(two_people, **numbers)


sizes = st.one_of(st.just((8, 8)), st.just((300, 9)), st.just((9, 300)), st.tuples(st.integers(8, 60), st.integers(8, 60)))


@settings(max_examples=60, deadline=None)
@given(
    sizes.flatmap(lambda size: st.tuples(hnp.arrays(np.bool_, (3, *size)), st.integers(0, 2**31 - 1))),
    st.sets(st.integers(1, 3)),
    st.floats(0, 3),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_any_scene_gives_a_mask(given, going, reach, sensitivity, grow_by):
    masks, seed = torch.from_numpy(given[0]).float(), given[1]
    masks[0, -1, -1] = 1
    photo = torch.rand(1, *masks.shape[1:], 3, generator=torch.Generator().manual_seed(seed))
    scene = split_people(photo, [MaskedPerson(n, m) for n, m in enumerate(masks, start=1)])
    scene = scene.erasing(frozenset(p.id for p in scene.people if p.number in going))
    found = find_shadows(scene, reach=reach, sensitivity=sensitivity, grow_by=grow_by)
    assert found.shape == scene.size
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 1)).all()
    assert not found[scene.union(scene.people)].any()
    assert scene.going or not found.any()


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 120), st.integers(20, 400), st.floats(0, 1), st.floats(0.1, 1.4), st.integers(0, 99))
def test_any_figure_gives_a_mask_beside_it(height, width, column, tall, seed):
    person = figure(height, width, column * width, height * 0.9, max(height * tall, 8))
    if not person.any():
        return
    depth = cast(height, width, column * width, height * 0.9, max(height * tall, 8))
    scene = scene_of(shaded(textured(height, width, seed=seed), depth), [person])
    found = find_shadows(scene)
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 1)).all()
    assert not found[scene.union(scene.people)].any()


def test_the_picture_tints_what_is_found_and_nothing_else():
    depth = cast(*SIZE, 130, 190, 140)
    scene = scene_of(shaded(textured(*SIZE), depth), [figure(*SIZE, 130, 190, 140)])
    effects = find_shadows(scene)
    picture = show_effects(scene, effects)
    assert picture.shape == scene.photo.shape
    same = (effects == 0) & ~scene.union(scene.people)
    assert torch.equal(picture[0][same], scene.photo[0][same])
    assert not torch.equal(picture[0][effects > 0.5], scene.photo[0][effects > 0.5])
