import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.shadow import contact_shadow, darken, shadow_strength


def somebody(size=(160, 200), top=30, bottom=130, centre=100, legs=10) -> np.ndarray:
    """A trunk on two legs, 100 pixels high."""
    body = np.zeros(size, np.float32)
    body[top : (top + bottom) // 2, max(centre - 15, 0) : centre + 15] = 1
    for side in (-1, 1):
        middle = centre + side * legs
        body[(top + bottom) // 2 : bottom, max(middle - 4, 0) : middle + 4] = 1
    return body


def test_it_is_darkest_at_the_feet_and_gone_away_from_them():
    shadow = contact_shadow(somebody(), 0.6, 0.0)
    assert shadow.dtype == np.float32
    assert 0.4 < shadow.max() <= 1
    y, x = np.unravel_index(shadow.argmax(), shadow.shape)
    assert abs(y - 129) <= 2
    assert min(abs(x - 90), abs(x - 110)) <= 5
    assert (shadow[:110] == 0).all()  # nothing beside the knees
    assert (shadow[152:] == 0).all()
    assert (shadow[:, :50] == 0).all()


def test_each_foot_has_one():
    shadow = contact_shadow(somebody(legs=14), 0.6, 0.0)
    row = shadow[129]
    assert row[86] > row[100] + 0.1
    assert row[114] > row[100] + 0.1


@pytest.mark.parametrize("lean", [-1.0, 1.0])
def test_the_long_one_lies_to_the_side_that_is_said(lean):
    shadow = contact_shadow(somebody(), 0.6, lean)
    left, right = shadow[:, :100].sum(), shadow[:, 100:].sum()
    assert (right - left) * lean > 0.2 * (left + right)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(-1, 1), st.integers(-8, 190), st.integers(60, 160))
def test_any_amount_is_a_share_in_steps_of_a_byte(strength, lean, centre, bottom):
    shadow = contact_shadow(somebody(centre=centre, bottom=bottom), strength, lean)
    assert 0 <= shadow.min() <= shadow.max() <= 1
    assert np.abs(shadow * 255 - np.round(shadow * 255)).max() < 1e-3


def test_it_moves_and_grows_with_the_person():
    here, there = contact_shadow(somebody(), 0.6, 0.3), contact_shadow(somebody(top=40, bottom=140, centre=80), 0.6, 0.3)
    assert np.array_equal(here[:-10, 20:], there[10:, :-20])
    stronger = contact_shadow(somebody(), 0.8, 0.3)
    assert (stronger >= here).all()
    assert stronger.sum() > 1.2 * here.sum()


def test_nobody_casts_none():
    assert (contact_shadow(np.zeros((40, 50), np.float32), 0.6, 0.0) == 0).all()


def test_darkening_is_of_linear_light_and_shadows_multiply():
    rng = np.random.default_rng(0)
    picture = rng.random((20, 30, 3), np.float32)
    shadows = (rng.random((2, 20, 30)) * (rng.random((20, 30)) < 0.5)).astype(np.float32)
    x = picture.astype(np.float64)
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) * ((1 - shadows[0]) * (1 - shadows[1]))[..., None]
    wanted = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    darkened = darken(picture, shadows)
    assert np.allclose(darkened, wanted, atol=3e-6)
    untouched = (shadows == 0).all(0)
    assert np.array_equal(darkened[untouched], picture[untouched])
    assert np.array_equal(darken(picture, []), picture)


def test_shadows_are_darker_where_the_place_has_contrast():
    found = [shadow_strength(contrast) for contrast in (0.0, 0.1, 0.2, 0.6)]
    assert found == sorted(found)
    assert found[0] >= 0.3
    assert found[-1] <= 0.85
