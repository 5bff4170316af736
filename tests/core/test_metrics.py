import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scored import a_hole, a_picture, noise, noisy
from skimage.metrics import structural_similarity

from mild_core.metrics import haarpsi, psnr, ssim

SCORES = {"psnr": psnr, "ssim": ssim, "haarpsi": haarpsi}
REACH = {"psnr": 0, "ssim": 5, "haarpsi": 16}  # pixels from a hole's edge that the score still looks at


def test_psnr_is_ten_log_ten_of_the_mean_squared_error():
    truth = torch.full((4, 5, 3), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx(20.0, abs=1e-5)
    image, hole = truth.clone(), torch.zeros(4, 5, dtype=torch.bool)
    hole[1, 2] = True
    image[1, 2, 0] += 0.3  # one of the three channels: MSE is 0.09 / 3
    assert psnr(image, truth, hole) == pytest.approx(-10 * math.log10(0.03), abs=1e-5)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("size", [(40, 33), (11, 57)])
def test_ssim_is_that_of_scikit_image(size, sigma):
    truth = a_picture(*size)
    image = noisy(truth, sigma)
    mean, scores = structural_similarity(
        image.double().numpy(),
        truth.double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
        full=True,
    )
    hole = a_hole(*size)
    hole[:3, -4:] = True  # where the window is cut by the frame
    assert ssim(image, truth) == pytest.approx(mean, abs=1e-9)
    assert ssim(image, truth, hole) == pytest.approx(scores[hole.numpy()].mean(), abs=1e-9)


def slow_haarpsi(image: np.ndarray, truth: np.ndarray, hole: np.ndarray | None = None) -> float:
    """HaarPSI from the paper's equations, one position at a time, in float64 of 0..255."""

    def pixel(plane, y, x):
        return plane[y, x] if 0 <= y < plane.shape[0] and 0 <= x < plane.shape[1] else 0.0

    def mean_of_four(plane, y, x):
        return sum(pixel(plane, y + dy, x + dx) for dy in (0, 1) for dx in (0, 1)) / 4

    def halved(plane):
        shape = ((plane.shape[0] + 1) // 2, (plane.shape[1] + 1) // 2)
        return np.array([[mean_of_four(plane, 2 * y, 2 * x) for x in range(shape[1])] for y in range(shape[0])])

    def haar(plane, y, x, scale, vertical):
        """The filter bank by its recursion: h_1 = (1, 1)/√2, g_1 = (−1, 1)/√2, and g_j = h_1 ∗ (g_{j−1} ↑ 2)."""
        low, high = np.array([1.0, 1.0]) / np.sqrt(2), np.array([-1.0, 1.0]) / np.sqrt(2)
        g, h = high, low
        for _ in range(scale - 1):
            spread = [np.zeros(2 * len(g) - 1), np.zeros(2 * len(h) - 1)]
            spread[0][::2], spread[1][::2] = g, h
            g, h = np.convolve(low, spread[0]), np.convolve(low, spread[1])
        along, across = (g, h) if vertical else (h, g)
        start = len(g) // 2 - 1
        return abs(sum(along[a] * across[b] * pixel(plane, y - start + a, x - start + b) for a in range(len(g)) for b in range(len(g))))

    def alike(a, b):
        return (2 * a * b + 30) / (a * a + b * b + 30)

    def logistic(v):
        return 1 / (1 + np.exp(-4.2 * v))

    weights_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    f, t = ([halved(plane) for plane in np.moveaxis(255 * p.astype(np.float64) @ weights_yiq.T, -1, 0)] for p in (image, truth))
    share = np.ones_like(f[0]) if hole is None else halved(hole.astype(np.float64))
    above = below = 0.0
    for y, x in np.argwhere(share > 0):
        of_chroma = sum(alike(abs(mean_of_four(f[c], y, x)), abs(mean_of_four(t[c], y, x))) for c in (1, 2)) / 2
        weights = []
        for vertical in (True, False):
            of_luma = sum(alike(haar(f[0], y, x, j, vertical), haar(t[0], y, x, j, vertical)) for j in (1, 2)) / 2
            weights.append(share[y, x] * max(haar(f[0], y, x, 3, vertical), haar(t[0], y, x, 3, vertical)))
            above += logistic(of_luma) * weights[-1]
        above += logistic(of_chroma) * sum(weights) / 2
        below += sum(weights) * 1.5
    mean = above / below
    return float((np.log(mean / (1 - mean)) / 4.2) ** 2)


@pytest.mark.parametrize(("size", "holed"), [((20, 26), False), ((17, 21), False), ((23, 30), True)])
def test_haarpsi_is_the_papers(size, holed):
    truth = a_picture(*size)
    image = noisy(truth, 0.15)
    hole = a_hole(*size) if holed else None
    slow = slow_haarpsi(image.numpy(), truth.numpy(), None if hole is None else hole.numpy())
    assert 0.1 < slow < 0.95
    assert haarpsi(image, truth, hole) == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("hole", [None, a_hole(32, 40)])
def test_equal_pictures_score_best(hole):
    truth = a_picture(32, 40)
    assert psnr(truth, truth, hole) == math.inf
    assert ssim(truth, truth, hole) == pytest.approx(1)
    assert haarpsi(truth, truth, hole) == pytest.approx(1)
    flat = torch.full_like(truth, 0.5)
    assert haarpsi(flat, flat, hole) == pytest.approx(1)


def test_flat_pictures_of_other_colours_are_not_alike():
    hole = a_hole(48, 60)
    red, blue = torch.zeros(48, 60, 3), torch.zeros(48, 60, 3)
    red[..., 0], blue[..., 2] = 0.6, 0.6
    assert 0 < haarpsi(red, blue, hole) < 0.95


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("hole", [None, a_hole(48, 60)])
def test_scores_fall_with_noise(name, hole):
    truth = a_picture(48, 60)
    scores = [SCORES[name](noisy(truth, sigma), truth, hole) for sigma in (0, 0.02, 0.05, 0.1, 0.2, 0.4)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@st.composite
def boxes(draw, height: int = 48, width: int = 56):
    top, left = draw(st.integers(0, height - 4)), draw(st.integers(0, width - 4))
    return top, left, draw(st.integers(top + 1, min(top + 12, height))), draw(st.integers(left + 1, min(left + 12, width)))


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=10, deadline=None)
@given(box=boxes(), seed=st.integers(0, 99))
def test_only_the_hole_counts(name, box, seed):
    truth = a_picture(48, 56)
    image = noisy(truth, 0.1)
    top, left, bottom, right = box
    hole, near = torch.zeros(48, 56, dtype=torch.bool), torch.zeros(48, 56, dtype=torch.bool)
    hole[top:bottom, left:right] = True
    reach = REACH[name]
    near[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach] = True
    changed = torch.where(near[..., None], image, noise(48, 56, seed).sigmoid())
    score = SCORES[name]
    assert score(changed, truth, hole) == pytest.approx(score(image, truth, hole), abs=1e-9)
    spoilt = torch.where(hole[..., None], 1 - truth, image)
    assert score(spoilt, truth, hole) < score(truth, truth, hole)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_does_not_depend_on_the_order_of_the_pictures(name):
    truth = a_picture(30, 30)
    image = noisy(truth, 0.1)
    assert SCORES[name](image, truth) == pytest.approx(SCORES[name](truth, image), abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    ("image", "truth", "hole", "message"),
    [
        (torch.zeros(1, 16, 16, 3), torch.zeros(16, 16, 3), None, "image is 1×16×16×3, but it must be one picture of height×width×3"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16, 4), None, "truth is 16×16×4, but it must be"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 17, 3), None, "image is 16×16×3 but truth is 16×17×3"),
        (torch.zeros(16, 16, 3).byte(), torch.zeros(16, 16, 3), None, "image is of torch.uint8, but it must be floating point"),
        (torch.full((16, 16, 3), 2.0), torch.zeros(16, 16, 3), None, "image has values from 2 to 2, but they must lie in 0..1"),
        (torch.zeros(16, 16, 3), torch.full((16, 16, 3), math.nan), None, "truth has values from nan to nan"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16, 3), torch.ones(16, 16), "hole is of torch.float32, but it must be bool"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16, 3), torch.ones(8, 16) > 0, "hole is 8×16 but image is 16×16×3"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16, 3), torch.zeros(16, 16) > 0, "hole is empty, but it must hold"),
    ],
)
def test_errors_name_the_input(name, image, truth, hole, message):
    with pytest.raises(ValueError, match=message):
        SCORES[name](image, truth, hole)


def test_ssim_of_a_whole_picture_needs_one_window():
    with pytest.raises(ValueError, match="image is 10×30, but without a hole it must be at least 11×11"):
        ssim(torch.zeros(10, 30, 3), torch.zeros(10, 30, 3))
    tiny = torch.rand(3, 4, 3)
    assert ssim(tiny, tiny, torch.ones(3, 4) > 0) == pytest.approx(1)
