"""What is left of somebody when the hole begins as their own pixels: ghosts, by denoise setting, of a weights file of the bundled model.

    python scripts/ghosts.py --photos DIR [--weights FILE] [--scenes 16] [--out out/ghosts]

Low denoise keeps what is there, and with it whoever is to be erased: Erase Diffusion (arXiv 2503.07026) is trained to walk away from
them all the same. Every scene is a held-out place with one or two people pasted on it, all of whom are erased. The latent begins as the
photo itself, people and all; the model is told the exemplar fill, as ever. Scored in the hole:

    colour, texture   leakage: 0 like the surroundings, 1 like the person (`mild_core.metrics`); mean over scenes where it can be told
    PSNR, HaarPSI     against the true background

with plain attention and with self-rectifying attention. Writes OUT/NAME.json, NAME being that of the weights file, and prints a table
of all files in OUT, so that two weights files are compared by running it twice. The core's folder is in MILD_CORE.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.compose import compose, make_layers  # noqa: E402
from mild_core.data.library import PhotoLibrary  # noqa: E402
from mild_core.data.scenes import TrueScene, make_scene  # noqa: E402
from mild_core.fill import fill_pathway  # noqa: E402
from mild_core.metrics import haarpsi, psnr  # noqa: E402
from mild_core.metrics.leakage import leak_colour, leak_texture  # noqa: E402
from mild_core.models.mini import WEIGHTS, patchify  # noqa: E402
from mild_core.plan import LayerPlan, make_plan  # noqa: E402
from mild_core.scene import from_masks, split_people  # noqa: E402
from scripts.bench_methods import modulated  # noqa: E402
from scripts.bench_quality import WORKING_SIZE, Prompt, core_sampler  # noqa: E402

ATTENTION = {"plain": None, "self-rectifying": "self-rectifying"}
SCORES = ("colour", "texture", "psnr", "haarpsi")


def plan_of(truth: TrueScene) -> LayerPlan:
    """Everybody goes."""
    scene = split_people(truth.photo[None], from_masks(truth.masks(), "by mask"))
    return make_plan(scene.erasing(frozenset(person.id for person in scene.people)), working_size=WORKING_SIZE)


def scored(image: Tensor, truth: TrueScene, hole: Tensor) -> dict[str, float]:
    erased = truth.visible.any(0)
    return {
        "colour": leak_colour(image, truth.photo, hole, erased),
        "texture": leak_texture(image, truth.photo, hole, erased),
        "psnr": psnr(image, truth.background, hole),
        "haarpsi": haarpsi(image, truth.background, hole),
    }


def told(fills: Tensor) -> Prompt:
    """The conditioning with these fills [P, S, S, 3] for what the model is told, whatever the latent begins as."""
    latent = patchify(fills.movedim(-1, 1) * 2 - 1)

    def prompt(*conditionings: list) -> tuple[Any, Any]:
        positive, negative = ([[text, {**rest, "concat_latent_image": latent}] for text, rest in c] for c in conditionings)
        return positive, negative

    return prompt


def table(reports: dict[str, dict[str, Any]]) -> str:
    """Means of all reports, by name, as a markdown table; the fill alone once."""
    lines = ["| weights | attention | denoise | colour | texture | PSNR (dB) | HaarPSI |", "|---|---|---|---|---|---|---|"]
    rows = [(name, *kind.split(", "), m) for name, report in reports.items() for kind, m in report["means"].items() if kind != "fill"]
    fills = [("exemplar fill", "", "", report["means"]["fill"]) for report in reports.values()]
    for name, attention, denoise, m in [*fills[:1], *rows]:
        scores = f"{m['colour']:.3f} | {m['texture']:.3f} | {m['psnr']:.2f} | {m['haarpsi']:.4f}"
        lines.append(f"| {name} | {attention} | {denoise} | {scores} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the bundled model, or tuned on from it")
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("out/ghosts"))
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out", help="tune settings on train only")
    parser.add_argument("--first-seed", type=int, default=0, help="scenes have this seed and those after it")
    parser.add_argument("--denoise", default="0.6,0.8,1.0")
    parser.add_argument("--attention", default=",".join(ATTENTION), help="which, of %(default)s")
    parser.add_argument("--steps", type=int, default=8)
    return parser.parse_args()


def main() -> None:
    asked = parse()
    core = os.environ.get("MILD_CORE", "")
    if not Path(core, "comfy", "sample.py").exists():
        sys.exit("MILD_CORE names no folder of a ComfyUI core: run this by `make bench-ghosts`")
    sample = core_sampler(Path(core), asked.weights, asked.steps, 1.0, "euler", "normal")
    library = PhotoLibrary(asked.photos, asked.split)
    scenes: list[dict[str, dict[str, float]]] = []
    for seed in range(asked.first_seed, asked.first_seed + asked.scenes):
        truth = make_scene(library, seed, people=(1, 2))
        plan = plan_of(truth)
        hole = plan.hole.whole
        photos, fills = (torch.stack([fill_pathway(plan, p, how) for p in plan.pathways]) for how in ("photo", "exemplar"))
        found = {"fill": scored(compose(make_layers(plan, fills)).image, truth, hole)}
        for attention in asked.attention.split(","):

            def patch(pack: Any, model: Any, plan: LayerPlan, method: str | None = ATTENTION[attention]) -> Any:
                return model if method is None else modulated(pack, model, plan, method, {})

            for denoise in asked.denoise.split(","):
                rows = sample(plan, photos, float(denoise), seed, patch, prompt=told(fills))
                found[f"{attention}, {denoise}"] = scored(compose(make_layers(plan, rows)).image, truth, hole)
        scenes.append(found)
        write_report(asked, scenes)
        print(f"{len(scenes)}/{asked.scenes} {truth.name}", file=sys.stderr, flush=True)
    print(table({path.stem: json.loads(path.read_text()) for path in sorted(asked.out.glob("*.json"))}))


def write_report(asked: argparse.Namespace, scenes: list[dict[str, dict[str, float]]]) -> None:
    """OUT/NAME.json of the scenes so far."""
    means = {kind: {name: mean_told([scene[kind][name] for scene in scenes]) for name in SCORES} for kind in scenes[0]}
    kept = ("split", "first_seed", "denoise", "steps")
    settings = {name: getattr(asked, name) for name in kept} | {"weights": hashlib.sha256(asked.weights.read_bytes()).hexdigest()}
    asked.out.mkdir(parents=True, exist_ok=True)
    report = {"settings": settings, "means": means, "scenes": scenes}
    (asked.out / f"{asked.weights.stem}.json").write_text(json.dumps(report, indent=1) + "\n")


def mean_told(values: list[float]) -> float:
    """The mean of what could be told; nan where nothing could."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


if __name__ == "__main__":
    main()
