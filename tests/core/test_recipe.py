from collections import Counter

import numpy as np
import pytest

from mild_core.data.recipe import Recipe, benchmark_recipe, random_recipe


def test_seeds_cover_the_grid_evenly():
    recipes = [benchmark_recipe(seed) for seed in range(96)]
    assert Counter(recipe.people for recipe in recipes) == dict.fromkeys(range(1, 7), 16)
    several = Counter(recipe for recipe in recipes if recipe.people > 1)
    assert len(several) == 80
    assert set(several.values()) == {1}
    assert Counter(recipe.camouflage for recipe in recipes) == {"low": 48, "high": 48}
    assert recipes == [benchmark_recipe(seed) for seed in range(96, 192)]


def test_a_short_run_of_seeds_has_something_of_everything():
    recipes = [benchmark_recipe(seed) for seed in range(500, 524)]
    assert Counter(recipe.people for recipe in recipes) == dict.fromkeys(range(1, 7), 4)
    for field in ("occlusion", "contact", "camouflage", "poses"):
        counts = Counter(getattr(recipe, field) for recipe in recipes if recipe.people > 1)
        assert len(counts) == (3 if field == "occlusion" else 2)
        assert min(counts.values()) >= 3


def test_by_chance_there_are_as_many_people_as_asked():
    rng = np.random.default_rng(0)
    recipes = [random_recipe(rng, 1, 3) for _ in range(200)]
    assert {recipe.people for recipe in recipes} == {1, 2, 3}
    assert {recipe.contact for recipe in recipes} == {"apart", "touching"}
    assert all(recipe.camouflage == recipe.poses == "any" for recipe in recipes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "people is 0, but it must be at least 1"), ((2, "heavy", "apart"), "occlusion is heavy and contact apart")],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recipe(*arguments)
