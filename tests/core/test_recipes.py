"""Recipes by name: their files are read or refused, and each can be run as its file says."""

import inspect
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from shapes import ROOT

from mild_core.training.__main__ import main
from mild_core.training.card import write_card
from mild_core.training.loop import Recipe
from mild_core.training.recipes import RECIPES, read_plan

FILES = sorted((ROOT / "mild_core" / "training" / "recipes").glob("*.toml"))
GOOD = """
recipe = "mini"
out = "runs/x"
minutes = 5
[files]
pairs = "runs/pairs"
[settings]
steps = 7
lr = 1
[result]
out = "made/x.safetensors"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_what_its_entry_says(name):
    kind = RECIPES[name]
    of_train, of_export = (inspect.signature(function).parameters for function in (kind.train, kind.export))
    own = {"out", "recipe", "minutes"}
    assert own <= of_train.keys()
    assert {n for n, p in of_train.items() if p.default is p.empty} - own == set(kind.files)
    assert {*kind.files, *kind.more_files} <= of_train.keys()
    assert {n for n, p in of_export.items() if p.default is p.empty} - {"run"} == set(kind.result)
    assert {*kind.result, *kind.more_result} <= of_export.keys()
    made = kind.settings_of({})
    assert is_dataclass(made)
    assert all(isinstance(getattr(made, field.name), int | float | str) for field in fields(made)), "what a file can say"
    assert {"seed", "save_every", "ema", "precision"} <= {field.name for field in fields(made)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_that_ship_can_be_read(path):
    assert read_plan(path).name == path.stem


def test_every_recipe_has_a_file():
    assert {path.stem for path in FILES} == set(RECIPES)


def test_a_file_is_read(file):
    plan = read_plan(file)
    assert plan.out == Path("runs/x")
    assert plan.minutes == 5.0
    assert plan.files == {"pairs": Path("runs/pairs")}
    assert plan.result == {"out": Path("made/x.safetensors")}
    assert plan.settings == Recipe(steps=7, lr=1.0)


def test_the_command_line_changes_what_the_file_says(file):
    changes = ["settings.steps=9", "settings.precision=no", "files.start_from=a b.safetensors", "minutes=0.5", "out=/tmp/x=y"]
    plan = read_plan(file, changes)
    assert plan.settings == Recipe(steps=9, lr=1.0, precision="no")
    assert plan.files["start_from"] == Path("a b.safetensors")
    assert (plan.minutes, plan.out) == (0.5, Path("/tmp/x=y"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipe=magic", r"recipe is 'magic', but it must be one of mini, adapter"),
        ("settings.step=3", r"settings\.step is unknown: did you mean steps\? there are steps, batch"),
        ("settings.steps=many", r"settings\.steps is 'many', but it must be a int"),
        ("settings.steps=true", r"settings\.steps is True, but it must be a int"),
        ("settings.steps=2.5", r"settings\.steps is 2\.5, but it must be a int"),
        ("files.photos=x", r"files\.photos is unknown: there are pairs, start_from"),
        ("files.pairs=3", r"files\.pairs is 3, but it must be text"),
        ("result.name=x", r"result\.name is unknown: there are out"),
        ("minute=3", r"minute is unknown: did you mean minutes\?"),
        ("minutes=long", r"minutes is 'long', but it must be a float"),
        ("out=3", r"out is 3, but it must be the folder of the run"),
        ("steps", r"'steps' changes nothing: it must be KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_named(file, change, said):
    with pytest.raises(ValueError, match=said):
        read_plan(file, [change])


def test_what_is_missing_is_named(file):
    file.write_text(GOOD.replace('pairs = "runs/pairs"', ""))
    with pytest.raises(ValueError, match=r"files\.pairs is missing: this recipe needs pairs"):
        read_plan(file)
    file.write_text("recipe = mini")
    with pytest.raises(ValueError, match=r"mine\.toml is no TOML"):
        read_plan(file)


def test_the_command_says_what_is_wrong_and_writes_nothing(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(tmp_path / "none.toml")]) == 2
    assert main(["train", str(file), "settings.step=3"]) == 2
    assert main(["train", str(file), "--result-only"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "none.toml" in said[0]
    assert "did you mean steps?" in said[1]
    assert "runs/x holds no checkpoint" in said[2]
    assert list(tmp_path.iterdir()) == [file]


def test_a_card_needs_something_to_be_a_card_of(file):
    with pytest.raises(ValueError, match="runs/x has made no file"):
        write_card(read_plan(file), [])
