"""Command line of the data room; see `--help` of each step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from .olrd_photos import Part
from .olrd_set import OlrdSettings, build_pairs
from .recipe import MOST_PEOPLE
from .scene_set import Settings, build_scenes

__all__ = ["main", "pairs", "scenes"]

INTERRUPTED = 130  # exit status of a program that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a step; its exit status: 0, 2 for what cannot be done, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m mild_core.data", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    _add_scenes(steps)
    _add_olrd(steps)
    asked = parser.parse_args(argv)
    try:
        asked.run(asked)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What was finished stays; the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _add_scenes(steps: argparse._SubParsersAction) -> None:
    scenes = steps.add_parser("scenes", help="build a benchmark of truth scenes; goes on where an earlier run stopped")
    scenes.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    scenes.add_argument("--out", type=Path, required=True, help="folder of the set")
    scenes.add_argument("--count", type=int, required=True, help="how many scenes")
    scenes.add_argument("--first", type=int, default=0, help="seed of the first; the others follow (default %(default)s)")
    scenes.add_argument("--split", choices=("held-out", "train"), default="held-out", help="scores are taken on %(default)s")
    scenes.add_argument("--short-side", type=int, default=384, help="of the photos, in pixels (default %(default)s)")
    scenes.add_argument("--most-people", type=int, default=MOST_PEOPLE, help="in one scene (default %(default)s)")
    scenes.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s); they change nothing in the files")
    scenes.set_defaults(run=_scenes)


def _scenes(asked: argparse.Namespace) -> None:
    settings = Settings(asked.count, asked.first, asked.split, asked.short_side, asked.most_people)
    build_scenes(asked.photos, asked.out, settings, asked.jobs)


def _add_olrd(steps: argparse._SubParsersAction) -> None:
    olrd = steps.add_parser("olrd", help="build removal pairs, things shifted onto background; goes on where an earlier run stopped")
    olrd.add_argument("--photos", type=Path, required=True, help="folder of photos, with index.json unless --panoptic is given")
    olrd.add_argument("--panoptic", type=Path, help="COCO's panoptic JSON; its maps lie beside it in the folder of the same name")
    olrd.add_argument("--out", type=Path, required=True, help="folder of the set")
    olrd.add_argument("--count", type=int, required=True, help="how many pairs")
    olrd.add_argument("--first", type=int, default=0, help="seed of the first; the others follow (default %(default)s)")
    olrd.add_argument("--part", choices=get_args(Part), default="train", help="of the photos (default %(default)s)")
    olrd.add_argument("--long-side", type=int, default=0, help="of the photos, in pixels; longer ones are made smaller (0: never)")
    olrd.add_argument("--per-shard", type=int, default=0, help="pairs in each WebDataset tar (0: plain folders, no tar)")
    olrd.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s); they change nothing in the files")
    olrd.set_defaults(run=_olrd)


def _olrd(asked: argparse.Namespace) -> None:
    settings = OlrdSettings(asked.count, asked.first, asked.part, asked.long_side, asked.per_shard)
    build_pairs(asked.photos, asked.out, settings, asked.panoptic, asked.jobs)


def scenes() -> int:
    """The step `scenes` as a command of its own, `mild-scenes`."""
    return main(["scenes", *sys.argv[1:]])


def pairs() -> int:
    """The step `olrd` as a command of its own, `mild-pairs`."""
    return main(["olrd", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
