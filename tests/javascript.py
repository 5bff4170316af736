"""A JavaScript runtime for tests of the web side that need no browser."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["node"]


def node() -> str | None:
    """The path of Node.js: the one on the PATH, else the one that the playwright package carries; None where there is neither."""
    on_path = shutil.which("node")
    if on_path:
        return on_path
    try:
        import playwright
    except ImportError:
        return None
    carried = Path(playwright.__file__).parent / "driver" / "node"
    return str(carried) if carried.exists() else None
