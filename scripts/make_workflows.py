"""Write the graphs of example_graphs.py in both formats, or check that the files are in step with it.

    python3 scripts/bootstrap.py scripts/make_workflows.py [--check]

workflows/NAME.json is what an artist opens (litegraph, version 0.4); workflows/api/NAME.json is the same graph for pipelines;
subgraphs/NAME.json is dropped as one node.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.remote import Server  # noqa: E402
from scripts.example_graphs import BLUEPRINTS, GRAPHS  # noqa: E402
from scripts.graph_json import api_format, blueprint_format, ui_format  # noqa: E402

WORKFLOWS, SUBGRAPHS = ROOT / "workflows", ROOT / "subgraphs"


def files(info: dict[str, Any]) -> dict[Path, str]:
    """What every file must hold, by its path."""
    out = {}
    for graph in GRAPHS:
        out[WORKFLOWS / f"{graph.name}.json"] = ui_format(graph, info)
        out[WORKFLOWS / "api" / f"{graph.name}.json"] = api_format(graph, info)
    for blueprint in BLUEPRINTS:
        out[SUBGRAPHS / f"{blueprint.name}.json"] = blueprint_format(blueprint, info)
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in out.items()}


def out_of_step(info: dict[str, Any]) -> list[Path]:
    """The files that are missing or do not hold what they must."""
    return [p for p, text in files(info).items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not in step")
    check = parser.parse_args().check
    with Server() as server:
        info = server.object_info()
    old = out_of_step(info)
    for path in old:
        print(f"{'not in step' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files(info)[path], encoding="utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
