"""A set of Syn4Removal pairs, built in parallel, resumable, the same bytes each time.

    syn4removal.json    what the set was made with; a folder made with anything else is not gone on with
    scan/ …             every thing of the photos; see `syn4_scan`
    instances.json      what the filter kept, with the figures of each class
    datasheet.md        what is in it, how it was made, what is real in it
    index.csv           one line a pair
    sheet.jpg           24 of the pairs to look at
    input/ …            the pairs, or 000000.tar … with them; see `olrd_files`

See `building`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from PIL import Image

from .building import claim, notes_of, versions, write_whole
from .olrd_files import PairStore, pair_id
from .olrd_photos import Part
from .pair_set import as_csv, fingerprint, make_missing, pair_store, show_and_describe
from .png import to_png
from .syn4 import Syn4Pair, make_syn4_pair
from .syn4_clip import clip_id
from .syn4_datasheet import syn4_datasheet
from .syn4_instances import ClassSize, Filtered, Instance, in_turn, keep_instances
from .syn4_photos import ThingsPhoto, fitted, load_things, things_photos
from .syn4_scan import scan_photos
from .workers import ONE_PROCESS, Workers

__all__ = ["FORMAT", "NOT_SCORED", "Sources", "Syn4Settings", "build_syn4", "pair_of_seed"]

FORMAT = 1  # of the files and of how pairs are made: one more whenever a seed gives another pair
TRIED = 20  # backgrounds for a thing, before another thing is taken
THINGS = 20  # of them, before it is given up
NOT_SCORED = "not scored"  # in the index, of a set made without CLIP
COLUMNS = ("id", "seed", "photo", "object", "clip_score", "background", "tag", "width", "height", "share", "target", "shrunk", "angle")


@dataclass(frozen=True)
class Syn4Settings:
    """What decides the bytes of a set, with the photos.

    Raises ValueError for a number out of its range.
    """

    count: int
    first: int = 0  # seed
    part: Part = "train"
    size: int = 512  # pixels of a side
    least_side: int = 320  # pixels: backgrounds with a shorter side below it are left out
    whole: bool = False  # only things that nothing cuts off
    per_shard: int = 0  # pairs in a tar; 0 for plain folders

    def __post_init__(self):
        for name, least in (("count", 1), ("first", 0), ("size", 64), ("least_side", 1), ("per_shard", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")
        if self.part not in get_args(Part):
            raise ValueError(f'part is "{self.part}", but it must be one of {", ".join(get_args(Part))}')

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.count)


class Sources(NamedTuple):
    """Where a set is made from."""

    instances: Path  # folder of photos with maps of their things
    backgrounds: Path  # folder of photos, with maps or without
    clip: Path | None = None  # folder of the network that scores instances
    instance_labels: Path | None = None  # COCO's panoptic JSON of the instances' photos
    background_labels: Path | None = None  # the same, of the backgrounds


class _Stock(NamedTuple):
    """What pairs are made of, in the order of its use."""

    photos: dict[str, ThingsPhoto]
    order: tuple[Instance, ...]
    sizes: dict[str, ClassSize]
    backgrounds: tuple[ThingsPhoto, ...]


def build_syn4(sources: Sources, out: Path, settings: Syn4Settings, workers: Workers = ONE_PROCESS, device: str = "cpu") -> None:
    """Let workers build the set of these settings, or what is missing of it.

    Progress goes to stderr, and so does that instances are not scored where no CLIP is given. `device` is CLIP's.

    Raises ValueError when a photo cannot be read, no class has six instances that pass, no pair can be made, or `out` holds a set made
    otherwise; FileNotFoundError when there are no photos. KeyboardInterrupt is passed on when what was finished is safe.
    """
    for cached in (_stock, _things, _backgrounds):
        cached.cache_clear()  # what is there may have changed since another build
    things, backgrounds = _things(sources, settings), _backgrounds(sources, settings)
    clip = None if sources.clip is None else clip_id(sources.clip)
    hashes = {"instances": fingerprint(things), "backgrounds": fingerprint(backgrounds), "clip": clip}
    claim(out, "syn4removal", {"format": FORMAT, **asdict(settings), **hashes, "versions": _versions()})
    if clip is None:
        told = "No CLIP folder is given: instances are kept whatever CLIP would say of them, and the index says so."
        print(told, file=sys.stderr)
    kept = keep_instances(scan_photos(partial(_things, sources, settings), out, sources.clip, settings.whole, workers, device))
    if not kept.sizes:
        raise ValueError(f"of the things in {sources.instances} no class has six that pass; left out were {_told(kept.dropped)}")
    write_whole(out / "instances.json", _as_json(kept))
    store = make_missing(out, settings, partial(_make, sources, out, settings), workers)
    _finish(sources, out, settings, store, kept, len(backgrounds))


def pair_of_seed(stock: _Stock, seed: int, size: int) -> tuple[Syn4Pair, Instance, ThingsPhoto]:
    """The pair of that seed, its instance and its background.

    Seeds in a row take the classes in turn, and each instance once before any a second time. Where there is no place on a background
    another is drawn, 20 for a thing; then the next thing is taken. A thing never comes on its own photo.
    Raises ValueError where 20 things found no place.
    """
    rng = np.random.default_rng(seed)
    for turn in range(THINGS):
        instance = stock.order[(seed + turn) % len(stock.order)]
        photo, panoptic = load_things(stock.photos[instance.photo])
        thing = (panoptic.labels == instance.id).numpy()
        for number in rng.integers(len(stock.backgrounds), size=TRIED):
            source = stock.backgrounds[number]
            if source.photo == stock.photos[instance.photo].photo:
                continue
            background, behind = fitted(*load_things(source), size)
            pair = make_syn4_pair(photo, thing, stock.sizes[instance.word], background, behind, rng)
            if pair is not None:
                return pair, instance, source
    raise ValueError(f"{THINGS} things found no place on {TRIED} backgrounds each: there must be backgrounds with free room")


@lru_cache(maxsize=1)
def _things(sources: Sources, settings: Syn4Settings) -> tuple[ThingsPhoto, ...]:
    return things_photos(sources.instances, settings.part, sources.instance_labels)


@lru_cache(maxsize=1)
def _backgrounds(sources: Sources, settings: Syn4Settings) -> tuple[ThingsPhoto, ...]:
    found = things_photos(sources.backgrounds, settings.part, sources.background_labels, mapped=False)
    large = tuple(entry for entry in found if _shorter_side(entry.photo) >= settings.least_side)
    if not large:
        raise ValueError(f"least_side is {settings.least_side}, but none of the {len(found)} photos in {sources.backgrounds} is so large")
    return large


def _shorter_side(path: Path) -> int:
    """In pixels; 0 where the file is no picture, which is left out as one too small is."""
    try:
        with Image.open(path) as photo:
            return min(photo.size)
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _stock(sources: Sources, out: Path, settings: Syn4Settings) -> _Stock:
    """What a process needs, read once."""
    told = json.loads((out / "instances.json").read_text(encoding="utf-8"))
    kept = {word: [Instance(*row) for row in rows] for word, rows in told["instances"].items()}
    sizes = {word: ClassSize(*row) for word, row in told["classes"].items()}
    photos = {entry.name: entry for entry in _things(sources, settings)}
    return _Stock(photos, tuple(in_turn(kept)), sizes, _backgrounds(sources, settings))


def _make(sources: Sources, out: Path, settings: Syn4Settings, number: int) -> int:
    """Make and write the unit of that number."""
    stock = _stock(sources, out, settings)
    store = pair_store(out, settings)
    pairs = {}
    for seed in store.units[number]:
        pair, instance, background = pair_of_seed(stock, seed, settings.size)
        pairs[seed] = _files(pair, _about(pair, instance, background, seed))
    store.write(number, pairs)
    return number


def _about(pair: Syn4Pair, instance: Instance, background: ThingsPhoto, seed: int) -> dict[str, Any]:
    """What the JSON of a pair says."""
    return {
        "id": pair_id(seed),
        "seed": seed,
        "photo": instance.photo,
        "object": instance.word,
        "clip_score": NOT_SCORED if instance.score is None else instance.score,
        "background": background.name,
        "size": [pair.mask.shape[1], pair.mask.shape[0]],
        "box": list(pair.box),  # left, top, right, bottom; may reach beyond the picture
        "share": round(float(pair.mask.mean()), 6),  # of the picture
        "target": round(pair.target, 6),  # share of the picture for its box, before it was turned and shrunk
        "shrunk": pair.shrunk,  # times
        "angle": round(pair.angle, 3),  # degrees
        "tag": pair.tags[0] if pair.tags else "",
        "tags": list(pair.tags),
        "caption": "",
    }


def _files(pair: Syn4Pair, told: dict[str, Any]) -> dict[str, bytes]:
    return {
        "input.png": to_png(pair.input),
        "truth.png": to_png(pair.truth),
        "mask.png": to_png(pair.mask.astype(np.uint8) * np.uint8(255)),
        "json": (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def _versions() -> dict[str, str]:
    import scipy

    return {**versions(), "scipy": scipy.__version__}


def _as_json(kept: Filtered) -> str:
    told = {"dropped": kept.dropped, "classes": kept.sizes, "instances": kept.instances}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"


def _told(dropped: dict[str, int]) -> str:
    return f"{dropped['area']} by their size, {dropped['score']} by CLIP's score and {dropped['class']} of classes with fewer than six"


def _finish(sources: Sources, out: Path, settings: Syn4Settings, store: PairStore, kept: Filtered, backgrounds: int) -> None:
    descriptions = show_and_describe(out, store, settings.seeds, _title)
    write_whole(out / "index.csv", as_csv(COLUMNS, map(_line, descriptions)))
    notes = {f"{what}: {name}": text for what in ("instances", "backgrounds") for name, text in notes_of(getattr(sources, what)).items()}
    scored = sources.clip is not None
    write_whole(out / "datasheet.md", syn4_datasheet(descriptions, asdict(settings), kept, backgrounds, scored, notes))


def _title(told: dict[str, Any]) -> str:
    return f"{told['id']} {told['object']}, {told['share']:.1%}"


def _line(told: dict[str, Any]) -> list[Any]:
    row = dict(told, width=told["size"][0], height=told["size"][1])
    return [row[name] for name in COLUMNS]
