"""Write the graph that scores are taken of, and what it is without each of its parts, for POST /prompt.

    python3 scripts/bootstrap.py scripts/ablations.py [--out out/ablations]

The parts are layers, attention (SMA), morphology and fill. FULL has them all: workflows/erase_guided.json. What a part's absence
means is said beside each change below. `make bench-ablations` scores them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.remote import Server  # noqa: E402
from scripts.example_graphs import GUIDED  # noqa: E402
from scripts.graph import Graph, Node, Out  # noqa: E402
from scripts.graph_json import api_format  # noqa: E402

__all__ = ["PARTS", "VARIANTS", "variant"]

Nodes = dict[str, Node]
SHOWN = ("compare", "layers", "changed")  # what only an artist looks at


def without_layers(nodes: Nodes) -> Nodes:
    """One hole for all who go, and nobody else known: a scene of one person, whose mask is everybody who goes."""
    hole = replace(nodes["people"], title="Hole")  # by this title a run gives it the mask of those who go
    return _with(nodes, people=hole, scene={"erase": "all"}, encode={"complete": "nobody"})


def without_attention(nodes: Nodes) -> Nodes:
    """The model's self-attention as it is."""
    return {name: _fed(node, "model", "attend", nodes["attend"]) for name, node in nodes.items() if name != "attend"}


def without_morphology(nodes: Nodes) -> Nodes:
    """No bodies are guessed, so that holes are what the masks leave open, and no adapter tells the model of them."""
    kept = {name: node for name, node in nodes.items() if name not in ("bodies", "maps", "net", "pose")}
    plain = {"positive": Out("encode", "positive"), "negative": Out("encode", "negative")}
    return _with(kept, encode={"scene": Out("scene", "scene")}, sample=plain)


def without_fill(nodes: Nodes) -> Nodes:
    """No patches of the photo: sampling starts from noise over a smooth mean, and nothing is copied in the end."""
    return _with(nodes, encode={"initialize": "smooth"}, sample={"denoise": 1.0}, decode={"detail": "as sampled"})


PARTS: dict[str, Callable[[Nodes], Nodes]] = {
    "layers": without_layers,
    "attention": without_attention,
    "morphology": without_morphology,
    "fill": without_fill,
}


def watched(nodes: Nodes) -> Nodes:
    """With what records the attention gap, after all that modulates attention."""
    before = nodes["sample"].inputs["model"]
    watch = Node("MILDAttentionGap", "Record", (0, 0), (0, 0), {"model": before, "plan": Out("encode", "plan")})
    told = {"samples": Out("sample", "LATENT"), "record": Out("watch", "record")}
    report = Node("MILDAttentionReport", "The attention gap", (0, 0), (0, 0), told)
    return {**_with(nodes, sample={"model": Out("watch", "model")}), "watch": watch, "gap": report}


def with_effects(nodes: Nodes) -> Nodes:
    """With a place for the shadows that the benchmark knows."""
    shadows = Node("LoadImageMask", "Effects", (0, 0), (0, 0), {"image": "", "channel": "red"})
    return {**_with(nodes, encode={"effects": Out("effects", "MASK")}), "effects": shadows}


def variant(kept: frozenset[str]) -> Nodes:
    """The nodes of the full graph with only those of PARTS. Only what the picture needs is painted."""
    nodes = _with({name: node for name, node in GUIDED.nodes.items() if name not in SHOWN}, encode={"complete": "staying"})
    for part, leave_out in PARTS.items():
        if part not in kept:
            nodes = leave_out(nodes)
    return watched(with_effects(nodes))


VARIANTS: dict[str, frozenset[str]] = {
    "full": frozenset(PARTS),
    **{f"no-{part}": frozenset(PARTS) - {part} for part in PARTS},
    **{f"{part}-alone": frozenset({part}) for part in PARTS},
    "none": frozenset(),
}


def _with(nodes: Nodes, **changes: Node | dict[str, Any]) -> Nodes:
    """The nodes, some replaced, or with other inputs."""
    changed = {n: c if isinstance(c, Node) else replace(nodes[n], inputs={**nodes[n].inputs, **c}) for n, c in changes.items()}
    return {**nodes, **changed}


def _fed(node: Node, input: str, passed: str, instead: Node) -> Node:
    """The node, its input taken from before the node `passed` where it came from that."""
    value = node.inputs.get(input)
    if isinstance(value, Out) and value.node == passed:
        return replace(node, inputs={**node.inputs, input: instead.inputs[input]})
    return node


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "ablations", help="folder that gets NAME.json")
    out = parser.parse_args().out
    with Server() as server:
        info = server.object_info()
    out.mkdir(parents=True, exist_ok=True)
    for name, kept in VARIANTS.items():
        graph = api_format(Graph(name, "", variant(kept), ()), info)
        (out / f"{name}.json").write_text(json.dumps(graph, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {len(VARIANTS)} graphs to {out}: {', '.join(VARIANTS)}")


if __name__ == "__main__":
    main()
