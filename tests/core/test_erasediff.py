"""Erase Diffusion's removal pairs: what is pasted, where, and that a set of them is a set as others are."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_panoptic import make_coco, make_indexed, panoptic_of

from mild_core.data import erasediff_set
from mild_core.data.erasediff import SCALES, TURN, make_erase_pair, primary_objects, turned
from mild_core.data.erasediff_set import build_erase_pairs, erase_pair_of_seed, photos_to_erase_from
from mild_core.data.olrd import free_background
from mild_core.data.olrd_photos import load_panoptic
from mild_core.data.olrd_set import OlrdSettings
from mild_core.data.olrd_set import build_pairs as build_olrd
from mild_core.data.placing import fitting_places
from mild_core.data.workers import Processes
from mild_core.scene.panoptic import Panoptic, Segment
from mild_core.training.prompt_pairs import ErasurePairs

SIX = OlrdSettings(6, first=2, part="all")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Path:
    return make_indexed(tmp_path_factory.mktemp("indexed"))


@pytest.fixture(scope="module")
def calm(indexed, tmp_path_factory) -> Path:
    """Six pairs in plain folders, built by one process."""
    out = tmp_path_factory.mktemp("sets") / "calm"
    build_erase_pairs(indexed, out, SIX)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def told_of(folder: Path) -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "about").iterdir())]


# -- places ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_silhouette_fits_where_every_pixel_of_it_is_free(seed, own, frame):
    rng = np.random.default_rng(seed)
    shape, free = rng.random(own) < 0.5, rng.random(frame) < 0.9
    found = fitting_places(shape, free)
    assert found.shape == tuple(max(f - o + 1, 0) for f, o in zip(frame, own, strict=True))
    for top, left in np.ndindex(*found.shape):
        assert found[top, left] == bool(free[top : top + own[0], left : left + own[1]][shape].all())


# -- what is pasted ----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7), st.integers(0, 2**31))
def test_a_pair_tells_all_that_was_changed_and_lies_on_background(number, seed):
    photo, panoptic = panoptic_of(number)
    pair = make_erase_pair(photo, panoptic, seed)
    assert pair is not None
    assert np.array_equal(pair.truth, photo)
    assert np.array_equal(pair.input[~pair.hole], photo[~pair.hole])
    assert free_background(panoptic)[pair.hole].all()
    assert (pair.alpha / 255).mean() >= 0.0095
    assert SCALES[0] <= pair.scale <= SCALES[1]
    assert abs(pair.turn) <= TURN
    assert pair.tag in ("sky", "grass")
    again = make_erase_pair(photo, panoptic, seed)
    assert np.array_equal(pair.input, again.input)
    assert (pair.scale, pair.turn, pair.shift) == (again.scale, again.turn, again.shift)


def test_scales_turns_and_places_differ_from_seed_to_seed():
    photo, panoptic = panoptic_of(0)
    pairs = [make_erase_pair(photo, panoptic, seed) for seed in range(12)]
    assert len({pair.scale for pair in pairs}) == len({pair.shift for pair in pairs}) == 12
    assert min(pair.turn for pair in pairs) < -5 < 5 < max(pair.turn for pair in pairs)


def test_the_hole_shows_the_object_s_own_colours():
    """A plain red object on grey: what is pasted is red wherever it is opaque, and nothing of the grey came along."""
    photo = np.full((120, 160, 3), 128, np.uint8)
    labels = np.ones((120, 160), np.int64)
    labels[30:70, 20:50] = 2
    photo[30:70, 20:50] = (200, 30, 30)
    panoptic = Panoptic.of(torch.from_numpy(labels), [Segment(1, "wall-other-merged", 9, False), Segment(2, "car", 3, True)])
    for seed in range(6):
        pair = make_erase_pair(photo, panoptic, seed)
        assert np.abs(pair.input[pair.alpha == 255].astype(int) - (200, 30, 30)).max() <= 2
        area = (pair.alpha / 255).sum()
        assert area == pytest.approx(40 * 30 * pair.scale**2, rel=0.15)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.4])
@pytest.mark.parametrize("degrees", [0.0, 25.0, -90.0])
def test_turning_is_a_similarity(scale, degrees):
    """Area and middle of a shape, and the angle of its long axis."""
    alpha = np.zeros((81, 61), np.uint8)
    alpha[8:73, 26:35] = 255
    colour = np.full((81, 61, 3), (250, 10, 60), np.uint8)
    drawn, shown = turned(colour, alpha, scale, degrees)
    assert shown.sum() / 255 == pytest.approx(65 * 9 * scale**2, rel=0.06)
    assert np.abs(drawn[shown > 127].astype(int) - (250, 10, 60)).max() <= 2
    assert shown[0].any()
    assert shown[-1].any()
    assert shown[:, 0].any()
    assert shown[:, -1].any()
    moments = cv2.moments(shown)
    axis = 0.5 * np.degrees(np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]))  # y is down
    assert abs((axis - (90 - degrees) + 90) % 180 - 90) < 1.5  # upright turned counter-clockwise
    if scale == 1 and degrees == 0:
        assert np.array_equal(shown, alpha[8:73, 26:35])


def test_the_primary_object_is_large_and_central():
    labels = np.ones((100, 200), np.int64)
    labels[40:60, 90:110] = 2  # in the middle
    labels[10:31, 10:31] = 3  # a little larger, in a corner
    labels[70:84, 110:124] = 4  # smaller
    labels[0:50, 150:190] = 5  # the largest, cut off by the frame
    segments = [Segment(1, "grass-merged", 193, False), *(Segment(n, "car", 3, True) for n in (2, 3, 4, 5))]
    order = [segment.id for segment in primary_objects(Panoptic.of(torch.from_numpy(labels), segments))]
    assert order[0] == 2
    assert 5 not in order


def test_no_place_gives_no_pair():
    photo, panoptic = panoptic_of(0)
    full = Panoptic.of(panoptic.labels * (panoptic.labels > 2), panoptic.segments)  # things on what nobody knows
    assert make_erase_pair(photo, full, 0) is None
    with pytest.raises(ValueError, match="photo is float64"):
        make_erase_pair(photo / 255, panoptic, 0)


# -- sets --------------------------------------------------------------------------------------------------------------


def test_two_builds_are_equal_whatever_the_number_of_processes(indexed, calm, tmp_path):
    build_erase_pairs(indexed, tmp_path / "two", SIX, workers=Processes(2))
    assert contents(tmp_path / "two") == contents(calm)


def test_the_trainers_read_them(calm):
    data = ErasurePairs(calm, 64)
    assert len(data) == 6
    shown, truth, hole = data.read(0)
    assert shown.shape == truth.shape == (3, 64, 64)
    assert not torch.equal(shown, truth)
    assert 0 < hole.mean() < 0.5
    assert data.words[0].tag in ("sky", "grass")


def test_a_pair_on_disk_is_the_pair_and_the_index_says_so(indexed, calm):
    entries = photos_to_erase_from(indexed, None, "all")
    rows = list(csv.DictReader((calm / "index.csv").open(encoding="utf-8", newline="")))
    for seed, row, told in zip(SIX.seeds, rows, told_of(calm), strict=True):
        pair, source = erase_pair_of_seed(entries, seed)
        shown, mask = (np.asarray(Image.open(calm / kind / f"{seed:06d}.png")) for kind in ("input", "mask"))
        assert np.array_equal(shown, pair.input)
        assert np.array_equal(mask > 0, pair.hole)
        assert (row["photo"], told["photo"]) == (source.name, source.name)
        assert float(row["scale"]) == told["scale"] == pytest.approx(pair.scale, abs=1e-4)
        assert float(row["turn"]) == told["turn"] == pytest.approx(pair.turn, abs=1e-2)
    sheet = (calm / "datasheet.md").read_text(encoding="utf-8")
    assert "6 pairs." in sheet
    for text in (sheet, (calm / "erasures.json").read_text()):
        assert str(indexed.parent) not in text


def test_a_build_that_was_broken_is_mended_and_only_that(indexed, calm, tmp_path, monkeypatch):
    out, made = tmp_path / "broken", []
    shutil.copytree(calm, out)
    (out / "input" / "000004.png").unlink()
    (out / "about" / "000006.json").write_text("{")
    monkeypatch.setattr(erasediff_set, "_make", lambda *a, make=erasediff_set._make: made.append(a[-1]) or make(*a))
    build_erase_pairs(indexed, out, SIX)
    assert made == [4, 6]
    assert contents(out) == contents(calm)


def test_photos_with_people_s_masks_alone(indexed, tmp_path):
    photos = tmp_path / "people"
    photos.mkdir()
    for name in ("photo0.jpg", "photo0.png", "photo1.jpg"):  # the second has no mask
        shutil.copy(indexed / name, photos / name)
    people = np.asarray(Image.open(photos / "photo0.png"))
    Image.fromarray(people * (people == 2)).save(photos / "photo0.png")  # who stands alone is whole
    entries = photos_to_erase_from(photos, None, "all")
    assert [entry.name for entry in entries] == ["photo0"]
    _, panoptic = load_panoptic(entries[0])
    assert [(s.name, s.thing) for s in panoptic.segments] == [("background", False), ("person", True)]
    build_erase_pairs(photos, tmp_path / "set", OlrdSettings(2, part="all"))
    assert {told["tag"] for told in told_of(tmp_path / "set")} == {"background"}


def test_coco_s_layout_and_tars(tmp_path):
    photos, listing = make_coco(tmp_path / "coco")
    build_erase_pairs(photos, tmp_path / "set", OlrdSettings(3, part="all", per_shard=2), listing)
    found = {path.name for path in (tmp_path / "set").iterdir()}
    assert found == {"000000.tar", "000001.tar", "erasures.json", "index.csv", "sheet.jpg", "datasheet.md"}


def test_what_is_something_else_is_not_gone_on_with(indexed, calm, tmp_path):
    with pytest.raises(ValueError, match="holds erasures made with count 6, but now count is 7"):
        build_erase_pairs(indexed, calm, OlrdSettings(7, first=2, part="all"))
    build_olrd(indexed, tmp_path / "olrd", OlrdSettings(1, part="all"))
    with pytest.raises(ValueError, match=r"holds files but no erasures\.json"):
        build_erase_pairs(indexed, tmp_path / "olrd", OlrdSettings(1, part="all"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no photo of the train split with a mask"):
        build_erase_pairs(tmp_path / "empty", tmp_path / "set", OlrdSettings(1))


def test_photos_without_an_object_are_an_error(tmp_path):
    photos = make_indexed(tmp_path / "photos", 2)
    for number in range(2):
        Image.new("L", (128, 96), 193).save(photos / f"photo{number}_panoptic.png")
    with pytest.raises(ValueError, match="none of the 2 photos has an object"):
        build_erase_pairs(photos, tmp_path / "set", OlrdSettings(1, part="all"))
