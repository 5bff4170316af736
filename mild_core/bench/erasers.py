"""Erasers: whatever takes a photo and a choice of people and gives a picture without them.

`ERASERS` maps the kinds that a command line may name to what makes them. A kind of one's own:

    @register("mine")
    def mine(name: str, argument: str, settings: Settings) -> Eraser: ...

makes `--eraser mine` and `--eraser "NAME=mine:argument"`. All erasers get the same `Task`; none sees the truth.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from ..compose import compose, make_layers
from ..fill import fill_pathway
from ..plan import make_plan
from ..scene import MaskedPerson, split_people
from ..scene.masks import grow
from .cases import Task
from .store import read_picture

if TYPE_CHECKING:
    from ..remote import Host

__all__ = [
    "ERASERS",
    "Erased",
    "Eraser",
    "EraserGoneError",
    "Exemplar",
    "Folder",
    "Inpaint",
    "Settings",
    "hole_of",
    "parse_eraser",
    "register",
    "sources_key",
]

GROW = 6.0  # pixels; MILD Encode Layers grows its holes by as much
INPAINT_RADIUS = 5  # pixels, of OpenCV's two methods
WORKING_SIZE = 384  # pixels, of a crop: what MILD Encode Layers takes for the bundled model
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PACK = Path(__file__).resolve().parents[2]
FILLING = ("mild_core/scene", "mild_core/plan", "mild_core/fill", "mild_core/compose")  # what the exemplar fill runs through
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, eq=False)
class Erased:
    """What an eraser made of a task.

    Attributes:
        image: [H, W, 3] float32 in 0..1.
        seconds: that it took; nan where nobody knows.
        readings: what was measured on the way, by name, such as "attention_gap".
    """

    image: Tensor
    seconds: float
    readings: Mapping[str, float] = field(default_factory=dict)


class EraserGoneError(RuntimeError):
    """The eraser cannot go on with any picture, such as when its server is not there."""


class Eraser(Protocol):
    """Something that erases.

    Attributes:
        name: what it is called in results; a file name.
        about: what it is and how it is set, in words.
        key: hash of everything of its own that changes its pictures.
        rereads: its pictures may change although the key does not, and cost nothing: they are asked for again by every run.
    """

    name: str
    about: str
    key: str
    rereads: bool

    def open(self) -> None:
        """Called before the first picture. Raises EraserGoneError when there is nothing to erase with."""

    def close(self) -> None:
        """Called after the last picture."""

    def __call__(self, task: Task) -> Erased:
        """Raises whatever goes wrong with this picture, and EraserGoneError when no other would go better."""


@dataclass(frozen=True)
class Settings:
    """What the command line says to all erasers.

    Attributes:
        give_effects: whether erasers are given the benchmark's mask of shadows and reflections.
        seed: of graphs; None for the graphs' own.
        slots: of graphs, by eraser's name or "" for all, see `workflow.find_slots`.
        host: the ComfyUI that graphs run in.
    """

    give_effects: bool = False
    seed: int | None = None
    slots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    host: Host | None = None


Maker = Callable[[str, str, Settings], Eraser]
"""(name, argument, settings) to an eraser; raises ValueError when the argument is none."""
ERASERS: dict[str, Maker] = {}


def register(kind: str) -> Callable[[Maker], Maker]:
    """Make a kind of eraser known by that word."""

    def remember(make: Maker) -> Maker:
        ERASERS[kind] = make
        return make

    return remember


def parse_eraser(text: str, settings: Settings) -> Eraser:
    """An eraser from `[NAME=]KIND[:ARGUMENT]`, or `[NAME=]FILE.json` for a graph.

    Raises ValueError when the kind is not known, the name is no file name, or the argument is none.
    """
    name, _, spec = text.partition("=")
    if not spec or not NAME.fullmatch(name):
        name, spec = "", text
    kind, _, argument = spec.partition(":")
    if kind not in ERASERS and spec.endswith(".json"):
        kind, argument = "graph", spec
    if kind not in ERASERS:
        known = ", ".join(f"{k}:…" if k in ("folder", "graph") else k for k in sorted(ERASERS))
        raise ValueError(f"eraser is {text!r}, but it must be [NAME=] and one of {known}, or a graph's file.json")
    name = name or (Path(argument).stem if argument else kind)
    if not NAME.fullmatch(name):
        raise ValueError(f"the eraser's name is {name!r}, but it must be letters, digits, '.', '_' and '-': give one with NAME={spec}")
    return ERASERS[kind](name, argument, settings)


def hole_of(task: Task, effects: bool) -> Tensor:
    """Where those who go, and with them the effects, are seen: grown by 6 pixels, but not into people who stay. [H, W] bool."""
    going = torch.from_numpy(task.hole)
    staying = torch.from_numpy(task.people > 0) & ~going
    if effects and task.effects is not None:
        going = going | task.effects
    return grow(going, GROW) & ~staying


def sources_key(folders: tuple[str, ...] = FILLING) -> str:
    """Hash of the pack's code, and of the weights it ships, in these folders: it changes when what they compute may."""
    told = hashlib.sha256()
    for folder in folders:
        for path in sorted((PACK / folder).rglob("*")):
            if path.suffix in (".py", ".safetensors"):
                told.update(f"{path.relative_to(PACK).as_posix()} {_digest(path)}\n".encode())
    return told.hexdigest()[:16]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Plain:
    """What erasers share that need nothing to be opened."""

    rereads = False

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass


class Inpaint(_Plain):
    """One of OpenCV's two methods: Telea's fast marching (2004), or the Navier-Stokes one of Bertalmio et al. (2001)."""

    METHODS = {"telea": ("Telea", cv2.INPAINT_TELEA), "ns": ("Navier-Stokes", cv2.INPAINT_NS)}

    def __init__(self, method: str, name: str = "", effects: bool = False):
        title, self._flag = self.METHODS[method]
        self.name = name or method
        self._effects = effects
        self.about = (
            f"{title} inpainting (OpenCV {cv2.__version__}, radius {INPAINT_RADIUS} px), the hole grown by {GROW:.0f} px{_with(effects)}"
        )
        self.key = _hash(self.about)

    def __call__(self, task: Task) -> Erased:
        hole = hole_of(task, self._effects).numpy().astype(np.uint8)
        photo = (task.photo.numpy() * 255).round().astype(np.uint8)
        started = time.perf_counter()
        filled = cv2.inpaint(photo, hole, INPAINT_RADIUS, self._flag)
        seconds = time.perf_counter() - started
        return Erased(torch.from_numpy(np.asarray(filled, np.float32) / 255), seconds)


class Exemplar(_Plain):
    """The pack's exemplar fill, through its own split, plan, fill, layers and compose; no model."""

    def __init__(self, name: str = "exemplar", effects: bool = False):
        self.name = name
        self._effects = effects
        self.about = f"the pack's exemplar fill without a model, {WORKING_SIZE} px a crop, the hole grown by {GROW:.0f} px{_with(effects)}"
        self.key = _hash(self.about, sources_key())

    def __call__(self, task: Task) -> Erased:
        started = time.perf_counter()
        labels = torch.from_numpy(task.people)
        values = [int(v) for v in np.unique(task.people) if v]
        scene = split_people(task.photo[None], [MaskedPerson(v, (labels == v).float()) for v in values])
        scene = scene.erasing(frozenset(p.id for p in scene.people if p.number in task.erase))
        effects = task.effects.float() if self._effects and task.effects is not None else None
        plan = make_plan(scene, working_size=WORKING_SIZE, grow_by=GROW, complete="staying", effects=effects)
        rows = [fill_pathway(plan, pathway, "exemplar") for pathway in plan.pathways]
        image = compose(make_layers(plan, rows)).image
        return Erased(image, time.perf_counter() - started)


class Folder(_Plain):
    """Pictures that somebody else made: FOLDER/<id>.png, .jpg, .jpeg or .webp."""

    rereads = True

    def __init__(self, folder: Path, name: str):
        if not folder.is_dir():
            raise ValueError(
                f"eraser {name} is the folder {str(folder)!r}, which is not there: it must hold pictures named by their case's id"
            )
        self.name = name
        self._folder = folder
        self.about = f"pictures from the folder {folder.name}"
        self.key = _hash("folder")

    def __call__(self, task: Task) -> Erased:
        for suffix in SUFFIXES:
            path = self._folder / f"{task.id}{suffix}"
            if path.exists():
                return Erased(read_picture(path), float("nan"))
        raise FileNotFoundError(f"{self._folder} holds no picture {task.id} ({', '.join(SUFFIXES)})")


def _with(effects: bool) -> str:
    return ", with the shadows that the benchmark knows" if effects else ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@register("telea")
def _telea(name: str, argument: str, settings: Settings) -> Eraser:
    return Inpaint("telea", name, settings.give_effects)


@register("ns")
def _ns(name: str, argument: str, settings: Settings) -> Eraser:
    return Inpaint("ns", name, settings.give_effects)


@register("exemplar")
def _exemplar(name: str, argument: str, settings: Settings) -> Eraser:
    return Exemplar(name, settings.give_effects)


@register("folder")
def _folder(name: str, argument: str, settings: Settings) -> Eraser:
    return Folder(Path(argument), name)
