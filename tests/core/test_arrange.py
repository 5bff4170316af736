from itertools import pairwise

import numpy as np
import pytest
from tiny_library import make_library

from mild_core.data.arrange import Stage, arrange, is_sound, visible_of
from mild_core.data.casting import cast, cutouts, members
from mild_core.data.difficulty import histogram
from mild_core.data.library import PhotoLibrary
from mild_core.data.recipe import Recipe

STAGE = Stage(150, 220, 0.62, np.zeros((112, 164), np.int64))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return members(PhotoLibrary(make_library(tmp_path_factory.mktemp("photos")), "train"))


def box(top, bottom, left, right, size=(100, 150)) -> np.ndarray:
    body = np.zeros(size, bool)
    body[top:bottom, left:right] = True
    return body


@pytest.mark.parametrize(
    ("bodies", "sound"),
    [
        ([box(30, 90, 20, 40), box(30, 80, 60, 80)], True),
        ([box(30, 80, 20, 40), box(30, 90, 60, 80)], False),  # the nearer one reaches less low
        ([box(30, 90, 20, 40), box(30, 88, 60, 80)], False),  # hardly lower
        ([box(30, 90, 20, 40), box(30, 80, 21, 39)], False),  # nobody sees the second
        ([box(30, 90, 20, 40), box(30, 80, 32, 52)], True),  # half hidden
        ([box(80, 90, 20, 30)], False),  # next to nothing
        ([box(0, 90, 0, 90)], False),  # nearly all
    ],
)
def test_a_scene_is_sound_when_all_are_seen_and_tell_their_order(bodies, sound):
    assert is_sound(np.stack(bodies)) == sound


def test_what_nobody_nearer_hides():
    rng = np.random.default_rng(0)
    whole = rng.random((4, 20, 30)) < 0.5
    assert np.array_equal(visible_of(whole), whole & (whole.cumsum(0) == 1))


@pytest.mark.parametrize("recipe", [Recipe(1), Recipe(3), Recipe(3, "none", "touching"), Recipe(2, "heavy", "touching"), Recipe(5)])
def test_people_stand_on_the_ground_and_grow_towards_the_front(pool, recipe):
    rng = np.random.default_rng(1)
    found = [arrange(STAGE, cast(pool, recipe, 80, np.zeros(1960), rng), recipe, rng) for _ in range(12)]
    arranged = [a for a in found if a is not None]
    assert len(arranged) >= 8
    assert sum(a.lacking == 0 for a in arranged) >= len(arranged) / 2
    for stands, _ in arranged:
        assert len(stands) == recipe.people
        feet = [stand.bottom for stand in stands]
        assert all(near - far >= 4 for near, far in pairwise(feet))
        assert all(0.62 * 150 - 1 <= bottom < 150 for bottom in feet)
        assert all(0.29 * 150 <= stand.height <= 0.75 * 150 for stand in stands)
        assert len({id(stand.member) for stand in stands}) == recipe.people


def test_on_ground_that_ends_low_nobody_stands_higher(pool):
    rng, recipe = np.random.default_rng(0), Recipe(2)
    arranged = arrange(STAGE._replace(ground=0.84), cast(pool, recipe, 80, np.zeros(1960), rng), recipe, rng)
    assert arranged is not None
    assert all(stand.bottom >= 0.84 * 150 - 1 for stand in arranged.stands)


def test_no_scene_of_people_who_are_too_wide(pool):
    narrow = STAGE._replace(width=20, height=300, colours=np.zeros((1680, 112), np.int64))
    assert arrange(narrow, list(pool[:2]), Recipe(2), np.random.default_rng(0)) is None


def test_who_is_cast_goes_with_what_is_asked(pool):
    def alikeness(recipe, behind):
        rng = np.random.default_rng(0)
        casts = [cast(pool, recipe, 80, behind, rng) for _ in range(20)]
        assert all(len({id(m) for m in chosen}) == 3 for chosen in casts)
        pairs = [(one, other) for chosen in casts for one in chosen for other in chosen if one is not other]
        shapes = np.mean([(one.shape & other.shape).sum() / (one.shape | other.shape).sum() for one, other in pairs])
        return shapes, np.mean([np.minimum(m.colours, behind).sum() for chosen in casts for m in chosen])

    behind = pool[0].colours
    assert alikeness(Recipe(3, poses="alike"), behind)[0] > alikeness(Recipe(3, poses="varied"), behind)[0] + 0.1
    assert alikeness(Recipe(3, camouflage="high"), behind)[1] > alikeness(Recipe(3, camouflage="low"), behind)[1] + 0.1
    assert len(cast(pool[:2], Recipe(5), 80, behind, np.random.default_rng(0))) == 2


def test_members_are_what_is_known_of_cutouts(tmp_path):
    library = PhotoLibrary(make_library(tmp_path), "train")
    assert [member.key for member in members(library)] == list(cutouts(library))
    for member in members(library):
        assert member.outline.shape[0] == 64
        assert member.aspect == pytest.approx(member.shape.any(0).sum() / 32, abs=0.07)
        assert member.colours.sum() == pytest.approx(1, abs=1e-4)
        assert histogram(np.zeros(0, np.int64)).shape == member.colours.shape
