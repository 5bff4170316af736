from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def pack():
    """The pack in the real core."""
    if "MILD_CORE" not in os.environ:
        pytest.skip("needs a ComfyUI core: run the tests with `make test`")
    from pack import load_pack

    return load_pack()
