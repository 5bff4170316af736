import tracemalloc

import cv2
import numpy as np
import pytest
import tiny_clips
from tiny_clips import save_video

from mild_core.data.video4_frames import BrokenClipError, clips_in, frames_of, reduced


def test_frames_are_those_of_the_file(tmp_path):
    drawn = [tiny_clips.frame(number) for number in range(14, 20)]
    clip = save_video(tmp_path / "a.mkv", drawn)
    found = list(frames_of(clip))
    assert len(found) == 6
    assert all(np.array_equal(one, other) for one, other in zip(found, drawn, strict=True))
    small = list(frames_of(clip, 96))
    assert np.array_equal(small[2], cv2.resize(drawn[2], (96, 72), interpolation=cv2.INTER_AREA))
    assert reduced(drawn[0], 0) is drawn[0]
    assert reduced(drawn[0], 128) is drawn[0]


def test_a_long_video_is_never_held(tmp_path):
    """Twelve times the frames take no more memory."""
    most = []
    for count in (10, 120):
        clip = save_video(tmp_path / f"{count}.mkv", [np.full((120, 160, 3), n, np.uint8) for n in range(count)])
        tracemalloc.start()
        assert sum(1 for _ in frames_of(clip)) == count
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] + 2 * 120 * 160 * 3


def test_what_is_no_video_is_named(tmp_path):
    for name, content in (("torn.mp4", b"no video"), ("empty.mkv", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BrokenClipError, match=rf"{name} cannot be read as a video after 0 frames"):
            list(frames_of(tmp_path / name))
    with pytest.raises(BrokenClipError, match=r"not_there\.mp4"):
        list(frames_of(tmp_path / "not_there.mp4"))


def test_videos_of_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no video"):
        clips_in(tmp_path)
    for name in ("b.mkv", "a.MP4", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in clips_in(tmp_path)] == ["a.MP4", "b.mkv"]
    (tmp_path / "b.mov").touch()
    with pytest.raises(ValueError, match="two videos that are called b"):
        clips_in(tmp_path)
