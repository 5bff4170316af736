import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from skimage.color import lab2rgb, rgb2lab

from mild_core.metrics.leakage import MOST, _distance, _textures, _thinned, leak_colour, leak_texture
from mild_core.scene.masks import grow

HEIGHT, WIDTH = 96, 112
LEAKS = {"colour": leak_colour, "texture": leak_texture}


def person_mask() -> torch.Tensor:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (56, 50), (16, 32), 0, 0, 360, 1, -1)
    return torch.from_numpy(mask > 0)


PERSON = person_mask()
HOLE = grow(PERSON.float(), 5)


def grain(seed: int, smooth: float) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH, 3))
    noise = cv2.GaussianBlur(noise, (0, 0), smooth) if smooth else noise
    return noise / noise.std()


def a_place(seed: int = 0, colour=(0.35, 0.5, 0.3), contrast: float = 0.05, smooth: float = 0.6) -> torch.Tensor:
    return torch.from_numpy((np.array(colour) + contrast * grain(seed, smooth)).clip(0, 1)).float()


def with_somebody(place: torch.Tensor, look: torch.Tensor, opacity: float = 1) -> torch.Tensor:
    return torch.where(PERSON[..., None], torch.lerp(place, look, opacity), place)


def clothes(seed: int = 1) -> torch.Tensor:
    return a_place(seed, colour=(0.7, 0.25, 0.25), contrast=0.03, smooth=4)


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 999))
def test_nobody_erased_is_one_and_the_true_background_near_none(leak, seed):
    place = a_place(seed)
    photo = with_somebody(place, clothes(seed + 1))
    assert leak(photo, photo, HOLE, PERSON) == pytest.approx(1, abs=1e-6)
    assert leak(place, photo, HOLE, PERSON) < 0.05
    another = torch.where(HOLE[..., None], a_place(seed + 2), photo)  # not the truth, but of the same kind
    assert leak(another, photo, HOLE, PERSON) < 0.05


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("erased", [PERSON, None], ids=["erased", "hole alone"])
def test_a_ghost_scores_the_more_the_more_of_it_there_is(leak, erased):
    place, look = a_place(), clothes()
    photo = with_somebody(place, look)
    scores = [leak(with_somebody(place, look, opacity), photo, HOLE, erased) for opacity in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert scores == sorted(scores)
    assert scores[0] < 0.3 < scores[3] < 0.95 < scores[5]


def test_a_flat_ghost_scores_its_opacity():
    place, look = (torch.from_numpy(lab2rgb(np.full((HEIGHT, WIDTH, 3), colour))) for colour in ([60.0, 5, 5], [40.0, 20, -10]))
    photo = with_somebody(place, look)
    for opacity in (0, 0.25, 0.5, 0.9):
        between = lab2rgb((1 - opacity) * rgb2lab(place.numpy()) + opacity * rgb2lab(look.numpy()))
        ghost = with_somebody(place, torch.from_numpy(between))
        assert leak_colour(ghost, photo, HOLE, PERSON) == pytest.approx(opacity, abs=0.01)


def test_what_is_left_of_somebody_counts_by_its_share():
    place, look = a_place(), clothes()
    photo = with_somebody(place, look)
    scores = []
    for row in (18, 34, 50, 66, 83):  # down to which they are still there
        result = place.clone()
        result[:row] = photo[:row]
        scores.append(leak_colour(result, photo, HOLE, PERSON))
    assert scores == sorted(scores)
    assert scores[2] == pytest.approx(0.5, abs=0.1)


def test_colour_and_texture_are_told_apart():
    place = a_place()
    photo = with_somebody(place, clothes())
    repainted = with_somebody(place, a_place(5, contrast=0.03, smooth=4))  # the colour of the place, as smooth as the clothes
    assert leak_colour(repainted, photo, HOLE, PERSON) < 0.1
    assert leak_texture(repainted, photo, HOLE, PERSON) > 0.8
    coloured = with_somebody(place, a_place(5, colour=(0.7, 0.25, 0.25), smooth=0.6))
    assert leak_colour(coloured, photo, HOLE, PERSON) > 0.9
    assert leak_texture(coloured, photo, HOLE, PERSON) < 0.2


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_camouflage_cannot_be_told(leak):
    place = a_place()
    photo = with_somebody(place, a_place(1))
    assert math.isnan(leak(photo, photo, HOLE, PERSON))
    assert math.isnan(leak(place, photo, HOLE, PERSON))


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_without_surroundings_it_cannot_be_told(leak):
    place = a_place()
    photo = with_somebody(place, clothes())
    assert math.isnan(leak(photo, photo, torch.ones(HEIGHT, WIDTH, dtype=torch.bool), PERSON))
    few = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    few[50:52, 56:58] = True
    assert math.isnan(leak(photo, photo, few))


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_only_the_hole_and_its_ring_count(leak):
    place = a_place()
    photo = with_somebody(place, clothes())
    result = with_somebody(place, clothes(), 0.4)
    score = leak(result, photo, HOLE, PERSON)
    spoilt = result.clone()
    spoilt[~PERSON] = 0  # of the result, only where the person was
    assert leak(spoilt, photo, HOLE, PERSON) == pytest.approx(score, abs=1e-12)
    far = photo.clone()
    far[:, -12:] = 0
    assert leak(result, far, HOLE, PERSON) == pytest.approx(score, abs=1e-12)
    assert leak(result, photo, HOLE, PERSON) == score  # nothing is drawn by chance


def test_the_distance_is_the_energy_distance():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 2, (70, 3)), rng.normal(1, 1, (50, 3))
    direct = cdist(one, other).mean() - cdist(one, one).mean() / 2 - cdist(other, other).mean() / 2
    assert _distance(torch.from_numpy(one), torch.from_numpy(other)) == pytest.approx(direct, abs=1e-12)
    assert _distance(torch.zeros(5, 2), torch.tensor([[3.0, 4.0]] * 7)) == pytest.approx(5)
    assert _distance(torch.from_numpy(one), torch.from_numpy(one)) == pytest.approx(0, abs=1e-12)


def test_sets_are_thinned_at_equal_steps():
    values = torch.arange(10_000.0)[:, None]
    thinned = _thinned(values)[:, 0]
    assert len(thinned) == MOST
    steps = thinned.diff()
    assert 6 <= steps.min() <= steps.max() <= 7
    assert _thinned(values[:MOST]).equal(values[:MOST])


def test_texture_is_told_by_orientation_and_scale():
    """Octaves are of up and down, sideways, diagonal, for wavelets of 2, 4 and 8 pixels."""
    where = torch.ones(64, 64, dtype=torch.bool)
    rows = torch.arange(64)[:, None].expand(64, 64)
    for half, strongest in ((1, 0), (2, 3), (4, 6)):
        stripes = torch.zeros(3, 64, 64, dtype=torch.float64)
        stripes[0] = 20.0 * ((rows // half) % 2)
        up_and_down = _textures(stripes, where).mean(0)
        assert int(up_and_down.argmax()) == strongest
        assert int(_textures(stripes.transpose(1, 2), where).mean(0).argmax()) == strongest + 1
    assert _textures(torch.zeros(3, 64, 64, dtype=torch.float64), where).unique().tolist() == [-1]  # ½·log₂ of the floor
    brighter = torch.rand(3, 64, 64, dtype=torch.float64) * 40
    assert torch.allclose(_textures(brighter, where), _textures(brighter + 30, where))  # lightness itself is no texture


def test_texture_never_looks_beyond_the_set():
    picture = torch.rand(3, HEIGHT, WIDTH, dtype=torch.float64) * 50
    other = torch.where(PERSON, picture, 99.0)
    assert torch.equal(_textures(picture, PERSON), _textures(other, PERSON))


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize(
    ("erased", "message"),
    [
        (PERSON.float(), "erased is of torch.float32, but it must be bool"),
        (PERSON[:50], "erased is 50×112 but hole is 96×112"),
        (~HOLE, "erased has no pixel in the hole"),
    ],
)
def test_errors_name_the_input(leak, erased, message):
    with pytest.raises(ValueError, match=message):
        leak(a_place(), a_place(), HOLE, erased)
