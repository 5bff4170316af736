import numpy as np
import pytest
import tiny_clips
from tiny_clips import FRAMES, NOISE, SMEARED, save_clip

from mild_core.data.png import from_png
from mild_core.data.video4 import PairSettings, pairs_of_clip, thinned
from mild_core.data.video4_split import SplitSettings


class Written(dict):
    """What the builder would write, by (frame, kind)."""

    def __call__(self, frame: int, kind: str, picture: bytes) -> None:
        assert (frame, kind) not in self
        self[frame, kind] = from_png(picture, 1 if kind == "mask" else 3, kind)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    return save_clip(root, "walk", track=root / "tracks"), root / "tracks" / "walk"


@pytest.fixture(scope="module")
def made(clip):
    written = Written()
    return pairs_of_clip(*clip, PairSettings(every=2), written), written


def test_the_truth_is_the_known_place_to_within_noise(made):
    found, written = made
    assert len(found.pairs) >= 6
    for pair in found.pairs:
        truth = written[pair["frame"], "truth"].astype(float)
        off = truth - tiny_clips.place() * tiny_clips.light(pair["background"])
        assert off.std() < 1.1 * NOISE + 0.3
        assert abs(off.mean()) < 0.1
        where = tiny_clips.disc(pair["frame"])
        assert off[where].std() < 1.1 * NOISE + 0.3  # behind the thing as anywhere
        assert np.array_equal(written[pair["frame"], "input"], tiny_clips.frame(pair["frame"]))


def test_the_shadow_is_gone_in_the_truth_and_outside_of_the_mask(made):
    found, written = made
    for pair in found.pairs:
        number = pair["frame"]
        dark = (tiny_clips.shadow(number) > 0.3) & ~tiny_clips.disc(number)
        shown, truth, mask = (written[number, kind].astype(float) for kind in ("input", "truth", "mask"))
        assert dark.sum() > 200
        assert not mask[dark].any()
        assert (truth - shown)[dark].mean() > 0.25 * truth[dark].mean()
        assert np.array_equal(mask > 0, tiny_clips.disc(number))


def test_the_background_is_the_nearest_of_all(made):
    """By mean squared error of whole frames in float64."""
    found, _ = made
    frames = [tiny_clips.frame(number).astype(np.float64) for number in range(FRAMES)]
    for pair in found.pairs:
        errors = {n: np.square(frames[pair["frame"]] - frames[n]).mean() for n in found.split.background}
        assert pair["background"] == min(errors, key=errors.__getitem__)
        assert pair["error"] == pytest.approx(min(errors.values()), rel=1e-4)


def test_outside_of_what_moves_the_light_decides(clip):
    written = Written()
    found = pairs_of_clip(*clip, PairSettings(every=2, where="outside"), written)
    for pair in found.pairs:
        lights = {n: abs(tiny_clips.light(n) - tiny_clips.light(pair["frame"])) for n in found.split.background}
        assert lights[pair["background"]] < min(lights.values()) + 0.003


def test_blurred_frames_give_no_pair_and_pairs_are_apart(made):
    found, _ = made
    numbers = [pair["frame"] for pair in found.pairs]
    assert SMEARED not in numbers
    assert SMEARED in found.split.blurred
    assert min(np.diff(numbers)) >= 2


def test_a_static_clip_gives_none_and_says_so(tmp_path):
    clip = save_clip(tmp_path, "still", moving=False, faults=False)
    found = pairs_of_clip(clip, lambda frame, moving: frame[..., 0] > 0, PairSettings(), Written())
    assert found.pairs == []
    assert found.why == "no frame has 15% to 80% of its pixels in motion: the most is 0.0%"


def test_a_clip_that_is_never_empty_says_so(tmp_path):
    """The thing wags, and never leaves."""
    frames = [tiny_clips.frame(19 + number % 2 * 5, faults=False) for number in range(20)]
    clip = tiny_clips.save_video(tmp_path / "wag.mkv", frames)
    settings = PairSettings(SplitSettings(foreground=0.02, background=0.001))
    found = pairs_of_clip(clip, lambda frame, moving: frame[..., 0] > 0, settings, Written())
    assert found.pairs == []
    assert "of its pixels in motion" in found.why


def test_a_detector_is_asked_with_what_moves(clip):
    asked, written = [], Written()

    def detect(frame, moving):
        asked.append((moving == 255).mean())
        return (moving == 255) & (frame[..., 0] >= 0)

    found = pairs_of_clip(clip[0], detect, PairSettings(every=4), written)
    assert len(asked) == len(found.pairs) >= 3
    assert min(asked) > 0.14
    for pair in found.pairs:
        thing = tiny_clips.disc(pair["frame"])
        mask = written[pair["frame"], "mask"] > 0
        assert (mask & thing).sum() / (mask | thing).sum() > 0.93
        assert pair["share"] == pytest.approx(mask.mean(), abs=1e-6)


def test_masks_that_miss_what_moves_give_none(clip):
    def half(frame, moving):
        rows = np.arange(frame.shape[0])[:, None]
        return (moving == 255) & (rows < 28)

    found = pairs_of_clip(clip[0], half, PairSettings(every=4), Written())
    assert found.pairs == []
    assert "has a mask that covers 50% of what moves" in found.why
    found = pairs_of_clip(clip[0], half, PairSettings(every=4, covered=0.1), Written())
    assert all(0.1 < pair["covered"] < 0.5 for pair in found.pairs)
    assert found.pairs


def test_a_detector_of_another_size_is_an_error(clip):
    with pytest.raises(ValueError, match=r"a mask of shape \(3, 3\), but the frame is \(96, 128\)"):
        pairs_of_clip(clip[0], lambda frame, moving: np.ones((3, 3), bool), PairSettings(), Written())


@pytest.mark.parametrize(
    ("numbers", "every", "most", "expected"),
    [
        ([1, 2, 3, 11, 12, 30], 1, 9, [1, 2, 3, 11, 12, 30]),
        ([1, 2, 3, 11, 12, 30], 10, 9, [1, 11, 30]),
        (list(range(100)), 1, 4, [0, 25, 50, 75]),
        ([], 3, 3, []),
    ],
)
def test_thinned(numbers, every, most, expected):
    assert thinned(numbers, every, most) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 0}, "every is 0, but it must be at least 1"),
        ({"covered": 2}, "covered is 2, but it must be 0 to 1"),
        ({"where": "here"}, 'where is "here", but it must be one of whole, outside'),
    ],
)
def test_errors_name_the_setting(wrong, message):
    with pytest.raises(ValueError, match=message):
        PairSettings(**wrong)
