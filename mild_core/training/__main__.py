"""Command line of the trainer; see `--help` of each step."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from .mini import Recipe
from .mini import export as export_mini
from .mini import train as train_mini
from .prepare import prepare as make_pairs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mild_core.training", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)

    prepare = steps.add_parser("prepare", help="make training pairs from a photo library")
    prepare.add_argument("--photos", type=Path, required=True, help="folder with places/, people/ and perhaps misc/")
    prepare.add_argument("--out", type=Path, required=True)
    prepare.add_argument("--count", type=int, default=4096)
    prepare.add_argument("--size", type=int, default=256, help="crop size in pixels")
    prepare.add_argument("--workers", type=int, default=2)
    prepare.add_argument("--split", choices=("train", "held-out"), default="train")
    prepare.add_argument("--first-seed", type=int, default=0)

    train = steps.add_parser("train", help="train; goes on from the last checkpoint under --out")
    train.add_argument("--pairs", type=Path, required=True)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=float("inf"), help="stop after this long, with a checkpoint")
    train.add_argument("--start-from", type=Path, help="a weights file to begin with in place of random weights")
    for field in fields(Recipe):
        train.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)

    export = steps.add_parser("export", help="write the running average of a run as a weights file")
    export.add_argument("--run", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True)

    arguments = vars(parser.parse_args())
    step = arguments.pop("step")
    if step == "prepare":
        make_pairs(**arguments)
    elif step == "train":
        names = {field.name for field in fields(Recipe)}
        recipe = Recipe(**{name: arguments.pop(name) for name in names})
        train_mini(recipe=recipe, **arguments)
    elif step == "export":
        export_mini(**arguments)


if __name__ == "__main__":
    main()
