"""The web side's pure modules, each tested in JavaScript by a file of its own beside this one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from javascript import node
from shapes import ROOT

SUITES = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.skipif(node() is None, reason="needs Node.js, on the PATH or in the playwright package")
@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_in_javascript(suite):
    ran = subprocess.run([str(node()), "--test", str(suite)], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("module", sorted((ROOT / "web").rglob("*.js")), ids=lambda path: path.relative_to(ROOT / "web").as_posix())
def test_no_text_is_read_as_html_or_code(module):
    """Names of layers come with workflows, from anybody."""
    found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", module.read_text(encoding="utf-8"))
    assert not found
