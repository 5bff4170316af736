"""Training: pairs are prepared, and a recipe's file is run.

python -m mild_core.training train mild_core/training/recipes/mini.toml settings.steps=500
accelerate launch -m mild_core.training train mine.toml        # several GPUs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main", "train"]

INTERRUPTED = 130  # exit status of a program that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a step; its exit status: 0, 2 for what cannot be done, 130 when interrupted."""
    from .prompt_captions import QUESTION

    shown = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mild_core.training", description=__doc__, formatter_class=shown)
    steps = parser.add_subparsers(required=True)
    _add_prepare(steps.add_parser("prepare", help="make training pairs from photographs"), guided=False)
    _add_prepare(steps.add_parser("prepare-guided", help="make the adapter's training pairs"), guided=True)

    chain = steps.add_parser("prepare-chain", help="crop removal pairs for Erase Diffusion's loss on the bundled model")
    chain.add_argument("--pairs", type=Path, required=True, help="folder of removal pairs, such as those of `mild-pairs erasediff`")
    chain.add_argument("--out", type=Path, required=True)
    chain.add_argument("--size", type=int, default=256)
    chain.add_argument("--workers", type=int, default=2)
    chain.set_defaults(run=_prepare_chain)

    caption = steps.add_parser("caption", help="write NAME.txt beside every photo that has none, such as the truths of removal pairs")
    caption.add_argument("--photos", type=Path, required=True)
    caption.add_argument("--network", type=Path, required=True, help="folder of an image-to-text network of transformers")
    caption.add_argument("--question", default="", help=f'"{QUESTION}", for networks that are asked; the tags are those of ../index.csv')
    caption.add_argument("--device", default="cpu")
    caption.set_defaults(run=_caption)

    run = steps.add_parser("train", help="run a recipe's file; goes on from the last checkpoint, and writes the result with a model card")
    run.add_argument("recipe", type=Path, help="a recipe's file, such as those in mild_core/training/recipes")
    run.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="in place of what the file says, such as settings.steps=500")
    run.add_argument("--result-only", action="store_true", help="write the result of what is trained already")
    run.set_defaults(run=_train)

    asked = parser.parse_args(argv)
    try:
        asked.run(asked)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return INTERRUPTED
    return 0


def train() -> int:
    """The step `train` as a command of its own, `mild-train`."""
    return main(["train", *sys.argv[1:]])


def _add_prepare(step: argparse.ArgumentParser, guided: bool) -> None:
    step.add_argument("--photos", type=Path, required=True, help="photo library: a folder with places/ and people/")
    step.add_argument("--out", type=Path, required=True)
    step.add_argument("--count", type=int, required=True)
    step.add_argument("--size", type=int, default=256)
    step.add_argument("--workers", type=int, default=2)
    step.add_argument("--split", choices=("train", "held-out"), default="train")
    step.add_argument("--first-seed", type=int, default=0)
    step.set_defaults(run=_prepare, guided=guided)


def _prepare(asked: argparse.Namespace) -> None:
    from .prepare import prepare

    prepare(asked.photos, asked.out, asked.count, asked.size, asked.workers, asked.split, asked.first_seed, asked.guided)


def _prepare_chain(asked: argparse.Namespace) -> None:
    from .chain_pairs import prepare

    prepare(asked.pairs, asked.out, asked.size, asked.workers)


def _caption(asked: argparse.Namespace) -> None:
    from .prompt_captions import caption_folder
    from .prompt_pairs import INDEX, read_index

    index = asked.photos.parent
    tags = {words.id: words.tag for words in read_index(index)} if (index / INDEX).exists() else {}
    print(f"{caption_folder(asked.photos, asked.network, asked.question, tags, asked.device)} captions written")


def _train(asked: argparse.Namespace) -> None:
    from accelerate import PartialState

    from .card import write_card
    from .recipes import read_plan

    plan = read_plan(asked.recipe, asked.changes)
    if not asked.result_only:
        plan.kind.train(**plan.files, out=plan.out, recipe=plan.settings, minutes=plan.minutes)
    if plan.result and PartialState().is_main_process:
        made = plan.kind.export(plan.out, **plan.result)
        print(f"wrote {', '.join(map(str, made))} and {write_card(plan, made)}")


if __name__ == "__main__":
    sys.exit(main())
