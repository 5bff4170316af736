"""What the demo reads and writes around the server's run."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from mild_core.scene import choose
from scripts.demo import Result, check_out, scores, untouched, write
from scripts.demo_inputs import from_files, own_scene

HEIGHT, WIDTH = 60, 80


@pytest.fixture
def photo(tmp_path):
    """A photo of 80×60 that is stored turned, as phones do."""
    colours = np.random.default_rng(0).integers(0, 255, (WIDTH, HEIGHT, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(colours).save(tmp_path / "photo.png", exif=exif)
    return tmp_path / "photo.png"


def two_discs() -> list[np.ndarray]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return [((rows - 30) ** 2 + (columns - c) ** 2 <= 15**2).astype(np.uint8) for c in (25, 45)]


def save(folder, name: str, values: np.ndarray, mode: str | None = None):
    picture = Image.fromarray(values)
    if mode == "P":
        picture.putpalette([*(0, 0, 0), *(255, 0, 0), *(0, 255, 0)])
    elif mode:
        picture = picture.convert(mode)
    picture.save(folder / name)
    return folder / name


def test_a_photo_is_turned_upright_and_its_masks_are_not(photo, tmp_path):
    inputs = from_files(photo, [save(tmp_path, "people.png", two_discs()[0])])
    assert inputs.photo.shape == (HEIGHT, WIDTH, 3)
    assert inputs.people.shape == (HEIGHT, WIDTH)


def test_a_mask_of_the_size_before_turning_says_why_it_does_not_fit(photo, tmp_path):
    with pytest.raises(ValueError, match=r"people\.png is 60×80 but the photo is 80×60 \(upright, as its EXIF says\)"):
        from_files(photo, [save(tmp_path, "people.png", two_discs()[0].T.copy())])


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_one_mask_with_small_values_is_a_label_map(photo, tmp_path, mode):
    one, two = two_discs()
    labels = np.where(one > 0, 1, two * 2).astype(np.uint8)
    inputs = from_files(photo, [save(tmp_path, "people.png", labels, mode)])
    assert inputs.separate == "by value"
    assert (inputs.people == labels).all()
    assert [p.number for p in inputs.scene(0).people] == [1, 2]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_one_white_mask_is_everybody(photo, tmp_path, mode):
    inputs = from_files(photo, [save(tmp_path, "people.png", two_discs()[0] * 255, mode)])
    assert inputs.separate == "by part"
    assert len(inputs.scene(0).people) == 1


def test_several_masks_become_one_label_map_in_which_the_nearer_has_the_overlap(photo, tmp_path):
    near, far = two_discs()
    near = np.roll(near, 5, axis=0)
    inputs = from_files(photo, [save(tmp_path, "far.png", far * 255), save(tmp_path, "near.png", near * 255)])
    assert inputs.separate == "by value"
    assert (inputs.people[near > 0] == 2).all()
    assert (inputs.people[(far > 0) & (near == 0)] == 1).all()


def test_a_mask_in_colour_is_refused(photo, tmp_path):
    coloured = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    coloured[10:20, 10:20] = (255, 0, 0)
    with pytest.raises(ValueError, match=r"people\.png is a picture in colour"):
        from_files(photo, [save(tmp_path, "people.png", coloured)])


def test_a_photo_without_masks_is_refused(photo):
    with pytest.raises(ValueError, match="has no masks"):
        from_files(photo, [])


def perfect_result() -> tuple:
    """The demo's scene with 1 and 3 erased as if the model knew the truth."""
    inputs = own_scene()
    truth = inputs.truth
    scene = inputs.scene(0.0005)
    scene = scene.erasing(choose("1,3", scene.people))
    opaque = np.dstack([truth.background, np.full_like(truth.labels, 255)])
    layers = {"background": png(opaque)} | {f"person {p.number}": png(truth.people[p.number - 1]) for p in reversed(scene.people)}
    after = truth.without((1, 3))
    changed = (after != truth.photo).any(-1).astype(np.uint8) * 255
    return inputs, scene, Result(png(after), png(np.dstack([changed] * 3)), layers, {"Who goes": 1.0})


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_the_truth_itself_scores_best_and_changes_nothing_outside():
    inputs, scene, result = perfect_result()
    assert untouched(inputs, result) == 0
    table = scores(inputs, scene, result, grown=6)
    assert set(table) == {"picture", "background", "person 2, the hidden part"}
    for by_method in table.values():
        assert by_method["MILD"]["ssim"] == pytest.approx(1)
        assert by_method["MILD"]["psnr"] > by_method["Telea"]["psnr"]


def test_the_guessed_whole_body_is_the_true_one():
    inputs, scene, _ = perfect_result()
    (behind,) = scene.staying
    true = torch.from_numpy(inputs.truth.hidden(behind.number))
    assert (behind.hidden & true).sum() / (behind.hidden | true).sum() > 0.95


def test_the_folder_is_replaced_as_a_whole(tmp_path):
    inputs, scene, result = perfect_result()
    report = {
        "photo": "a <photo>",
        "size": [640, 427],
        "people_nearest_first": [3, 1, 2],
        "erased": [1, 3],
        "seconds": {"Who goes": 1.0},
        "pixels_changed_outside_the_hole": 0,
        "scores": {},
    }
    out = tmp_path / "out"
    for _ in range(2):
        check_out(out)
        write(out, inputs, scene, result, report)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert sorted(p.name for p in (out / "layers").iterdir()) == [
        "00-background.png",
        "01-person-3.png",
        "02-person-2.png",
        "03-person-1.png",
    ]
    html = (out / "index.html").read_text(encoding="utf-8")
    assert "a &lt;photo&gt;" in html
    assert html.count('class="gone"') == 2
    assert not [word for word in ("http:", "https:", "//") if f'="{word}' in html]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ValueError, match="other files"):
        check_out(tmp_path)
    assert (tmp_path / "holiday.jpg").exists()
