"""The command that scores erasers, from a benchmark's folder to the table."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT, disc

from mild_core.bench import erasers
from mild_core.bench.__main__ import main
from mild_core.bench.store import read_runs

SIZE, COUNT = 48, 3
FEW = ["--measures", "psnr.hole,psnr.background,seam_colour.hole"]


@pytest.fixture
def bench(tmp_path) -> Path:
    """Three photos with their masks and truths."""
    folder = tmp_path / "small"
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for number in range(1, COUNT + 1):
        mask = disc(SIZE, SIZE, 24, 16 + 5 * number, 6).numpy() > 0
        truth = np.stack([rows * 3, columns * 3, (rows + columns) * number], -1).astype(np.uint8)
        photo = np.where(mask[..., None], 255, truth).astype(np.uint8)
        for kind, pixels in (("photos", photo), ("masks", mask.astype(np.uint8) * 255), ("truth", truth)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"p{number}.png")
    return folder


def command(bench: Path, *more: str) -> list[str]:
    return [str(bench), "--out", str(bench.parent / "out"), *FEW, *more]


def kept(bench: Path) -> dict[str, bytes]:
    runs = bench.parent / "out" / "runs"
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*.png")}


def test_a_table_a_page_and_the_results(bench, capsys):
    assert main(command(bench, "--eraser", "telea", "--eraser", "mine=ns", "--eraser", "exemplar", "--baseline", "telea")) == 0
    said = capsys.readouterr()
    assert all(f"| {name} |" in said.out for name in ("telea", "mine", "exemplar"))
    assert "telea 3/3 p3: PSNR" in said.err
    assert "telea 1/3 p1: PSNR" in said.err
    assert "s each, " in said.err
    runs = read_runs(bench.parent / "out")
    assert [run.eraser for run in runs] == ["telea", "mine", "exemplar"]
    for run in runs:
        assert [row.id for row in run.rows] == ["p1", "p2", "p3"]
        assert all(row.scores["psnr.hole"] > 15 for row in run.rows)
    (telea,) = [run for run in runs if run.eraser == "telea"]
    assert all(row.scores["psnr.background"] == float("inf") for row in telea.rows), "not a pixel outside the hole has changed"
    assert telea.bench == "small"
    assert telea.settings["settings"]["layout"] == "pairs"


def test_the_command_goes_on_with_more_cases_and_more_erasers(bench, capsys):
    assert main(command(bench, "--eraser", "telea", "--limit", "1")) == 0
    capsys.readouterr()
    assert main(command(bench, "--eraser", "telea", "--eraser", "ns", "--ids", "p1,p3")) == 0
    said = capsys.readouterr().err
    assert "telea 1/1 p3" in said
    assert "ns 2/2 p3" in said
    assert main(["--report-only", "--out", str(bench.parent / "out")]) == 0
    assert "| ns |" in capsys.readouterr().out


def test_after_an_interrupt_the_same_command_goes_on(bench, capsys, monkeypatch):
    assert main(command(bench, "--eraser", "ns")) == 0
    calm = kept(bench)
    (bench.parent / "out").rename(bench.parent / "calm")
    erase, did = erasers.Inpaint.__call__, []

    def interrupted(self, task):
        did.append(task.id)
        if len(did) == 2:
            raise KeyboardInterrupt
        return erase(self, task)

    monkeypatch.setattr(erasers.Inpaint, "__call__", interrupted)
    assert main(command(bench, "--eraser", "ns")) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(kept(bench)) == 1
    assert main(command(bench, "--eraser", "ns")) == 0
    assert did == ["p1", "p2", "p2", "p3"]
    assert kept(bench) == calm


def test_again_throws_one_erasers_pictures_away(bench, capsys):
    assert main(command(bench, "--eraser", "telea", "--eraser", "mine=ns", "--limit", "2")) == 0
    assert main(command(bench, "--eraser", "mine=telea")) == 1
    assert "erase anew with --again mine" in capsys.readouterr().err
    assert main(command(bench, "--eraser", "mine=telea", "--again", "mine", "--limit", "1")) == 0
    rows = {run.eraser: len(run.rows) for run in read_runs(bench.parent / "out")}
    assert rows == {"telea": 2, "mine": 1}


def test_an_eraser_that_cannot_start_leaves_the_others_and_is_told(bench, capsys, monkeypatch):
    monkeypatch.delenv("MILD_CORE", raising=False)
    graph = f"ours={ROOT / 'workflows' / 'api' / 'erase.json'}"
    assert main(command(bench, "--eraser", graph, "--eraser", "telea")) == 1
    said = capsys.readouterr()
    assert "ours cannot go on: no ComfyUI could be started (MILD_CORE is not set" in said.err
    assert "ours is not in the table" in said.err
    assert "| telea |" in said.out


def test_a_measure_whose_network_is_not_there_is_told_before_anything_is_erased(bench, capsys):
    asked = [word.replace("psnr.hole", "fid.full,psnr.hole") for word in command(bench, "--eraser", "telea", "--limit", "1")]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert said.err.count("fid.full is left out: no folder of networks was given") == 1
    assert said.err.index("fid.full is left out") < said.err.index("telea 1/1")
    assert "fid.full" in said.out


def test_one_bad_picture_of_others_is_told_and_the_command_succeeds(bench, capsys):
    made = bench.parent / "made"
    made.mkdir()
    for number in (1, 2):
        (made / f"p{number}.png").write_bytes((bench / "truth" / f"p{number}.png").read_bytes())
    assert main(command(bench, "--eraser", f"theirs=folder:{made}", "--eraser", "telea")) == 0
    assert "theirs 3/3 p3: failed: FileNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--eraser", "lama"], "eraser is 'lama', but it must be"),
        (["--eraser", "telea", "--eraser", "telea"], "two erasers are called 'telea'"),
        (["--eraser", "telea", "--protocol", "ours"], "protocol is 'ours', but it must be one of scenes"),
        (["--eraser", "telea", "--layout", "mine"], "layout is 'mine'"),
        (["--eraser", "telea", "--measures", "psnr.nose"], "measure is 'psnr.nose', but psnr is taken in full, hole, box, background"),
        (["--eraser", "telea", "--ids", "p1,p9"], "case 'p9' is asked for"),
        (["--eraser", "telea", "--baseline", "ns"], "baseline is 'ns', but it must be one of the erasers telea"),
        (["--eraser", "telea", "--again", "ns"], "again is 'ns'"),
        (["--eraser", "telea", "--slot", "photo"], "slot is 'photo', but it must be"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(bench, capsys, more, said):
    assert main(command(bench, *more)) == 1
    assert f"mild-score: {said}" in capsys.readouterr().err
    assert not (bench.parent / "out").exists()


@pytest.mark.parametrize("argv", [["--out", "x"], ["bench", "--out", "x"], ["bench", "--eraser", "telea", "--report-only", "--out", "x"]])
def test_a_command_that_asks_for_nothing_says_how(argv, capsys):
    with pytest.raises(SystemExit):
        main(argv)
    assert "give a benchmark and at least one --eraser, or --report-only" in capsys.readouterr().err


def test_a_termination_leaves_what_was_done(bench):
    """A real process that is ended while it erases."""
    code = (
        "import sys, time; from mild_core.bench import erasers, __main__ as m\n"
        "erase = erasers.Inpaint.__call__\n"
        "def slow(self, task):\n"
        "    if task.id == 'p2': print('now', flush=True); time.sleep(60)\n"
        "    return erase(self, task)\n"
        "erasers.Inpaint.__call__ = slow\n"
        "sys.exit(m.main(sys.argv[1:]))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, *command(bench, "--eraser", "telea")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "now\n"
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    (left,) = read_runs(bench.parent / "out")
    assert [row.id for row in left.rows] == ["p1"]
    assert json.loads((left.folder / "run.json").read_text())["eraser"] == "telea"
