"""What erasing 1, 2, 4, 8, 16 people costs, against one pass or one crop for each; two LoRAs in one pass; the limits.

    python scripts/bench_layers.py [--people 1,2,4,8,16] [--steps 4] [--out out/bench]

The photo is 1536×1024: a photograph that comes with scikit-learn, with copies of a portrait from scikit-image, three sizes of
them, side by side and apart. All are erased with the bundled model, sampled by the real core in this process, whose folder
MILD_CORE names.
    layers      the pack's own way: crops by cluster, one latent batch, one sampler run
    crops       a crop for each person, sampled one after another
    full frame  a pass over the whole photo for each person, one after another; passes do not differ, so one is timed and multiplied
Sampled pixels are those of all rows or passes, steps not counted. Seconds are those of the sampler.

LoRAs: two random ones of rank 8 on all layers that take one, for the background's rows and for people's. "One pass" adds each
to its rows; "two passes" samples all rows twice, with either merged into the weights, as ComfyUI does when it is left to it.

Limits: split, plan and compose of 3840×2160 with 20 people, ten of whom go: seconds, and bytes beyond the inputs at the highest
peak, each in a process of its own; where memory is read the process gives it back at once, which costs time.

Prints tables and writes OUT/layers.json.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.compose import compose, make_layers  # noqa: E402
from mild_core.models.mini import WEIGHTS  # noqa: E402
from mild_core.plan import LayerPlan, make_plan  # noqa: E402
from mild_core.scene import MaskedPerson, Scene, choose, from_masks, split_people  # noqa: E402
from scripts.bench_attention import RETURNED_AT_ONCE, peak  # noqa: E402
from scripts.bench_quality import WORKING_SIZE, core_sampler  # noqa: E402
from scripts.demo_scene import MASK  # noqa: E402

HEIGHT, WIDTH = 1024, 1536
SIZES = (150, 220, 300)  # pixels of a portrait's side, taken in turn
COLUMNS = 8  # places in a row of people
RANK = 8


def crowd(people: int) -> Scene:
    """So many people on the photo, all of them going. Places are taken from far apart to close."""
    from skimage.data import astronaut
    from sklearn.datasets import load_sample_image

    place = Image.fromarray(load_sample_image("china.jpg")).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    portrait = Image.fromarray(np.dstack([astronaut(), np.asarray(Image.open(MASK))]))
    order = [0, 15, 7, 8, 3, 12, 5, 10, 1, 14, 6, 9, 2, 13, 4, 11]
    found = []
    for number, spot in enumerate(order[:people], start=1):
        side = SIZES[number % len(SIZES)]
        small = portrait.resize((side, side), Image.Resampling.LANCZOS)
        left = round((spot % COLUMNS + 0.5) * WIDTH / COLUMNS - side / 2)
        at = (left, 480 - side if spot < COLUMNS else 960 - side)
        place.paste(small, at, small)
        mask = Image.new("L", place.size)
        mask.paste(small.getchannel("A"), at)
        found.append(MaskedPerson(number, torch.from_numpy(np.asarray(mask).astype(np.float32) / 255)))
    photo = torch.from_numpy(np.asarray(place).astype(np.float32) / 255)[None]
    scene = split_people(photo, found)
    return scene.erasing(frozenset(p.id for p in scene.people))


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


class Sampler:
    """Seconds of the real core's sampler, on the bundled model, with the photo itself as the first guess."""

    def __init__(self, steps: int) -> None:
        self.run = core_sampler(Path(os.environ["MILD_CORE"]), WEIGHTS, steps, 1.0, "euler", "normal")
        self.steps = steps

    def plan(self, plan: LayerPlan) -> float:
        rows = torch.stack([plan.working_image(p, plan.scene.photo[0]) for p in plan.pathways])
        return timed(lambda: self.run(plan, rows, 0.4, 0, complete="nobody"))

    def frame(self, photo: Tensor) -> float:
        """One pass over the whole photo, whose sides are multiples of 64."""
        nodes: Any = importlib.import_module("nodes")
        host = importlib.import_module("mild_pack.nodes.host")
        model, vae, conditioning = host.load_mini()
        latent = {"samples": vae.encode(photo)}
        return timed(
            lambda: nodes.common_ksampler(
                model, 0, self.steps, 1.0, "euler", "normal", conditioning["background"], conditioning["none"], latent, denoise=0.4
            )
        )


def one_by_one(scene: Scene) -> list[LayerPlan]:
    """A plan for each person, who alone is erased."""
    plans = []
    for person in scene.people:
        alone = scene.erasing(frozenset([person.id]))
        plans.append(make_plan(alone, working_size=WORKING_SIZE, complete="nobody"))
    return plans


def cost(people: int, sampler: Sampler, frame: float) -> dict[str, Any]:
    scene = crowd(people)
    plan = make_plan(scene, working_size=WORKING_SIZE, complete="nobody")
    plans = one_by_one(scene)
    row = WORKING_SIZE**2
    return {
        "people": people,
        "hole": plan.hole.area,
        "rows": len(plan.pathways),
        "pixels": {
            "layers": len(plan.pathways) * row,
            "crops": sum(len(p.pathways) for p in plans) * row,
            "full frame": people * HEIGHT * WIDTH,
        },
        "seconds": {
            "layers": sampler.plan(plan),
            "crops": sum(map(sampler.plan, plans)),
            "full frame": people * frame,
        },
    }


def loras(sampler: Sampler, runs: int) -> dict[str, float]:
    """Seconds of two LoRAs in one pass, in two passes, and of one pass without any."""
    import comfy.sd

    host = importlib.import_module("mild_pack.nodes.host")
    masks = torch.zeros(8, HEIGHT, WIDTH)
    for i, mask in enumerate(masks):  # four pairs, the nearer of each in front of the other and going
        left, top = 60 + 380 * (i // 2), 500 + 60 * (i % 2)
        mask[top : top + 240, left + 60 * (i % 2) : left + 60 * (i % 2) + 120] = 1
    scene = split_people(crowd(1).photo, from_masks(masks), depth_order="2,4,6,8,1,3,5,7")
    plan = make_plan(scene.erasing(choose("2,4,6,8", scene.people)), working_size=WORKING_SIZE, complete="staying")
    rows = torch.stack([plan.working_image(p, plan.scene.photo[0]) for p in plan.pathways])
    background = [i for i, p in enumerate(plan.pathways) if p.role == "background"]
    people = [i for i, p in enumerate(plan.pathways) if p.role == "person"]
    model = host.load_mini()[0]
    first, second = (random_lora(model, seed) for seed in (0, 1))

    def in_one(_: Any, model: Any, plan: LayerPlan) -> Any:
        model = host.lora_rows(model, dict(first), 1.0, background, len(plan.pathways))
        return host.lora_rows(model, dict(second), 1.0, people, len(plan.pathways))

    def merged(weights: dict[str, Tensor]) -> Callable[..., Any]:
        return lambda _, model, plan: comfy.sd.load_lora_for_models(model, None, dict(weights), 1.0, 0)[0]

    kinds: dict[str, Callable[[], object]] = {
        "none": lambda: sampler.run(plan, rows, 0.4, 0, None, "staying"),
        "one pass": lambda: sampler.run(plan, rows, 0.4, 0, in_one, "staying"),
        "two passes": lambda: [sampler.run(plan, rows, 0.4, 0, merged(w), "staying") for w in (first, second)],
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):
        for name, call in kinds.items():
            taken[name].append(timed(call))
    return {"rows": len(plan.pathways), **{name: statistics.median(times) for name, times in taken.items()}}


def random_lora(model: Any, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    for key, module in model.model.diffusion_model.named_modules():
        weight: Any = getattr(module, "weight", None)
        if weight is not None and weight.ndim in (2, 4):
            down = torch.randn(RANK, *weight.shape[1:], generator=generator) * 0.01
            up = torch.randn(len(weight), RANK, *[1] * (weight.ndim - 2), generator=generator) * 0.01
            made |= {f"diffusion_model.{key}.lora_down.weight": down, f"diffusion_model.{key}.lora_up.weight": up}
    return made


def limits() -> dict[str, float]:
    """Seconds and extra bytes of split, plan and compose at the size the docs promise."""
    one = torch.zeros(2, 64, 64)
    one[0, 10:40, 10:30], one[1, 5:30, 20:40] = 1, 1
    small = split_people(torch.rand(1, 64, 64, 3), from_masks(one))
    make_plan(small.erasing(choose("1", small.people)), working_size=64)  # imports of libraries
    height, width, people = 2160, 3840, 20
    photo = torch.rand(1, 135, 240, 3).repeat_interleave(16, 1).repeat_interleave(16, 2)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    masks = torch.zeros(people, height, width)
    for i, mask in enumerate(masks):
        x, y = 150 + i % 10 * 380 + i // 10 * 60, 900 + i // 10 * 350 + i % 3 * 40
        mask.copy_(((columns - x) / 110) ** 2 + ((rows - y) / 420) ** 2 < 1)
    marks: list[float] = []

    def work() -> object:
        marks.append(time.perf_counter())
        scene = split_people(photo, from_masks(masks))
        scene = scene.erasing(choose("1,3,5,7,9,12,14,16,18,20", scene.people))
        marks.append(time.perf_counter())
        plan = make_plan(scene, working_size=512)
        marks.append(time.perf_counter())
        picture = compose(make_layers(plan, [torch.full((512, 512, 3), 0.5)] * len(plan.pathways)))
        marks.append(time.perf_counter())
        return picture

    taken = peak(work, "cpu")
    split, planned, composed = (after - start for start, after in itertools.pairwise(marks))
    return {"split": split, "plan": planned, "compose": composed, "gigabytes": taken / 1e9}


def limits_apart(**environment: str) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--limits"]
    told = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout
    return json.loads(told)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default="1,2,4,8,16")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3, help="of the LoRAs and the limits, whose medians are told; the others run once")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--limits", action="store_true", help="only these, as JSON")
    return parser.parse_args()


def main() -> None:
    asked = parse()
    if asked.limits:
        times = [limits() for _ in range(asked.runs)]
        told = {name: statistics.median(t[name] for t in times) for name in times[0]}
        print(json.dumps(told | {"gigabytes": max(t["gigabytes"] for t in times)}))
        return
    if not Path(os.environ.get("MILD_CORE", ""), "comfy", "sample.py").exists():
        sys.exit("MILD_CORE names no folder of a ComfyUI core: run this by `make bench-layers`")
    sampler = Sampler(asked.steps)
    one = crowd(1)
    sampler.plan(make_plan(one, working_size=WORKING_SIZE, complete="nobody"))  # first allocations
    frame = sampler.frame(one.photo)
    costs = [cost(int(people), sampler, frame) for people in asked.people.split(",")]
    print("| people | hole, megapixels | rows | sampled megapixels: layers | crops | full frame | seconds: layers | crops | full frame |")
    print("|---|---|---|---|---|---|---|---|---|")
    for c in costs:
        pixels, seconds = ([c[what][kind] for kind in ("layers", "crops", "full frame")] for what in ("pixels", "seconds"))
        print(f"| {c['people']} | {c['hole'] / 1e6:.3f} | {c['rows']} | " + " | ".join(f"{p / 1e6:.2f}" for p in pixels), end=" | ")
        print(" | ".join(f"{s:.1f}" for s in seconds) + " |")
    pair = loras(sampler, asked.runs)
    print(f"\nLoRAs, {pair['rows']} rows: one pass {pair['one pass'] / pair['none']:.2f} times a pass without, "
          f"two passes {pair['two passes'] / pair['none']:.2f} times")  # fmt: skip
    limit = {**limits_apart(), "gigabytes": limits_apart(**RETURNED_AT_ONCE)["gigabytes"]}
    total = limit["split"] + limit["plan"] + limit["compose"]
    print(f"3840×2160 with 20 people: split {limit['split']:.2f} s, plan {limit['plan']:.2f} s, compose {limit['compose']:.2f} s, "
          f"together {total:.2f} s; {limit['gigabytes']:.2f} GB")  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)
    report = {"torch": torch.__version__, "threads": torch.get_num_threads(), "steps": asked.steps, "costs": costs, "loras": pair}
    (asked.out / "layers.json").write_text(json.dumps({**report, "limits": limit}, indent=1) + "\n")


if __name__ == "__main__":
    main()
