"""An eraser that is a ComfyUI graph in API format, run by a real ComfyUI.

What a case is goes into the graph through its slots (`slots.find_slots`). With MILD Split People the people slot gets the label map,
and the node is told to separate people by value and to pass over no small ones. Without it the people slot gets a mask of all who
go, 255 there and 0 elsewhere. The file is RGBA with red = green = blue = value and alpha = 255 − value, so that Load Image (as Mask)
in any channel, Load Image's mask (1 − alpha) and Image To Mask all read value/255.
Of the graph only what leads to the output, and attention reports, is run.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
import torch
import websocket

from ..remote import Client, GoneError, Graph, GraphError, Host, InterruptedRunError
from ..remote.masks import mask_file
from ..remote.slots import SPLIT, Slot, find_slots, leading_to, load_graph, set_seeds
from .cases import Task
from .erasers import Erased, Eraser, EraserGoneError, Settings, register, sources_key
from .store import as_png, read_picture

__all__ = ["WorkflowEraser"]

ROOMS = ("scene", "morphology", "plan", "attention", "fill", "compose", "models")
CODE = (*(f"mild_core/{room}" for room in ROOMS), "nodes")  # what a graph of the pack's nodes runs through


class WorkflowEraser:
    """A graph as an eraser. Its seconds are those from queueing to the end: the first picture's hold the loading of models."""

    rereads = False

    def __init__(
        self,
        name: str,
        graph: Graph,
        host: Host,
        *,
        title: str = "",
        slots: Mapping[str, str] = {},
        seed: int | None = None,
        effects: bool = False,
    ):
        self.name = name
        self.slots = find_slots(graph, slots)
        self._graph = leading_to(graph, self.slots.output)
        for slot in (self.slots.photo, self.slots.people, self.slots.erase):
            if slot is not None and slot[0] not in self._graph:
                raise ValueError(
                    f"node {slot[0]}, which {name}'s cases would go into, does not lead to its output, node {self.slots.output}"
                )
        self._host, self._effects = host, effects
        self._run = uuid.uuid4().hex[:8]  # so that files of two runs never have one name
        self._died = False
        if effects and self.slots.effects is None and self.slots.erase is not None:
            raise ValueError(
                f"eraser {name} is to be given the effects, but its graph has no place for them: join a Load Image (as Mask) titled "
                '"effects" to `effects` of MILD Encode Layers, or name one with --slot effects=NODE'
            )
        if seed is not None:
            set_seeds(self._graph, seed)
        told = f"the graph {title or name}"
        told += "" if seed is None else f", seed {seed}"
        self.about = told + (", with the shadows that the benchmark knows" if effects else "")
        ours = any(node["class_type"].startswith("MILD") for node in graph.values())
        said = {id: {"class_type": node["class_type"], "inputs": node.get("inputs", {})} for id, node in self._graph.items()}
        parts = [said, str(self.slots), effects, sources_key(CODE) if ours else ""]
        self.key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def open(self) -> None:
        with _gone():
            client = self._host.client()
        if not self._host.answers():
            raise EraserGoneError(f"the ComfyUI at {client.url} does not answer")

    def close(self) -> None:
        pass  # the host serves other erasers, too

    def __call__(self, task: Task) -> Erased:
        with _gone():
            try:
                erased = self._erase(task)
            except (GraphError, InterruptedRunError):
                raise
            except (RuntimeError, OSError, websocket.WebSocketException) as error:
                if self._host.answers():
                    raise
                erased = self._again(task, error)
        self._died = False
        return erased

    def _again(self, task: Task, error: Exception) -> Erased:
        """Once more, in another ComfyUI. Raises EraserGoneError when pictures one after another bring it down."""
        if self._died:
            raise EraserGoneError(f"ComfyUI died on one picture after another: {error}") from error
        self._host.restart()
        try:
            return self._erase(task)
        except (requests.RequestException, OSError, websocket.WebSocketException, RuntimeError) as again:
            if self._host.answers():
                raise
            self._died = True
            self._host.restart()
            raise RuntimeError(f"ComfyUI died twice on this picture: {again}") from again

    def _erase(self, task: Task) -> Erased:
        client = self._host.client()
        graph, uploaded = self._filled(task, client)
        started = time.perf_counter()
        made = client.run(graph)
        seconds = time.perf_counter() - started
        images = made.get(self.slots.output, {}).get("images", [])
        pictures = [client.view(file) for file in images]
        outputs = [file for node in made.values() for file in node.get("images", []) if isinstance(file, dict)]
        self._host.forget([("input", {"filename": name}) for name in uploaded])
        self._host.forget([(file.get("type", "output"), file) for file in outputs])
        if len(pictures) != 1:
            raise ValueError(f"node {self.slots.output} gave {len(pictures)} pictures, but the graph must give one")
        image = read_picture(io.BytesIO(pictures[0]))
        if image.shape != task.photo.shape:
            height, width = task.photo.shape[:2]
            raise ValueError(f"the picture of node {self.slots.output} is {image.shape[1]}×{image.shape[0]}, but must be {width}×{height}")
        return Erased(image, seconds, _readings(made.values()))

    def _filled(self, task: Task, client: Client) -> tuple[Graph, list[str]]:
        """The graph for a task, and the names of the files that were uploaded for it."""
        graph, slots, uploaded = copy.deepcopy(self._graph), self.slots, []

        def fill(slot: Slot, what: str, png: bytes) -> None:
            uploaded.append(client.upload(png, f"mild-score-{self._run}-{task.id}-{what}.png"))
            graph[slot[0]]["inputs"][slot[1]] = uploaded[-1]

        photo = (task.photo * 255).round().to(torch.uint8).numpy()
        effects = np.zeros(task.people.shape, bool)
        if self._effects and task.effects is not None:
            effects = task.effects.numpy()
        if slots.erase is None:
            goes = task.hole if slots.effects is not None else task.hole | effects & ~(task.people > 0)
            people = np.where(goes, 255, 0).astype(np.uint8)
        else:
            people = task.people
            node = graph[slots.erase[0]]
            node["inputs"][slots.erase[1]] = ",".join(map(str, task.erase))
            if node["class_type"] == SPLIT:
                node["inputs"].update(separate="by value", smallest=0.0)
        if slots.people == slots.photo:
            fill(slots.photo, "photo", as_png(np.dstack([photo, 255 - people])))
        else:
            fill(slots.photo, "photo", as_png(photo))
            fill(slots.people, "people", mask_file(people))
        if slots.effects is not None and slots.effects[0] in graph:
            fill(slots.effects, "effects", mask_file(effects.astype(np.uint8) * 255))
        return graph, uploaded


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except GoneError as error:
        raise EraserGoneError(str(error)) from error


def _readings(nodes: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What attention reports told: means, where a graph has several."""
    told = [reading for node in nodes for reading in node.get("mild_attention", [])]
    if not told:
        return {}
    return {f"attention_{name}": float(np.mean([reading[name] for reading in told])) for name in ("gap", "leakage")}


@register("graph")
def _graph(name: str, argument: str, settings: Settings) -> Eraser:
    path = Path(argument)
    slots = {**settings.slots.get("", {}), **settings.slots.get(name, {})}
    host = settings.host or Host()
    return WorkflowEraser(name, load_graph(path), host, title=path.name, slots=slots, seed=settings.seed, effects=settings.give_effects)
