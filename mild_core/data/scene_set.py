"""The benchmark of truth scenes, built in parallel, resumable, the same bytes each time.

    scenes.json      what the set was made with; a folder made with anything else is not gone on with
    datasheet.md     what is in it, how it was made, what is real in it
    index.csv        one line a scene
    000123/ …        one folder a scene, named by its seed, or 000000.tar … with them; see `scene_files`

A unit of the set is written beside its place and moved there when it is whole. What lies there broken is made again. See `building`.
Benchmarks read folders; shards are for programs that are trained.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .building import claim, notes_of, sweep, tell, versions, write_whole
from .casting import members
from .datasheet import datasheet
from .difficulty import LEVELS
from .ground import places_to_stand
from .library import PhotoLibrary, Split, load_labels, load_photo
from .recipe import MOST_PEOPLE, benchmark_recipe
from .scene_store import SceneFolders, SceneShards, SceneStore
from .scenes import TrueScene, make_scene
from .workers import ONE_PROCESS, Workers

__all__ = ["FORMAT", "Settings", "build_scenes"]

FORMAT = 1  # of the files and of how scenes are made: one more whenever a seed gives another scene
TAGS = ("people", *LEVELS, "erased")


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a set, with the library.

    Raises ValueError for a number out of its range.
    """

    count: int
    first: int = 0  # seed
    split: Split = "held-out"
    short_side: int = 384
    most_people: int = MOST_PEOPLE
    per_shard: int = 0  # scenes in a tar; 0 for a folder each

    def __post_init__(self):
        for name, least in (("count", 1), ("first", 0), ("short_side", 64), ("most_people", 1), ("per_shard", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if self.split not in ("train", "held-out"):
            raise ValueError(f'split is "{self.split}", but it must be train or held-out')

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.count)

    def told(self) -> dict[str, Any]:
        """All of them, as the set's files tell them; nothing of shards where there are none."""
        return {name: value for name, value in asdict(self).items() if name != "per_shard" or value}


def build_scenes(photos: Path, out: Path, settings: Settings, workers: Workers = ONE_PROCESS) -> None:
    """Let workers build the set of these settings from a photo library, or what is missing of it.

    Progress goes to stderr. Raises ValueError when a photo cannot be read, or `out` holds a set made with other settings, another library
    or other versions; KeyboardInterrupt is passed on when what was finished is safe.
    """
    library = PhotoLibrary(photos, settings.split)
    _check_readable(library)
    claim(out, "scenes", _header(library, photos, settings))
    store = _store(out, settings)
    sweep(out)
    missing = {number: f"{store.unit} {number:06d}" for number in store.units if not store.is_complete(number)}
    if missing:
        for name in ("index.csv", "datasheet.md"):
            (out / name).unlink(missing_ok=True)
        tell(workers(partial(_make, photos, out, settings), missing), len(missing), f"{store.unit}s")
        sweep(out)
    _finish(photos, out, settings, library, store)


def _store(out: Path, settings: Settings) -> SceneStore:
    return SceneShards(out, settings.seeds, settings.per_shard) if settings.per_shard else SceneFolders(out, settings.seeds)


_libraries: dict[tuple[Path, Split], PhotoLibrary] = {}  # of this process, whose people are cut out once


def _make(photos: Path, out: Path, settings: Settings, number: int) -> int:
    """Make and write the unit of that number."""
    library = _libraries.setdefault((photos, settings.split), PhotoLibrary(photos, settings.split))
    store = _store(out, settings)
    store.write(number, (_scene_of(library, settings, seed) for seed in store.units[number]))
    return number


def _scene_of(library: PhotoLibrary, settings: Settings, seed: int) -> TrueScene:
    return make_scene(library, seed, short_side=settings.short_side, recipe=benchmark_recipe(seed, settings.most_people))


def _check_readable(library: PhotoLibrary) -> None:
    """Raise ValueError, which names it, when a photo that scenes are made of cannot be read."""
    for place in library.places:
        load_photo(place)
    for photo, labels in library.people:
        height, width = load_photo(photo).shape[:2]
        masks = load_labels(labels).shape
        if masks != (height, width):
            raise ValueError(f"{labels} is {masks[1]}×{masks[0]}, but its photo is {width}×{height}")


def _header(library: PhotoLibrary, photos: Path, settings: Settings) -> dict[str, Any]:
    """What decides the bytes of a set."""
    digest = hashlib.sha256()
    for path in sorted([*library.places, *(file for pair in library.people for file in pair)]):
        digest.update(f"{path.relative_to(photos).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return {"format": FORMAT, **settings.told(), "library": digest.hexdigest(), "versions": versions()}


def _finish(photos: Path, out: Path, settings: Settings, library: PhotoLibrary, store: SceneStore) -> None:
    descriptions = [told for number in store.units for told in store.descriptions(number)]
    write_whole(out / "index.csv", _index(descriptions))
    available = {"people": len(members(library)), "places": len(places_to_stand(library))}
    write_whole(out / "datasheet.md", datasheet(descriptions, settings.told(), available, notes_of(photos)))


def _index(descriptions: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "seed", "place", "width", "height", "erase", *TAGS])
    for told in descriptions:
        erase = " ".join(map(str, told["erase"]))
        table.writerow([told["id"], told["seed"], told["place"], *told["size"], erase, *(told["tags"][tag] for tag in TAGS)])
    return text.getvalue()
