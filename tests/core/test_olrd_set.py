import csv
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_panoptic import make_coco, make_indexed, scene_of

from mild_core.data import olrd_set
from mild_core.data.__main__ import main
from mild_core.data.olrd_files import PairShards
from mild_core.data.olrd_photos import load_panoptic, panoptic_photos
from mild_core.data.olrd_set import OlrdSettings, build_pairs, pair_of_seed
from mild_core.data.workers import Processes

KINDS = (("input", "png"), ("truth", "png"), ("mask", "png"), ("about", "json"))
SEVEN = OlrdSettings(7, first=3, part="all")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Path:
    root = make_indexed(tmp_path_factory.mktemp("indexed"))
    (root / "README.md").write_text("Drawn for tests, free for all.\n")
    return root


@pytest.fixture(scope="module")
def calm(indexed, tmp_path_factory) -> Path:
    """Seven pairs in plain folders, built by one process."""
    out = tmp_path_factory.mktemp("sets") / "calm"
    build_pairs(indexed, out, SEVEN)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def arguments(photos: Path, out: Path) -> list[str]:
    return ["olrd", "--photos", str(photos), "--out", str(out), "--count", "7", "--first", "3", "--part", "all"]


def test_two_builds_are_equal_whatever_the_number_of_processes(indexed, calm, tmp_path):
    build_pairs(indexed, tmp_path / "two", SEVEN, workers=Processes(2))
    found = contents(tmp_path / "two")
    assert found == contents(calm)
    files = {f"{folder}/{seed:06d}.{end}" for seed in range(3, 10) for folder, end in KINDS}
    captions = {path for path in found if path.startswith("truth/") and path.endswith(".txt")}
    assert set(found) - captions == files | {"pairs.json", "datasheet.md", "index.csv", "sheet.jpg"}


def test_a_pair_on_disk_is_the_pair(indexed, calm):
    entries = panoptic_photos(indexed, None, "all")
    for seed in SEVEN.seeds:
        pair, source = pair_of_seed(entries, seed)
        shown, truth, mask = (np.asarray(Image.open(calm / kind / f"{seed:06d}.png")) for kind in ("input", "truth", "mask"))
        assert np.array_equal(shown, pair.input)
        assert np.array_equal(truth, np.asarray(Image.open(source.photo)))
        assert np.array_equal(mask, np.where(pair.hole, 255, 0))
        told = json.loads((calm / "about" / f"{seed:06d}.json").read_text(encoding="utf-8"))
        left, top, right, bottom = told["box"]
        assert pair.hole[top:bottom, left:right].sum() == pair.hole.sum()
        assert told["prompt"] == f"A photo of {told['tag']}"


def test_a_photo_s_caption_is_the_truth_s(calm):
    captioned = [told["id"] for told in descriptions(calm) if told["photo"] == "photo1"]
    assert captioned
    assert sorted(path.stem for path in (calm / "truth").glob("*.txt")) == captioned
    assert (calm / "truth" / f"{captioned[0]}.txt").read_text() == "A meadow under a clear sky.\n"


def descriptions(folder: Path) -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "about").iterdir())]


def test_every_photo_has_its_turn(calm):
    assert {told["photo"] for told in descriptions(calm)} == {f"photo{number}" for number in range(5)}


def test_the_index_and_the_datasheet_say_what_the_pairs_say(indexed, calm):
    rows = list(csv.DictReader((calm / "index.csv").open(encoding="utf-8", newline="")))
    for row, told in zip(rows, descriptions(calm), strict=True):
        assert (row["id"], row["tag"], row["object"], row["caption"]) == tuple(told[k] for k in ("id", "tag", "object", "caption"))
        assert [int(row["down"]), int(row["right"])] == told["shift"]
    sheet = (calm / "datasheet.md").read_text(encoding="utf-8")
    assert "7 pairs." in sheet
    assert "**Different photos**: 5, of 5" in sheet
    assert "> Drawn for tests, free for all." in sheet
    for text in (sheet, (calm / "pairs.json").read_text()):
        assert str(indexed.parent) not in text
        assert str(calm.parent) not in text
    assert Image.open(calm / "sheet.jpg").size[0] > 1000


def test_tars_hold_what_folders_hold(indexed, calm, tmp_path):
    build_pairs(indexed, tmp_path / "tars", OlrdSettings(**{**vars(SEVEN), "per_shard": 3}))
    found = contents(tmp_path / "tars")
    assert sorted(set(found) - {"pairs.json", "datasheet.md"}) == ["000000.tar", "000001.tar", "000002.tar", "index.csv", "sheet.jpg"]
    assert found["index.csv"] == (calm / "index.csv").read_bytes()
    assert found["sheet.jpg"] == (calm / "sheet.jpg").read_bytes()
    members: dict[str, bytes] = {}
    order = []
    for name in ("000000.tar", "000001.tar", "000002.tar"):
        with tarfile.open(fileobj=io.BytesIO(found[name])) as tar:
            for entry in tar:
                assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) == (0, 0, 0, "", "", 0o644)
                members[entry.name] = tar.extractfile(entry).read()
                order.append(entry.name.partition(".")[0])
    assert order == [f"{seed:06d}" for seed in range(3, 10) for _ in KINDS]  # a sample's files are together
    wanted = {f"{seed:06d}.{f'{kind}.png' if end == 'png' else end}": (kind, end) for seed in range(3, 10) for kind, end in KINDS}
    assert members == {name: (calm / kind / f"{name[:6]}.{end}").read_bytes() for name, (kind, end) in wanted.items()}


def test_a_shard_reads_by_webdataset_s_rule(indexed, tmp_path):
    """The key is the name up to the first dot, the field the rest."""
    build_pairs(indexed, tmp_path / "set", OlrdSettings(2, part="all", per_shard=2))
    samples: dict[str, set[str]] = {}
    with tarfile.open(tmp_path / "set" / "000000.tar") as tar:
        for name in tar.getnames():
            key, _, field = name.partition(".")
            samples.setdefault(key, set()).add(field)
    assert samples == {key: {"input.png", "truth.png", "mask.png", "json"} for key in ("000000", "000001")}


def test_a_build_that_was_broken_is_mended(indexed, calm, tmp_path):
    out = tmp_path / "broken"
    shutil.copytree(calm, out)
    (out / "input" / "000004.png").unlink()
    photo = out / "truth" / "000005.png"
    photo.write_bytes(photo.read_bytes()[:500])
    (out / "about" / "000006.json").write_text("{")
    (out / "mask" / "000007.png.part").write_bytes(b"half")
    (out / "sheet.jpg").unlink()
    build_pairs(indexed, out, SEVEN)
    assert contents(out) == contents(calm)


def test_a_broken_shard_is_made_again(indexed, tmp_path):
    settings = OlrdSettings(4, part="all", per_shard=2)
    build_pairs(indexed, tmp_path / "set", settings)
    before = contents(tmp_path / "set")
    shard = tmp_path / "set" / "000001.tar"
    for cut in (700, 10240):
        shard.write_bytes(before["000001.tar"][:cut])
        assert not PairShards(tmp_path / "set", settings.seeds, 2).is_complete(1)
    build_pairs(indexed, tmp_path / "set", settings)
    assert contents(tmp_path / "set") == before


def test_what_a_captioner_wrote_stays(indexed, calm, tmp_path):
    out = tmp_path / "captioned"
    shutil.copytree(calm, out)
    free = next(told["id"] for told in descriptions(calm) if not told["caption"])
    (out / "truth" / f"{free}.txt").write_text("Green grass.\n")
    (out / "input" / "000003.png").unlink()
    build_pairs(indexed, out, SEVEN)
    assert (out / "truth" / f"{free}.txt").read_text() == "Green grass.\n"


def test_an_interrupted_build_goes_on(indexed, calm, tmp_path, monkeypatch, capsys):
    out, make = tmp_path / "stopped", olrd_set._make

    def interrupted(photos, annotations, out, settings, number):
        if number == 5:
            raise KeyboardInterrupt
        return make(photos, annotations, out, settings, number)

    monkeypatch.setattr(olrd_set, "_make", interrupted)
    assert main(arguments(indexed, out)) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert sorted(path.name for path in (out / "about").iterdir()) == ["000003.json", "000004.json"]
    assert not (out / "index.csv").exists()
    monkeypatch.setattr(olrd_set, "_make", make)
    assert main(arguments(indexed, out)) == 0
    assert "5/5 pairs" in capsys.readouterr().err
    assert contents(out) == contents(calm)


def test_what_is_whole_is_not_made_again(indexed, calm, tmp_path, monkeypatch):
    out = tmp_path / "again"
    shutil.copytree(calm, out)
    (out / "about" / "000008.json").unlink()
    made = []
    monkeypatch.setattr(olrd_set, "_make", lambda *a, make=olrd_set._make: made.append(a[-1]) or make(*a))
    build_pairs(indexed, out, SEVEN)
    assert made == [8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 8}, "holds pairs made with count 7, but now count is 8"),
        ({"per_shard": 2}, "made with per_shard 0, but now per_shard is 2"),
        ({"long_side": 64}, "made with long_side 0, but now long_side is 64"),
    ],
)
def test_another_setting_in_the_same_folder_is_an_error_that_says_which(indexed, calm, change, message):
    with pytest.raises(ValueError, match=message):
        build_pairs(indexed, calm, OlrdSettings(**{**vars(SEVEN), **change}))


def test_other_photos_are_an_error(indexed, calm, tmp_path):
    other, out = tmp_path / "photos", tmp_path / "set"
    shutil.copytree(indexed, other)
    shutil.copytree(calm, out)
    build_pairs(other, out, SEVEN)  # a copy is the same
    (other / "photo2.txt").write_text("Now with a caption.")
    with pytest.raises(ValueError, match="made with photos "):
        build_pairs(other, out, SEVEN)


def test_a_long_side_makes_photos_smaller(indexed, tmp_path):
    build_pairs(indexed, tmp_path / "small", OlrdSettings(1, part="all", long_side=100))
    assert {Image.open(tmp_path / "small" / kind / "000000.png").size for kind in ("input", "truth", "mask")} == {(100, 75)}


def test_people_are_told_apart_and_other_things_by_where_they_touch(indexed):
    entry = panoptic_photos(indexed, None, "all")[1]
    values, people = scene_of(1)[1:]
    _, panoptic = load_panoptic(entry)
    assert [(s.id, s.name, s.thing) for s in panoptic.segments] == [
        (1, "person", True),
        (2, "person", True),
        (3, "car", True),
        (4, "sky-other-merged", False),
        (5, "grass-merged", False),
    ]
    labels = panoptic.labels.numpy()
    assert np.array_equal(labels == 1, people == 1)
    assert np.array_equal(labels == 2, people == 2)
    assert np.array_equal(labels == 0, values == 0)


def test_coco_s_own_layout(tmp_path):
    photos, listing = make_coco(tmp_path / "coco")
    entries = panoptic_photos(photos, listing, "all")
    assert [entry.name for entry in entries] == ["photo0", "photo1", "photo2"]
    for number, entry in enumerate(entries):
        _, panoptic = load_panoptic(entry)
        values, people = scene_of(number)[1:]
        kinds = {s.id: s for s in panoptic.segments}
        assert {s.category for s in kinds.values()} == {1, 3, 187, 193}
        assert [s.crowd for s in panoptic.segments if s.category == 3] == [number == 0]
        assert np.array_equal(panoptic.labels.numpy() == 3 * 70001, people == 1)
        assert np.array_equal(panoptic.labels.numpy() == 0, values == 0)
    out = tmp_path / "set"
    assert main([*arguments(photos, out), "--panoptic", str(listing)]) == 0
    assert len(descriptions(out)) == 7
    assert all((told["photo"], told["object"]) != ("photo0", "car") for told in descriptions(out))


def test_the_two_splits_share_no_photo(tmp_path):
    photos = make_indexed(tmp_path / "many", 12)
    names = {part: {entry.name for entry in panoptic_photos(photos, None, part)} for part in ("train", "held-out", "all")}
    assert names["train"]
    assert names["held-out"]
    assert not names["train"] & names["held-out"]
    assert names["train"] | names["held-out"] == names["all"]


def test_errors_name_what_is_missing(indexed, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(arguments(tmp_path / "empty", tmp_path / "set")) == 2
    assert "index.json is not there" in capsys.readouterr().err
    (tmp_path / "empty" / "index.json").write_text('[{"name": "a", "panoptic": {"1": "person"}, "things": [1]}]')
    assert main(arguments(tmp_path / "empty", tmp_path / "set")) == 2
    assert "holds no photo with its panoptic map, of the 1 that index.json tells of" in capsys.readouterr().err
    (tmp_path / "empty" / "index.json").write_text('{"photos": 3}')
    assert main(arguments(tmp_path / "empty", tmp_path / "other")) == 2
    assert "cannot be read as a list of photos" in capsys.readouterr().err
    small = tmp_path / "small"
    shutil.copytree(indexed, small)
    Image.new("L", (10, 20)).save(small / "photo0_panoptic.png")
    assert main(arguments(small, tmp_path / "third")) == 2
    assert "photo0_panoptic.png is 10×20, but its photo is 128×96" in capsys.readouterr().err


def test_photos_without_anything_to_move_are_an_error(tmp_path):
    photos = make_indexed(tmp_path / "photos", 2)
    for number in range(2):
        Image.new("L", (128, 96), 193).save(photos / f"photo{number}_panoptic.png")
    with pytest.raises(ValueError, match="none of the 2 photos has a thing"):
        build_pairs(photos, tmp_path / "set", OlrdSettings(1, part="all"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count is 0, but it must be at least 1"),
        ({"count": 1, "per_shard": -1}, "per_shard is -1, but it must be at least 0"),
        ({"count": 1, "part": "some"}, 'part is "some", but it must be one of train, held-out, all'),
    ],
)
def test_errors_name_the_setting(arguments, message):
    with pytest.raises(ValueError, match=message):
        OlrdSettings(**arguments)
