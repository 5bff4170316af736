"""How well are people erased? Scores of several methods on scenes whose true background is known.

    python scripts/bench_quality.py --photos DIR [--scenes 60] [--out out/bench]

Every scene is a held-out place with people pasted on it, all of whom are erased. All methods get the same hole and are
scored on the finished full-size picture inside it. The fills and the bundled model take the product's own way: split, plan,
fill, sample, layers, compose; the model is sampled by a real ComfyUI core in this process, whose folder MILD_CORE names.

Writes OUT/quality.json (settings, means, every scene's scores) and OUT/sheet.png, and prints the means as a table.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.compose import compose, make_layers  # noqa: E402
from mild_core.data.library import PhotoLibrary  # noqa: E402
from mild_core.data.scenes import TrueScene, make_scene  # noqa: E402
from mild_core.fill import Initialization, copy_detail, fill_pathway, without_others  # noqa: E402
from mild_core.metrics import haarpsi, psnr, ssim  # noqa: E402
from mild_core.models.mini import WEIGHTS  # noqa: E402
from mild_core.plan import Completion, LayerPlan, make_plan  # noqa: E402
from mild_core.scene import from_masks, split_people  # noqa: E402
from mild_core.scene.blur import blur  # noqa: E402

METHODS = {
    "telea": "Telea",
    "ns": "Navier-Stokes",
    "smooth": "smooth fill",
    "exemplar": "exemplar fill",
    "noise": "model from noise",
    "model": "exemplar fill + model",
    "matched": "the same, matched",
    "detail": "the same, copied",
    "soft": "copied, a tenth of the finest",
    "known": "truth, its detail misplaced",
}
OF_MODEL = ("noise", "model", "matched", "detail", "soft")
SCORES = {"psnr": psnr, "ssim": ssim, "haarpsi": haarpsi}
WORKING_SIZE = 384  # what MILD Encode Layers takes for the bundled model
INPAINT_RADIUS = 5  # pixels, of OpenCV's two methods
FINE_DETAIL = 0.1  # of MILD Decode Layers, for "soft"
IN_LARGE = 4.0  # pixels, sigma of the Gaussian above which "known" has the truth
MISPLACED = (8, 16)  # pixels down and across
SHEET_WIDTH, SHEET_ROWS = 1800, 8

Patch = Callable[[Any, Any, LayerPlan], Any]
"""(pack, model, plan) to the model that is sampled in its place."""
Prompt = Callable[[Any, Any], tuple[Any, Any]]
"""(positive, negative), the conditioning of a plan's rows, to the two that are sampled in their place."""


class Sample(Protocol):
    """Rows [P, S, S, 3] to start from, to denoised rows [P, S, S, 3]; `complete` is what the plan was made with."""

    def __call__(
        self,
        plan: LayerPlan,
        fills: Tensor,
        denoise: float,
        seed: int,
        patch: Patch | None = None,
        complete: Completion = "all",
        prompt: Prompt | None = None,
        show_others: bool = False,
    ) -> Tensor: ...


@dataclass
class Case:
    """One scene with its plan, and the fills that methods share, each with the seconds it took."""

    truth: TrueScene
    seed: int
    plan: LayerPlan
    hole: Tensor  # [H, W] bool
    fills: dict[str, tuple[Tensor, float]] = field(default_factory=dict)
    denoised: dict[float, tuple[Tensor, float]] = field(default_factory=dict)  # the same of the model's rows, by denoise

    @classmethod
    def of(cls, truth: TrueScene, seed: int) -> Case:
        scene = split_people(truth.photo[None], from_masks(truth.masks(), "by mask"))
        plan = make_plan(scene.erasing(frozenset(p.id for p in scene.people)), working_size=WORKING_SIZE)
        hole = plan.hole.whole
        return cls(truth, seed, plan, hole)

    def fill(self, how: Initialization) -> tuple[Tensor, float]:
        if how not in self.fills:
            start = time.perf_counter()
            rows = torch.stack([fill_pathway(self.plan, p, how) for p in self.plan.pathways])
            self.fills[how] = rows, time.perf_counter() - start
        return self.fills[how]

    def sampled(self, sample: Sample, denoise: float) -> tuple[Tensor, float]:
        if denoise not in self.denoised:
            rows, shared = self.fill("exemplar")
            start = time.perf_counter()
            rows = sample(self.plan, rows, denoise, self.seed)
            self.denoised[denoise] = rows, shared + time.perf_counter() - start
        return self.denoised[denoise]


def erase(method: str, case: Case, sample: Sample | None, denoise: float) -> tuple[Tensor, float]:
    """The picture [H, W, 3] without anybody, and the seconds from the plan to it."""
    start = time.perf_counter()
    if method in ("telea", "ns"):
        photo = (case.truth.photo.numpy() * 255).round().astype(np.uint8)
        flag = cv2.INPAINT_TELEA if method == "telea" else cv2.INPAINT_NS
        filled = cv2.inpaint(photo, case.hole.numpy().astype(np.uint8), INPAINT_RADIUS, flag)
        return torch.from_numpy(np.asarray(filled, np.float32) / 255), time.perf_counter() - start
    if method == "known":
        return _known_in_large(case.truth.background, case.hole, case.truth.photo), time.perf_counter() - start
    rows: Tensor | list[Tensor]
    if method in OF_MODEL:
        assert sample is not None, "main leaves the model's methods out where there is nothing to sample with"
        rows, shared = case.sampled(sample, 1.0 if method == "noise" else denoise)
    else:
        rows, shared = case.fill("smooth" if method == "smooth" else "exemplar")
    start = time.perf_counter()
    if method in ("detail", "soft"):
        fine = FINE_DETAIL if method == "soft" else 1.0
        rows = [copy_detail(case.plan, *pair, fine=fine) for pair in zip(case.plan.pathways, rows, strict=True)]
    picture = compose(make_layers(case.plan, rows, seam="matched" if method in ("matched", "detail") else "feather")).image
    return picture, shared + time.perf_counter() - start


def _known_in_large(truth: Tensor, hole: Tensor, photo: Tensor) -> Tensor:
    """No method but a bound: whoever knows all that is large in the hole, and of detail all but where it lies, paints this [H, W, 3]."""
    in_large = blur(truth, IN_LARGE)
    detail = (truth - in_large).roll(MISPLACED, (0, 1))
    return torch.where(hole[..., None], (in_large + detail).clamp(0, 1), photo)


def core_sampler(core: Path, weights: Path, steps: int, cfg: float, sampler: str, scheduler: str) -> Sample:
    """Sampling of the bundled model by the ComfyUI core in that folder, through the pack's own nodes."""
    device = [] if torch.cuda.is_available() else ["--cpu"]
    arguments, sys.argv = sys.argv, [sys.argv[0], *device]
    sys.path.insert(0, str(core))  # before the checkout: `nodes` must be the core's
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.utils
    import node_helpers

    core_nodes: Any = importlib.import_module("nodes")  # the core's own: its folder comes before the checkout

    sys.argv = arguments
    comfy.utils.PROGRESS_BAR_ENABLED = False
    spec: Any = importlib.util.spec_from_file_location("mild_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["mild_pack"] = pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    host = importlib.import_module("mild_pack.nodes.host")
    mini: Any = importlib.import_module("mild_pack.mild_core.models.mini")
    encode = importlib.import_module("mild_pack.nodes.plan").EncodeLayers
    mini.load_weights = functools.partial(mini.load_weights, weights)
    model, vae, conditioning = host.load_mini()
    defaults = importlib.import_module("mild_pack.nodes.types").defaults(encode)

    @torch.inference_mode()
    def sample(
        plan: LayerPlan,
        fills: Tensor,
        denoise: float,
        seed: int,
        patch: Patch | None = None,
        complete: Completion = "all",
        prompt: Prompt | None = None,
        show_others: bool = False,
    ) -> Tensor:
        told = {
            **defaults,
            "positive": conditioning["background"],
            "negative": conditioning["none"],
            "person_positive": conditioning["person"],
            "working_size": plan.working_size,
            "complete": complete,
            "initialize": "smooth",  # replaced below by the fills that all methods share
        }
        positive, negative, latent, _ = encode.execute(scene=plan.scene, vae=vae, **told).args
        if not show_others:
            rows = zip(plan.pathways, fills, strict=True)
            fills = torch.stack([without_others(plan, pathway, row) for pathway, row in rows])
        samples = vae.encode(fills)
        seen = {"concat_latent_image": samples}
        positive, negative = (node_helpers.conditioning_set_values(c, seen) for c in (positive, negative))
        positive, negative = (positive, negative) if prompt is None else prompt(positive, negative)
        latent = {**latent, "samples": samples}
        patched = model if patch is None else patch(pack, model, plan)
        (denoised,) = core_nodes.common_ksampler(patched, seed, steps, cfg, sampler, scheduler, positive, negative, latent, denoise)
        return vae.decode(denoised["samples"]).clone()

    return sample


def with_lora(path: Path, layers: str) -> Patch:
    """A patch with a LoRA of the recipe layer_lora.toml, as MILD Layer LoRA has it; `layers` says whose, in the node's words."""
    weights = load_file(str(path))

    def patch(pack: Any, model: Any, plan: LayerPlan) -> Any:
        rows = pack.nodes.control.rows_named(layers, plan)
        return pack.nodes.host.lora_rows(model, weights, 1.0, rows, len(plan.pathways)) if rows else model

    return patch


def make_sheet(rows: list[tuple[Case, dict[str, Tensor]]], methods: list[str]) -> Image.Image:
    """One row a scene: photo, hole, every method, truth."""
    labels = ["photo", "hole", *(METHODS[m] for m in methods), "truth"]
    gap, header = 4, 22
    width = (SHEET_WIDTH + gap) // len(labels) - gap
    heights = [round(width * case.hole.shape[0] / case.hole.shape[1]) for case, _ in rows]
    sheet = Image.new("RGB", ((width + gap) * len(labels) - gap, header + sum(h + gap for h in heights)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, label in enumerate(labels):
        draw.text((column * (width + gap) + width / 2, header / 2), label, fill="black", font=font, anchor="mm")
    top = header
    for (case, pictures), height in zip(rows, heights, strict=True):
        for column, picture in enumerate(_row(case, pictures)):
            small = _as_image(picture).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * (width + gap), top))
        top += height + gap
    return sheet


def _row(case: Case, pictures: dict[str, Tensor]) -> list[Tensor]:
    holed = torch.where(case.hole[..., None], torch.tensor([1.0, 0.0, 1.0]), case.truth.photo)
    return [case.truth.photo, holed, *pictures.values(), case.truth.background]


def _as_image(picture: Tensor) -> Image.Image:
    return Image.fromarray((picture * 255).round().to(torch.uint8).numpy())


def table(means: dict[str, dict[str, float]]) -> str:
    """Means by method as a markdown table."""
    lines = ["| method | PSNR (dB) | SSIM | HaarPSI | seconds |", "|---|---|---|---|---|"]
    for method, m in means.items():
        lines.append(f"| {METHODS[method]} | {m['psnr']:.2f} | {m['ssim']:.4f} | {m['haarpsi']:.4f} | {m['seconds']:.2f} |")
    return "\n".join(lines)


def commit() -> str:
    """The checkout's commit, with "+" when tracked files differ from it; "" outside git."""
    git = functools.partial(subprocess.run, cwd=ROOT, capture_output=True, text=True)
    name = git(["git", "rev-parse", "HEAD"]).stdout.strip()
    changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    return name + "+" if name and changed else name


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--per-scene", action="store_true", help="also write every scene's pictures, to OUT/scenes")
    parser.add_argument("--methods", default=",".join(METHODS), help="which, of %(default)s")
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out", help="tune settings on train only")
    parser.add_argument("--first-seed", type=int, default=0, help="scenes have this seed and those after it")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the bundled model")
    parser.add_argument("--lora", type=Path, help="for the background's layers, of the recipe layer_lora.toml")
    parser.add_argument("--denoise", type=float, default=0.4, help="of the exemplar fill + model")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--cfg", type=float, default=1.0)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--scheduler", default="normal")
    asked = parser.parse_args()
    asked.methods = [m.strip() for m in asked.methods.split(",")]
    for method in asked.methods:
        if method not in METHODS:
            parser.error(f"method is {method!r}, but it must be one of {', '.join(METHODS)}")
    if asked.scenes < 1:
        parser.error(f"scenes is {asked.scenes}, but it must be at least 1")
    if asked.lora and not asked.lora.exists():
        parser.error(f"lora is {asked.lora}, but there is no such file")
    return asked


def main() -> None:
    asked = parse()
    core = os.environ.get("MILD_CORE", "")
    sample, missing = None, ""
    if not asked.weights.exists():
        missing = f"there is no weights file {asked.weights.name}"
    elif not Path(core, "comfy", "sample.py").exists():
        missing = "MILD_CORE names no folder of a ComfyUI core"
    if missing and not set(OF_MODEL).isdisjoint(asked.methods):
        print(f"The bundled model is left out: {missing}.", file=sys.stderr)
        asked.methods = [m for m in asked.methods if m not in OF_MODEL]
    elif not set(OF_MODEL).isdisjoint(asked.methods):
        sample = core_sampler(Path(core), asked.weights, asked.steps, asked.cfg, asked.sampler, asked.scheduler)
        sample = functools.partial(sample, patch=with_lora(asked.lora, "background")) if asked.lora else sample

    library = PhotoLibrary(asked.photos, asked.split)
    asked.out.mkdir(parents=True, exist_ok=True)
    shown = set(np.linspace(0, asked.scenes - 1, min(SHEET_ROWS, asked.scenes)).round().astype(int).tolist())
    results, rows = [], []
    for index in range(asked.scenes):
        seed = asked.first_seed + index
        case = Case.of(make_scene(library, seed), seed)
        scores, pictures = {}, {}
        for method in asked.methods:
            pictures[method], seconds = erase(method, case, sample, asked.denoise)
            scores[method] = {name: score(pictures[method], case.truth.background, case.hole) for name, score in SCORES.items()}
            scores[method]["seconds"] = seconds
        results.append(
            {
                "seed": seed,
                "name": case.truth.name,
                "people": len(case.truth.whole),
                "hole": float(case.hole.float().mean()),
                "scores": scores,
            }
        )
        if index in shown:
            rows.append((case, pictures))
        if asked.per_scene:
            folder = asked.out / "scenes" / case.truth.name
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture in zip(["photo", "hole", *pictures, "truth"], _row(case, pictures), strict=True):
                _as_image(picture).save(folder / f"{name}.png")
        told = ", ".join(f"{m} {s['psnr']:.1f} dB" for m, s in scores.items())
        print(f"{index + 1}/{asked.scenes} {case.truth.name}: {told}", file=sys.stderr, flush=True)

    means = {m: {s: float(np.mean([r["scores"][m][s] for r in results])) for s in (*SCORES, "seconds")} for m in asked.methods}
    settings = {
        name: str(value) if isinstance(value, Path) else value for name, value in vars(asked).items() if name not in ("photos", "out")
    }
    settings["weights"] = hashlib.sha256(asked.weights.read_bytes()).hexdigest() if sample else None
    report = {"commit": commit(), "settings": settings, "torch": torch.__version__, "means": means, "scenes": results}
    (asked.out / "quality.json").write_text(json.dumps(report, indent=1) + "\n")
    make_sheet(rows, asked.methods).save(asked.out / "sheet.png")
    print(table(means))


if __name__ == "__main__":
    main()
