"""The commands that come with the package are there."""

import importlib
import sys

import pytest
from shapes import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_command_tells_how_it_is_used(command, monkeypatch, capsys):
    module, _, function = SCRIPTS[command].partition(":")
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as end:
        getattr(importlib.import_module(module), function)()
    assert end.value.code == 0
    assert {"mild-pairs": "syn4removal", "mild-train": "KEY=VALUE", "mild-batch": "mild-batch run"}.get(
        command, "--out"
    ) in capsys.readouterr().out


def test_the_page_of_the_report_is_packaged():
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]["mild_core"]
    found = {path for pattern in packaged for path in (ROOT / "mild_core").glob(pattern)}
    assert set((ROOT / "mild_core" / "bench" / "page").iterdir()) <= found
    assert ROOT / "mild_core" / "models" / "mini.safetensors" in found
