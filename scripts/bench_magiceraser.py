"""Score the rows of MagicEraser's ablation by its protocol, and print them beside the paper's own.

    python3 scripts/bootstrap.py scripts/bench_magiceraser.py BENCH [--out out/magiceraser] [--networks DIR] [--limit N]
        [--checkpoint NAME --lora NAME --embedding NAME --word-lora NAME --lama NAME --panoptic NAME]

BENCH is a benchmark's folder: pairs of photos, masks and truth, or truth scenes. The protocol: the long side at 512, black padding,
PSNR, SSIM, LPIPS and FID of whole pictures; beside them PSNR and HaarPSI in the hole, which is all that an eraser changes. LPIPS and FID
need networks (docs/scores.md). Files are named as ComfyUI's loaders name them; without a checkpoint the bundled model runs, and what a
row needs and is not there is said. What is in OUT already is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.bench.__main__ import main as score  # noqa: E402
from mild_core.bench.store import read_runs  # noqa: E402
from mild_core.bench.summary import summarize  # noqa: E402
from mild_core.bench.table import number  # noqa: E402
from mild_core.remote import Server  # noqa: E402
from scripts.graph import Graph  # noqa: E402
from scripts.graph_json import api_format  # noqa: E402
from scripts.magiceraser_rows import ROWS, Files, Row, lacks, row_nodes  # noqa: E402

__all__ = ["beside_the_paper", "write_graphs"]

MEASURES = ("psnr.full", "ssim.full", "lpips_alex.full", "fid.full", "psnr.hole", "haarpsi.hole")
OWN_PAIRS = """The bundled model's pairs are its own, neither random masks nor OLRD: i, iii and iv are the same weights with and without the
other parts."""
COPIED = "iv-copied"  # row iv, with the detail copied from the photo as the shipped graph has it


def write_graphs(folder: Path, files: Files) -> list[Path]:
    """Write ROW.json in API format for every row that can be run."""
    rows = {row.name: row_nodes(row, files) for row in ROWS if not lacks(row, files)}
    if not files.checkpoint:
        (refocused,) = (row for row in ROWS if row.name == "iv")
        rows[COPIED] = row_nodes(refocused, files, "copied")
    with Server() as server:
        info = server.object_info()
    folder.mkdir(parents=True, exist_ok=True)
    for name, nodes in rows.items():
        graph = api_format(Graph(name, "", nodes, ()), info)
        (folder / f"{name}.json").write_text(json.dumps(graph, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [folder / f"{name}.json" for name in rows]


def beside_the_paper(means: Mapping[str, Mapping[str, float]], files: Files) -> str:
    """A table in Markdown: the paper's figures, ours of each measure that was taken, and why a row has none.

    Args:
        means: by eraser and measure.
    """
    taken = [key for key in MEASURES if any(key in of for of in means.values())]
    head = ["row", "parts", "paper: PSNR", "SSIM", "LPIPS", "FID", *(f"here: {key}" for key in taken)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in ROWS:
        paper = [f"{row.psnr:.3f}", f"{row.ssim:.3f}", f"{row.lpips:.3f}", f"{row.fid:.2f}"]
        ours = _ours(means[row.name], taken) if row.name in means else [_why(row, files), *[""] * (len(taken) - 1)]
        lines.append(_line([row.name, " + ".join(("baseline", *row.parts)), *paper, *ours]))
    known = {row.name for row in ROWS}
    lines += [_line([name, "", *[""] * 4, *_ours(of, taken)]) for name, of in means.items() if name not in known]
    return "\n".join(lines if files.checkpoint else [*lines, "", OWN_PAIRS])


def _ours(of: Mapping[str, float], taken: list[str]) -> list[str]:
    return [number(of[key], 3) if key in of else "–" for key in taken]


def _why(row: Row, files: Files) -> str:
    return f"not run: {lacks(row, files) or 'it failed'}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "magiceraser")
    parser.add_argument("--networks", type=Path, help="folder with the networks of LPIPS and FID")
    parser.add_argument("--limit", type=int, help="only the first so many cases")
    parser.add_argument("--url", default="", help="a running ComfyUI, which has the files (default: our own)")
    for field in fields(Files):
        parser.add_argument(f"--{field.name.replace('_', '-')}", default="", metavar="NAME")
    asked = vars(parser.parse_args())
    files = Files(**{field.name: asked.pop(field.name) for field in fields(Files)})
    graphs = write_graphs(asked["out"] / "graphs", files)
    told = [str(asked["bench"]), "--out", str(asked["out"]), "--protocol", "magiceraser", "--measures", ",".join(MEASURES)]
    told += [part for name in ("networks", "limit", "url") if asked[name] for part in (f"--{name}", str(asked[name]))]
    told += [part for spec in ("telea", *map(str, graphs)) for part in ("--eraser", spec)]
    if failed := score(told):
        return failed
    runs = read_runs(asked["out"])
    summary = summarize(runs)
    means: dict[str, dict[str, float]] = {}
    for key, scores in summary.scores.items():
        for name, found in scores.items():
            means.setdefault(name, {})[key] = found.mean.mean
    print(beside_the_paper(means, files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
