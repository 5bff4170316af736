"""Command line of the data room; see `--help` of each step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from .erasediff_set import build_erase_pairs
from .olrd_photos import Part
from .olrd_set import OlrdSettings, build_pairs
from .recipe import MOST_PEOPLE
from .scene_set import Settings, build_scenes
from .syn4_set import Sources, Syn4Settings, build_syn4
from .video4 import PairSettings
from .video4_match import Where
from .video4_set import MaskSource, build_video4
from .video4_split import SplitSettings
from .workers import Processes, Workers

__all__ = ["add_jobs", "main", "pairs", "processes", "scenes"]

INTERRUPTED = 130  # exit status of a program that Ctrl-C ended


def add_jobs(step: argparse.ArgumentParser) -> None:
    """The option that `processes` reads."""
    step.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s); they change nothing in the files")


def processes(asked: argparse.Namespace) -> Workers:
    """As many processes of this machine as are asked for. Raises ValueError for fewer than one."""
    return Processes(asked.jobs)


def main(
    argv: Sequence[str] | None = None,
    prog: str = "python -m mild_core.data",
    add_options: Callable[[argparse.ArgumentParser], None] = add_jobs,
    workers_of: Callable[[argparse.Namespace], Workers] = processes,
) -> int:
    """Run a step; its exit status: 0, 2 for what cannot be done, 130 when interrupted.

    Args:
        add_options: adds to each step what tells who is to do the work.
        workers_of: makes these workers of what was asked; `asked.out` is the folder of the set. May raise ValueError or RuntimeError.
    """
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    _add_scenes(steps)
    _add_shifted(steps, "olrd", "build removal pairs of MagicEraser, things shifted onto background", build_pairs)
    _add_shifted(steps, "erasediff", "build removal pairs of Erase Diffusion, things scaled, turned and moved", build_erase_pairs)
    _add_syn4(steps)
    _add_video4(steps)
    for step in steps.choices.values():
        add_options(step)
    asked = parser.parse_args(argv)
    try:
        asked.run(asked, workers_of(asked))
    except (ValueError, FileNotFoundError, RuntimeError, ImportError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What was finished stays; the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _path(text: str) -> Path:
    """Absolute: workers may run in another folder."""
    return Path(text).absolute()


def _add_scenes(steps: argparse._SubParsersAction) -> None:
    scenes = steps.add_parser("scenes", help="build a benchmark of truth scenes; goes on where an earlier run stopped")
    scenes.add_argument("--photos", type=_path, required=True, help="photo library: a folder with places/ and people/")
    scenes.add_argument("--out", type=_path, required=True, help="folder of the set")
    scenes.add_argument("--count", type=int, required=True, help="how many scenes")
    scenes.add_argument("--first", type=int, default=0, help="seed of the first; the others follow (default %(default)s)")
    scenes.add_argument("--split", choices=("held-out", "train"), default="held-out", help="scores are taken on %(default)s")
    scenes.add_argument("--short-side", type=int, default=384, help="of the photos, in pixels (default %(default)s)")
    scenes.add_argument("--most-people", type=int, default=MOST_PEOPLE, help="in one scene (default %(default)s)")
    scenes.add_argument(
        "--per-shard", type=int, default=0, help="scenes in each WebDataset tar, for training (0: a folder each, as benchmarks read them)"
    )
    scenes.set_defaults(run=_scenes)


def _scenes(asked: argparse.Namespace, workers: Workers) -> None:
    settings = Settings(asked.count, asked.first, asked.split, asked.short_side, asked.most_people, asked.per_shard)
    build_scenes(asked.photos, asked.out, settings, workers)


def _add_shifted(steps: argparse._SubParsersAction, name: str, words: str, build: Callable[..., None]) -> None:
    """A step whose pairs are things of a photo put elsewhere on the same photo."""
    step = steps.add_parser(name, help=f"{words}; goes on where an earlier run stopped")
    step.add_argument("--photos", type=_path, required=True, help="folder of photos, with index.json unless --panoptic is given")
    step.add_argument("--panoptic", type=_path, help="COCO's panoptic JSON; its maps lie beside it in the folder of the same name")
    _add_pairs(step)
    step.add_argument("--long-side", type=int, default=0, help="of the photos, in pixels; longer ones are made smaller (0: never)")
    step.set_defaults(run=partial(_shifted, build))


def _shifted(build: Callable[..., None], asked: argparse.Namespace, workers: Workers) -> None:
    settings = OlrdSettings(asked.count, asked.first, asked.part, asked.long_side, asked.per_shard)
    build(asked.photos, asked.out, settings, asked.panoptic, workers)


def _add_pairs(step: argparse.ArgumentParser) -> None:
    """What all sets of pairs of photos are told."""
    step.add_argument("--out", type=_path, required=True, help="folder of the set")
    step.add_argument("--count", type=int, required=True, help="how many pairs")
    step.add_argument("--first", type=int, default=0, help="seed of the first; the others follow (default %(default)s)")
    step.add_argument("--part", choices=get_args(Part), default="train", help="of the photos (default %(default)s)")
    step.add_argument("--per-shard", type=int, default=0, help="pairs in each WebDataset tar (0: plain folders, no tar)")


def _add_syn4(steps: argparse._SubParsersAction) -> None:
    syn4 = steps.add_parser("syn4removal", help="build removal pairs, things of photos on other photos (SmartEraser's Syn4Removal)")
    syn4.add_argument("--instances", type=_path, required=True, help="folder of photos with maps of their things, NAME.jpg with NAME.png")
    syn4.add_argument("--instance-panoptic", type=_path, help="COCO's panoptic JSON of these photos, instead of NAME.png or index.json")
    syn4.add_argument("--backgrounds", type=_path, required=True, help="folder of photos to paste on, with maps of their things or without")
    syn4.add_argument("--background-panoptic", type=_path, help="COCO's panoptic JSON of the backgrounds")
    syn4.add_argument(
        "--clip", type=_path, help="CLIP folder (config.json, safetensors, tokenizer) that scores things; without it none is scored"
    )
    syn4.add_argument("--clip-device", default="cpu", help="that CLIP runs on (default %(default)s); each worker loads it there")
    _add_pairs(syn4)
    syn4.add_argument("--size", type=int, default=512, help="of the pairs, in pixels of a side (default %(default)s)")
    syn4.add_argument(
        "--least-side", type=int, default=320, help="backgrounds with a shorter side below it are left out (default %(default)s)"
    )
    syn4.add_argument(
        "--whole", action="store_true", help="only things that neither the frame nor another thing cuts, a quarter of their photo at most"
    )
    syn4.set_defaults(run=_syn4)


def _syn4(asked: argparse.Namespace, workers: Workers) -> None:
    sources = Sources(asked.instances, asked.backgrounds, asked.clip, asked.instance_panoptic, asked.background_panoptic)
    settings = Syn4Settings(asked.count, asked.first, asked.part, asked.size, asked.least_side, asked.whole, asked.per_shard)
    build_syn4(sources, asked.out, settings, workers, asked.clip_device)


def _add_video4(steps: argparse._SubParsersAction) -> None:
    video4 = steps.add_parser("video4removal", help="build removal pairs of videos of a still camera (OmniEraser's Video4Removal)")
    video4.add_argument("--videos", type=_path, required=True, help="folder of videos")
    masks = video4.add_mutually_exclusive_group(required=True)
    masks.add_argument(
        "--masks", type=_path, help="folder of mask tracks: NAME/000123.png for frame 123 of the video NAME, or a video NAME.mkv"
    )
    masks.add_argument(
        "--network", type=_path, help="folder of a Mask2Former, OneFormer or EoMT network; of its things those that move are taken"
    )
    video4.add_argument("--device", default="cpu", help="that the network runs on (default %(default)s); each worker loads it there")
    video4.add_argument("--out", type=_path, required=True, help="folder of the set")
    video4.add_argument(
        "--foreground", type=float, default=0.15, help="share of moving pixels, at least, of a frame with a thing (default %(default)s)"
    )
    video4.add_argument("--most", type=float, default=0.8, help="share of moving pixels, at most, of such a frame (default %(default)s)")
    video4.add_argument(
        "--background", type=float, default=0.005, help="share of moving pixels, at most, of a background (default %(default)s)"
    )
    video4.add_argument(
        "--blur", type=float, default=0.5, help="a frame less sharp than this part of the median is dropped (default %(default)s)"
    )
    video4.add_argument(
        "--match", choices=get_args(Where), default="whole", help="pixels by which the nearest background is told (default %(default)s)"
    )
    video4.add_argument("--every", type=int, default=10, help="frames from one pair to the next, at least (default %(default)s)")
    video4.add_argument("--pairs", type=int, default=100, help="of each video, at most (default %(default)s)")
    video4.add_argument("--covered", type=float, default=0.5, help="part of what moves that the mask must have (default %(default)s)")
    video4.add_argument("--long-side", type=int, default=0, help="of the frames, in pixels; longer ones are made smaller (0: never)")
    video4.add_argument("--tars", action="store_true", help="a WebDataset tar for each video that gives pairs, in place of plain folders")
    video4.set_defaults(run=_video4)


def _video4(asked: argparse.Namespace, workers: Workers) -> None:
    split = SplitSettings(asked.foreground, asked.most, asked.background, asked.blur)
    settings = PairSettings(split, asked.match, asked.every, asked.pairs, asked.covered, asked.long_side)
    build_video4(asked.videos, MaskSource(asked.masks, asked.network), asked.out, settings, workers, asked.device, asked.tars)


def scenes() -> int:
    """The step `scenes` as a command of its own, `mild-scenes`."""
    return main(["scenes", *sys.argv[1:]])


def pairs() -> int:
    """The steps that build removal pairs as a command of its own, `mild-pairs olrd …`."""
    return main(sys.argv[1:], "mild-pairs")


if __name__ == "__main__":
    sys.exit(main())
