import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mild_core.data import syn4_scan, syn4_set
from mild_core.data.__main__ import main
from mild_core.data.syn4_set import NOT_SCORED, Sources, Syn4Settings, build_syn4
from mild_core.data.workers import Processes
from mild_core.training.prompt_pairs import ErasurePairs

KINDS = (("input", "png"), ("truth", "png"), ("mask", "png"), ("about", "json"))
SIX = Syn4Settings(6, first=2, part="all", size=96, least_side=64)


def make_things(root: Path, people: int, dogs: int) -> Path:
    """Photos of noise with two people who touch and something small, and, in a folder of their own, with a dog."""
    rng = np.random.default_rng(0)
    for number in range(people + dogs):
        folder = root if number < people else root / "dog"
        folder.mkdir(parents=True, exist_ok=True)
        values = np.zeros((96, 128), np.uint8)
        if number < people:
            values[20:75, 20 + number : 40 + number], values[20:75, 40 + number : 60 + number], values[5:15, 100:120] = 1, 2, 3
        else:
            values[30:60, 40:75] = 9
        photo = rng.integers(0, 30, (96, 128, 3)) + 50 * values[..., None].clip(0, 4)
        Image.fromarray(photo.astype(np.uint8)).save(folder / f"photo{number}.jpg")
        Image.fromarray(values).save(folder / f"photo{number}.png")
    return root


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Sources:
    """Five photos of people and six of a dog; backgrounds, one with a map, one too small."""
    root = tmp_path_factory.mktemp("photos")
    instances = make_things(root / "instances", 5, 6)
    rng = np.random.default_rng(0)
    backgrounds = root / "backgrounds"
    backgrounds.mkdir()
    for number, size in enumerate([(96, 128), (128, 96), (100, 100), (40, 200)]):
        Image.fromarray(rng.integers(100, 140, (*size, 3), dtype=np.uint8)).save(backgrounds / f"place{number}.jpg")
    things = np.zeros((96, 128), np.uint8)
    things[30:60, 40:70] = 1
    Image.fromarray(things).save(backgrounds / "place0.png")
    (backgrounds / "README.md").write_text("Noise, free for all.\n")
    return Sources(instances, backgrounds)


@pytest.fixture(scope="module")
def calm(sources, tmp_path_factory) -> Path:
    """Six pairs in plain folders, built by one process."""
    out = tmp_path_factory.mktemp("sets") / "calm"
    build_syn4(sources, out, SIX)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_builds_are_equal_whatever_the_number_of_processes(sources, calm, tmp_path, capsys, monkeypatch):
    build_syn4(sources, tmp_path / "two", SIX, workers=Processes(2))
    assert "No CLIP folder is given" in capsys.readouterr().err
    found = contents(tmp_path / "two")
    assert found == contents(calm)
    files = {f"{folder}/{seed:06d}.{end}" for seed in range(2, 8) for folder, end in KINDS}
    whole = {"syn4removal.json", "instances.json", "scan/000000.json", "datasheet.md", "index.csv", "sheet.jpg"}
    assert set(found) == files | whole


def test_a_pair_on_disk_is_what_its_lines_say(calm):
    rows = list(csv.DictReader((calm / "index.csv").open(encoding="utf-8", newline="")))
    assert [row["seed"] for row in rows] == [str(seed) for seed in range(2, 8)]
    assert [row["object"] for row in rows] == ["dog", "person"] * 3  # in turn
    for row in rows:
        shown, truth, mask = (np.asarray(Image.open(calm / kind / f"{row['id']}.png")) for kind in ("input", "truth", "mask"))
        told = json.loads((calm / "about" / f"{row['id']}.json").read_text(encoding="utf-8"))
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(shown[mask == 0], truth[mask == 0])
        assert (shown[mask == 255] != truth[mask == 255]).any(-1).mean() > 0.5
        assert float(row["share"]) == pytest.approx((mask > 0).mean(), abs=1e-6)
        assert [int(row["width"]), int(row["height"])] == told["size"] == [96, 96]
        assert row["clip_score"] == NOT_SCORED
        assert row["object"] == ("person", "dog")[row["photo"].startswith("dog/")]
        assert row["background"] != "place3"  # its shorter side is too small
    sheet = (calm / "datasheet.md").read_text(encoding="utf-8")
    assert "6 pairs" in sheet
    assert "no network was given" in sheet
    assert "backgrounds: README.md\n\n> Noise, free for all." in sheet


def test_nothing_tells_where_it_was_made(sources, calm):
    for path in calm.rglob("*"):
        if path.suffix in (".json", ".csv", ".md"):
            assert str(sources.instances.parent) not in path.read_text(encoding="utf-8")


def test_training_reads_it(calm):
    pairs = ErasurePairs(calm, 32)
    assert len(pairs) == 6
    assert pairs.read(0).hole.sum() > 4
    assert pairs.words[0].tag == ""


def test_tars_hold_what_folders_hold(sources, calm, tmp_path):
    build_syn4(sources, tmp_path / "tars", Syn4Settings(**{**vars(SIX), "per_shard": 4}))
    found = contents(tmp_path / "tars")
    assert {name for name in found if name.endswith(".tar")} == {"000000.tar", "000001.tar"}
    assert found["index.csv"] == (calm / "index.csv").read_bytes()
    assert found["sheet.jpg"] == (calm / "sheet.jpg").read_bytes()


def test_an_interrupted_build_goes_on_to_equal_bytes(sources, calm, tmp_path, monkeypatch):
    out, make = tmp_path / "stopped", syn4_set._make

    def interrupted(sources, out, settings, number):
        if number == 4:
            (out / "input" / "000004.png.part").write_bytes(b"half")
            raise KeyboardInterrupt
        return make(sources, out, settings, number)

    monkeypatch.setattr(syn4_set, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_syn4(sources, out, SIX)
    assert sorted(path.name for path in (out / "about").iterdir()) == ["000002.json", "000003.json"]
    assert not (out / "index.csv").exists()
    made = []
    monkeypatch.setattr(syn4_set, "_make", lambda *a: made.append(a[-1]) or make(*a))
    monkeypatch.setattr(syn4_scan, "_scan", lambda *a: pytest.fail("the scan is there"))
    build_syn4(sources, out, SIX)
    assert made == [4, 5, 6, 7]
    assert contents(out) == contents(calm)


def test_a_broken_set_is_mended(sources, calm, tmp_path):
    out = tmp_path / "broken"
    shutil.copytree(calm, out)
    photo = out / "truth" / "000005.png"
    photo.write_bytes(photo.read_bytes()[:300])
    (out / "scan" / "000000.json").write_text("[[")
    (out / "instances.json").unlink()
    build_syn4(sources, out, SIX)
    assert contents(out) == contents(calm)


def test_scores_filter_and_stand_in_the_index(sources, tmp_path, monkeypatch, capsys):
    """A scorer that knows a person by the photo's brightness stands for CLIP."""
    from tiny_tuning import save_tiny_tokenizer

    clip = tmp_path / "clip"
    save_tiny_tokenizer(clip)
    for name in ("config.json", "model.safetensors"):
        (clip / name).write_text("{}")
    seen = []

    class Scorer:
        def score(self, photo, thing, word):
            seen.append(word)
            return 0.3 if word == "dog" or len(seen) % 4 else 0.1

    syn4_scan._scorer.cache_clear()
    monkeypatch.setattr(syn4_scan, "ClipScorer", lambda folder, device: Scorer())
    out = tmp_path / "set"
    build_syn4(sources._replace(clip=clip), out, SIX)
    syn4_scan._scorer.cache_clear()
    assert "No CLIP folder" not in capsys.readouterr().err
    told = json.loads((out / "instances.json").read_text())
    assert set(seen) == {"person", "dog"}
    assert told["dropped"]["score"] > 0
    rows = list(csv.DictReader((out / "index.csv").open(encoding="utf-8", newline="")))
    assert {row["clip_score"] for row in rows} == {"0.3"}
    with pytest.raises(ValueError, match="made with clip "):
        build_syn4(sources, out, SIX)


def test_only_whole_things_where_that_is_asked(sources, tmp_path):
    """People who touch hide each other."""
    build_syn4(sources, tmp_path / "set", Syn4Settings(2, part="all", size=64, least_side=64, whole=True))
    told = json.loads((tmp_path / "set" / "instances.json").read_text())
    assert {word: len(found) for word, found in told["instances"].items()} == {"dog": 6}


def test_errors_name_the_input(sources, calm, tmp_path):
    with pytest.raises(ValueError, match="made with size 96, but now size is 64"):
        build_syn4(sources, calm, Syn4Settings(**{**vars(SIX), "size": 64}))
    with pytest.raises(ValueError, match="least_side is 500, but none of the 4 photos"):
        build_syn4(sources, tmp_path / "a", Syn4Settings(**{**vars(SIX), "least_side": 500}))
    with pytest.raises(ValueError, match="count is 0, but it must be at least 1"):
        Syn4Settings(0)
    few = Sources(make_things(tmp_path / "few", 2, 0), sources.backgrounds)
    with pytest.raises(ValueError, match="no class has six that pass; left out were 2 by their size, 0 by CLIP's score and 4 of classes"):
        build_syn4(few, tmp_path / "b", SIX)


def test_the_command_builds_the_same(sources, calm, tmp_path, capsys):
    folders = [f"--instances={sources.instances}", f"--backgrounds={sources.backgrounds}", f"--out={tmp_path / 'set'}"]
    settings = [
        f"--count={SIX.count}",
        f"--first={SIX.first}",
        f"--part={SIX.part}",
        f"--size={SIX.size}",
        f"--least-side={SIX.least_side}",
    ]
    assert main(["syn4removal", *folders, *settings, *(["--whole"] if SIX.whole else [])]) == 0
    assert contents(tmp_path / "set") == contents(calm)
    assert main(["syn4removal", "--instances=/nowhere", *folders[1:], *settings]) == 2
    assert "/nowhere" in capsys.readouterr().err
