"""Where the truth scenes of a set lie: a folder for each, or WebDataset shards. Both hold the same files; see `scene_files`.

000123/photo.png …                the scene of seed 123
000002.tar: 000123.photo.png …    a run of scenes, one after the other, each with its scene.json last
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from .building import unfinished
from .scene_files import files_of, is_complete, read_description, scene_bytes, write_scene
from .scenes import TrueScene
from .shards import SHARD_ERRORS, is_whole, names_in, read_shard, shard_path, sharded, write_shard

__all__ = ["SceneFolders", "SceneShards", "SceneStore", "scene_id"]


def scene_id(seed: int) -> str:
    """The name of a scene's folder, and the key of its files in a shard."""
    return f"{seed:06d}"


class SceneStore(Protocol):
    """Where scenes are kept, in units that are made and written together."""

    unit: str  # what one is called
    units: dict[int, range]  # the seeds of each, by the number that its files are called by

    def is_complete(self, number: int) -> bool:
        """Whether all files of the scenes of that unit are there, and no others."""

    def write(self, number: int, scenes: Iterable[TrueScene]) -> None:
        """Write that unit, whole or not at all: the scenes of its seeds in their order."""

    def descriptions(self, number: int) -> list[dict[str, Any]]:
        """What scene.json of each scene of that unit says. Raises ValueError where one cannot be read."""


class SceneFolders:
    """A folder for each; every scene is a unit, and its seed the number. A folder of that name holds a whole scene."""

    unit = "scene"

    def __init__(self, out: Path, seeds: range):
        self.out = out
        self.units = {seed: range(seed, seed + 1) for seed in seeds}

    def is_complete(self, number: int) -> bool:
        return is_complete(self.out / scene_id(number), scene_id(number), number)

    def write(self, number: int, scenes: Iterable[TrueScene]) -> None:
        for scene in scenes:
            finished = self.out / scene_id(scene.seed)
            if finished.exists():
                shutil.rmtree(finished)
            beside = unfinished(finished)
            beside.mkdir()
            write_scene(scene, beside, finished.name)
            beside.rename(finished)

    def descriptions(self, number: int) -> list[dict[str, Any]]:
        return [read_description(self.out / scene_id(number))]


class SceneShards:
    """Tar files of so many scenes each; every tar is a unit."""

    unit = "shard"

    def __init__(self, out: Path, seeds: range, each: int):
        self.out = out
        self.units = sharded(seeds, each)

    def is_complete(self, number: int) -> bool:
        path = shard_path(self.out, number)
        try:
            told = self.descriptions(number) if is_whole(path) else []
            wanted = sorted(f"{scene['id']}.{name}" for scene in told for name in files_of(scene))
            return [scene["seed"] for scene in told] == list(self.units[number]) and sorted(names_in(path)) == wanted
        except (*SHARD_ERRORS, ValueError, TypeError):
            return False

    def write(self, number: int, scenes: Iterable[TrueScene]) -> None:
        keyed = ((scene_id(scene.seed), scene_bytes(scene, scene_id(scene.seed))) for scene in scenes)
        write_shard(shard_path(self.out, number), ((f"{key}.{name}", data) for key, files in keyed for name, data in files.items()))

    def descriptions(self, number: int) -> list[dict[str, Any]]:
        path = shard_path(self.out, number)
        try:
            found = read_shard(path, [f"{scene_id(seed)}.scene.json" for seed in self.units[number]])
            return [json.loads(data) for data in found.values()]
        except (*SHARD_ERRORS, ValueError) as error:
            raise ValueError(f"{path} cannot be read as a shard of scenes: {error}") from None
