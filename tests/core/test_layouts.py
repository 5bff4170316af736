import csv
import json
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mild_core.bench.layouts import FOLDERS, LAYOUTS, _natural, _unique, read_layout


def put(root: Path, *names: str, white: float = 0.2) -> None:
    """Pictures of 10×8 pixels, of which that share is white."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((8, 10), np.uint8)
        pixels.reshape(-1)[: round(80 * white)] = 255
        Image.fromarray(pixels).save(path)


def put_scenes(root: Path, scenes: dict[str, dict]) -> None:
    for name, told in scenes.items():
        files = ["photo", "people", "background", "effects"] + (["truth"] if len(told["people"]) > len(told["erase"]) else [])
        put(root, *(f"{name}/{file}.png" for file in files))
        (root / name / "scene.json").write_text(json.dumps(told))
    (root / "scenes.json").write_text("{}")
    with (root / "index.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["id", "place"])
        rows.writeheader()
        rows.writerows({"id": name, "place": "park"} for name in scenes)


TABLE = [
    ("pairs", ["photos/a.jpg", "masks/a.png"], {}),
    ("pairs", ["photos/a.jpg", "masks/a.png", "truth/a.png"], {"truth": "truth/a.png"}),
    (
        "pairs",
        ["Photo/a.WEBP", "Mask/a_mask.png", "effects/a_shadow.png"],
        {"people": "Mask/a_mask.png", "effects": "effects/a_shadow.png"},
    ),
    ("rord", ["img/a.jpg", "mask/a.png", "gt/a.jpg"], {"truth": "gt/a.jpg"}),
    ("smarteraser", ["paste/a.jpg", "mask/a.jpg", "gt/a.jpg"], {"truth": "gt/a.jpg"}),
    ("removalbench", ["images/a.png", "masks/a.png", "gt/a.png", "results_omnieraser_base/a.png"], {"truth": "gt/a.png"}),
    ("ober", ["input/a.png", "object_mask/a.png"], {}),
    (
        "ober",
        ["input/a.png", "object_mask/a.png", "gt/a.png", "object_effect_mask/a.png"],
        {"truth": "gt/a.png", "effects": "object_effect_mask/a.png"},
    ),
    ("ober", ["INPUT/a.png", "mask/a.png", "GT/a.png", "effect_mask/a.png"], {"truth": "GT/a.png", "effects": "effect_mask/a.png"}),
    ("corne", ["shot/a.png", "bg/a.png", "mask_sam/a.png", "mask_eff/a.png"], {"truth": "bg/a.png", "effects": "mask_eff/a.png"}),
]


@pytest.mark.parametrize(("layout", "names", "expected"), TABLE)
def test_layouts_of_folders(tmp_path, layout, names, expected):
    put(tmp_path, *names)
    for asked in ("auto", layout):
        name, (case,) = read_layout(tmp_path, asked)
        assert name == layout
        assert case.id == "a"
        assert case.photo == tmp_path / names[0]
        assert case.people == tmp_path / expected.get("people", next(n for n in names if "mask" in n.lower() and "eff" not in n))
        for attribute in ("truth", "effects"):
            found = getattr(case, attribute)
            assert found == (tmp_path / expected[attribute] if attribute in expected else None)
        assert case.erase == ()
        assert not case.keeps


def test_cases_are_in_natural_order(tmp_path):
    put(tmp_path, *(f"{folder}/{n}.png" for folder in ("images", "masks", "gt") for n in (10, 9, 1, 100)))
    assert [case.id for case in read_layout(tmp_path)[1]] == ["1", "9", "10", "100"]


def test_rord_as_downloaded(tmp_path):
    for scene in ("210614_O04019_W01", "210615_X_W02"):
        put(tmp_path, *(f"img/{scene}/I-{scene}_{frame}.jpg" for frame in ("F0109", "F0007", "G0001")))
        put(tmp_path, *(f"mask/{scene}/I-{scene}_{frame}_M.png" for frame in ("F0109", "F0007")), white=0.9)
    name, cases = read_layout(tmp_path)
    assert name == "rord"
    assert [case.id for case in cases] == [f"{s}_I-{s}_{f}" for s in ("210614_O04019_W01", "210615_X_W02") for f in ("F0007", "F0109")]
    first = cases[0]
    assert first.people.name == "I-210614_O04019_W01_F0007_M.png"
    assert first.truth == tmp_path / "img/210614_O04019_W01/I-210614_O04019_W01_G0001.jpg"
    assert all(case.keeps for case in cases)  # their masks are mostly white: what stays


def test_rord_lacking_files(tmp_path):
    put(tmp_path, "img/s1/F1.jpg", "img/s1/G0001.jpg", "img/s1/F2.jpg", "mask/s1/F1_M.png")
    with pytest.raises(ValueError, match=r"has photos without mask: s1/F2.jpg \(1 of 2\)"):
        read_layout(tmp_path)
    put(tmp_path, "mask/s1/F2_M.png", "img/s2/F1.jpg", "mask/s2/F1_M.png")
    with pytest.raises(ValueError, match=r"has scenes without one truth: s2 \(0 pictures …G0001\) \(1 of 2\)"):
        read_layout(tmp_path)


@pytest.mark.parametrize(("whites", "keeps"), [([0.1, 0.2, 0.7], False), ([0.9, 0.8, 0.4], True)])
def test_which_way_round_masks_of_rord_are_is_told_from_most_of_them(tmp_path, whites, keeps):
    for i, white in enumerate(whites):
        put(tmp_path, f"img/{i}.jpg", f"gt/{i}.jpg")
        put(tmp_path, f"mask/{i}.png", white=white)
    assert [case.keeps for case in read_layout(tmp_path)[1]] == [keeps] * 3


def test_scenes(tmp_path):
    put_scenes(
        tmp_path,
        {
            "000002": {"people": [{}, {}], "erase": [2], "tags": {"people": 2, "contact": "yes"}},
            "000001": {"people": [{}], "erase": [1]},
        },
    )
    name, (two, one) = read_layout(tmp_path)
    assert name == "scenes"
    assert (two.id, two.erase, two.tags) == ("000002", (2,), {"people": "2", "contact": "yes"})
    assert two.truth == tmp_path / "000002/truth.png"  # somebody stays
    assert one.truth == tmp_path / "000001/background.png"
    assert one.effects == tmp_path / "000001/effects.png"
    assert one.people == tmp_path / "000001/people.png"


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("index.csv", "has no index.csv, which its builder writes last"),
        ("000001/photo.png", r"has scenes without photo.png: 000001 \(1 of 2\)"),
        ("000002/scene.json", r"has scenes without scene.json: 000002 \(1 of 2\)"),
        ("000002/truth.png", r"has scenes in which somebody stays without truth.png: 000002 \(1 of 1\)"),
    ],
)
def test_scenes_half_there(tmp_path, gone, message):
    put_scenes(tmp_path, {"000001": {"people": [{}], "erase": [1]}, "000002": {"people": [{}, {}], "erase": [2]}})
    (tmp_path / gone).unlink()
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path)


def test_scenes_of_the_index_must_be_there(tmp_path):
    put_scenes(tmp_path, {"000001": {"people": [{}], "erase": [1]}})
    with (tmp_path / "index.csv").open("a") as file:
        file.write("000007,park\n")
    with pytest.raises(ValueError, match=r"has scenes of index.csv without folder: 000007 \(1 of 2\)"):
        read_layout(tmp_path)
    with (tmp_path / "index.csv").open("a") as file:
        file.write("000007,park\n")
    with pytest.raises(ValueError, match="must name every scene once"):
        read_layout(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [f"images/{n}.png" for n in range(10)] + [f"gt/{n}.png" for n in range(10)] + ["masks/3.png"],
            r"has photos without mask: 0.png, 1.png, 2.png, 4.png, 5.png, … \(9 of 10\)",
        ),
        (["images/a.png", "masks/a.png", "gt/b.png"], r"has photos without truth: a.png \(1 of 1\)"),
        (["photos/a.png", "masks/a.png", "masks/b.png"], r"has mask without photo: b.png \(1 of 2\)"),
        (["photos/a.png", "masks/a.png", "truth/b.png"], r"has photos without truth: a.png \(1 of 1\)"),
        (["photos/a.png", "photos/a.jpg", "masks/a.png"], r"has both a.jpg and a.png"),
        (["photos/a.png", "masks/a.png", "masks/a_mask.png"], r"two files of mask: a \(a.png and a_mask.png\)"),
        (["photos/a.png", "masks/a.png", "mask/a.png"], "has mask and masks, but one folder of mask must be there"),
        (["photos/a.txt.gz.png", "images/a.png", "masks/a.png", "gt/a.png"], "can be read as pairs or removalbench: name the layout"),
        (["photos/a.png", "holes/a.png"], r"must be one of scenes \(scenes.json\), pairs \(photos/, masks/\), rord"),
        (["OBER-Test/input/a.png", "OBER-Test/object_mask/a.png"], r"did you mean its folder OBER-Test\?"),
        (["masks/.keep.png", "photos/.hidden.png"], "has no photo"),
    ],
)
def test_what_is_missing_or_doubtful_is_named(tmp_path, names, message):
    put(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path)


def test_other_errors(tmp_path):
    with pytest.raises(ValueError, match="layout is 'coco', but it must be auto or one of scenes, pairs, rord"):
        read_layout(tmp_path, "coco")
    with pytest.raises(ValueError, match="is not there"):
        read_layout(tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no folder of photo: it must be called images"):
        read_layout(tmp_path, "removalbench")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test-0.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="it holds Parquet files"):
        read_layout(tmp_path)


def test_an_ambiguous_folder_is_read_when_named(tmp_path):
    put(tmp_path, "photos/a.png", "images/b.png", "masks/b.png", "gt/b.png")
    assert read_layout(tmp_path, "removalbench")[1][0].id == "b"


def test_every_layout_has_a_reader():
    assert set(LAYOUTS) == {"scenes", *FOLDERS}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=12))
def test_ids_are_plain_and_unique(names):
    ids = _unique(names)
    assert len(ids) == len(names)
    assert len({name.casefold() for name in ids}) == len(ids)
    allowed = set(string.ascii_letters + string.digits + "-_.")
    assert all(name and set(name) <= allowed and not name.startswith((".", "-")) for name in ids)


def test_ids_tell_photos_apart():
    assert _unique(["a b", "a-b", "A-B", "..", "über", "a-b-2"]) == ["a-b", "a-b-2", "A-B-3", "case", "ber", "a-b-2-2"]
    assert sorted(["x10", "x9", "9", "x"], key=_natural) == ["9", "x", "x9", "x10"]
