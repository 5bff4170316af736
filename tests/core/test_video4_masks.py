import json

import numpy as np
import pytest
from PIL import Image
from tiny_clips import save_video
from tiny_segmenters import tiny_segmenter

from mild_core.data.video4_masks import masks_by, panoptic_detector, track_of


def test_a_folder_of_pictures_and_a_video_say_the_same(tmp_path):
    masks = []
    for number in range(6):
        mask = np.zeros((40, 60), np.uint8)
        mask[5:20, 4 * number : 4 * number + 12] = 255
        masks.append(mask)
        if number != 3:
            (tmp_path / "walk").mkdir(exist_ok=True)
            Image.fromarray(mask).save(tmp_path / "walk" / f"{number:04d}.png")
    (tmp_path / "walk" / "notes.png").write_bytes(b"not a number")
    video = save_video(tmp_path / "walk.mkv", [np.repeat(mask[..., None], 3, -1) for mask in masks])
    assert track_of(tmp_path, tmp_path / "videos" / "walk.mp4") == tmp_path / "walk"
    of_folder, of_video = (dict(masks_by(track, [1, 3, 4], (40, 60))) for track in (tmp_path / "walk", video))
    assert list(of_folder) == [1, 4]
    assert list(of_video) == [1, 3, 4]
    for number in (1, 4):
        assert np.array_equal(of_folder[number], masks[number] > 127)
        assert np.array_equal(of_video[number], masks[number] > 127)
    ((_, larger),) = masks_by(video, [1], (80, 120))
    assert larger.shape == (80, 120)
    assert larger.mean() == pytest.approx((masks[1] > 127).mean(), abs=0.02)


def test_errors_name_the_mask(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no mask track of walk\.mp4"):
        track_of(tmp_path, tmp_path / "walk.mp4")
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0\.png cannot be read as a mask"):
        list(masks_by(tmp_path / "walk", [0], (4, 4)))


def test_a_network_gives_the_things_that_move(tmp_path, monkeypatch):
    """What a random network of the true architecture says is replaced; that it was asked, and what is kept, is looked at."""
    import torch

    from mild_core.data import video4_masks
    from mild_core.scene.panoptic import Panoptic, Segment

    folder = tmp_path / "network"
    tiny_segmenter("mask2former").save_pretrained(folder)
    detect = panoptic_detector(folder)
    frame, moving = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8), np.zeros((24, 32), np.uint8)
    assert not detect(frame, moving).any()  # nothing moves
    labels = torch.zeros(48, 64, dtype=torch.long)
    labels[:20, :20], labels[30:, 30:], labels[:10, 40:] = 1, 2, 3
    segments = [Segment(1, "person", 1, True), Segment(2, "car", 3, True), Segment(3, "sky", 187, False)]
    asked = []

    def decoded(classes, masks, size, names, shown):
        asked.append((classes.shape[-1], size, len(names)))
        return Panoptic.of(labels, segments)

    monkeypatch.setattr(video4_masks, "decode_queries", decoded)
    moving[:10, :7] = 255  # 0.7 of the person
    moving[15:, 28:] = 255  # a quarter of the car
    moving[:5, 20:] = 255  # the sky, which is no thing
    assert np.array_equal(detect(frame, moving), (labels == 1).numpy())
    assert asked == [(134, (48, 64), 133)]


def test_what_is_no_such_network_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json"):
        panoptic_detector(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ValueError, match='of the type "bert", but it must be one of mask2former'):
        panoptic_detector(tmp_path)
