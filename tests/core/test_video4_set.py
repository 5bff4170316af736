import csv
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tiny_clips
from PIL import Image
from tiny_clips import save_clip

from mild_core.data import video4_set
from mild_core.data.__main__ import main
from mild_core.data.video4 import PairSettings
from mild_core.data.video4_set import MaskSource, build_video4
from mild_core.data.workers import Processes
from mild_core.training.prompt_pairs import ErasurePairs

FEW = PairSettings(every=3, most=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two clips in which something moves, one in which nothing does, and a file that is no video."""
    root = tmp_path_factory.mktemp("root")
    for name, moving in (("street walk", True), ("still", False), ("yard", True)):
        save_clip(root / "videos", name, moving, track=root / "tracks")
    (root / "videos" / "torn.mp4").write_bytes(b"no video at all")
    (root / "tracks" / "torn").mkdir()
    (root / "videos" / "README.md").write_text("Drawn, free for all.\n")
    return root


@pytest.fixture(scope="module")
def calm(root, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "calm"
    build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8", newline="")))


def test_two_builds_are_equal_whatever_the_number_of_processes(root, calm, tmp_path, capsys):
    build_video4(root / "videos", MaskSource(root / "tracks"), tmp_path / "two", FEW, workers=Processes(2))
    told = capsys.readouterr().err
    assert "still.mkv gives no pair: no frame has 15% to 80% of its pixels in motion" in told
    assert "torn.mp4 gives no pair: torn.mp4 cannot be read as a video" in told
    assert contents(tmp_path / "two") == contents(calm)


def test_files_are_what_the_index_says(calm):
    rows = rows_of(calm / "index.csv")
    assert {row["clip"] for row in rows} == {"street walk.mkv", "yard.mkv"}
    found = contents(calm)
    pictures = {f"{kind}/{row['id']}.png" for row in rows for kind in ("input", "truth", "mask")}
    records = {f"clips/{name}.json" for name in ("street walk", "still", "yard", "torn")}
    assert set(found) == pictures | records | {"video4removal.json", "index.csv", "clips.csv", "datasheet.md", "sheet.jpg"}
    for row in rows:
        number = int(row["frame"])
        assert row["id"] == f"{row['clip'][:-4]}_{number:06d}"
        shown, truth, mask = (np.asarray(Image.open(calm / kind / f"{row['id']}.png")) for kind in ("input", "truth", "mask"))
        assert np.array_equal(shown, tiny_clips.frame(number))
        assert np.array_equal(truth, tiny_clips.frame(int(row["background"])))
        assert np.array_equal(mask > 0, tiny_clips.disc(number))
    assert len(rows) == 8


def test_clips_say_why_they_give_nothing(calm):
    told = {row["clip"]: row for row in rows_of(calm / "clips.csv")}
    assert [told[name]["pairs"] for name in ("still.mkv", "torn.mp4", "yard.mkv")] == ["0", "0", "4"]
    assert "in motion" in told["still.mkv"]["why_none"]
    assert "cannot be read" in told["torn.mp4"]["why_none"]
    assert told["yard.mkv"]["why_none"] == ""
    sheet = (calm / "datasheet.md").read_text(encoding="utf-8")
    assert "2 of 4 give pairs; 1 cannot be read" in sheet
    assert "> Drawn, free for all." in sheet


def test_nothing_tells_where_it_was_made(root, calm):
    for path in calm.rglob("*"):
        if path.suffix in (".json", ".csv", ".md"):
            assert str(root) not in path.read_text(encoding="utf-8")


def test_training_reads_it(calm):
    pairs = ErasurePairs(calm, 32)
    assert len(pairs) == 8
    assert pairs.read(3).hole.mean() > 0.1


def test_an_interrupted_build_goes_on_to_equal_bytes(root, calm, tmp_path, monkeypatch):
    out, make = tmp_path / "stopped", video4_set._make

    def interrupted(*given):
        if given[-1] == 3:  # the last clip: killed with two of its pictures written
            (out / "input" / "yard_000017.png").write_bytes(b"half")
            (out / "truth" / "yard_000017.png.part").write_bytes(b"half")
            raise KeyboardInterrupt
        return make(*given)

    monkeypatch.setattr(video4_set, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW)
    assert not (out / "index.csv").exists()
    made = []
    monkeypatch.setattr(video4_set, "_make", lambda *given: made.append(given[-1]) or make(*given))
    build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW)
    assert made == [2, 3]  # what could not be read is tried again
    assert contents(out) == contents(calm)


def test_a_picture_that_is_gone_is_made_again(root, calm, tmp_path):
    out = tmp_path / "broken"
    shutil.copytree(calm, out)
    (out / "truth" / f"{rows_of(calm / 'index.csv')[0]['id']}.png").unlink()
    (out / "clips" / "still.json").write_text("{")
    build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW)
    assert contents(out) == contents(calm)


def everything_that_moves(frame: np.ndarray, moving: np.ndarray) -> np.ndarray:
    return moving == 255


def test_a_function_may_tell_the_masks(root, tmp_path):
    build_video4(root / "videos", MaskSource(function=everything_that_moves), tmp_path / "set", FEW)
    assert len(rows_of(tmp_path / "set" / "index.csv")) == 8
    told = json.loads((tmp_path / "set" / "video4removal.json").read_text())
    assert told["masks"].endswith("test_video4_set.everything_that_moves")


def test_videos_that_give_nothing_are_an_error(root, tmp_path):
    save_clip(tmp_path / "videos", "still", moving=False)
    with pytest.raises(ValueError, match=r"none of the 1 videos in .* gives a pair"):
        build_video4(tmp_path / "videos", MaskSource(function=everything_that_moves), tmp_path / "set", FEW)
    assert "in motion" in (tmp_path / "set" / "clips.csv").read_text()


def test_errors_name_the_input(root, calm):
    with pytest.raises(ValueError, match="masks come from nothing, but they must come from one of"):
        MaskSource()
    with pytest.raises(ValueError, match="masks come from tracks and network"):
        MaskSource(root, root)
    with pytest.raises(ValueError, match="made with settings"):
        build_video4(root / "videos", MaskSource(root / "tracks"), calm, PairSettings(every=3, most=5))


def test_the_command_builds_the_same(root, calm, tmp_path, capsys):
    split = FEW.split
    settings = [f"--foreground={split.foreground}", f"--most={split.most}", f"--background={split.background}", f"--blur={split.blur}"]
    settings += [f"--match={FEW.where}", f"--every={FEW.every}", f"--pairs={FEW.most}", f"--covered={FEW.covered}"]
    out = tmp_path / "set"
    assert main(["video4removal", f"--videos={root / 'videos'}", f"--masks={root / 'tracks'}", f"--out={out}", *settings]) == 0
    assert contents(out) == contents(calm)
    assert main(["video4removal", "--videos=/nowhere", f"--masks={root / 'tracks'}", f"--out={tmp_path / 'none'}"]) == 2
    assert "/nowhere" in capsys.readouterr().err


# -- tars --------------------------------------------------------------------------------------------------------------


def test_tars_hold_what_folders_hold(root, calm, tmp_path):
    out = tmp_path / "tars"
    build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW, Processes(2), tars=True)
    rows = rows_of(out / "index.csv")
    assert rows == rows_of(calm / "index.csv")
    found = contents(out)
    assert {name for name in found if not name.startswith("clips/")} == {
        *("street walk.tar", "yard.tar", "video4removal.json", "index.csv", "clips.csv", "datasheet.md", "sheet.jpg")
    }
    for name in ("clips.csv", "sheet.jpg", "clips/yard.json"):
        assert found[name] == (calm / name).read_bytes()
    pictures: dict[str, bytes] = {}
    for clip in ("street walk", "yard"):
        with tarfile.open(out / f"{clip}.tar") as tar:
            ends = ("input.png", "truth.png", "mask.png", "json")
            ids = [row["id"] for row in rows if row["clip"] == f"{clip}.mkv"]
            assert tar.getnames() == [f"{id}.{end}" for id in ids for end in ends]
            for id in ids:
                told = json.loads(tar.extractfile(f"{id}.json").read())
                assert (told["id"], told["caption"], str(told["frame"])) == (id, "", str(int(id[-6:])))
                pictures |= {f"{end[:-4]}/{id}.png": tar.extractfile(f"{id}.{end}").read() for end in ends[:3]}
    assert pictures == {name: data for name, data in contents(calm).items() if name.split("/")[0] in ("input", "truth", "mask")}
    assert "2 WebDataset tars" in (out / "datasheet.md").read_text(encoding="utf-8")
    before, made = dict(found), []
    (out / "yard.tar").write_bytes(found["yard.tar"][:10240])
    (out / "yard.tar.1.part").mkdir()
    noting = lambda make, units: map(make, made.extend(units) or units)  # noqa: E731
    build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW, noting, tars=True)
    assert contents(out) == before
    assert made == [2, 3]  # and what could not be read
    with pytest.raises(ValueError, match="made with tars True, but now tars is None"):
        build_video4(root / "videos", MaskSource(root / "tracks"), out, FEW)


def test_dots_of_a_name_are_no_dots_of_a_key(root, tmp_path):
    videos, masks = tmp_path / "videos", MaskSource(function=everything_that_moves)
    videos.mkdir()
    shutil.copy(root / "videos" / "yard.mkv", videos / "yard.v2.mkv")
    build_video4(videos, masks, tmp_path / "set", FEW, tars=True)
    (first, *_) = rows_of(tmp_path / "set" / "index.csv")
    assert first["id"].startswith("yard-v2_")
    with tarfile.open(tmp_path / "set" / "yard.v2.tar") as tar:
        assert tar.getnames()[0] == f"{first['id']}.input.png"
    shutil.copy(root / "videos" / "yard.mkv", videos / "yard-v2.mkv")
    with pytest.raises(ValueError, match=r"the pairs of yard-v2.mkv and yard.v2.mkv would be called alike, yard-v2_…: rename one"):
        build_video4(videos, masks, tmp_path / "two", FEW, tars=True)
