"""The web side's types, against the frontend's own."""

from __future__ import annotations

import pytest
from shapes import ROOT

from scripts.check_web import UnavailableError, check, compiler


@pytest.fixture(scope="module")
def typescript():
    try:
        return compiler()
    except UnavailableError as error:
        pytest.skip(f"needs TypeScript from the npm registry: {error}")


def test_every_type_is_right(typescript):
    assert check(typescript).stdout == ""


def test_a_wrong_type_is_found(typescript, tmp_path):
    wrong = tmp_path / "wrong.js"
    wrong.write_text(f'import {{ api }} from "{ROOT}/web/shared/host.js";\napi.noSuchMethod();\n')
    assert "noSuchMethod" in check(typescript, wrong).stdout
