"""All recipes of the trainer by name, and the files that run them.

A recipe is small: what it learns from, what is told to the network, the loss, and what of it is trained. Loop, precision, running
average, checkpoints, log and processes are those of loop.py. A recipe's file says what to run:

    recipe = "magiceraser"            # which, one of RECIPES
    out = "runs/prompt"               # the run: checkpoint, log, samples
    minutes = 600                     # at most; without it until all steps are done

    [files]                           # what it reads
    model = "stable-diffusion-inpainting"
    pairs = "runs/olrd"

    [settings]                        # what is not as the recipe has it
    steps = 20000

    [result]                          # what it writes in the end, a model card besides
    out = "models"
    name = "background_completion"

Paths are relative to where the command is run.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["RECIPES", "Kind", "Plan", "read_plan"]


@dataclass(frozen=True)
class Kind:
    """One recipe, whose module is imported when it is needed.

    Attributes:
        about: what it trains, in a line.
        module: in this package; it has `train`, `export` and the settings' class.
        settings: the name of that class.
        files: what `train` reads, beside `out`, `recipe` and `minutes`.
        more_files: what it may be given besides.
        result: what `export` needs besides the run: `out`, and perhaps more.
        more_result: what it may be given besides.
    """

    about: str
    module: str
    settings: str
    files: tuple[str, ...] = ("pairs",)
    more_files: tuple[str, ...] = ()
    result: tuple[str, ...] = ("out",)
    more_result: tuple[str, ...] = ()

    def _of(self, name: str) -> Any:
        return getattr(import_module(f".{self.module}", __package__), name)

    @property
    def train(self) -> Callable[..., None]:
        return self._of("train")

    @property
    def export(self) -> Callable[..., list[Path]]:
        return self._of("export")

    def settings_of(self, given: Mapping[str, Any]) -> Any:
        """The settings, with what is given in place of the defaults. Raises ValueError for unknown ones and wrong types."""
        made = self._of(self.settings)
        known = {field.name: type(field.default) for field in fields(made)}
        _known("settings", given, known)
        return made(**{name: _typed(f"settings.{name}", value, known[name]) for name, value in given.items()})


RECIPES: dict[str, Kind] = {
    "mini": Kind("the bundled model", "mini", "Recipe", more_files=("start_from",)),
    "adapter": Kind("the bundled model's morphology adapter", "adapter", "AdapterRecipe", more_files=("weights", "start_from")),
    "layer_lora": Kind(
        "a LoRA of the bundled model for one kind of layer", "layer_lora", "LayerLoraRecipe", more_files=("weights", "adapter")
    ),
    "magiceraser": Kind(
        "MagicEraser's word and LoRA of an SD1.5 inpainting model", "prompt", "PromptRecipe", ("model", "pairs"), more_result=("name",)
    ),
    "erasediff": Kind("Erase Diffusion's U-Net, or LoRA", "chain_tuning", "ChainRecipe", ("model", "pairs"), more_result=("name",)),
    "erasediff_mini": Kind("the bundled model, tuned by Erase Diffusion's loss", "chain_mini", "ChainMiniRecipe", more_files=("weights",)),
    "smarteraser": Kind(
        "SmartEraser's U-Net, text encoder and projector", "smart_eraser", "SmartEraserRecipe", ("model", "pairs"), more_result=("name",)
    ),
    "omnieraser": Kind("OmniEraser's LoRA of FLUX.1-dev", "omni_eraser", "OmniEraserRecipe", ("model", "pairs"), more_result=("name",)),
}


@dataclass(frozen=True)
class Plan:
    """What a recipe's file says.

    Attributes:
        name: of the recipe.
        out: folder of the run.
        minutes: at most; inf without end.
        files: by name, what is read.
        settings: of the recipe, an instance of its settings' class.
        result: what `export` is given beside the run; empty to write nothing in the end.
    """

    name: str
    out: Path
    minutes: float
    files: dict[str, Path]
    settings: Any
    result: dict[str, Any]

    @property
    def kind(self) -> Kind:
        return RECIPES[self.name]


def read_plan(path: Path, changes: Iterable[str] = ()) -> Plan:
    """A recipe's file.

    Args:
        changes: "KEY=VALUE" each, in place of what the file says, such as "settings.steps=500" or "files.pairs=runs/pairs".
    Raises FileNotFoundError when there is no such file, ValueError for what is none of a recipe's, by its name.
    """
    said = _toml(path.read_text(encoding="utf-8"), str(path))
    for change in changes:
        _change(said, change)
    _known("", said, ("recipe", "out", "minutes", "files", "settings", "result"))
    name = said.get("recipe")
    if name not in RECIPES:
        raise ValueError(f"recipe is {name!r}, but it must be one of {', '.join(RECIPES)}")
    kind = RECIPES[name]
    files, result = said.get("files", {}), said.get("result", {})
    _complete("files", files, kind.files, kind.more_files)
    if result:
        _complete("result", result, kind.result, kind.more_result)
    if not isinstance(said.get("out"), str):
        raise ValueError(f"out is {said.get('out')!r}, but it must be the folder of the run")
    return Plan(
        name,
        Path(said["out"]),
        _typed("minutes", said.get("minutes", float("inf")), float),
        {key: Path(value) for key, value in files.items()},
        kind.settings_of(said.get("settings", {})),
        {key: Path(value) if key == "out" else value for key, value in result.items()},
    )


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found, no-redef]

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where} is no TOML: {error}") from None


def _change(said: dict[str, Any], change: str) -> None:
    key, sign, value = change.partition("=")
    *tables, last = key.split(".")
    if not sign or not last:
        raise ValueError(f"{change!r} changes nothing: it must be KEY=VALUE, such as settings.steps=500")
    for table in tables:
        said = said.setdefault(table, {})
    try:
        said[last] = _toml(f"value = {value}", change)["value"]
    except ValueError:
        said[last] = value  # words without quotation marks


def _complete(table: str, given: Mapping[str, Any], needed: tuple[str, ...], more: tuple[str, ...]) -> None:
    _known(table, given, (*needed, *more))
    for name in needed:
        if name not in given:
            raise ValueError(f"{table}.{name} is missing: this recipe needs {', '.join(needed)}")
    for name, value in given.items():
        _typed(f"{table}.{name}", value, str)


def _known(table: str, given: Mapping[str, Any], names: Iterable[str]) -> None:
    names = tuple(names)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{table}{'.' if table else ''}{name} is unknown: {meant}there are {', '.join(names) or 'none'}")


def _typed(name: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} is {value!r}, but it must be {'text' if kind is str else f'a {kind.__name__}'}")
    return value
