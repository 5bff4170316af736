"""How many poses go to the people they are of?

    python scripts/bench_assign.py --photos DIR [--scenes 600] [--seed 0] [--out out/bench]

The annotated people of DIR/pose of whom most joints are known, pasted over one another in a known order: two to seven to a
scene, of any size, so that the same person may be there twice. A fifth of the masks is dropped, as of people whom nobody
masked, and a quarter of the poses, as of people whom the detector missed; joints are off by 1.5 % of the height, and where they
do not show they are less sure. Right is a pose that goes to its owner; wrong is one that goes to somebody else, whether or not
the mask of its owner is there.

Scored are the rule that ships; the share of joints alone, at the same floor and at one at which it errs as rarely; and the rule
with one of its numbers moved. Only a dozen people stand behind all scenes, and the numbers were chosen on such scenes of these
same people: this compares rules, and says little about how often they err on photographs.

Writes OUT/assign.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import cv2
import numpy as np
import torch

sys.path[0] = str(Path(__file__).resolve().parents[1])

from mild_core.morphology import assign  # noqa: E402
from mild_core.scene import MaskedPerson, Part, Pose, Scene, split_people  # noqa: E402
from mild_core.scene.box import Box  # noqa: E402
from scripts.bench_body import annotated  # noqa: E402

SIZE = (400, 600)  # pixels, height and width of a scene
PEOPLE = (2, 7)
TALL = (80, 330)  # pixels
OFF = 0.015  # of the height: standard deviation of a joint
SHOWN, COVERED = (0.6, 1.0), (0.1, 0.8)  # confidences of joints
BESIDE = 2  # pixels: a joint so near to what is seen of its owner shows
MASKED, POSED = 0.8, 0.75  # shares of the people
LEAST_MASKED, LEAST_POSED = 150, 100  # pixels that are seen of somebody who is masked, and of somebody whose pose is found
VARIED: dict[str, dict[str, float]] = {
    "assign_poses": {},
    "share of joints alone": {"BOXES": 0.0},
    "share of joints alone, FLOOR 0.5": {"BOXES": 0.0, "FLOOR": 0.5},
    "FLOOR 0.25": {"FLOOR": 0.25},
    "FLOOR 0.45": {"FLOOR": 0.45},
    "HIDDEN 0": {"HIDDEN": 0.0},
    "HIDDEN 1": {"HIDDEN": 1.0},
}


class Model(NamedTuple):
    """An annotated person, cut to their box."""

    mask: np.ndarray  # [h, w] uint8 0 or 1
    joints: np.ndarray  # [18, 3], in pixels of the mask


class Case(NamedTuple):
    scene: Scene  # people by number
    poses: list[Pose]
    owners: list[int]  # of the poses, by number, whether or not the scene has them


def models_of(photos: Path) -> list[Model]:
    """Who is annotated in DIR/pose."""
    models = []
    for pose, mask in annotated(photos):
        part = Part.of(mask)
        joints = pose.joints.numpy()
        joints[:, :2] -= part.box.left, part.box.top
        models.append(Model(part.pixels.numpy().astype(np.uint8), joints))
    return models


def make_cases(models: list[Model], count: int, seed: int) -> Iterator[Case]:
    """`count` scenes in which somebody has a mask."""
    rng = np.random.default_rng(seed)
    while count:
        taken = np.zeros(SIZE, bool)
        masked, found = [], []
        for number in range(1, int(rng.integers(PEOPLE[0], PEOPLE[1] + 1)) + 1):  # nearest first
            body, joints = _standing(models[rng.integers(len(models))], rng)
            seen = body & ~taken
            taken |= body
            if seen.sum() > LEAST_MASKED and rng.random() < MASKED:
                masked.append(MaskedPerson(number, torch.from_numpy(seen).float()))
            if seen.sum() > LEAST_POSED and rng.random() < POSED:
                found.append((number, Pose.of(torch.from_numpy(_detected(joints, seen, rng)).float())))
        if masked:
            count -= 1
            found = [found[n] for n in rng.permutation(len(found))]
            yield Case(split_people(torch.zeros(1, *SIZE, 3), masked), [pose for _, pose in found], [number for number, _ in found])


def _standing(model: Model, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Somebody in the middle of the scene or about it: body [H, W] bool, and joints [18, 3] that are a little off."""
    tall = rng.uniform(*TALL)
    scale = tall / len(model.mask)
    width = max(round(model.mask.shape[1] * scale), 2)
    left = round(rng.normal(SIZE[1] / 2, SIZE[1] / 6) - width / 2)
    top = min(round(rng.normal(SIZE[0] / 2, SIZE[0] / 10) - tall / 2), SIZE[0] - 20)
    mask = cv2.resize(model.mask, (width, round(tall)), interpolation=cv2.INTER_NEAREST)
    body = Box(-left, -top, SIZE[1] - left, SIZE[0] - top).cut_mask(torch.from_numpy(mask > 0)).numpy()
    joints = model.joints.copy()
    # the centre of the first pixel is at 0 before and after
    joints[:, :2] = (joints[:, :2] + 0.5) * scale - 0.5 + (left, top) + rng.normal(0, OFF * tall, (len(joints), 2))
    return body, joints


def _detected(joints: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The joints [18, 3] as sure as a detector might be, which sees only `seen` [H, W]."""
    near = cv2.dilate(seen.astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1)))
    out = np.zeros_like(joints)
    for n, (x, y, known) in enumerate(joints):
        if known:
            column, row = round(float(x)), round(float(y))
            shown = 0 <= column < SIZE[1] and 0 <= row < SIZE[0] and near[row, column]
            out[n] = x, y, rng.uniform(*(SHOWN if shown else COVERED))
    return out


def score(cases: Sequence[Case], constants: dict[str, float]) -> dict[str, int]:
    """Poses that go to their owner, and to somebody else, by `assign_poses` with some of its numbers changed."""
    right = wrong = 0
    with patch.dict(vars(assign), constants):
        for case in cases:
            places = assign.assign_poses(case.poses, case.scene.people).place_of
            verdicts = [case.owners[places[p.id]] == p.number for p in case.scene.people if p.id in places]
            right += sum(verdicts)
            wrong += len(verdicts) - sum(verdicts)
    return {"right": right, "wrong": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="photo library: a folder with pose/")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    asked = parser.parse_args()
    if asked.scenes < 1:
        parser.error(f"scenes is {asked.scenes}, but it must be at least 1")
    models = models_of(asked.photos)
    cases = list(make_cases(models, asked.scenes, asked.seed))
    poses = sum(len(case.poses) for case in cases)
    owned = sum(owner in {person.number for person in case.scene.people} for case in cases for owner in case.owners)
    found = {name: score(cases, constants) for name, constants in VARIED.items()}
    print(f"{poses} poses of {len(models)} people in {len(cases)} scenes; of {owned} the owner has a mask\n")
    print("| rule | to their owner | to somebody else |\n|---|---|---|")
    for name, scores in found.items():
        print(f"| {name} | {scores['right']} | {scores['wrong']} |")
    asked.out.mkdir(parents=True, exist_ok=True)
    told = {"scenes": asked.scenes, "seed": asked.seed, "people": len(models), "poses": poses, "poses of masked people": owned}
    (asked.out / "assign.json").write_text(json.dumps({**told, "scores": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
