import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab

from mild_core.metrics.lab import lab
from mild_core.metrics.seam import seam_colour, seam_gradient

HEIGHT, WIDTH = 72, 88
SEAMS = {"colour": seam_colour, "gradient": seam_gradient}


def a_texture(seed: int, smooth: float = 0.8, contrast: float = 0.08) -> torch.Tensor:
    """Grain of one size all over the picture."""
    grain = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH, 3))
    grain = cv2.GaussianBlur(grain, (0, 0), smooth) if smooth else grain
    return torch.from_numpy((0.5 + contrast * grain / grain.std()).clip(0, 1)).float()


def from_lab(colours: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(lab2rgb(colours))


def a_box(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    hole = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    hole[top:bottom, left:right] = True
    return hole


HOLES = {
    "in the middle": a_box(20, 24, 50, 60),
    "at the frame": a_box(0, 0, 40, 30),
    "two": a_box(8, 8, 30, 30) | a_box(40, 50, 66, 80),
    "across": a_box(30, 0, 46, WIDTH),
    "a few pixels": a_box(30, 40, 33, 44),
    "one pixel": a_box(30, 40, 31, 41),
    "all but the frame": a_box(4, 4, HEIGHT - 4, WIDTH - 4),
}


def test_lab_is_that_of_scikit_image():
    image = torch.rand(20, 30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = lab(image.permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(ours - rgb2lab(image.numpy())).max() < 0.01  # its matrix and white are rounded otherwise
    assert lab(torch.ones(3, 1, 1, dtype=torch.float64)).flatten().tolist() == pytest.approx([100, 0, 0], abs=1e-9)
    assert lab(torch.zeros(3, 1, 1, dtype=torch.float64)).flatten().tolist() == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("step", [(5, 0, 0), (0, -3, 4), (-2, 6, 3)])
def test_a_flat_picture_scores_the_distance_of_the_two_colours(name, step):
    hole = HOLES[name].numpy()
    colours = np.broadcast_to([55.0, 5.0, -8.0], (HEIGHT, WIDTH, 3)).copy()
    flat = from_lab(colours)
    colours[hole] += step
    assert seam_colour(flat, HOLES[name]) == pytest.approx(0, abs=1e-9)
    assert seam_colour(from_lab(colours), HOLES[name]) == pytest.approx(math.dist(step, (0, 0, 0)), abs=0.05)
    if name != "one pixel":
        assert seam_gradient(from_lab(colours), HOLES[name]) == pytest.approx(0, abs=1e-6)  # a mere step of colour is none in sharpness


def test_a_shift_of_a_slope_scores_the_shift():
    """What the slope does anyway at equal distances is taken off."""
    x = np.arange(WIDTH)[None, :, None] * np.array([0.5, 0.0, 0.0])
    colours = np.broadcast_to(x + np.array([20.0, 3.0, 3.0]), (HEIGHT, WIDTH, 3)).copy()
    hole = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    hole[:, 50:] = True
    assert seam_colour(from_lab(colours), hole) == pytest.approx(0, abs=0.05)
    colours[:, 50:, 0] += 6
    assert seam_colour(from_lab(colours), hole) == pytest.approx(6, abs=0.1)


@st.composite
def holes(draw):
    """Boxes and discs, which may touch the frame; large enough that chance evens out along their edges."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(draw(st.integers(1, 2))):
        top, left = draw(st.integers(0, HEIGHT - 30)), draw(st.integers(0, WIDTH - 30))
        if draw(st.booleans()):
            mask[top : top + draw(st.integers(20, 30)), left : left + draw(st.integers(20, 30))] = 1
        else:
            cv2.circle(mask, (left + 15, top + 15), draw(st.integers(10, 15)), 1, -1)
    return torch.from_numpy(mask > 0)


@settings(max_examples=12, deadline=None)
@given(hole=holes(), seed=st.integers(0, 9999), smooth=st.sampled_from([0.0, 0.8, 1.5]))
def test_a_picture_left_as_it_is_has_no_seam(hole, seed, smooth):
    """But for chance, which is taken out by a mean; the grain itself is of about 20 ΔE."""
    pictures = [a_texture(10 * seed + i, smooth) for i in range(6)]
    assert sum(seam_colour(picture, hole) for picture in pictures) / 6 < 2
    assert sum(seam_gradient(picture, hole) for picture in pictures) / 6 < 0.12


@pytest.mark.parametrize("name", ["in the middle", "at the frame", "two", "across", "all but the frame"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_colour_seam_grows_with_the_shift(name, seed):
    hole, scores = HOLES[name], []
    for shift in (0, 0.06, 0.12, 0.18, 0.24):
        picture = a_texture(seed)
        picture[hole] = (picture[hole] + shift).clamp(0, 1)
        scores.append(seam_colour(picture, hole))
    assert scores == sorted(scores)
    assert scores[0] < 2
    assert 12 < scores[-1] < 24  # the shift is about 22 ΔE, of which the texture hides some


@pytest.mark.parametrize("name", ["in the middle", "at the frame", "two", "across", "all but the frame", "a few pixels"])
def test_the_sharpness_seam_grows_with_the_blur(name):
    hole, picture, scores = HOLES[name], a_texture(3), []
    for sigma in (0, 0.5, 0.8, 1.5, 3):
        blurred = torch.from_numpy(cv2.GaussianBlur(picture.numpy(), (0, 0), sigma)) if sigma else picture
        scores.append(seam_gradient(torch.where(hole[..., None], blurred, picture), hole))
    assert scores == sorted(scores)
    assert scores[0] < 0.5
    assert scores[-1] > 1.5


def test_an_octave_of_sharpness_is_a_half():
    hole, picture = HOLES["in the middle"], a_texture(5, smooth=0, contrast=0.1)
    colours = rgb2lab(picture.double().numpy())
    inside = colours[hole.numpy()]
    colours[hole.numpy()] = inside.mean(0) + (inside - inside.mean(0)) / 2
    assert seam_gradient(from_lab(colours), hole) == pytest.approx(1, abs=0.15)


def test_a_smear_in_the_hole_is_not_charged_as_a_step_of_colour():
    """Texture beside a smooth fill of its mean colour: the step is that of the texture, halved in energy."""
    hole = HOLES["in the middle"]
    for seed in range(4):
        picture = a_texture(seed)
        picture[hole] = picture.mean((0, 1))
        assert seam_colour(picture, hole) < 1.5
        assert seam_gradient(picture, hole) > 2


@pytest.mark.parametrize("score", SEAMS.values(), ids=SEAMS)
def test_only_what_is_near_the_edge_counts(score):
    hole = a_box(30, 36, 34, 52)
    picture = a_texture(7)
    far = picture.clone()
    far[:2], far[:, :3] = 0, 1
    assert score(far, hole) == pytest.approx(score(picture, hole), abs=1e-9)
    deep = a_box(0, 0, HEIGHT, 60)
    spoilt = picture.clone()
    spoilt[:, :8] = 0  # farther from the edge than the innermost strip
    assert score(spoilt, deep) == pytest.approx(score(picture, deep), abs=1e-9)


@pytest.mark.parametrize("score", SEAMS.values(), ids=SEAMS)
def test_turning_the_picture_changes_nothing(score):
    hole, picture = HOLES["two"], a_texture(9)
    picture[hole] *= 0.8
    turned = score(picture.flip(1).transpose(0, 1), hole.flip(1).transpose(0, 1))
    assert turned == pytest.approx(score(picture, hole), abs=1e-9)


@pytest.mark.parametrize("score", SEAMS.values(), ids=SEAMS)
def test_what_cannot_be_told_is_nan(score):
    assert math.isnan(score(a_texture(0), torch.ones(HEIGHT, WIDTH, dtype=torch.bool)))
    small = torch.zeros(3, 3, dtype=torch.bool)
    small[1, 1] = True
    assert math.isnan(score(torch.rand(3, 3, 3), small))  # no room for a parallel edge
    assert math.isnan(seam_gradient(a_texture(0), HOLES["one pixel"]))


@pytest.mark.parametrize("score", SEAMS.values(), ids=SEAMS)
def test_errors_name_the_input(score):
    with pytest.raises(ValueError, match="hole is 8×16 but image is 16×16×3"):
        score(torch.zeros(16, 16, 3), torch.ones(8, 16) > 0)
    with pytest.raises(ValueError, match="hole is empty"):
        score(torch.zeros(16, 16, 3), torch.zeros(16, 16) > 0)
