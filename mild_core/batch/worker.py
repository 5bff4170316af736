"""Bulk erasing as the engine's work: each worker has a ComfyUI of its own, which keeps the model loaded.

A worker writes an input's files into the place of results, whole, the picture last, before it says that the input is done; done again it
writes the same bytes. Whatever a photo leaves behind in ComfyUI's folders is deleted before the next one.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import requests
import websocket
from PIL import Image, UnidentifiedImageError

from ..remote import GraphError, Server
from ..remote.masks import label_values, mask_file
from .engine import GOES_ON, Job, LostError, StopError, UnfitError
from .graphs import BulkGraph
from .items import Source, Value
from .logs import WorkerLog
from .places import FullError, Place
from .results import named
from .scratch import scratch_folder
from .sharing import JOIN, LIST, shared_graph

__all__ = ["GraphWork", "Photo"]

UNFIT = ("ValueError", "TypeError", "AssertionError", "PIL.UnidentifiedImageError", "UnidentifiedImageError")  # of nodes, that inputs cause
NO_ROOM = ("No space left on device", "Disk quota exceeded")
DYING = 10.0  # seconds that a ComfyUI that does not answer has to end
EMPTY = "effects"  # a slot that gets an empty mask where an input has none


@dataclass(frozen=True)
class Photo:
    """One input.

    Attributes:
        id: see `inputs.Item`.
        stem: what its results' names begin with.
        files: pictures by slot.
        values: words and numbers by slot.
    """

    id: str
    stem: str
    files: Mapping[str, Source]
    values: Mapping[str, Value]


@dataclass
class GraphWork:
    """Photos through a graph. A job's payload is a tuple of `Photo`; several share a batch.

    Attributes:
        bulk: the graph.
        results: where they go.
        logs: where workers tell what they do.
        cpus: processors of each worker.
        comfyui: folder of an installed ComfyUI, whose models, nodes and inputs the graph may name; None for the one that MILD_CORE names.
        most: crops in a batch, at most; 0 for no bound.
    """

    bulk: BulkGraph
    results: Place
    logs: Place
    cpus: float = 1.0
    comfyui: Path | None = None
    most: int = 0
    laid: list[str] = field(default_factory=list, init=False)  # files in the input folder, until the photo is done

    def open(self, worker: str) -> None:
        self.log = WorkerLog(self.logs, worker)
        threads = str(max(1, int(self.cpus)))
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = threads
        base = scratch_folder()
        try:
            python = os.environ.get("MILD_PYTHON", sys.executable)
            core = self.comfyui if self.comfyui is not None and (self.comfyui / "main.py").is_file() else None
            self.server = Server(base=base, core=core, python=python, options=_own_models(base, self.comfyui))
            self.server.__enter__()
        except (RuntimeError, OSError) as error:
            self.log.say(f"no ComfyUI could be started: {error}", now=True)
            raise
        known = self.server.object_info()
        missing = sorted({node["class_type"] for node in self.bulk.graph.values()} - set(known))
        if missing:
            raise StopError(f"ComfyUI does not know the nodes {', '.join(missing)}: the packs that they are of must be installed")
        self.shares = {JOIN, LIST} <= set(known)
        _bring_inputs(self.bulk, self.comfyui, self.server.input)
        self.log.say(f"ComfyUI runs at {self.server.url} in {base}", now=True)

    def do(self, job: Job) -> list[dict[str, Any]]:
        """For each photo what the manifest says of it. See `engine` for what is raised."""
        photos: Sequence[Photo] = job.payload
        if len(photos) > 1 and not self.shares:
            raise UnfitError("this ComfyUI has no Create List: photos cannot share a batch")
        try:
            return self._do(photos)
        except GraphError as error:
            self.log.say(f"{job.id}: {error}")
            raise self._meant(error) from error
        except FullError as error:
            raise StopError(f"{error}; {GOES_ON}") from error
        except (RuntimeError, OSError, websocket.WebSocketException) as error:
            self.log.say(f"{job.id}: {type(error).__name__}: {error}")
            self._check_alive(error)
            raise
        finally:
            self._clear()

    def close(self) -> None:
        self.server.__exit__()
        shutil.rmtree(self.server.base, ignore_errors=True)
        self.log.say("closed", now=True)

    def _do(self, photos: Sequence[Photo]) -> list[dict[str, Any]]:
        filled = [self._filled(photo) for photo in photos]
        try:
            graph = self.bulk.one(filled[0]) if len(photos) == 1 else shared_graph(self.bulk, filled, self.most)
        except ValueError as error:
            raise UnfitError(str(error)) from error
        self.server.run(graph)
        told = []
        for number, photo in enumerate(photos, start=1):
            folder = self.server.base / "output" / str(number)
            kept = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
            if not kept:
                raise UnfitError(f"the graph kept nothing of {photo.id}: its Save Image gave no picture")
            names = named(photo.stem, kept)
            size = 0
            for path, name in names.items():
                data = (folder / path).read_bytes()
                self.results.write(name, data)
                size += len(data)
            told.append({"id": photo.id, "files": sorted(names.values()), "bytes": size})
        self.log.say(", ".join(photo.id for photo in photos))
        return told

    def _filled(self, photo: Photo) -> dict[str, Any]:
        """What goes into the graph's slots, the pictures among it laid into ComfyUI's input folder."""
        filled: dict[str, Any] = dict(photo.values)
        size = (0, 0)
        for slot, source in sorted(photo.files.items(), key=lambda item: item[0] != "photo"):
            data = _read(slot, source)
            if slot == "photo":
                size = _size(data, source)
            else:
                data = _mask(slot, source, data)
            filled[slot] = self._laid(photo, slot, source.name, data)
        if EMPTY in self.bulk.slots and EMPTY not in filled and self.bulk.takes_pictures(EMPTY):
            filled[EMPTY] = self._laid(photo, EMPTY, "none.png", mask_file(np.zeros(size[::-1], np.uint8)))
        return filled

    def _laid(self, photo: Photo, slot: str, name: str, data: bytes) -> str:
        # the same name each time: Save Image writes it into its files
        word = hashlib.sha256(photo.id.encode()).hexdigest()[:16]
        laid = f"{word}-{slot}{PurePosixPath(name).suffix.lower()}"
        self.laid.append(laid)
        (self.server.input / laid).write_bytes(data)
        return laid

    def _clear(self) -> None:
        for name in self.laid:
            (self.server.input / name).unlink(missing_ok=True)
        self.laid.clear()
        for folder in ("output", "temp"):
            for path in (self.server.base / folder).glob("*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _meant(self, error: GraphError) -> Exception:
        """What an error of the graph means for the photo."""
        if any(text in str(error) for text in NO_ROOM):
            return StopError(f"the disk of a worker's machine is full: {error}")
        if error.refused:
            slots = {node for node, _ in self.bulk.slots.values()}
            kind = UnfitError if error.node.partition("@")[0] in slots else StopError
            return kind(f"ComfyUI refuses the graph: {error}")
        if error.kind in UNFIT:
            return UnfitError(str(error))
        if "OutOfMemory" in error.kind:
            requests.post(f"{self.server.url}/free", json={"unload_models": True, "free_memory": True}, timeout=60)
        return RuntimeError(str(error))

    def _check_alive(self, error: Exception) -> None:
        """Raises LostError when ComfyUI has ended."""
        deadline = time.monotonic() + DYING
        while True:
            try:
                self.server.check()
                return
            except RuntimeError as ended:  # with the end of its log
                self.log.say(str(ended), now=True)
                raise LostError(str(ended).partition(";")[0]) from error
            except OSError as silent:
                if time.monotonic() > deadline:
                    self.log.say(str(silent), now=True)
                    raise LostError(f"ComfyUI does not answer: {silent}") from error
                time.sleep(0.1)


def _read(slot: str, source: Source) -> bytes:
    try:
        return source.read()
    except FileNotFoundError as error:
        raise UnfitError(f"{slot} is {source.title}, which is not there") from error


def _size(data: bytes, source: Source) -> tuple[int, int]:
    """Width and height of a photo that can be read to its end."""
    with _readable("photo", source), Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.size


def _mask(slot: str, source: Source, data: bytes) -> bytes:
    """A mask as a file that every way of reading one reads alike."""
    with _readable(slot, source):
        values = label_values(data)
        return data if values is None else mask_file(values)


@contextmanager
def _readable(slot: str, source: Source) -> Iterator[None]:
    """Raises UnfitError, which names the file, for whatever Pillow says of one that is no picture or is broken."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnfitError(f"{slot} is {source.title}, which is no picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnfitError(f"{slot} is {source.title}, which cannot be read: {error}") from error


def _own_models(base: Path, comfyui: Path | None) -> list[str]:
    """ComfyUI's options for the models and nodes of an installed ComfyUI."""
    if comfyui is None:
        return []
    models = sorted(path.name for path in (comfyui / "models").iterdir() if path.is_dir())
    lines = ["mild_batch:", f"  base_path: {comfyui}", *(f"  {name}: models/{name}" for name in models)]
    lines += ["  custom_nodes: custom_nodes"] if (comfyui / "custom_nodes").is_dir() else []
    file = base / "models.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--extra-model-paths-config", str(file)]


def _bring_inputs(bulk: BulkGraph, comfyui: Path | None, folder: Path) -> None:
    """Copy the pictures that the graph names itself, which no input brings."""
    for node in bulk.graph.values():
        name = node.get("inputs", {}).get("image")
        if isinstance(name, str) and comfyui is not None and (comfyui / "input" / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(comfyui / "input" / name, folder / name)
