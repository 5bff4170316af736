"""What tests of pure code share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_precision():
    """accelerate keeps the precision of the first run of a process, and refuses another."""
    yield
    state = sys.modules.get("accelerate.state")
    if state is not None:
        state.AcceleratorState._reset_state(reset_partial_state=True)
