"""Command line of the trainer; see `--help` of each step."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..models.mini import WEIGHTS
from .adapter import AdapterRecipe
from .adapter import export as export_adapter
from .adapter import train as train_adapter
from .loop import Recipe
from .mini import export as export_mini
from .mini import train as train_mini
from .prepare import prepare as make_pairs
from .prompt import PromptRecipe
from .prompt import export as export_prompt
from .prompt import train as train_prompt
from .prompt_captions import QUESTION, caption_folder
from .prompt_pairs import INDEX, read_index


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mild_core.training", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)

    _add_prepare(steps.add_parser("prepare", help="make training pairs from a photo library"))
    train = steps.add_parser("train", help="train; goes on from the last checkpoint under --out")
    train.add_argument("--start-from", type=Path, help="a weights file to begin with in place of random weights")
    _add_train(train, Recipe)
    _add_export(steps.add_parser("export", help="write the running average of a run as a weights file"))

    guided = steps.add_parser("prepare-guided", help="make training pairs of hidden people, with guidance")
    _add_prepare(guided)
    adapter = steps.add_parser("train-adapter", help="train an adapter of the bundled model; goes on from the last checkpoint under --out")
    adapter.add_argument("--weights", type=Path, default=WEIGHTS, help="of the bundled model, which stays as it is")
    _add_train(adapter, AdapterRecipe)
    _add_export(steps.add_parser("export-adapter", help="write the running average of a run as a T2I-Adapter file"))

    prompt = steps.add_parser("train-prompt", help="tune a word and a LoRA of an SD1.5 inpainting model; goes on from the last checkpoint")
    prompt.add_argument(
        "--model", type=Path, required=True, help="diffusers folder of the model: unet, vae, text_encoder, tokenizer, scheduler"
    )
    _add_train(prompt, PromptRecipe)
    exported = steps.add_parser("export-prompt", help="write embedding and LoRA of a run as files for ComfyUI's stock loaders")
    _add_export(exported)
    exported.add_argument("--name", default="background_completion", help="of both files; the prompt has embedding:NAME")
    caption = steps.add_parser("caption", help="write NAME.txt beside every photo that has none, such as the truths of removal pairs")
    caption.add_argument("--photos", type=Path, required=True)
    caption.add_argument("--network", type=Path, required=True, help="folder of an image-to-text network of transformers")
    caption.add_argument("--question", default="", help=f'"{QUESTION}", for networks that are asked; the tags are those of ../index.csv')
    caption.add_argument("--device", default="cpu")

    arguments = vars(parser.parse_args())
    step = arguments.pop("step")
    if step in ("prepare", "prepare-guided"):
        make_pairs(guided=step == "prepare-guided", **arguments)
    elif step == "train":
        train_mini(recipe=_taken(Recipe, arguments), **arguments)
    elif step == "export":
        export_mini(**arguments)
    elif step == "train-adapter":
        train_adapter(recipe=_taken(AdapterRecipe, arguments), **arguments)
    elif step == "export-adapter":
        export_adapter(**arguments)
    elif step == "train-prompt":
        train_prompt(recipe=_taken(PromptRecipe, arguments), **arguments)
    elif step == "export-prompt":
        export_prompt(**arguments)
    elif step == "caption":
        index = arguments["photos"].parent
        tags = {words.id: words.tag for words in read_index(index)} if (index / INDEX).exists() else {}
        print(f"{caption_folder(tags=tags, **arguments)} captions written")


def _add_prepare(step: argparse.ArgumentParser) -> None:
    step.add_argument("--photos", type=Path, required=True, help="folder with places/, people/ and perhaps misc/")
    step.add_argument("--out", type=Path, required=True)
    step.add_argument("--count", type=int, default=4096)
    step.add_argument("--size", type=int, default=256, help="crop size in pixels")
    step.add_argument("--workers", type=int, default=2)
    step.add_argument("--split", choices=("train", "held-out"), default="train")
    step.add_argument("--first-seed", type=int, default=0)


def _add_train(step: argparse.ArgumentParser, recipe: type[Any]) -> None:
    step.add_argument("--pairs", type=Path, required=True)
    step.add_argument("--out", type=Path, required=True)
    step.add_argument("--minutes", type=float, default=float("inf"), help="stop after this long, with a checkpoint")
    for field in fields(recipe):
        step.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)


def _add_export(step: argparse.ArgumentParser) -> None:
    step.add_argument("--run", type=Path, required=True)
    step.add_argument("--out", type=Path, required=True)


def _taken(recipe: type[Any], arguments: dict[str, Any]) -> Any:
    """The recipe that the arguments hold, which they hold no more."""
    return recipe(**{field.name: arguments.pop(field.name) for field in fields(recipe)})


if __name__ == "__main__":
    main()
