import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_library import make_library

from mild_core.data.cutout import SoftCutout, guided_filter, own_colour, scaled, soft_alpha, soft_cutout
from mild_core.data.match import light_of

RED, GREEN = (200, 20, 20), (20, 200, 20)


def disc(size: int = 80, radius: float = 25, at: tuple[float, float] = (40, 40)) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - at[0]) ** 2 + (x - at[1]) ** 2 < radius**2


def photo_of(mask: np.ndarray, inside=RED, outside=GREEN) -> np.ndarray:
    return np.where(mask[..., None], np.uint8(inside), np.uint8(outside))


def test_the_guided_filter_is_the_paper_s_least_squares():
    """Each window by numpy's own least squares, with the ridge as further equations."""
    rng = np.random.default_rng(0)
    guide, source, radius, epsilon = rng.random((9, 8, 3)), rng.random((9, 8)), 2, 1e-2
    pad = radius
    g = np.pad(guide, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    p = np.pad(source, pad, mode="symmetric")
    count = (2 * radius + 1) ** 2
    slopes, offsets = np.zeros((9, 8, 3)), np.zeros((9, 8))
    for y in range(9):
        for x in range(8):
            window = np.s_[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
            a = np.c_[g[window].reshape(-1, 3), np.ones(count)]
            a = np.vstack([a, np.c_[np.sqrt(count * epsilon) * np.eye(3), np.zeros(3)]])
            found = np.linalg.lstsq(a, np.r_[p[window].ravel(), 0, 0, 0], rcond=None)[0]
            slopes[y, x], offsets[y, x] = found[:3], found[3]
    padded = np.pad(np.dstack([slopes, offsets]), ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    wanted = np.zeros((9, 8))
    for y in range(9):
        for x in range(8):
            mean = padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1].mean((0, 1))
            wanted[y, x] = mean[:3] @ guide[y, x] + mean[3]
    assert np.allclose(guided_filter(guide, source, radius, epsilon), wanted, atol=1e-9)


def test_the_edge_lies_where_the_photo_has_it():
    true = disc()
    photo = photo_of(true)
    for wrong in (disc(radius=26.5), disc(radius=23.5), disc(at=(41, 40))):
        alpha = soft_alpha(photo, wrong)
        before, after = (wrong ^ true).sum(), ((alpha > 0.5) ^ true).sum()
        assert after <= 0.4 * before


@settings(max_examples=30, deadline=None)
@given(st.integers(6, 28), st.integers(0, 79), st.integers(0, 79), st.integers(0, 2**31))
def test_alpha_is_sure_away_from_the_edge_whatever_the_photo(radius, y, x, seed):
    mask = disc(radius=radius, at=(y, x))
    photo = np.random.default_rng(seed).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    alpha = soft_alpha(photo, mask)
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert (alpha[disc(radius=radius + 4, at=(y, x)) == 0] == 0).all()
    deep = disc(radius=radius - 6, at=(y, x)) if radius > 6 else np.zeros_like(mask)
    within = np.zeros_like(mask)
    within[6:-6, 6:-6] = True  # the frame cuts a person off there
    assert (alpha[deep & within] == 1).all()


def test_where_the_photo_says_nothing_the_edge_is_the_mask_s():
    mask = disc()
    alpha = soft_alpha(np.full((80, 80, 3), 90, np.uint8), mask)
    assert ((alpha > 0.5) ^ mask).sum() < 0.06 * mask.sum()
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 2 * np.pi * 25


def test_own_colour_has_nothing_of_what_is_around():
    """The mask is two pixels too wide: half of what it calls inside at the edge is the backdrop."""
    photo = photo_of(disc(radius=24))
    colour = own_colour(photo, disc(radius=25).astype(np.float32))
    assert colour.shape == (80, 80, 3)
    assert (colour[..., 1] < 30).all()  # green nowhere, not even beyond the edge
    deep = disc(radius=20)
    assert np.allclose(colour[deep], photo[deep])


def test_somebody_too_thin_keeps_their_colour():
    mask = np.zeros((40, 40), bool)
    mask[5:35, 19:21] = True
    assert np.allclose(own_colour(photo_of(mask), mask.astype(np.float32))[mask], RED, atol=1)


def test_scaling_mixes_no_colour_of_the_transparent_in():
    alpha = np.round(disc().astype(np.float32) * 255).astype(np.uint8)
    cutout = SoftCutout(photo_of(disc(), outside=(0, 255, 0)), alpha, light_of(np.zeros((8, 8, 3), np.float32)))
    for height in (23, 80, 131):
        colour, soft = scaled(cutout, height, mirrored=False)
        assert colour.shape == (height, height, 3)
        assert soft.mean() == pytest.approx(disc().mean(), abs=0.01)
        assert np.allclose(colour[soft > 0.01] * 255, RED, atol=2)


def test_a_mirrored_one_is_the_same_the_other_way_round():
    mask = disc(at=(40, 30))
    cutout = SoftCutout(photo_of(mask), mask.astype(np.uint8) * np.uint8(255), light_of(np.zeros((8, 8, 3), np.float32)))
    (colour, alpha), (other_colour, other_alpha) = (scaled(cutout, 50, mirrored) for mirrored in (False, True))
    assert np.array_equal(alpha[:, ::-1], other_alpha)
    assert np.array_equal(colour[:, ::-1], other_colour)


def test_a_person_of_a_library_is_cut_to_what_is_seen(tmp_path):
    root = make_library(tmp_path)
    labels = root / "people" / "people3.png"
    cutout = soft_cutout(root / "people" / "people3.jpg", labels, 2)
    mask = np.asarray(Image.open(labels)) == 2
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert abs(len(cutout.alpha) - (rows[-1] - rows[0] + 1)) <= 4
    assert abs(cutout.alpha.shape[1] - (columns[-1] - columns[0] + 1)) <= 4
    assert all((edge > 2).any() for edge in (cutout.alpha[0], cutout.alpha[-1], cutout.alpha[:, 0], cutout.alpha[:, -1]))
    assert (cutout.colour[..., 1] < 20).all()
