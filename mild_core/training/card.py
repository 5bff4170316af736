"""The model card that is written beside what a run has made: what it is, from what, how, and what is not known of it."""

from __future__ import annotations

import csv
import hashlib
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from .loop import LOG, read_log

if TYPE_CHECKING:
    from .recipes import Plan

__all__ = ["write_card"]

PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate")
LISTS = ("index.csv", "pairs.json", "scenes.json")  # what sets of training pairs are told apart by


def write_card(plan: Plan, made: list[Path]) -> Path:
    """Write a card in Markdown beside the files that a run has made.

    Raises ValueError when there is no file.
    """
    if not made:
        raise ValueError(f"the run {plan.out} has made no file to write a card of")
    settings = [f"| {name} | {value} |" for name, value in asdict(plan.settings).items()]
    lines = [
        f"# Model card: {', '.join(path.name for path in made)}",
        "",
        f"{plan.kind.about[0].upper()}{plan.kind.about[1:]}, made by the recipe *{plan.name}*.",
        "",
        "## Data",
        "",
        *(f"- {name}: `{path}`{_told(path)}" for name, path in plan.files.items()),
        "",
        "The licence of the result follows from that of the data and of the model it was made from: whoever ran this knows them, this "
        "page does not.",
        "",
        "## Training",
        "",
        *_course(plan.out),
        f"- {', '.join(_versions())}; {platform.machine()}, {_device()}",
        "",
        "| setting | |",
        "|---|---|",
        *settings,
        "",
        "## Scores",
        "",
        "None were taken by the trainer. `mild-score` takes them.",
    ]
    path = made[0].with_suffix(".md")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _told(path: Path) -> str:
    """How many there are, and a fingerprint by which another copy can be told to be the same."""
    shards = sorted(path.glob("pairs-*.safetensors")) if path.is_dir() else []
    if shards:
        return f", {len(shards)} shards"
    found = [path / name for name in LISTS if (path / name).is_file()] if path.is_dir() else [path] if path.is_file() else []
    if not found:
        return ""
    mark = hashlib.sha256(found[0].read_bytes()).hexdigest()[:16]
    if found[0].suffix == ".csv":
        with found[0].open(encoding="utf-8", newline="") as file:
            return f", {sum(1 for _ in csv.DictReader(file))} pairs, {found[0].name} `{mark}`"
    return f", {found[0].name} `{mark}`"


def _course(run: Path) -> list[str]:
    """What every stage's log says: steps, time, how the loss fell."""
    lines = []
    for log in sorted(run.rglob(LOG), key=lambda path: path.stat().st_mtime):
        stage = f"{log.parent.name}: " if log.parent != run else ""
        first, *_, last = read_log(log.parent) * 2
        lines.append(
            f"- {stage}{last['step']:.0f} steps in {last['seconds'] / 60:.0f} minutes; loss {first['loss']:.4g} over the first "
            f"{first['step']:.0f} steps, {last['loss']:.4g} over the last ones logged"
        )
    return lines


def _versions() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
