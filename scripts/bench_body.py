"""How much of somebody's hidden body is guessed right, and how far off are guessed joints?

    python scripts/bench_body.py --photos DIR [--cases 300] [--seed 0] [--split held-out] [--out out/bench]

Bodies: people cut out of photographs who are whole, each with somebody else pasted in front so that 6 to 70 % is hidden. Scored
are the whole body (IoU with the truth) and its hidden part (IoU where the front person is), for what is seen alone, for it
grown by the share of its height that scores best (the best for these very cases), for its convex hull, and for `fit_body`.
All but the last could take as hidden only what the front person covers; so that is what they are given, too.

Joints: the annotated people of DIR/pose. How far off, in shares of the length of their box, are the joints that a silhouette
alone gives; and those of a leg or an arm whose joints are withheld and whose mask is covered.

Writes OUT/body.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # run as a file: import from the checkout, not from this folder

from mild_core.data.casting import cutouts
from mild_core.data.library import PhotoLibrary, cut_out
from mild_core.morphology.body import fit_body
from mild_core.morphology.keypoints import read_keypoints
from mild_core.scene.masks import grow, hull
from mild_core.scene.part import Part
from mild_core.scene.pose import JOINTS, Pose

LEAST_JOINTS = 12  # of 17
TALL, SIZE = 200, (420, 500)  # pixels: who is behind, and the picture
FRONT = (0.75, 1.35)  # how tall who is in front is, in heights of who is behind,
LOWER = (0.0, 0.35)  # and how much lower they stand
HIDDEN = (0.06, 0.7)  # of the body
GROWTHS = tuple(n / 100 for n in range(2, 21, 2))  # of the height of what is seen
LIMBS = {
    "right leg": ("right knee", "right ankle"),
    "left leg": ("left knee", "left ankle"),
    "right arm": ("right elbow", "right wrist"),
    "left arm": ("left elbow", "left wrist"),
}
COVER = 0.09  # of the box's length: radius of what covers a withheld joint


class Case(NamedTuple):
    whole: Tensor  # [H, W] bool, the body behind
    front: Tensor  # [H, W] bool


def make_cases(library: PhotoLibrary, count: int, seed: int) -> Iterator[Case]:
    """`count` people with somebody in front of them."""
    behind = [cut_out(*person).mask for person in cutouts(library)]
    anybody = [cut_out(*person).mask for person in library.persons()]
    rng = np.random.default_rng(seed)
    while count:
        body = _scaled(behind[rng.integers(len(behind))], TALL, rng)
        other = _scaled(anybody[rng.integers(len(anybody))], TALL * rng.uniform(*FRONT), rng)
        top, centre = (SIZE[0] - TALL) // 2, SIZE[1] // 2
        foot = top + TALL * (1 + rng.uniform(*LOWER))
        beside = centre + rng.uniform(-0.9, 0.9) * body.shape[1]
        whole = _placed(body, top, centre - body.shape[1] // 2)
        front = _placed(other, int(foot) - len(other), int(beside) - other.shape[1] // 2)
        if HIDDEN[0] < (whole & front).sum() / whole.sum() < HIDDEN[1]:
            count -= 1
            yield Case(torch.from_numpy(whole), torch.from_numpy(front))


def _scaled(mask: np.ndarray, tall: float, rng: np.random.Generator) -> np.ndarray:
    size = (max(round(mask.shape[1] * tall / len(mask)), 2), round(tall))
    scaled = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    return scaled[:, ::-1] if rng.random() < 0.5 else scaled


def _placed(mask: np.ndarray, top: int, left: int) -> np.ndarray:
    out = np.zeros(SIZE, bool)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + len(mask), SIZE[0]), min(left + mask.shape[1], SIZE[1])
    out[y0:y1, x0:x1] = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum().clamp(min=1))


def score(guess: Callable[[Tensor, Tensor], Tensor], cases: Sequence[Case]) -> dict[str, float]:
    """Mean IoU of the whole body and of its hidden part; `guess` gets what is seen and who is in front."""
    whole, hidden = [], []
    for case in cases:
        seen = case.whole & ~case.front
        body = seen | (guess(seen, case.front) & case.front)
        whole.append(iou(body, case.whole))
        hidden.append(iou(body & ~seen, case.whole & ~seen))
    return {"amodal IoU": float(np.mean(whole)), "hidden IoU": float(np.mean(hidden))}


def grown(share: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda seen, _: grow(seen, share * Part.of(seen).box.height)


def figure(seen: Tensor, front: Tensor) -> Tensor:
    return fit_body(Part.of(seen), Part.of(front)).whole.whole


def annotated(photos: Path) -> Iterator[tuple[Pose, Tensor]]:
    """Poses and masks [H, W] of the annotated people of DIR/pose, with at least LEAST_JOINTS."""
    told = json.loads((photos / "pose" / "test_coco.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in told["images"]}
    for person in told["annotations"]:
        if person["iscrowd"] or person["num_keypoints"] < LEAST_JOINTS:
            continue
        height, width = sizes[person["image_id"]]
        frame = {"canvas_height": height, "canvas_width": width, "people": [{"pose_keypoints_2d": person["keypoints"]}]}
        mask = np.zeros((height, width), np.uint8)
        for outline in person["segmentation"]:
            cv2.fillPoly(mask, [np.array(outline).reshape(-1, 2).round().astype(np.int32)], 1)
        yield read_keypoints(frame, (height, width))[0], torch.from_numpy(mask > 0)


def joint_errors(photos: Path) -> dict[str, dict[str, float]]:
    """Of joints below the head: distances between guess and truth, in lengths of the box, by what was known."""
    alone, withheld = [], []
    for pose, mask in annotated(photos):
        seen = Part.of(mask)
        alone.append(_errors(fit_body(seen, Part.of(mask & ~mask)).pose, pose, seen.box.longest, range(1, 14)))
        for names in LIMBS.values():
            joints = [JOINTS.index(name) for name in names]
            if not pose.known[joints].all():
                continue
            covered = np.zeros(mask.shape, np.uint8)
            for joint in joints:
                x, y = pose.joints[joint, :2].round().int().tolist()
                cv2.circle(covered, (x, y), round(COVER * seen.box.longest), 1, -1)
            front = torch.from_numpy(covered > 0)
            known = pose.joints.clone()
            known[joints] = 0
            guess = fit_body(Part.of(mask & ~front), Part.of(front), Pose.of(known)).pose
            withheld.append(_errors(guess, pose, seen.box.longest, joints))
    found = {"from the silhouette": np.concatenate(alone), "of a covered arm or leg, the others known": np.concatenate(withheld)}
    return {name: {"joints": len(e), "median": float(np.median(e)), "within 0.1": float((e < 0.1).mean())} for name, e in found.items()}


def _errors(guess: Pose, truth: Pose, length: float, joints: Sequence[int]) -> np.ndarray:
    rows = [j for j in joints if truth.known[j]]
    return ((guess.joints[rows, :2] - truth.joints[rows, :2]).norm(dim=1) / length).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    arguments = parser.parse_args()
    cases = list(make_cases(PhotoLibrary(arguments.photos, arguments.split), arguments.cases, arguments.seed))
    growths = {share: score(grown(share), cases) for share in GROWTHS}
    best = max(growths, key=lambda share: growths[share]["hidden IoU"])
    bodies = {
        "visible mask alone": score(lambda seen, _: seen, cases),
        f"grown by {best:.0%} of its height": growths[best],
        "convex hull": score(lambda seen, _: hull(seen), cases),
        "fit_body": score(figure, cases),
    }
    joints = joint_errors(arguments.photos)
    arguments.out.mkdir(parents=True, exist_ok=True)
    told = {"split": arguments.split, "seed": arguments.seed, "cases": len(cases), "bodies": bodies, "joints": joints}
    (arguments.out / "body.json").write_text(json.dumps(told, indent=1))
    for name, scores in bodies.items():
        print(f"{name:32} amodal IoU {scores['amodal IoU']:.3f}   hidden IoU {scores['hidden IoU']:.3f}")
    for name, errors in joints.items():
        off = f"median error {errors['median']:.3f} of the box's length, {errors['within 0.1']:.0%} within 0.1"
        print(f"joints {name}: {errors['joints']} joints, {off}")


if __name__ == "__main__":
    main()
