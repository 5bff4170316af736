import numpy as np
import pytest
import torch
from PIL import Image
from tiny_panoptic import make_coco, make_indexed

from mild_core.data.syn4_photos import fitted, load_things, things_photos
from mild_core.scene.panoptic import Panoptic, Segment


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(picture, np.uint8)).save(path)


def test_maps_tell_people_and_folders_tell_classes(tmp_path):
    values = np.zeros((20, 30), np.uint8)
    values[2:8, 2:8], values[10:18, 10:18] = 1, 7
    for folder in ("", "dog"):
        save(tmp_path / folder / "a.jpg", np.full((20, 30, 3), 90))
        save(tmp_path / folder / "a.png", values)
    save(tmp_path / "b.jpg", np.full((20, 30, 3), 90))
    entries = things_photos(tmp_path, "all")
    assert [(entry.name, entry.word) for entry in entries] == [("a", "person"), ("dog/a", "dog")]
    assert [entry.name for entry in things_photos(tmp_path, "all", mapped=False)] == ["a", "b", "dog/a"]
    for entry in entries:
        _, panoptic = load_things(entry)
        assert [(s.id, s.word, s.thing) for s in panoptic.segments] == [(1, entry.word, True), (7, entry.word, True)]
        assert np.array_equal(panoptic.labels.numpy(), values)
    bare = things_photos(tmp_path, "all", mapped=False)[1]
    assert load_things(bare)[1].segments == ()


def test_panoptic_labels_come_first(tmp_path):
    folder = make_indexed(tmp_path / "indexed", 2)
    (folder / "index.json").write_text((folder / "index.json").read_text().replace('"name": "photo1"', '"name": "other"'))
    words = {entry.name: [s.word for s in load_things(entry)[1].segments] for entry in things_photos(folder, "all")}
    assert words == {"photo0": ["person", "person", "car", "sky", "grass"], "photo1": ["person", "person"]}
    photos, listing = make_coco(tmp_path / "coco")
    assert {s.word for s in load_things(things_photos(photos, "all", listing)[0])[1].segments} == {"person", "car", "sky", "grass"}


def test_the_middle_square_at_the_size():
    photo = np.zeros((40, 80, 3), np.uint8)
    photo[:, 20:60, 0] = 200
    photo[:, :20, 1] = photo[:, 60:, 1] = 200
    labels = torch.ones(40, 80, dtype=torch.long)
    labels[:, 40:60] = 2
    segments = [Segment(1, "grass-merged", 193, False), Segment(2, "dog", 18, True)]
    square, panoptic = fitted(photo, Panoptic.of(labels, segments), 80)
    assert square.shape == (80, 80, 3)
    assert (square[:, 2:-2, 0] > 195).all()
    assert not (square[:, 2:-2, 1] > 5).any()
    assert (panoptic.labels[:, :40] == 1).all()
    assert (panoptic.labels[:, 40:] == 2).all()


def test_errors_name_the_folder_and_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        things_photos(tmp_path / "nowhere", "all")
    save(tmp_path / "a.jpg", np.zeros((20, 30, 3)))
    with pytest.raises(FileNotFoundError, match=r"NAME\.png"):
        things_photos(tmp_path, "all")
    save(tmp_path / "a.png", np.zeros((20, 31)))
    with pytest.raises(ValueError, match=r"a\.png is 31×20, but its photo is 30×20"):
        load_things(things_photos(tmp_path, "all")[0])
