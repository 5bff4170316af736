"""What each attention method does: the bundled model on scenes with known truth, with and without it.

    python scripts/bench_methods.py --photos DIR [--scenes 24] [--out out/bench]

Every scene is a held-out place with two or three people pasted on it, of whom the nearest goes and the others stay. Scored is
the finished picture where that person was: the background must be there, and whoever of the others stood behind.

    gap, leakage   what the holes looked at (MILD Attention Gap), mean over steps, blocks and rows
    PSNR, SSIM, HaarPSI   inside the erased person's outline, against the true picture without them
    completion     PSNR where somebody who stays must be completed, mean over the scenes where there is such a place

Writes OUT/methods.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.attention import METHODS  # noqa: E402
from mild_core.compose import compose, make_layers  # noqa: E402
from mild_core.data.library import PhotoLibrary  # noqa: E402
from mild_core.data.scenes import TrueScene, make_scene  # noqa: E402
from mild_core.fill import fill_pathway  # noqa: E402
from mild_core.metrics import haarpsi, psnr, ssim  # noqa: E402
from mild_core.models.mini import WEIGHTS  # noqa: E402
from mild_core.plan import LayerPlan, make_plan  # noqa: E402
from mild_core.scene import Scene, from_masks, split_people  # noqa: E402
from scripts.bench_quality import WORKING_SIZE, core_sampler  # noqa: E402

SMALLEST = 64  # pixels of somebody to complete; fewer tell nothing
COLUMNS = ("gap", "leakage", "psnr", "ssim", "haarpsi", "completion")


@dataclass
class Case:
    plan: LayerPlan
    rows: Tensor  # [P, S, S, 3] to start from
    truth: Tensor  # [H, W, 3], the photo without the nearest person
    hole: Tensor  # [H, W] bool, where they were
    completed: Tensor  # [H, W] bool, what of it shows somebody else

    @classmethod
    def of(cls, truth: TrueScene, scene: Scene) -> Case:
        plan = make_plan(scene, working_size=WORKING_SIZE)
        rows = torch.stack([fill_pathway(plan, p, "exemplar") for p in plan.pathways])
        hole = truth.visible[0]
        return cls(plan, rows, truth.without((0,)), hole, hole & truth.whole[1:].any(0))


def without_nearest(truth: TrueScene) -> Scene:
    """The scene that the masks alone tell, of which the nearest person goes."""
    scene = split_people(truth.photo[None], from_masks(truth.masks(), "by mask"))
    nearest = next(p for p in scene.people if p.number == 1)
    return scene.erasing(frozenset([nearest.id]))


def modulated(pack: Any, model: Any, plan: LayerPlan, method: str, options: dict[str, Any]) -> Any:
    """The model with MILD Modulate Attention on it; options that are not given are the node's own."""
    node = pack.nodes.ModulateAttention
    return node.execute(model=model, plan=plan, **{**pack.nodes.types.defaults(node), "method": method, **options}).args[0]


def patch_of(name: str | None, options: dict[str, Any], found: dict[str, float]):
    """A patch for `core_sampler` that modulates and records; what it recorded can be had by calling the second result."""
    records: list[Any] = []

    def patch(pack: Any, model: Any, plan: LayerPlan) -> Any:
        if name is not None:
            model = modulated(pack, model, plan, name, options)
        model, record = pack.nodes.AttentionGap.execute(model=model, plan=plan).args
        records.append(record)
        return model

    def read() -> None:
        found.update(gap=records[-1].gap, leakage=records[-1].leakage)

    return patch, read


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out", help="tune settings on train only")
    parser.add_argument("--first-seed", type=int, default=1000, help="scenes have this seed and those after it")
    parser.add_argument("--strengths", default="1.0", help="of every method, such as 0.5,1.0")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--denoise", type=float, default=0.4)
    parser.add_argument("--steps", type=int, default=4)
    return parser.parse_args()


def main() -> None:
    asked = parse()
    core = os.environ.get("MILD_CORE", "")
    if not Path(core, "comfy", "sample.py").exists():
        sys.exit("MILD_CORE names no folder of a ComfyUI core: run this by `make bench-methods`")
    sample = core_sampler(Path(core), WEIGHTS, asked.steps, 1.0, "euler", "normal")
    library = PhotoLibrary(asked.photos, asked.split)
    kinds: dict[str, tuple[str | None, dict[str, Any]]] = {"none": (None, {})}
    for method in asked.methods.split(","):
        for strength in map(float, asked.strengths.split(",")):
            kinds[f"{method}, {strength:g}"] = method, {"strength": strength}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for index in range(asked.scenes):
        seed = asked.first_seed + index
        truth = make_scene(library, seed, people=(2, 3))
        case = Case.of(truth, without_nearest(truth))
        for name, (method, options) in kinds.items():
            found: dict[str, float] = {}
            patch, read = patch_of(method, options, found)
            rows = sample(case.plan, case.rows, asked.denoise, seed, patch)
            read()
            image = compose(make_layers(case.plan, rows)).image
            found |= {score.__name__: score(image, case.truth, case.hole) for score in (psnr, ssim, haarpsi)}
            enough = int(case.completed.sum()) >= SMALLEST
            found["completion"] = psnr(image, case.truth, case.completed) if enough else float("nan")
            results[name].append(found)
        print(f"{index + 1}/{asked.scenes}", file=sys.stderr, flush=True)
    means = {name: {c: float(np.nanmean([r[c] for r in rows])) for c in COLUMNS} for name, rows in results.items()}
    print("| method, strength | gap | leakage | PSNR (dB) | SSIM | HaarPSI | completion (dB) |\n|---|---|---|---|---|---|---|")
    for name, m in means.items():
        scores = f"{m['psnr']:.2f} | {m['ssim']:.4f} | {m['haarpsi']:.4f} | {m['completion']:.2f}"
        print(f"| {name} | {m['gap']:.3f} | {m['leakage']:.4f} | {scores} |")
    asked.out.mkdir(parents=True, exist_ok=True)
    settings = {n: str(v) if isinstance(v, Path) else v for n, v in vars(asked).items() if n not in ("photos", "out")}
    (asked.out / "methods.json").write_text(json.dumps({"settings": settings, "means": means, "scenes": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
