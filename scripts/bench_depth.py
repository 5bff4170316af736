"""How often is it told right who stands in front? Accuracy on scenes of cut-out people in a known order, from masks alone.

    python scripts/bench_depth.py --photos DIR [--scenes 500] [--seed 3] [--out out/bench]
    python scripts/bench_depth.py --photos DIR --fit --split train --scenes 800 --seed 1

Scored are the pairs of people that touch, by three rules: who reaches lower is nearer; the same, and among equals whose hull
others cover less, then who is larger; and `order_people`. Once in all kinds of scenes, once where the order has nothing to do
with feet and size. A tie of feet counts as half right.

Writes OUT/depth.json and prints a table. With --fit it prints the weights that this split gives for mild_core/scene/depth.py
instead; those that stand there come from the second command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

sys.path[0] = str(Path(__file__).resolve().parents[1])

from mild_core.data.casting import cutouts  # noqa: E402
from mild_core.data.library import PhotoLibrary, cut_out, load_labels  # noqa: E402
from mild_core.scene import depth  # noqa: E402
from mild_core.scene.box import Box  # noqa: E402
from mild_core.scene.masks import hull  # noqa: E402
from mild_core.scene.part import Part  # noqa: E402
from mild_core.scene.people import Person  # noqa: E402

SIZES = ((384, 512), (512, 384), (400, 600), (480, 480))
KINDS = {"ground": 0.5, "free": 0.06, "cut": 0.19, "deep": 0.18, "child": 0.07}  # how often; what they are: `_standing`
MASKS = {"exact": 0.3, "blurred": 0.4, "polygons": 0.3}
SMALLEST, LEAST_SEEN, LEAST_VISIBLE = 150, 80, 0.12  # pixels of a body, of what is seen of it, and the share that is seen
SMALLEST_MASK, SPECK = 60, 12  # pixels
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)  # of the confidence, for the calibration error
RULES = {"rows": "lowest row", "hulls": "lowest row, then hull, then area", "order": "order_people"}


class Cutouts(NamedTuple):
    """Masks [h, w] uint8 0 or 1 of people, cut to their boxes."""

    whole: list[np.ndarray]
    cut: list[np.ndarray]  # by the bottom of their photographs, and by nothing else

    @classmethod
    def of(cls, library: PhotoLibrary) -> Cutouts:
        cut = []
        for person in library.persons():
            mask = load_labels(person[1]) == person[2]
            columns = np.flatnonzero(mask.any(0))
            if mask[-3:].any() and columns[0] > 1 and columns[-1] < mask.shape[1] - 2:
                cut.append(mask[mask.any(1).argmax() :, columns[0] : columns[-1] + 1].astype(np.uint8))
        return cls([cut_out(*person).mask.astype(np.uint8) for person in cutouts(library)], cut)


def make_masks(cutouts: Cutouts, count: int, seed: int, kinds: dict[str, float]) -> Iterator[list[np.ndarray]]:
    """`count` scenes of these kinds: masks [H, W] uint8 0 or 1 as somebody might draw or detect them, nearest person first."""
    rng = np.random.default_rng(seed)
    while count:
        seen = _visible(cutouts, rng, kinds)
        if seen is None:
            continue
        drawn = rng.choice(list(MASKS), p=list(MASKS.values()))
        masks = seen if drawn == "exact" else _blurred(seen, rng) if drawn == "blurred" else _polygons(seen, rng)
        if masks is not None:
            count -= 1
            yield masks


def _visible(cutouts: Cutouts, rng: np.random.Generator, kinds: dict[str, float]) -> list[np.ndarray] | None:
    """What is seen of two to five people; None where somebody is hardly seen."""
    height, width = SIZES[rng.integers(len(SIZES))]
    kind = str(rng.choice(list(kinds), p=list(kinds.values())))
    people = int(rng.integers(2, 6))
    centre, beside = rng.uniform(0.25, 0.75) * width, 0
    bodies: list[np.ndarray] = []
    for foot, tall in zip(*_standing(kind, height, people, rng), strict=True):
        cut = kind != "free" and bool(cutouts.cut) and foot >= 0.97 * height and rng.random() < 0.6
        pool = cutouts.cut if cut else cutouts.whole
        mask = pool[rng.integers(len(pool))]
        if cut:
            foot, tall = height + 1, min(tall, 0.95 * height)
        if bodies and rng.random() < 0.75:
            centre += rng.uniform(-0.9, 0.9) * beside * (0.6 if kind == "child" else 1)
        else:
            centre = rng.uniform(0.1, 0.9) * width
        centre = min(max(centre, 0.05 * width), 0.95 * width)
        body, beside = _pasted(mask, max(tall, 20), centre, foot, Box(0, 0, width, height), rng.random() < 0.5)
        bodies.append(body)
    taken, seen = np.zeros((height, width), np.uint8), []
    for body in bodies:
        seen.append(body & ~taken)
        taken |= body
        if body.sum() < SMALLEST or seen[-1].sum() < max(LEAST_VISIBLE * body.sum(), LEAST_SEEN):
            return None
    return seen


def _standing(kind: str, height: int, people: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The rows of everybody's feet and how tall they are, in pixels, nearest first.

    ground: on level ground, people of many sizes. free: anywhere, of any size. child: two, a smaller one before a taller.
    deep: one or two at the camera, the others far off. cut: the frame cuts nearly all off.
    """
    if kind == "ground":
        horizon = rng.uniform(0.1, 0.5) * height
        feet = -np.sort(-rng.uniform(max(0.5 * height, horizon + 0.2 * height), 1.02 * height, people))
        if rng.random() < 0.3:  # in a row
            feet = -np.sort(-(feet.mean() + rng.uniform(-0.04, 0.04, people) * height))
        tall = rng.uniform(0.8, 1.3) * (feet - horizon) * rng.uniform(0.75, 1.15, people)
        return feet + rng.normal(0, 0.025, people) * tall, tall
    if kind == "free":
        return rng.uniform(0.55, 0.99, people) * height, rng.uniform(0.3, 0.8, people) * height
    if kind == "child":
        behind = rng.uniform(0.7, 1.4) * height
        adult = min(behind * 0.95, rng.uniform(0.6, 1.1) * height)
        child = adult * rng.uniform(0.3, 0.65)
        return np.array([min(behind - rng.uniform(-0.05, 0.45) * adult, 1.1 * height), behind]), np.array([child, adult])
    if kind == "deep":
        near = int(rng.integers(1, min(people, 2) + 1))
        horizon = rng.uniform(0.15, 0.45) * height
        feet = -np.sort(-rng.uniform(horizon + 0.12 * height, horizon + 0.45 * height, people))
        tall = rng.uniform(0.7, 1.1) * (feet - horizon) * rng.uniform(0.75, 1.2, people) + 12
        feet = feet + rng.normal(0, 0.03, people) * tall
        tall[:near] = -np.sort(-rng.uniform(0.6, 1.3, near) * height)
        feet[:near] = height + rng.uniform(0, 0.5, near) * tall[:near]
        return feet, tall
    tall = -np.sort(-rng.uniform(0.6, 1.5, people) * height * rng.uniform(0.6, 1)) * rng.uniform(0.75, 1.25, people)
    return height + rng.uniform(-0.1, 0.6, people) * tall, tall


def _pasted(mask: np.ndarray, tall: float, centre: float, foot: float, frame: Box, mirrored: bool) -> tuple[np.ndarray, int]:
    """The cut-out in the frame, [H, W] uint8, and how wide it is."""
    scale = tall / len(mask)
    width = max(round(mask.shape[1] * scale), 2)
    scaled = cv2.resize(mask * 255, (width, int(tall)), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    body = torch.from_numpy((np.fliplr(scaled) if mirrored else scaled) > 127)
    return frame.moved(-int(centre - width / 2), -int(foot - tall)).cut_mask(body).numpy().astype(np.uint8), width


def _blurred(masks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray] | None:
    """As detectors give them: rounder, a little larger or smaller, with overlaps and gaps. None where hardly anything is left."""
    out = []
    for mask in masks:
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.6, 2.2))
        lumps = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 6)
        above = np.clip(0.5 + rng.uniform(-0.2, 0.2) + 0.12 * lumps / lumps.std(), 0.1, 0.9)
        _, labels, stats, _ = cv2.connectedComponentsWithStats((soft > above).astype(np.uint8))
        large = stats[:, cv2.CC_STAT_AREA] >= SPECK
        large[0] = False  # the ground
        out.append(large[labels].astype(np.uint8))
        if out[-1].sum() < SMALLEST_MASK:
            return None
    return out


def _polygons(masks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray] | None:
    """As annotators draw them, mostly in a label map, where one hides another by chance. None where hardly anything is left."""
    out: list[np.ndarray] = []
    for mask in masks:
        coarse = max(rng.uniform(0.008, 0.045) * max(np.ptp(np.flatnonzero(mask.any(axis))) for axis in (0, 1)), 1)
        out.append(np.zeros_like(mask))
        for outline in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
            outline = cv2.approxPolyDP(outline, coarse, True)
            if len(outline) > 2:
                shaken = outline + rng.normal(0, 1.0, outline.shape) + rng.normal(0, 0.7, 2)
                cv2.fillPoly(out[-1], [shaken.round().astype(np.int32)], 1)
        if out[-1].sum() < SMALLEST_MASK:
            return None
    if rng.random() < 0.7:
        taken = np.zeros_like(masks[0])
        for index in rng.permutation(len(out)):
            out[index] &= ~taken
            taken |= out[index]
            if out[index].sum() < SMALLEST_MASK:
                return None
    return out


def people_of(masks: Sequence[np.ndarray]) -> list[Person]:
    """Nearest first. The ids count down, so that what goes by id, a tie, counts as wrong."""
    parts = [Part.of(torch.from_numpy(mask > 0)) for mask in masks]
    return [Person(str(len(parts) - rank), rank, part, part, part) for rank, part in enumerate(parts)]


def judged(masks: Sequence[np.ndarray]) -> Iterator[tuple[float, float, float, float]]:
    """Of each pair that touches: how right each of RULES is, 0 … 1, and the confidence of the last one."""
    people = people_of(masks)
    covered = np.maximum.reduce(list(masks))
    keys = []
    for mask in masks:
        body = hull(torch.from_numpy(mask)).numpy()
        keys.append((-int(np.flatnonzero(mask.any(1))[-1]), (covered & ~mask)[body].mean(), -int(mask.sum())))
    rank = {person.id: person.number for person in people}
    for pair in depth.order_people(people).pairs:
        if pair.touching:
            near, far = sorted((rank[pair.nearer], rank[pair.farther]))
            rows = 0.5 if keys[near][0] == keys[far][0] else float(keys[near] < keys[far])
            yield rows, float(keys[near] < keys[far]), float(rank[pair.nearer] == near), pair.confidence


def scores(scenes: Iterator[list[np.ndarray]]) -> dict[str, float]:
    """Accuracy of each rule; of the last one also the mean confidence and the expected calibration error."""
    rows = np.array([verdict for masks in scenes for verdict in judged(masks)])
    right, confidence = rows[:, 2], rows[:, 3]
    bins = np.digitize(confidence, BINS)
    error = sum(abs((confidence - right)[bins == n].sum()) for n in np.unique(bins)) / len(rows)
    return {"pairs": len(rows), **dict(zip((*RULES, "said"), rows.mean(0).tolist(), strict=True)), "error": float(error)}


def fitted(scenes: Iterator[list[np.ndarray]]) -> dict[str, float]:
    """`WEIGHTS` by logistic regression on all pairs; each counts both ways, so that no bias is learned."""
    from sklearn.linear_model import LogisticRegression

    signs = []
    for masks in scenes:
        outlines = depth._outlines(people_of(masks))
        crowd = depth._crowd([outline.small for outline in outlines])
        for one, other in combinations(outlines, 2):
            found, _ = depth._signs(one, other, crowd)
            signs.append([np.clip(found.get(name, 0.0), -limit, limit) for name, limit in depth.LIMITS.items()])
    data = np.array(signs)
    model = LogisticRegression(fit_intercept=False).fit(np.vstack([data, -data]), np.repeat([1, 0], len(data)))
    return dict(zip(depth.LIMITS, model.coef_[0].round(1).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out", help="fit on train only")
    parser.add_argument("--fit", action="store_true", help="print the weights that the split gives")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    asked = parser.parse_args()
    if asked.scenes < 1:
        parser.error(f"scenes is {asked.scenes}, but it must be at least 1")
    if asked.fit and asked.split != "train":
        parser.error("--fit needs --split train: scores are taken on the people held out")
    cutouts = Cutouts.of(PhotoLibrary(asked.photos, asked.split))
    if asked.fit:
        print(fitted(make_masks(cutouts, asked.scenes, asked.seed, KINDS)))
        return
    found = {
        name: scores(make_masks(cutouts, asked.scenes, asked.seed, kinds)) for name, kinds in (("mix", KINDS), ("free", {"free": 1.0}))
    }
    mix, free = found.values()
    print(f"| pairs that touch | all kinds, {mix['pairs']} | feet and size tell nothing, {free['pairs']} |\n|---|---|---|")
    for name, label in {**RULES, "said": "its mean confidence", "error": "its expected calibration error"}.items():
        print(f"| {label} | {mix[name]:.1%} | {free[name]:.1%} |")
    asked.out.mkdir(parents=True, exist_ok=True)
    settings = {"scenes": asked.scenes, "seed": asked.seed, "split": asked.split}
    (asked.out / "depth.json").write_text(json.dumps({"settings": settings, "scores": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
