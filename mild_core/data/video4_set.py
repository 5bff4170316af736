"""A set of Video4Removal pairs from a folder of videos, built in parallel, resumable, the same bytes each time.

    video4removal.json            what the set was made with; a folder made with anything else is not gone on with
    clips/NAME.json               what a video gave, or why it gave nothing; written last
    input/NAME_000123.png         frame 123 of the video, with the thing
    truth/NAME_000123.png         the nearest frame of the same video without it
    mask/NAME_000123.png          grey, 255 on the thing alone: its shadow is outside
    NAME.tar                      in place of the three folders, where that is asked; see `video4_files`
    index.csv                     one line a pair; clips.csv: one line a video
    datasheet.md, sheet.jpg       what it is, and 24 of the pairs to look at

See `building`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .building import claim, notes_of, sweep, tell, versions, write_whole
from .olrd_files import read_picture
from .olrd_sheet import SheetEntry, contact_sheet
from .video4 import PairSettings, pairs_of_clip
from .video4_datasheet import video4_datasheet
from .video4_files import KINDS, ClipFiles, check_keys, files_of
from .video4_frames import clips_in
from .video4_masks import Detector, panoptic_detector, track_of
from .workers import ONE_PROCESS, Workers

__all__ = ["FORMAT", "MaskSource", "build_video4"]

FORMAT = 1  # of the files and of how pairs are made: one more whenever a video gives others
SHOWN = 24  # pairs on the sheet
COLUMNS = ("id", "clip", "frame", "background", "tag", "width", "height", "share", "error", "covered", "caption")
CLIP_COLUMNS = ("clip", "frames", "foreground", "background", "blurred", "pairs", "why_none")


@dataclass(frozen=True)
class MaskSource:
    """What tells where the things are: one of the three.

    Raises ValueError where it is none of them or several.
    """

    tracks: Path | None = None  # folder of mask tracks, called as the videos are
    network: Path | None = None  # folder of a panoptic network
    function: Detector | None = None  # one that can be pickled where there are several workers

    def __post_init__(self):
        given = [name for name in ("tracks", "network", "function") if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            raise ValueError(f"masks come from {told}, but they must come from one of tracks, network and function")

    def of(self, clip: Path, device: str) -> Path | Detector:
        """The track of a clip, or the detector for all."""
        if self.tracks is not None:
            return track_of(self.tracks, clip)
        if self.network is not None:
            return panoptic_detector(self.network, device)
        assert self.function is not None
        return self.function

    def identity(self) -> str:
        """What tells it from another: names and sizes of its files, or the name of the function."""
        if self.function is not None:
            return f"{self.function.__module__}.{getattr(self.function, '__qualname__', type(self.function).__name__)}"
        folder = self.tracks or self.network
        assert folder is not None
        return _hash_of([path for path in sorted(folder.rglob("*")) if path.is_file()], folder)


def build_video4(
    videos: Path,
    masks: MaskSource,
    out: Path,
    settings: PairSettings,
    workers: Workers = ONE_PROCESS,
    device: str = "cpu",
    tars: bool = False,
) -> None:
    """Let workers build the set of all videos in a folder, or what is missing of it.

    Progress goes to stderr, and so do the videos that give no pair, each with the reason: one that cannot be read stops nothing, and is
    tried again by the next build.

    Args:
        device: of the network; each worker loads it there.
        tars: a WebDataset tar for each video that gives pairs, in place of plain folders.

    Raises ValueError when no video gives a pair, two are called alike, or `out` holds a set made otherwise; FileNotFoundError when there
    are no videos. KeyboardInterrupt is passed on when what was finished is safe.
    """
    clips = clips_in(videos)
    if tars:
        check_keys(clips)
    told: dict[str, Any] = {"settings": asdict(settings), "videos": _hash_of(clips, videos), "masks": masks.identity()}
    told |= {"tars": True} if tars else {}
    claim(out, "video4removal", {"format": FORMAT, **told, "versions": _versions()})
    folders = [out / kind for kind in (() if tars else KINDS)] + [out / "clips"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    sweep(out, *folders)
    missing = {number: f"video {clip.name}" for number, clip in enumerate(clips) if not _is_complete(out, clip, tars)}
    if missing:
        for name in ("index.csv", "clips.csv", "datasheet.md", "sheet.jpg"):
            (out / name).unlink(missing_ok=True)
        tell(workers(partial(_make, tuple(clips), masks, out, settings, device, tars), missing), len(missing), "videos")
        sweep(out, *folders)
    _finish(videos, clips, out, settings, tars)


def _make(clips: Sequence[Path], masks: MaskSource, out: Path, settings: PairSettings, device: str, tars: bool, number: int) -> int:
    """Make and write the pairs of the video of that number."""
    clip = clips[number]
    files = files_of(clip, out, tars)
    told: dict[str, Any] = {"clip": clip.name, "broken": False}
    try:
        found = pairs_of_clip(clip, masks.of(clip, device), settings, files.write)
    except (ValueError, FileNotFoundError) as error:
        told |= {"broken": True, "frames": 0, "foreground": 0, "background": 0, "blurred": 0, "pairs": []}
        told["why_none"] = _without_folders(str(error), clip.parent, masks.tracks)
    else:
        height, width = found.size
        pairs = [{"id": files.id(pair["frame"]), "clip": clip.name, "size": [width, height], **pair} for pair in found.pairs]
        counts = {name: len(getattr(found.split, name)) for name in ("foreground", "background", "blurred")}
        files.finish(pairs)
        told |= {"frames": len(found.facts), **counts, "pairs": pairs, "why_none": found.why}
    write_whole(_record(out, clip), json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return number


def _without_folders(text: str, *folders: Path | None) -> str:
    """A message without where the folders are: nothing in the files of a set tells that."""
    for folder in folders:
        if folder is not None:
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
    return text


def _record(out: Path, clip: Path) -> Path:
    return out / "clips" / f"{clip.stem}.json"


def _is_complete(out: Path, clip: Path, tars: bool) -> bool:
    """Whether a video was read, and all its pairs are there, each file to its end."""
    try:
        told = json.loads(_record(out, clip).read_text(encoding="utf-8"))
        ids = [pair["id"] for pair in told["pairs"]]
        return not told["broken"] and files_of(clip, out, tars).is_complete(ids)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _finish(videos: Path, clips: Sequence[Path], out: Path, settings: PairSettings, tars: bool) -> None:
    told = [json.loads(_record(out, clip).read_text(encoding="utf-8")) for clip in clips]
    without = [one for one in told if not one["pairs"]]
    for one in without:
        print(f"{one['clip']} gives no pair: {one['why_none']}", file=sys.stderr)
    write_whole(out / "clips.csv", _table(CLIP_COLUMNS, [{**one, "pairs": len(one["pairs"])} for one in told]))
    pairs = [pair for one in told for pair in one["pairs"]]
    if not pairs:
        raise ValueError(f"none of the {len(clips)} videos in {videos} gives a pair; {out / 'clips.csv'} says why")
    lines = [{**pair, "width": pair["size"][0], "height": pair["size"][1], "tag": "", "caption": ""} for pair in pairs]
    shown = [pairs[place] for place in sorted({place * len(pairs) // SHOWN for place in range(SHOWN)})]
    write_whole(out / "sheet.jpg", contact_sheet([_entry(files_of(videos / pair["clip"], out, tars), pair) for pair in shown]))
    write_whole(out / "index.csv", _table(COLUMNS, lines))
    write_whole(out / "datasheet.md", video4_datasheet(told, settings, notes_of(videos), tars))


def _entry(files: ClipFiles, pair: dict[str, Any]) -> SheetEntry:
    pictures = files.read(pair["id"])
    shown, truth, mask = (read_picture(pictures, kind, pair["id"]) for kind in KINDS)
    return SheetEntry(shown, truth, mask, f"{pair['id']} on {pair['background']}".encode("ascii", "replace").decode())


def _table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([row[name] for name in columns] for row in rows)
    return text.getvalue()


def _hash_of(files: Sequence[Path], root: Path) -> str:
    """Of names and sizes: reading all videos would take long."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    import av

    return {**versions(), "av": av.__version__}
