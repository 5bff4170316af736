"""The search for instances: every thing of every photo, with its size and CLIP's score, in parts that can be gone on with.

scan/000012.json    what was found in the 13th run of 64 photos
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from .building import sweep, tell, write_whole
from .olrd import movable_things
from .syn4_clip import ClipScorer
from .syn4_instances import Instance
from .syn4_photos import ThingsPhoto, load_things
from .workers import ONE_PROCESS, Workers

__all__ = ["scan_photos"]

EACH = 64  # photos of a part
Listing = Callable[[], Sequence[ThingsPhoto]]


def scan_photos(
    listing: Listing, out: Path, clip: Path | None, whole: bool = False, workers: Workers = ONE_PROCESS, device: str = "cpu"
) -> list[Instance]:
    """All things of the photos, in their order. What another run found in `out`/scan is taken from there.

    Args:
        listing: gives the photos; each worker asks for them itself, so that nothing long is handed around.
        clip: folder of the network that scores them; None for no scores.
        whole: only things that neither the frame nor anything in front cuts, and that have a quarter of their photo at most.
        device: of the network; each worker loads it there.

    Raises ValueError when a photo cannot be read.
    """
    folder = out / "scan"
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    parts = range(-(-len(listing()) // EACH))
    missing = {number: f"scan {number:06d}" for number in parts if not _is_there(_path(folder, number))}
    if missing:
        work = partial(_scan, listing, folder, clip, whole, device)
        tell(workers(work, missing), len(missing), f"runs of {EACH} photos searched")
        sweep(folder)
    rows = [row for number in parts for row in json.loads(_path(folder, number).read_text(encoding="utf-8"))]
    return [Instance(*row) for row in rows]


def _scan(listing: Listing, folder: Path, clip: Path | None, whole: bool, device: str, number: int) -> int:
    scorer = None if clip is None else _scorer(clip, device)
    found: list[list[Any]] = []
    for entry in listing()[number * EACH : (number + 1) * EACH]:
        photo, panoptic = load_things(entry)
        areas, all_pixels = panoptic.areas(), panoptic.labels.numel()
        things = [segment for segment in panoptic.segments if segment.thing and not segment.crowd]
        for segment in sorted(movable_things(panoptic) if whole else things, key=lambda segment: segment.id):
            share = areas[segment.id] / all_pixels
            score = None if scorer is None else scorer.score(photo, (panoptic.labels == segment.id).numpy(), segment.word)
            found.append(list(Instance(entry.name, segment.id, segment.word, share, score)))
    write_whole(_path(folder, number), json.dumps(found, ensure_ascii=False) + "\n")
    return number


@lru_cache(maxsize=1)
def _scorer(clip: Path, device: str) -> ClipScorer:
    return ClipScorer(clip, device)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _is_there(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), list)
    except (OSError, ValueError):
        return False
