from functools import partial

import cv2
import numpy as np
import pytest
import tiny_clips
from tiny_clips import FRAMES, OUT_OF_FOCUS, SMEARED

from mild_core.data.video4_split import SHADOW, SOLID, FrameFacts, SplitSettings, facts_of, moving_in, split_frames


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return [tiny_clips.frame(number) for number in range(FRAMES)]


@pytest.fixture(scope="module")
def facts(clip) -> list[FrameFacts]:
    return [facts_of(frame, moving) for frame, moving in moving_in(lambda: clip)]


def test_what_moves_is_the_thing_and_its_shadow(clip):
    for number, (_, moving) in enumerate(moving_in(lambda: clip)):
        thing, dark = tiny_clips.disc(number), tiny_clips.shadow(number) > 0.25
        found = moving == SOLID
        if thing.mean() < 0.03:
            assert found.mean() <= thing.mean() + 0.002
            continue
        assert (found & thing).sum() / (found | thing).sum() > 0.93
        assert (moving[dark & ~thing] == SHADOW).mean() > 0.85


def test_a_thing_that_stands_at_first_is_no_background(clip):
    """It waits for 8 frames, then goes: without a look ahead the mixture takes it for the place."""
    standing = [clip[20]] * 8 + clip[20:] + clip[35:] + clip[:12]
    found = [(moving == SOLID).mean() for _, moving in moving_in(lambda: standing)]
    assert min(found[:8]) > 0.15
    assert max(found[-10:]) < 0.005


def test_frames_are_told_apart_and_blurred_ones_dropped(facts):
    split = split_frames(facts, SplitSettings())
    sizes = [tiny_clips.disc(number).mean() for number in range(FRAMES)]
    clearly = {n for n, size in enumerate(sizes) if size > 0.16} - {SMEARED}
    assert clearly <= set(split.foreground) <= {n for n, size in enumerate(sizes) if size > 0.14}
    assert set(split.background) == {n for n in range(FRAMES) if not tiny_clips.disc(n).any()} - {OUT_OF_FOCUS}
    assert split.blurred == [OUT_OF_FOCUS, SMEARED]
    kept = split_frames(facts, SplitSettings(blur=0))
    assert kept.blurred == []
    assert SMEARED in kept.foreground
    assert OUT_OF_FOCUS in kept.background


def test_a_smear_shows_in_the_thing_alone():
    """A small smeared thing before a rough place: the whole frame is sharp enough, the thing is not."""
    place = tiny_clips.place()
    where = np.zeros(place.shape[:2], bool)
    where[40:70, 60:100] = True
    texture = np.random.default_rng(0).uniform(0, 255, place.shape)
    facts = []
    for smeared in (False, False, True):
        picture = np.where(where[..., None], cv2.blur(texture, (21, 21)) if smeared else texture, place)
        facts.append(facts_of(picture.astype(np.uint8), where.astype(np.uint8) * np.uint8(SOLID)))
    whole, own = ([getattr(one, name) for one in facts] for name in ("sharpness", "of_thing"))
    assert own[2] < 0.1 * own[0]
    rough = [one._replace(solid=0.3, sharpness=whole[0]) for one in facts]
    assert split_frames(rough, SplitSettings()).blurred == [2]


def test_the_bounds_by_hand():
    def fact(solid, moving):
        return FrameFacts(solid, moving, 100.0, 100.0)

    facts = [fact(0.15, 0.3), fact(0.149, 0.2), fact(0.0, 0.005), fact(0.0, 0.006), fact(0.8, 0.9), fact(0.81, 0.9)]
    assert split_frames(facts, SplitSettings()) == ([0, 4], [2], [])
    paper = SplitSettings(background=0.15)
    assert split_frames(facts, paper).background == [2, 3]


def test_nothing_moves_in_a_static_clip():
    clip = [tiny_clips.frame(number, moving=False, faults=False) for number in range(20)]
    facts = [facts_of(frame, moving) for frame, moving in moving_in(partial(iter, clip))]
    assert max(one.moving for one in facts) == 0
    assert split_frames(facts, SplitSettings()) == ([], list(range(20)), [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"background": 0.2}, "background 0.2, foreground 0.15 and most 0.8 are not in order"),
        ({"most": 0.1}, "not in order"),
        ({"blur": 1.0}, "blur is 1.0, but it must be 0 or more and less than 1"),
    ],
)
def test_errors_name_the_bound(wrong, message):
    with pytest.raises(ValueError, match=message):
        SplitSettings(**wrong)
