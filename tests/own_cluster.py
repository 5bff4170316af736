"""A Ray cluster of this machine, for tests of bulk work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from shapes import ROOT

from mild_core.batch.cluster import Cluster, joined
from mild_core.batch.engine import Policy

pytest.importorskip("ray", reason="the extra [scale] is not installed")

QUICK = Policy(pause=0.01)
TWO = Cluster(workers=2, cpus=0.5, address="local", dashboard=False)


@contextmanager
def own_cluster() -> Iterator[None]:
    """One for the length of the block, whose workers find what lies in tests/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "tests"))
        with joined(TWO):
            yield
