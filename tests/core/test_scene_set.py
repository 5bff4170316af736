import csv
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_library import make_library, save

from mild_core.data import scene_set
from mild_core.data.__main__ import main
from mild_core.data.scene_files import read_scene
from mild_core.data.scene_set import Settings, build_scenes
from mild_core.data.workers import Processes

SIX = Settings(6, first=3, split="train", short_side=128)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = make_library(tmp_path_factory.mktemp("photos"))
    (root / "README.md").write_text("# Pictures\nDrawn for tests, free for all.\n")
    return root


@pytest.fixture(scope="module")
def calm(photos, tmp_path_factory) -> Path:
    """Six scenes built by one process."""
    out = tmp_path_factory.mktemp("sets") / "calm"
    build_scenes(photos, out, SIX)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_builds_are_equal_whatever_the_number_of_processes(photos, calm, tmp_path):
    build_scenes(photos, tmp_path / "two", SIX, workers=Processes(2))
    found = contents(tmp_path / "two")
    assert found == contents(calm)
    assert {"scenes.json", "datasheet.md", "index.csv", "000003/photo.png", "000008/scene.json"} <= set(found)
    assert len({path.split("/")[0] for path in found}) == 9


def test_a_build_that_was_broken_is_mended(photos, calm, tmp_path):
    out = tmp_path / "broken"
    shutil.copytree(calm, out)
    shutil.rmtree(out / "000004")
    photo = out / "000005" / "photo.png"
    photo.write_bytes(photo.read_bytes()[:500])
    (out / "000006" / "scene.json").unlink()
    (out / "000007.part").mkdir()
    (out / "000007.part" / "photo.png").write_bytes(b"half")
    (out / "index.csv").unlink()
    build_scenes(photos, out, SIX)
    assert contents(out) == contents(calm)


def test_what_is_whole_is_not_made_again(photos, calm, tmp_path, monkeypatch):
    out = tmp_path / "again"
    shutil.copytree(calm, out)
    shutil.rmtree(out / "000006")
    made = []
    monkeypatch.setattr(scene_set, "_make", lambda *a, make=scene_set._make: made.append(a[-1]) or make(*a))
    build_scenes(photos, out, SIX)
    assert made == [6]


def test_an_interrupted_build_goes_on(photos, calm, tmp_path, monkeypatch, capsys):
    out, make = tmp_path / "stopped", scene_set._make
    arguments = ["scenes", "--photos", str(photos), "--out", str(out), "--count", "6", "--first", "3"]
    arguments += ["--split", "train", "--short-side", "128"]

    def interrupted(photos, out, settings, seed):
        if seed == 5:
            raise KeyboardInterrupt
        return make(photos, out, settings, seed)

    monkeypatch.setattr(scene_set, "_make", interrupted)
    assert main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["000003", "000004", "scenes.json"]
    monkeypatch.setattr(scene_set, "_make", make)
    assert main(arguments) == 0
    assert "4/4 scenes" in capsys.readouterr().err
    assert contents(out) == contents(calm)


def test_the_index_says_what_the_scenes_say(calm):
    rows = list(csv.DictReader((calm / "index.csv").open(encoding="utf-8")))
    assert [row["id"] for row in rows] == [f"{seed:06d}" for seed in range(3, 9)]
    for row in rows:
        scene = read_scene(calm / row["id"])
        assert row["place"] == scene.place
        assert [int(n) - 1 for n in row["erase"].split()] == list(scene.erase)
        assert {tag: row[tag] for tag in scene.tags} == dict(scene.tags)
        assert (int(row["width"]), int(row["height"])) == (scene.photo.shape[1], scene.photo.shape[0])
    assert [row["people"] for row in rows] == ["4", "5", "6", "1", "2", "3"]


def test_the_datasheet_says_what_is_in_it(photos, calm):
    sheet = (calm / "datasheet.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader((calm / "index.csv").open(encoding="utf-8")))
    people = {(s.photo, s.value) for row in rows for s in read_scene(calm / row["id"]).sources}
    assert "6 scenes with 21 people" in sheet
    assert f"**Different people**: {len(people)}, of " in sheet
    assert f"**Different places**: {len({row['place'] for row in rows})}, of " in sheet
    for tag in ("occlusion", "contact", "camouflage", "poses", "size", "erased"):
        counted = [line for line in sheet.splitlines() if line.startswith(f"| {tag} ")]
        assert len(counted) == 1
    assert "> Drawn for tests, free for all." in sheet
    assert "keep their licences" in sheet
    assert "--count 6 --first 3" in sheet
    for text in (sheet, (calm / "scenes.json").read_text()):
        assert str(photos.parent) not in text
        assert str(calm.parent) not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 7}, "made with count 6, but now count is 7"),
        ({"first": 2}, "made with first 3, but now first is 2"),
        ({"short_side": 130}, "made with short_side 128, but now short_side is 130"),
        ({"most_people": 2}, "made with most_people 6, but now most_people is 2"),
        ({"split": "held-out"}, "made with split train, but now split is held-out"),
    ],
)
def test_another_setting_in_the_same_folder_is_an_error_that_says_which(photos, calm, change, message):
    before = contents(calm)
    with pytest.raises(ValueError, match=message):
        build_scenes(photos, calm, Settings(**{**vars(SIX), **change}))
    assert contents(calm) == before


def test_another_library_or_version_is_an_error(photos, calm, tmp_path):
    other = tmp_path / "photos"
    shutil.copytree(photos, other)
    out = tmp_path / "set"
    shutil.copytree(calm, out)
    build_scenes(other, out, SIX)  # a copy is the same library
    place = sorted((other / "places").glob("*.jpg"))[0]
    for path in sorted((other / "places").glob("*.jpg")):
        save(path, np.full((150, 220, 3), 90))
    with pytest.raises(ValueError, match="made with library "):
        build_scenes(other, out, SIX)
    assert place.exists()
    told = json.loads((out / "scenes.json").read_text())
    told["versions"]["opencv"] = "0.1"
    (out / "scenes.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"made with versions .*0\.1"):
        build_scenes(photos, out, SIX)


def test_a_photo_that_cannot_be_read_is_named(photos, tmp_path, capsys):
    other = tmp_path / "photos"
    shutil.copytree(photos, other)
    arguments = ["scenes", "--photos", str(other), "--out", str(tmp_path / "set"), "--count", "1", "--split", "train"]
    for kind in ("places", "people"):
        for path in (other / kind).glob("*.jpg"):
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 3])
            if main(arguments) == 2:
                assert f"{path} cannot be read as a picture" in capsys.readouterr().err
                path.write_bytes(data)
                break
            path.write_bytes(data)  # of the other split, which is not looked at
        else:
            pytest.fail(f"no broken photo of {kind} was noticed")
    assert not (tmp_path / "set" / "000000").exists() or kind == "people"


def test_a_folder_of_something_else_is_left_alone(photos, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"holds files but no scenes.json"):
        build_scenes(photos, tmp_path, SIX)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count is 0, but it must be at least 1"),
        ({"count": 1, "first": -1}, "first is -1, but it must be at least 0"),
        ({"count": 1, "short_side": 10}, "short_side is 10, but it must be at least 64"),
        ({"count": 1, "split": "all"}, 'split is "all", but it must be train or held-out'),
    ],
)
def test_errors_name_the_setting(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(**arguments)


# -- shards ------------------------------------------------------------------------------------------------------------

SHARDS = Settings(**{**vars(SIX), "per_shard": 4})


@pytest.fixture(scope="module")
def tars(photos, tmp_path_factory) -> Path:
    """The six scenes, four in a tar."""
    out = tmp_path_factory.mktemp("sets") / "tars"
    build_scenes(photos, out, SHARDS, Processes(2))
    return out


def test_tars_hold_what_folders_hold(calm, tars):
    assert sorted(contents(tars)) == ["000000.tar", "000001.tar", "datasheet.md", "index.csv", "scenes.json"]
    assert (tars / "index.csv").read_bytes() == (calm / "index.csv").read_bytes()
    found: dict[str, bytes] = {}
    order = []
    for name in ("000000.tar", "000001.tar"):
        with tarfile.open(tars / name) as tar:
            for entry in tar:
                assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) == (0, 0, 0, "", "", 0o644)
                key, _, field = entry.name.partition(".")
                found[f"{key}/{field}"] = tar.extractfile(entry).read()
                order.append((key, field))
    assert found == {name: data for name, data in contents(calm).items() if "/" in name}
    assert [key for key, _ in order] == sorted(key for key, _ in order)  # a scene's files are together
    assert [field for n, (key, field) in enumerate(order, 1) if n == len(order) or order[n][0] != key] == ["scene.json"] * 6


def test_the_datasheet_tells_of_shards_and_only_then(calm, tars):
    assert "WebDataset tars of 4 scenes each" in (tars / "datasheet.md").read_text(encoding="utf-8")
    assert "--per-shard 4" in (tars / "datasheet.md").read_text(encoding="utf-8")
    assert "per_shard" not in (calm / "scenes.json").read_text()
    assert "shard" not in (calm / "datasheet.md").read_text(encoding="utf-8")


def test_broken_shards_are_made_again_and_only_those(photos, tars, tmp_path, monkeypatch):
    out, made = tmp_path / "broken", []
    monkeypatch.setattr(scene_set, "_make", lambda *a, make=scene_set._make: made.append(a[-1]) or make(*a))
    for cut in (700, 10240, 0):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tars, out)
        (out / "000001.tar").write_bytes((tars / "000001.tar").read_bytes()[:cut])
        (out / "000001.tar.0.part").write_bytes(b"half")
        build_scenes(photos, out, SHARDS)
        assert contents(out) == contents(tars)
    assert made == [1, 1, 1]


def test_folders_and_shards_do_not_share_a_set(photos, calm, tars):
    with pytest.raises(ValueError, match="holds scenes made with per_shard None, but now per_shard is 4"):
        build_scenes(photos, calm, SHARDS)
    with pytest.raises(ValueError, match="holds scenes made with per_shard 4, but now per_shard is None"):
        build_scenes(photos, tars, SIX)
