import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.video4_match import nearest, seen_at


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_it_is_the_argmin_in_float64(seed, wanted, there, outside):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (wanted, 12, 16, 3), dtype=np.uint8)
    backgrounds = rng.integers(0, 256, (there, 12, 16, 3), dtype=np.uint8)
    moving = np.zeros((12, 16), np.uint8)
    moving[4:7, 5:8] = 255
    counted = np.ones((12, 16), bool)
    if outside:
        counted = cv2.dilate(moving, np.ones((11, 11), np.uint8)) == 0
    seen = [seen_at(7 * n, frame, moving, "outside" if outside else "whole") for n, frame in enumerate(frames)]
    found = nearest(seen, ((100 + n, one) for n, one in enumerate(backgrounds)))
    for n, frame in enumerate(frames):
        errors = [np.square(frame.astype(np.float64) - one)[counted].mean() for one in backgrounds]
        assert found[7 * n].background == 100 + int(np.argmin(errors))
        assert np.isclose(found[7 * n].error, min(errors), rtol=1e-5)


def test_a_dark_thing_draws_a_dark_truth_unless_it_has_no_say():
    """Light fell by 10 %; the thing makes the frame darker still."""
    place = np.random.default_rng(0).uniform(100, 200, (60, 80, 3))
    frame = place.copy()
    frame[10:50, 20:60] = 40
    moving = np.zeros((60, 80), np.uint8)
    moving[10:50, 20:60] = 255
    backgrounds = [(0, place.astype(np.uint8)), (1, (0.9 * place).astype(np.uint8))]
    frame = frame.astype(np.uint8)
    assert nearest([seen_at(5, frame, moving, "whole")], backgrounds)[5].background == 1
    assert nearest([seen_at(5, frame, moving, "outside")], backgrounds)[5].background == 0
    assert nearest([seen_at(5, frame, moving | 255, "outside")], backgrounds)[5].background == 1  # all of it moves


def test_large_frames_are_compared_small():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (300, 512, 3), dtype=np.uint8)
    seen = seen_at(0, frame, np.zeros((150, 256), np.uint8), "whole")
    assert seen.frame.shape == (150, 256, 3)
    assert nearest([seen], [(3, frame)])[0] == (3, 0.0)
