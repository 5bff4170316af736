"""The house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

from shapes import ROOT

# a room may import from the rooms before it, never from one after it
ROOMS = ["scene", "morphology", "plan", "attention", "fill", "compose", "models", "data", "training", "metrics", "remote", "batch", "bench"]


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.relative_to(ROOT).parent.parts
            target = (*base[: len(base) - node.level + 1], *(node.module or "").split("."))
            if len(target) > 1 and target[0] == "mild_core" and target[1]:
                found.add(target[1])
    return found


def test_imports_go_one_way():
    for path in (ROOT / "mild_core").rglob("*.py"):
        parts = path.relative_to(ROOT / "mild_core").parts
        if len(parts) < 2:
            continue
        for other in imported_rooms(path) - {parts[0]}:
            assert ROOMS.index(other) < ROOMS.index(parts[0]), f"{path.relative_to(ROOT)} imports {other}"


def test_the_core_never_imports_comfyui():
    for path in (ROOT / "mild_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(n.split(".")[0] in {"comfy", "comfy_api", "nodes", "node_helpers", "folder_paths"} for n in names), path


def test_only_host_knows_the_internals():
    for path in (ROOT / "nodes").glob("*.py"):
        text = path.read_text()
        assert "from comfy " not in text
        assert "import comfy." not in text
        assert "from comfy." not in text, path


def test_the_pack_imports_nothing_heavy():
    """What the pack's import adds must not include libraries that only some runs need."""
    rooms = "mild_core.compose, mild_core.fill, mild_core.models.adapter, mild_core.morphology.relation_picture"
    code = f"import sys; sys.path.insert(0, '.'); import {rooms}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"diffusers", "transformers", "accelerate", "cv2", "scipy"} & set(loaded)


def test_bulk_work_is_not_the_packs_and_ray_is_imported_where_it_is_used():
    for path in [ROOT / "__init__.py", *(ROOT / "nodes").rglob("*.py")]:
        assert "mild_core.batch" not in path.read_text(encoding="utf-8").replace("..", "mild_core.").replace(
            "mild_core.mild_core", "mild_core"
        )
    code = "import sys; sys.path.insert(0, '.'); import mild_core.batch.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "mild_core.batch.run" in loaded
    assert not {"ray", "pyarrow"} & set(loaded)


def test_no_pickles_and_nothing_evaluated():
    for path in [*ROOT.glob("mild_core/**/*.py"), *ROOT.glob("nodes/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "torch.load", "torch.save", "pickle.load", "pickle.loads"}, f"{path}: {called}"
