"""The pack inside the real ComfyUI core, in this process, on the CPU."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from functools import cache
from types import ModuleType

from shapes import ROOT

TEMP = tempfile.TemporaryDirectory()  # where nodes put what widgets show; the core's own folder is not ours


@cache
def load_pack() -> ModuleType:
    """Import the core that MILD_CORE names and the pack as one of its custom nodes would be."""
    core = os.environ["MILD_CORE"]
    argv, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
    sys.path.insert(0, core)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.cli_args
    import folder_paths

    folder_paths.set_temp_directory(TEMP.name)
    sys.argv = argv
    spec = importlib.util.spec_from_file_location("mild_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    pack = importlib.util.module_from_spec(spec)
    sys.modules["mild_pack"] = pack
    spec.loader.exec_module(pack)
    import mild_pack.nodes  # noqa: F401

    return pack
