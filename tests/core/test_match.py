import numpy as np
import pytest

from mild_core.data.match import Light, grain_of, light_of, match_grain, match_light, match_sharpness, to_linear, to_srgb

GREY = np.full((40, 30, 3), 0.5, np.float32)
ALL = np.ones((40, 30), np.float32)


def light(mean, contrast=0.2, colourful=0.2) -> Light:
    return Light(np.full(3, mean, np.float32) if np.isscalar(mean) else np.array(mean, np.float32), contrast, colourful)


def test_linear_light_and_back():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(to_srgb(to_linear(values)), values, atol=2e-6)
    assert to_linear(np.float32(0.5)) == pytest.approx(0.214041, abs=1e-5)  # IEC 61966-2-1


def test_the_same_light_changes_nothing():
    rng = np.random.default_rng(0)
    colour = rng.random((40, 30, 3), np.float32)
    assert np.allclose(match_light(colour, ALL, light(0.3), light(0.3)), colour, atol=1e-5)


@pytest.mark.parametrize(("place", "gain"), [(0.3 * 1.44, 1.2), (0.3 / 1.44, 1 / 1.2), (0.9, 1.35), (0.02, 0.72)])
def test_exposure_goes_half_of_the_way_within_bounds(place, gain):
    lit = match_light(GREY, ALL, light(0.3), light(place))
    assert np.allclose(to_linear(lit) / to_linear(GREY), gain, rtol=1e-3)


def test_a_cast_is_taken_over_within_bounds():
    lit = match_light(GREY, ALL, light(0.3), light((0.9, 0.3, 0.1)))
    ratio = to_linear(lit)[0, 0] / to_linear(GREY)[0, 0]
    assert ratio[0] > ratio[1] > ratio[2]
    assert ratio[0] / ratio[2] < 1.25


def test_contrast_changes_about_the_mean():
    rng = np.random.default_rng(0)
    colour = 0.5 + 0.1 * rng.standard_normal((40, 30, 3)).astype(np.float32)
    flat = match_light(colour, ALL, light(0.3, contrast=0.25), light(0.3, contrast=0.2))
    assert flat.mean() == pytest.approx(colour.mean(), abs=1e-3)
    assert flat.std() / colour.std() == pytest.approx(0.8**0.5, abs=0.01)


def test_on_a_black_and_white_place_people_are_so():
    colour = np.random.default_rng(0).random((40, 30, 3), np.float32)
    lit = match_light(colour, ALL, light(0.3), light(0.3, colourful=0.001))
    assert np.abs(lit.max(-1) - lit.min(-1)).max() < 1e-6
    assert lit.std() > 0.05


def test_light_of_a_picture():
    picture = np.random.default_rng(0).random((60, 50, 3), np.float32)
    found = light_of(picture)
    assert np.allclose(found.mean, to_linear(picture).mean((0, 1)), atol=1e-5)
    assert found.colourful == pytest.approx((picture.max(-1) - picture.min(-1)).mean(), abs=1e-5)


@pytest.mark.parametrize(("scale", "place_scale", "softer"), [(1, 1, False), (0.4, 0.9, False), (1.5, 1.3, False), (0.5, 1.6, True)])
def test_who_is_sharper_than_the_place_is_softened(scale, place_scale, softer):
    colour = np.zeros((40, 30, 3), np.float32)
    colour[:, ::2] = 1
    blurred, alpha = match_sharpness(colour, ALL, scale, place_scale)
    assert (blurred.std() < 0.6 * colour.std()) == softer
    assert np.array_equal(blurred, colour) != softer
    assert alpha.shape == ALL.shape


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.03])
def test_grain_is_what_was_added(sigma):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((200, 200)).astype(np.float32) * sigma
    picture = 0.3 + np.linspace(0, 0.4, 200, dtype=np.float32)[None, :, None] + np.repeat(noise[..., None], 3, -1)
    assert grain_of(picture) == pytest.approx(sigma, abs=0.15 * sigma + 1e-4)


def test_grain_is_added_up_to_the_place_s_and_not_taken():
    rng = np.random.default_rng(0)
    colour, alpha = np.full((200, 200, 3), 0.5, np.float32), np.ones((200, 200), np.float32)
    grained = match_grain(colour, alpha, 0.01, rng)
    assert grain_of(grained) == pytest.approx(0.01, rel=0.15)
    assert match_grain(grained, alpha, 0.002, rng) is grained
    assert grain_of(match_grain(colour, alpha, 0.2, rng)) < 0.015


def test_too_little_of_a_picture_has_no_grain():
    assert grain_of(GREY, np.zeros((40, 30), bool)) == 0
