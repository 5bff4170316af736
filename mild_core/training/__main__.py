"""Command line of the trainer; see `--help` of each step."""

from __future__ import annotations

import argparse
from pathlib import Path


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

    arguments = vars(parser.parse_args())
    step = arguments.pop("step")
    if step == "prepare":
        from .prepare import prepare as run

        run(**arguments)


if __name__ == "__main__":
    main()
