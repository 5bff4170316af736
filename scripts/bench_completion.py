"""How well is somebody completed whom an erased person hid: the bundled model on scenes with known truth.

    python scripts/bench_completion.py --photos DIR [--scenes 20] [--adapter FILE] [--out out/bench]

Every scene is a held-out place with two or three people pasted on it, of whom the nearest goes and the others stay. Scenes in
which the nearest hides less than 64 px of the others are passed over, and counted. Whatever no option says is as in the graph that
ships (`example_graphs.MINI`), whose attention method, denoise, steps and detail are the defaults here.

    hull           bodies as MILD Split People guesses them: what nearer people cover of the convex hull
    figure         bodies of figures laid over what is seen, as MILD Morphology has them from the masks alone
    others shown   figure, and every layer shows people it is not for, as show_others of MILD Encode Layers has it
    match parts    figure, and attention whose match_parts is 1: a hidden piece of clothing looks at what is seen of it
    pose, parsing, relations, pose + parsing, all   figure, and the adapter told these, at full strength; all else it is told is
                   black. The adapter comes in as artists have it: stock loader, Apply ControlNet, a hint for each layer
    all, strength X   the same at other strengths
    people's LoRA  figure, and a LoRA on the rows of people

    PSNR, SSIM, HaarPSI   where the nearest was and somebody who stays is, against the true picture without the nearest
    whole outline  PSNR wherever the nearest was, so that a body that was guessed too large costs, too
    hidden IoU     of what the plan takes for hidden behind the nearest with what is, mean over those with 64 px of it or more

Detail "copied": what the model made says where things are, and patches of the same photo paint them, of the same person where
a person is completed. It is sharp, and scores below "model", what the model made as it is, in PSNR and SSIM (docs/quality.md).

Prints the means, and the mean difference of each row to "figure", scene by scene, with its 95 % bootstrap interval. Writes
OUT/completion.json.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.attention import METHODS  # noqa: E402
from mild_core.compose import compose, make_layers  # noqa: E402
from mild_core.data.library import PhotoLibrary  # noqa: E402
from mild_core.data.scenes import TrueScene, make_scene  # noqa: E402
from mild_core.fill import copy_detail  # noqa: E402
from mild_core.metrics import haarpsi, psnr, ssim  # noqa: E402
from mild_core.models.adapter import GUIDANCE  # noqa: E402
from mild_core.models.mini import WEIGHTS  # noqa: E402
from mild_core.morphology import adapter_hint, guide, understand  # noqa: E402
from mild_core.plan import LayerPlan  # noqa: E402
from scripts.bench_methods import SMALLEST, Case, modulated, without_nearest  # noqa: E402
from scripts.bench_quality import Patch, Prompt, Sample, commit, core_sampler, with_lora  # noqa: E402
from scripts.example_graphs import MINI  # noqa: E402

COLUMNS = ("psnr", "ssim", "haarpsi", "outline", "hidden_iou")
HEADER = "| PSNR (dB) | SSIM | HaarPSI | PSNR, whole outline (dB) | hidden IoU |\n|---|---|---|---|---|---|"
DIGITS = dict(zip(COLUMNS, (2, 4, 4, 2, 3), strict=True))
COMPARED = "figure"  # what the other rows are compared with
TOLD: tuple[tuple[str, ...], ...] = (*((one,) for one in GUIDANCE), ("pose", "parsing"), GUIDANCE)
RESAMPLES = 10_000  # of the bootstrap
NO_KEYPOINTS = "the keypoint error is skipped for want of a pose network (ViTPose)"
SHIPPED: dict[str, Any] = {**MINI.nodes["sample"].inputs, **MINI.nodes["decode"].inputs, **MINI.nodes["attend"].inputs}


class Kind(NamedTuple):
    """A row of the table."""

    figure: bool  # whether bodies are those of figures
    told: tuple[str, ...] = ()  # what of GUIDANCE the adapter is told; without any there is no adapter
    strength: float = 1.0
    match: float = 0.0  # match_parts of MILD Modulate Attention
    lora: Patch | None = None  # on the rows of people
    others: bool = False  # show_others of MILD Encode Layers


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def kinds_of(adapter: bool, strengths: list[float], lora: Path | None) -> dict[str, Kind]:
    kinds = {"hull": Kind(False), COMPARED: Kind(True), "others shown": Kind(True, others=True), "match parts": Kind(True, match=1.0)}
    if adapter:
        kinds |= {"all" if told == GUIDANCE else " + ".join(told): Kind(True, told) for told in TOLD}
        kinds |= {f"all, strength {s:g}": Kind(True, GUIDANCE, s) for s in strengths}
    return kinds | ({} if lora is None else {"people's LoRA": Kind(True, lora=with_lora(lora, "people"))})


def hidden_iou(plan: LayerPlan, truth: TrueScene) -> float:
    """Of the hidden bodies behind the nearest, mean over those who stay and have enough of it; NaN when nobody has."""
    found = []
    for person in plan.scene.staying:
        true = truth.whole[person.number - 1] & truth.visible[0]
        if int(true.sum()) >= SMALLEST:
            guess = person.hidden & truth.visible[0]
            found.append(float((guess & true).sum() / (guess | true).sum()))
    return float(np.mean(found)) if found else float("nan")


def guidance_of(plan: LayerPlan) -> Tensor:
    """What MILD Guidance Maps tells the adapter of each row: [P, S, S, 9]."""
    rows = [(guide(plan.scene, p.person, p.crop, plan.working_size), p.person) for p in plan.pathways]
    return torch.stack([adapter_hint(*row) for row in rows])


def only(guidance: Tensor, told: tuple[str, ...]) -> Tensor:
    """The guidance with all that is not told black, as the trainer leaves it out (`training.adapter.drop_guidance`)."""
    kept = torch.tensor([name in told for name in GUIDANCE]).repeat_interleave(guidance.shape[-1] // len(GUIDANCE))
    return guidance * kept


def adapted(control: Any, hints: Tensor, strength: float) -> Prompt:
    """Conditioning with the adapter applied by the core's own node."""
    apply = importlib.import_module("nodes").ControlNetApplyAdvanced()  # the core's, once `core_sampler` has put it first
    return lambda positive, negative: apply.apply_controlnet(positive, negative, control, hints, strength, 0.0, 1.0)


def patched(method: str, match: float, lora: Patch | None) -> Patch:
    def patch(pack: Any, model: Any, plan: LayerPlan) -> Any:
        model = model if method == "none" else modulated(pack, model, plan, method, {"match_parts": match})
        return model if lora is None else lora(pack, model, plan)

    return patch


def load_adapter(path: Path) -> Any:
    """By the core's stock loader."""
    control = importlib.import_module("comfy.controlnet").load_controlnet(str(path))
    if control is None:
        sys.exit(f"adapter is {path}, but it must be a file that the core's ControlNet loader reads")
    return control


def finished(case: Case, rows: Tensor | list[Tensor], detail: str) -> Tensor:
    """The picture [H, W, 3] of sampled rows, as MILD Decode Layers and MILD Compose Layers make it."""
    if detail == "copied":
        rows = [copy_detail(case.plan, *pair) for pair in zip(case.plan.pathways, rows, strict=True)]
    return compose(make_layers(case.plan, rows, seam="matched")).image


def scores_of(truth: TrueScene, seed: int, kinds: dict[str, Kind], sample: Sample, control: Any, asked: argparse.Namespace):
    """Scores by row of the table, and the seconds that each took from the plan to the picture."""
    scene = without_nearest(truth)
    start = time.perf_counter()
    understood = understand(scene).scene
    print(f"  morphology {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    cases = {False: Case.of(truth, scene), True: Case.of(truth, understood)}
    guidance = None if control is None else guidance_of(cases[True].plan)
    results = {}
    for name, (figure, told, strength, match, lora, others) in kinds.items():
        case, start = cases[figure], time.perf_counter()
        prompt = adapted(control, only(guidance, told), strength) if guidance is not None and told else None
        rows = sample(case.plan, case.rows, asked.denoise, seed, patched(asked.method, match, lora), prompt=prompt, show_others=others)
        image = finished(case, rows, asked.detail)
        found = {score.__name__: score(image, case.truth, case.completed) for score in (psnr, ssim, haarpsi)}
        found["outline"] = psnr(image, case.truth, case.hole)
        results[name] = {**found, "hidden_iou": hidden_iou(case.plan, truth), "seconds": time.perf_counter() - start}
    return results


def difference(one: list[float], other: list[float], seed: int = 0) -> Interval:
    """The mean of one less the other, scene by scene, and its 95 % percentile bootstrap interval. Pairs with NaN do not count."""
    apart = np.subtract(one, other)
    apart = apart[~np.isnan(apart)]
    if not len(apart):
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(len(apart), size=(RESAMPLES, len(apart)))
    low, high = np.quantile(apart[drawn].mean(1), (0.025, 0.975))
    return Interval(float(apart.mean()), float(low), float(high))


def table(means: dict[str, dict[str, float]], differences: dict[str, dict[str, Interval]]) -> str:
    """Means, and differences to what is compared with, as two markdown tables."""
    lines = ["| row " + HEADER]
    lines += [f"| {name} | {' | '.join(f'{m[c]:.{DIGITS[c]}f}' for c in COLUMNS)} |" for name, m in means.items()]
    lines += ["", f"| less {COMPARED} " + HEADER]
    for name, found in differences.items():
        cells = [f"{d.mean:+.{n}f} ({d.low:+.{n}f} to {d.high:+.{n}f})" for d, n in ((found[c], DIGITS[c]) for c in COLUMNS)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    parser.add_argument("--scenes", type=int, default=20, help="how many are scored")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--adapter", type=Path, help="the result of the recipe adapter.toml")
    parser.add_argument("--strengths", default="", help="others than 1 of the adapter told all, such as 0.5,1.5")
    parser.add_argument("--lora", type=Path, help="for the layers of people, of the recipe layer_lora.toml")
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out", help="tune settings on train only")
    parser.add_argument("--first-seed", type=int, default=1000, help="scenes have this seed and those after it")
    parser.add_argument("--method", choices=("none", *METHODS), default=SHIPPED["method"], help="of attention, default %(default)s")
    parser.add_argument("--denoise", type=float, default=SHIPPED["denoise"])
    parser.add_argument("--steps", type=int, default=SHIPPED["steps"])
    shipped = "copied" if SHIPPED["detail"] == "copied" else "model"
    parser.add_argument("--detail", choices=("model", "copied"), default=shipped, help="who paints the detail, default %(default)s")
    asked = parser.parse_args()
    asked.strengths = [float(s) for s in asked.strengths.split(",") if s]
    if asked.scenes < 1:
        parser.error(f"scenes is {asked.scenes}, but it must be at least 1")
    if asked.strengths and not asked.adapter:
        parser.error("strengths are an adapter's, but there is no --adapter")
    for name in ("adapter", "lora"):
        if (path := getattr(asked, name)) and not path.exists():
            parser.error(f"{name} is {path}, but there is no such file")
    return asked


def main() -> None:
    asked = parse()
    core = os.environ.get("MILD_CORE", "")
    if not Path(core, "comfy", "sample.py").exists():
        sys.exit("MILD_CORE names no folder of a ComfyUI core: run this through scripts/bootstrap.py")
    sample = core_sampler(Path(core), WEIGHTS, asked.steps, SHIPPED["cfg"], SHIPPED["sampler_name"], SHIPPED["scheduler"])
    control = load_adapter(asked.adapter) if asked.adapter else None
    library = PhotoLibrary(asked.photos, asked.split)
    kinds = kinds_of(control is not None, asked.strengths, asked.lora)
    scenes: list[dict[str, Any]] = []
    skipped: list[int] = []
    while len(scenes) < asked.scenes:
        seed = asked.first_seed + len(scenes) + len(skipped)
        truth = make_scene(library, seed, people=(2, 3))
        pixels = int((truth.visible[0] & truth.whole[1:].any(0)).sum())
        if pixels < SMALLEST:
            skipped.append(seed)
            continue
        start = time.perf_counter()
        scores = scores_of(truth, seed, kinds, sample, control, asked)
        scenes.append({"seed": seed, "name": truth.name, "hidden": pixels, "scores": scores})
        took = time.perf_counter() - start
        print(f"{len(scenes)}/{asked.scenes} {truth.name}: {pixels} px hidden, {took:.1f} s", file=sys.stderr, flush=True)

    columns = {name: {c: [s["scores"][name][c] for s in scenes] for c in (*COLUMNS, "seconds")} for name in kinds}
    means = {name: {c: float(np.nanmean(values)) for c, values in found.items()} for name, found in columns.items()}
    against = columns[COMPARED]
    differences = {n: {c: difference(found[c], against[c]) for c in COLUMNS} for n, found in columns.items() if n != COMPARED}
    print(table(means, differences))
    print(f"\n{len(scenes)} scenes; {len(skipped)} with less than {SMALLEST} px to complete were passed over; {NO_KEYPOINTS}.")
    settings = {n: str(v) if isinstance(v, Path) else v for n, v in vars(asked).items() if n not in ("photos", "out")}
    report = {
        "commit": commit(),
        "settings": settings,
        "weights": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "adapter": hashlib.sha256(asked.adapter.read_bytes()).hexdigest() if asked.adapter else None,
        "means": means,
        "differences": {n: {c: d._asdict() for c, d in found.items()} for n, found in differences.items()},
        "skipped": skipped,
        "left out": NO_KEYPOINTS,
        "scenes": scenes,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "completion.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
