import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.matting import EPSILON, UNKNOWN, closed_form_alpha, trimap_of


def dense_laplacian(photo: np.ndarray, epsilon: float) -> np.ndarray:
    """Eq. 12, one window and one pair of pixels at a time."""
    height, width = photo.shape[:2]
    colours = photo.astype(np.float64) / 255
    laplacian = np.zeros((height * width, height * width))
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            window = [(r, c) for r in (row - 1, row, row + 1) for c in (column - 1, column, column + 1)]
            values = np.array([colours[p] for p in window])
            mean = values.mean(0)
            inverse = np.linalg.inv(np.cov(values.T, bias=True) + epsilon / 9 * np.eye(3))
            for i, one in enumerate(window):
                for j, other in enumerate(window):
                    affinity = (1 + (values[i] - mean) @ inverse @ (values[j] - mean)) / 9
                    laplacian[one[0] * width + one[1], other[0] * width + other[1]] += (i == j) - affinity
    return laplacian


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31))
def test_alpha_is_the_dense_solution(seed):
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    trimap = rng.choice(np.array([0, UNKNOWN, 255], np.uint8), (9, 11), p=(0.25, 0.5, 0.25))
    trimap[0, 0], trimap[8, 10] = 0, 255
    unknown = (trimap == UNKNOWN).ravel()
    laplacian = dense_laplacian(photo, EPSILON)
    known = (trimap.ravel() == 255).astype(float)
    wanted = known.copy()
    wanted[unknown] = np.linalg.solve(laplacian[np.ix_(unknown, unknown)], -laplacian[np.ix_(unknown, ~unknown)] @ known[~unknown])
    found = closed_form_alpha(photo, trimap)
    assert np.abs(found.ravel() - wanted.clip(0, 1)).max() < 1e-5
    assert np.array_equal(found[trimap == 255], np.ones((trimap == 255).sum()))
    assert not found[trimap == 0].any()


def test_the_alpha_of_a_composite_is_found():
    """Two smooth colours mixed by a known soft edge: within every window each lies on a line, which is what the method asks for."""
    y, x = np.mgrid[:60, :60]
    alpha = ((26 - np.hypot(x - 30, y - 30)) / 6 + 0.5).clip(0, 1)
    front, back = np.stack([200 + x * 0.3, 60 + y * 0.2, 40 + 0 * x], -1), np.stack([40 + 0 * x, 90 + x * 0.3, 200 - y * 0.4], -1)
    photo = (alpha[..., None] * front + (1 - alpha[..., None]) * back).round().astype(np.uint8)
    trimap = np.where(alpha >= 1, 255, np.where(alpha <= 0, 0, UNKNOWN)).astype(np.uint8)
    assert np.abs(closed_form_alpha(photo, trimap) - alpha).max() < 0.03
    assert np.abs((trimap / 255.0) - alpha).max() > 0.4


def test_a_background_fringe_in_the_mask_is_transparent():
    photo = np.full((40, 40, 3), (30, 160, 40), np.uint8)
    photo[12:28, 12:28] = (200, 60, 50)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True  # two pixels too many all around
    alpha = closed_form_alpha(photo, trimap_of(mask))
    assert alpha[14:26, 14:26].min() > 0.99
    assert alpha[10:12, 14:26].max() < 0.05
    assert not alpha[~mask].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_the_ring_is_what_erosions_take(seed, ring):
    rng = np.random.default_rng(seed)
    mask = cv2.GaussianBlur(rng.normal(size=(40, 44)), (0, 0), 4) > 0
    trimap = trimap_of(mask, ring)
    eroded = mask.astype(np.uint8)
    for _ in range(ring):
        eroded = cv2.erode(eroded, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    assert np.array_equal(trimap > 0, mask)
    assert (trimap[eroded > 0] == 255).all()
    near = cv2.dilate(eroded, np.ones((2 * ring + 1, 2 * ring + 1), np.uint8)) > 0
    ring_only = near & mask & (eroded == 0) & (cv2.dilate((mask & ~near).astype(np.uint8), np.ones((9, 9), np.uint8)) == 0)
    assert (trimap[ring_only] == UNKNOWN).all()


def test_a_thin_thing_keeps_its_middle():
    mask = np.zeros((30, 30), bool)
    mask[4:26, 13:17] = True  # four pixels wide: three erosions leave nothing
    trimap = trimap_of(mask)
    assert (trimap[6:24, 13:17] == 255).any(1).all()
    photo = np.where(mask[..., None], (220, 30, 30), (20, 20, 200)).astype(np.uint8)
    assert closed_form_alpha(photo, trimap)[6:24, 14:16].min() > 0.95


def test_errors_name_the_sizes():
    with pytest.raises(ValueError, match=r"photo is \(4, 5\) and trimap \(4, 4\)"):
        closed_form_alpha(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4), np.uint8))
