import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label, regionprops
from tiny_vision import PlainDino, a_picture, saved, tiny_dino

from mild_core.metrics.dino import dino_pixels, load_dino
from mild_core.metrics.rc_s import coherence, discrepancy_of, rc_s

DINO = PlainDino()


def a_hole(height, width, *boxes):
    hole = torch.zeros(height, width, dtype=torch.bool)
    for top, left, bottom, right in boxes:
        hole[top:bottom, left:right] = True
    return hole


def slow_mmd(x, y):
    """1000·MMD² by its sums over pairs."""

    def mean(a, b):
        return sum(np.exp(-((b - one) ** 2).sum(1) / 200).sum() for one in a) / len(a) / len(b)

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def slow_discrepancy(tokens, inside):
    unit = np.asarray(tokens, dtype=np.float64)
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    inside = np.asarray(inside)
    scores = []
    for top in range(0, 25, 4):
        for left in range(0, 25, 4):
            window = np.s_[top : top + 8, left : left + 8]
            x, y = unit[window][inside[window]], unit[window][~inside[window]]
            if len(x) > 5 and len(y) > 5:
                scores.append(slow_mmd(x, y))
            elif len(x) > 5 and len(y) == 0 and not inside.all():
                scores.append(slow_mmd(x, unit[~inside]))
    return sum(scores) / len(scores) if scores else math.nan


def some_tokens(seed, width=3):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(32, 32, width, generator=g, dtype=torch.float64)


HOLES = {
    "a box, with windows that it fills": a_hole(32, 32, (8, 8, 24, 20)),
    "a hook at the frame": a_hole(32, 32, (0, 0, 10, 3), (8, 0, 10, 9)),
    "nearly everything": ~a_hole(32, 32, (30, 30, 32, 32)),
    "a few patches": a_hole(32, 32, (4, 4, 6, 7)),
}


@pytest.mark.parametrize("name", HOLES)
def test_the_discrepancy_is_the_papers(name):
    tokens, inside = some_tokens(len(name)), HOLES[name]
    tokens = tokens + 0.8 * inside[..., None]
    slow = slow_discrepancy(tokens, inside)
    assert slow > 0.05
    assert discrepancy_of(tokens, inside) == pytest.approx(slow, rel=1e-7)


def test_a_window_needs_six_patches_on_either_side():
    tokens = some_tokens(1)
    assert math.isnan(discrepancy_of(tokens, a_hole(32, 32, (0, 0, 1, 5))))
    assert discrepancy_of(tokens, a_hole(32, 32, (0, 0, 1, 6))) > 0
    inside = ~a_hole(32, 32, (0, 0, 1, 5))  # of one window; the others lie in the hole, and are compared with these 5
    first = tokens.clone()
    first[1:4, 0:4] *= -1  # seen by that window alone
    assert discrepancy_of(first, inside) == pytest.approx(discrepancy_of(tokens, inside), rel=1e-12)


def test_hand_made_features():
    """Two orthogonal features: MMD² = 2 − 2·exp(−2 / 200) in every window that sees both, and where one is compared with all."""
    inside = HOLES["a box, with windows that it fills"]
    tokens = torch.where(inside[..., None], torch.tensor([3.0, 0.0]), torch.tensor([0.0, 0.2])).double()
    assert discrepancy_of(tokens, inside) == pytest.approx(1000 * (2 - 2 * math.exp(-0.01)), rel=1e-9)
    assert discrepancy_of(torch.ones(32, 32, 5).double(), inside) == pytest.approx(0, abs=1e-9)
    assert coherence(0) == 1
    assert coherence(3) == pytest.approx(1 / math.e)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), top=st.integers(0, 28), left=st.integers(0, 28), height=st.integers(4, 20), width=st.integers(4, 20))
def test_what_the_discrepancy_does_not_see(seed, top, left, height, width):
    tokens, inside = some_tokens(seed, 6), a_hole(32, 32, (top, left, top + height, left + width))
    score = discrepancy_of(tokens, inside)
    assert score >= 0
    for turn in range(1, 4):
        assert discrepancy_of(tokens.rot90(turn), inside.rot90(turn)) == pytest.approx(score, rel=1e-6)
    assert discrepancy_of(tokens.transpose(0, 1), inside.T) == pytest.approx(score, rel=1e-6)
    assert discrepancy_of(tokens * torch.rand(32, 32, 1).add(0.5), inside) == pytest.approx(score, rel=1e-6)
    turned, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    assert discrepancy_of(tokens @ turned, inside) == pytest.approx(score, rel=1e-6)


def test_the_farther_the_features_the_worse():
    inside, tokens = HOLES["a box, with windows that it fills"], some_tokens(3, 6)
    away = torch.zeros(6, dtype=torch.float64)
    away[0] = 1
    scores = [discrepancy_of(tokens + step * away * inside[..., None], inside) for step in (0, 1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert len(set(scores)) == 5


def slow_rc_s(image, hole, dino):
    """The authors' steps with the libraries that they use, on floating point."""
    mask = hole.numpy().astype(np.uint8)
    labelled = label(mask, connectivity=1)
    regions = regionprops(labelled)
    fewest = min(200, max(int(region.area) for region in regions))
    height, width = mask.shape
    scores = []
    for region in regions:
        if region.area < fewest:
            continue
        upper, left, lower, right = region.bbox
        size = max(right - left, lower - upper)
        x, y = round((left + right) / 2 - size / 2), round((upper + lower) / 2 - size / 2)
        more = max(min(round(size / 3), x, y, width - x - size, height - y - size, size // 2), 0)
        side = min(size + 2 * more, height, width)
        x, y = max(0, min(max(0, x - more), width - side)), max(0, min(max(0, y - more), height - side))
        crop = cv2.resize(image.numpy()[y : y + side, x : x + side], (448, 448), interpolation=cv2.INTER_LINEAR)
        seen = cv2.resize(mask[y : y + side, x : x + side].astype(np.float32), (448, 448), interpolation=cv2.INTER_NEAREST)
        inside = seen.reshape(32, 14, 32, 14).max((1, 3)) > 0
        states = dino(dino_pixels(torch.from_numpy(crop))[None]).last_hidden_state[0, 1:].reshape(32, 32, -1)
        scores.append(math.exp(-slow_discrepancy(states.numpy(), inside) / 3))
    return sum(scores) / len(scores), len(scores)


@pytest.mark.parametrize(
    ("size", "boxes", "parts"),
    [
        ((150, 220), [(40, 60, 90, 110)], 1),
        ((150, 220), [(0, 0, 31, 24), (100, 120, 143, 201), (60, 60, 66, 66)], 2),  # at the frame; larger than it; too small
        ((60, 90), [(20, 30, 29, 41)], 1),  # small, but there is no other
        ((90, 60), [(10, 10, 30, 30), (30, 30, 50, 45)], 2),  # they touch at a corner only
        ((90, 60), [(5, 5, 85, 50)], 1),  # taller than the picture is wide
    ],
)
def test_the_score_is_the_authors(size, boxes, parts):
    image, hole = a_picture(*size), a_hole(*size, *boxes)
    image = torch.where(hole[..., None], image.flip(1), image)
    slow, found = slow_rc_s(image, hole, DINO)
    assert found == parts
    score = rc_s(image, hole, DINO)
    assert 0 < slow < 0.999
    assert score == pytest.approx(slow, abs=2e-5)


def test_with_the_network(tmp_path):
    pytest.importorskip("transformers")
    dino = load_dino(saved(tiny_dino(), tmp_path))
    image, hole = a_picture(120, 130), a_hole(120, 130, (30, 40, 80, 70))
    slow, _ = slow_rc_s(image, hole, dino)
    assert rc_s(image, hole, dino) == pytest.approx(slow, abs=2e-5)


def test_parts_far_apart_count_alike():
    image = a_picture(120, 400)
    one, other = a_hole(120, 400, (40, 30, 80, 60)), a_hole(120, 400, (30, 300, 100, 380))
    both = (rc_s(image, one, DINO) + rc_s(image, other, DINO)) / 2
    assert rc_s(image, one | other, DINO) == pytest.approx(both, rel=1e-9)


def test_a_flat_picture_is_coherent_and_a_stranger_is_not():
    hole = a_hole(100, 100, (30, 30, 70, 70))
    flat = torch.full((100, 100, 3), 0.4)
    assert rc_s(flat, hole, DINO) == pytest.approx(1, abs=1e-6)
    assert rc_s(torch.where(hole[..., None], 1 - flat, flat), hole, DINO) < 0.9


def test_nothing_to_compare_is_nan():
    assert math.isnan(rc_s(a_picture(60, 60), torch.ones(60, 60) > 0, DINO))
    assert math.isnan(discrepancy_of(some_tokens(0), torch.zeros(32, 32) > 0))


@pytest.mark.parametrize(
    ("image", "hole", "message"),
    [
        (torch.zeros(16, 16), torch.ones(16, 16) > 0, "image is 16×16, but it must be one picture"),
        (torch.zeros(16, 16, 3), torch.ones(16, 16), "hole is of torch.float32, but it must be bool"),
        (torch.zeros(16, 16, 3), torch.ones(8, 16) > 0, "hole is 8×16 but image is 16×16×3"),
        (torch.zeros(16, 16, 3), torch.zeros(16, 16) > 0, "hole is empty"),
    ],
)
def test_errors_name_the_input(image, hole, message):
    with pytest.raises(ValueError, match=message):
        rc_s(image, hole, DINO)
