"""Benchmark folders as their makers lay them out, read as cases.

Folder names are taken in any case of letters, pictures as png, jpg, jpeg, webp, bmp or tif. A photo and what belongs to it have the
same name but for the ending, and for a suffix of the kind such as `_mask`. Whatever is missing or doubtful is an error that names it: a
benchmark is read whole or not at all. Pictures themselves are not opened, but for one thing that RORD leaves open.

    scenes         our own: scenes.json, index.csv, and a folder for each scene
    pairs          photos/, masks/, and where known truth/, effects/; for pictures of one's own
    rord           img/, gt/, mask/, or img/ and mask/ with a folder for each scene
    smarteraser    paste/, mask/, gt/
    removalbench   images/, masks/, gt/
    ober           input/, object_mask/, and where known gt/, object_effect_mask/
    corne          shot/, bg/, mask_sam/, mask_eff/

What each was taken from is said at its function. Nothing but `scenes` and `pairs` is ours, and no copy of the others was at hand when this
was written.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..batch.items import PICTURES
from .cases import MASKED, Case

__all__ = ["LAYOUTS", "read_layout"]

NAMED = 5  # names that an error tells, of many
LOOKED_AT = 16  # masks, to tell which way round they are
RORD_TRUTH = "g0001"  # ends the name of a scene's picture without the objects


class _Kind(NamedTuple):
    """One kind of file: what its folder may be called, and what may be added to the photo's name."""

    what: str
    folders: tuple[str, ...]
    suffixes: tuple[str, ...] = ()
    needed: bool = True


class _Folders(NamedTuple):
    photo: _Kind
    mask: _Kind
    truth: _Kind
    effects: _Kind | None = None

    @property
    def needed(self) -> tuple[_Kind, ...]:
        return tuple(kind for kind in self if kind is not None and kind.needed)


MASK, TRUTH, EFFECTS = ("_mask", "-mask", "_m"), ("_gt", "-gt", "_truth", "_bg"), ("_effect", "_effects", "_effect_mask", "_shadow")
FOLDERS = {
    "pairs": _Folders(
        _Kind("photo", ("photos", "photo")),
        _Kind("mask", ("masks", "mask"), MASK),
        _Kind("truth", ("truth", "truths"), TRUTH, needed=False),
        _Kind("effects", ("effects", "effect"), EFFECTS, needed=False),
    ),
    "rord": _Folders(_Kind("photo", ("img",)), _Kind("mask", ("mask",), MASK), _Kind("truth", ("gt",), TRUTH, needed=False)),
    "smarteraser": _Folders(_Kind("photo", ("paste",)), _Kind("mask", ("mask",), MASK), _Kind("truth", ("gt",), TRUTH)),
    "removalbench": _Folders(_Kind("photo", ("images",)), _Kind("mask", ("masks",), MASK), _Kind("truth", ("gt",), TRUTH)),
    "ober": _Folders(
        _Kind("photo", ("input", "inputs")),
        _Kind("mask", ("object_mask", "mask", "masks"), MASK),
        _Kind("truth", ("gt",), TRUTH, needed=False),
        _Kind("effects", ("object_effect_mask", "effect_mask", "shadow_mask"), EFFECTS, needed=False),
    ),
    "corne": _Folders(
        _Kind("photo", ("shot",)),
        _Kind("mask", ("mask_sam",), MASK),
        _Kind("truth", ("bg",), TRUTH),
        _Kind("effects", ("mask_eff", "mask-check"), EFFECTS, needed=False),
    ),
}


def read_layout(root: Path | str, name: str = "auto") -> tuple[str, list[Case]]:
    """The layout's name and the cases of a benchmark folder, in natural order of their names.

    Args:
        root: the folder.
        name: one of `LAYOUTS`, or "auto", which tells it from the names of the folders inside.
    Raises ValueError when no layout fits or several do, when files are missing or doubled, or when there are none.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"benchmark folder {root} is not there, or is no folder")
    if name != "auto" and name not in LAYOUTS:
        raise ValueError(f"layout is {name!r}, but it must be auto or one of {', '.join(LAYOUTS)}")
    name = _recognised(root) if name == "auto" else name
    cases = LAYOUTS[name](root)
    if not cases:
        raise ValueError(f"benchmark folder {root} has no photo")
    return name, cases


def read_scenes(root: Path) -> list[Case]:
    """Our scenes with known truth, as this project's builder writes them: those that index.csv names.

    Each is a folder of photo.png, people.png, background.png, scene.json, effects.png, and truth.png where somebody stays.
    Tags are those of scene.json.
    """
    index = root / "index.csv"
    if not index.is_file():
        raise ValueError(f"benchmark folder {root} has no index.csv, which its builder writes last: build it to its end")
    with index.open(encoding="utf-8", newline="") as file:
        ids = [row.get("id") or "" for row in csv.DictReader(file)]
    if "" in ids or len(set(ids)) < len(ids):
        raise ValueError(f"{index} must name every scene once, in a column id")
    _complain(root, "scenes of index.csv", "folder", [i for i in ids if not (root / i).is_dir()], len(ids))
    for name in ("photo.png", "people.png", "background.png", "scene.json"):
        _complain(root, "scenes", name, [i for i in ids if not (root / i / name).is_file()], len(ids))
    told = [json.loads((root / i / "scene.json").read_text(encoding="utf-8")) for i in ids]
    stays = {i for i, scene in zip(ids, told, strict=True) if len(scene["people"]) > len(scene["erase"])}
    lacking = [i for i in ids if i in stays and not (root / i / "truth.png").is_file()]
    _complain(root, "scenes in which somebody stays", "truth.png", lacking, len(stays))
    names = _unique(ids)
    return [_scene(root / i, name, scene, i in stays) for i, name, scene in zip(ids, names, told, strict=True)]


def read_pairs(root: Path) -> list[Case]:
    """Pictures of one's own: photos/, masks/ (0 and 255, white goes), and where they are known truth/ and effects/."""
    return _read_folders(root, FOLDERS["pairs"])


def read_rord(root: Path) -> list[Case]:
    """RORD, in one of its two forms; of the download's train/ and val/ name one.

    As downloaded: img/SCENE/FRAME.jpg, mask/SCENE/FRAME_M.png, and the truth of all of a scene's frames is the picture in img/SCENE whose
    name ends in G0001 (from public code that prepares it, after the authors' preprocessing.py). Prepared: img/, gt/, mask/ with equal
    names (Forty-lock/RORD, dataloader.py). All frames are read; papers take one of each scene, and differ in which.

    The authors' masks are white where the picture is known; others' are white on the object. Nothing says which a folder has, so it is told
    from up to 16 of them: if white covers more than half of the middle one, it is what stays. Those who took RORD-Val from SmartEraser have
    another layout, `smarteraser`.
    """
    photos = _folder(root, FOLDERS["rord"].photo)
    assert photos is not None
    nested = not _pictures(photos) and any(path.is_dir() for path in photos.iterdir())
    cases = _read_rord_scenes(root) if nested else _read_folders(root, FOLDERS["rord"])
    if cases and median(_white(case.people) for case in cases[:: -(-len(cases) // LOOKED_AT)]) > 0.5:
        cases = [_kept(case) for case in cases]
    return cases


def read_smarteraser(root: Path) -> list[Case]:
    """SmartEraser's RORD-Val, DEFACTO-Val and Syn4Removal-Val: paste/, mask/, gt/ with equal names. White goes.

    From longtaojiang/SmartEraser, modules/eraser_dataset.py.
    """
    return _read_folders(root, FOLDERS["smarteraser"])


def read_removalbench(root: Path) -> list[Case]:
    """RemovalBench of OmniEraser (Hugging Face BaiLing/RemovalBench): images/, masks/, gt/ with equal names, as public code downloads it.

    White goes. Other folders, such as the authors' results, are left alone. Papers use 69 of its 70 photos; if one is named as incomplete,
    take it away.
    """
    return _read_folders(root, FOLDERS["removalbench"])


def read_ober(root: Path) -> list[Case]:
    """OBER of ObjectClear: input/, object_mask/, gt/, object_effect_mask/ with equal names.

    These are the fields of the published Parquet files (sczhou/OBERDataset_ObjectClear), and the folders to which public code unpacks
    them. Unpack each of OBER-Test, OBER-Wild (which has no gt) and RORD-Val-343 to a folder of its own. The layout of the authors' own
    archive could not be checked.
    """
    return _read_folders(root, FOLDERS["ober"])


def read_corne(root: Path) -> list[Case]:
    """CORNE-Val of OSOR (Hugging Face QinmingZhou/CORNE-Val, by its card): shot/, bg/, mask_sam/, mask_eff/ with equal names."""
    return _read_folders(root, FOLDERS["corne"])


LAYOUTS: dict[str, Callable[[Path], list[Case]]] = {
    "scenes": read_scenes,
    "pairs": read_pairs,
    "rord": read_rord,
    "smarteraser": read_smarteraser,
    "removalbench": read_removalbench,
    "ober": read_ober,
    "corne": read_corne,
}


def _recognised(root: Path) -> str:
    """The one layout whose folders are all there."""
    fitting = _fitting(root)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ValueError(f"benchmark folder {root} can be read as {' or '.join(fitting)}: name the layout")
    hint = ""
    if inner := [path.name for path in sorted(root.iterdir()) if path.is_dir() and _fitting(path)]:
        hint = f"; did you mean its folder {' or '.join(_few(inner))}?"
    elif any(path.suffix == ".parquet" for path in root.rglob("*")):
        hint = "; it holds Parquet files: write their pictures to folders first"
    wanted = [f"{name} ({', '.join(kind.folders[0] + '/' for kind in folders.needed)})" for name, folders in FOLDERS.items()]
    raise ValueError(f"benchmark folder {root} must be one of scenes (scenes.json), {', '.join(wanted)}{hint}")


def _fitting(root: Path) -> list[str]:
    names = {path.name.casefold() for path in root.iterdir() if path.is_dir()}
    fitting = ["scenes"] if (root / "scenes.json").is_file() else []
    return fitting + [n for n, folders in FOLDERS.items() if all(names.intersection(kind.folders) for kind in folders.needed)]


def _read_folders(root: Path, folders: _Folders) -> list[Case]:
    """Folders of photos, masks, and where they are known truths and effects, with equal names."""
    photos = _by_stem(root, folders.photo)
    found = {kind: _belonging(root, kind, photos) for kind in folders[1:] if kind is not None}
    stems = sorted(photos, key=_natural)
    return [
        Case(
            name,
            photos[stem],
            found[folders.mask][stem],
            truth=found[folders.truth].get(stem),
            effects=found[folders.effects].get(stem) if folders.effects else None,
        )
        for stem, name in zip(stems, _unique([photos[stem].stem for stem in stems]), strict=True)
    ]


def _belonging(root: Path, kind: _Kind, photos: dict[str, Path]) -> dict[str, Path]:
    """For each photo's stem its file of that kind; none at all where the folder of a kind that may be missing is."""
    if not kind.needed and _folder(root, kind) is None:
        return {}
    files = _by_stem(root, kind)
    named = {stem: [s for s in (stem, *(stem + suffix for suffix in kind.suffixes)) if s in files] for stem in photos}
    doubled = [f"{stem} ({' and '.join(files[s].name for s in found)})" for stem, found in named.items() if len(found) > 1]
    if doubled:
        raise ValueError(f"benchmark folder {root} has photos with two files of {kind.what}: {', '.join(_few(doubled))}")
    _complain(root, "photos", kind.what, [photos[stem].name for stem, found in named.items() if not found], len(photos))
    used = {found[0] for found in named.values()}
    _complain(root, kind.what, "photo", [path.name for stem, path in files.items() if stem not in used], len(files))
    return {stem: files[found[0]] for stem, found in named.items()}


def _read_rord_scenes(root: Path) -> list[Case]:
    """img/SCENE/FRAME.jpg, its truth img/SCENE/…G0001.jpg, its mask mask/SCENE/FRAME_M.png."""
    photos, masks = (_folder(root, kind) for kind in FOLDERS["rord"][:2])
    assert photos is not None
    if masks is None:
        raise ValueError(f"benchmark folder {root} has no folder mask")
    found: list[tuple[Path, Path, Path]] = []
    frames, bare, unmasked = 0, [], []
    for scene in sorted((path for path in photos.iterdir() if path.is_dir()), key=lambda path: _natural(path.name)):
        pictures = _stems(_pictures(scene), root)
        truths = [path for stem, path in pictures.items() if stem.endswith(RORD_TRUTH)]
        of_scene = _stems(_pictures(masks / scene.name), root) if (masks / scene.name).is_dir() else {}
        if len(truths) != 1:
            bare.append(f"{scene.name} ({len(truths)} pictures …G0001)")
            continue
        for stem in sorted((s for s, path in pictures.items() if path != truths[0]), key=_natural):
            frames += 1
            mask = of_scene.get(stem + "_m", of_scene.get(stem))
            if mask is None:
                unmasked.append(f"{scene.name}/{pictures[stem].name}")
            else:
                found.append((pictures[stem], mask, truths[0]))
    _complain(root, "scenes", "one truth", bare, len(bare) + len({truth for *_, truth in found}))
    _complain(root, "photos", "mask", unmasked, frames)
    ids = _unique([f"{photo.parent.name}_{photo.stem}" for photo, *_ in found])
    return [Case(name, photo, mask, truth=truth) for name, (photo, mask, truth) in zip(ids, found, strict=True)]


def _scene(folder: Path, name: str, told: dict, stays: bool) -> Case:
    effects = folder / "effects.png"
    return Case(
        name,
        folder / "photo.png",
        folder / "people.png",
        tuple(int(value) for value in told["erase"]),
        folder / ("truth.png" if stays else "background.png"),
        effects if effects.is_file() else None,
        {str(key): str(value) for key, value in told.get("tags", {}).items()},
    )


def _kept(case: Case) -> Case:
    return Case(case.id, case.photo, case.people, case.erase, case.truth, case.effects, case.tags, keeps=True)


def _white(mask: Path) -> float:
    """The share of a mask that is white."""
    with Image.open(mask) as file:
        return float((np.asarray(file.convert("L")) > MASKED).mean())


def _folder(root: Path, kind: _Kind) -> Path | None:
    """The folder of that kind; None where there is none. Raises ValueError for two."""
    found = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.casefold() in kind.folders]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise ValueError(f"benchmark folder {root} has {names}, but one folder of {kind.what} must be there: move the other away")
    return found[0] if found else None


def _by_stem(root: Path, kind: _Kind) -> dict[str, Path]:
    folder = _folder(root, kind)
    if folder is None:
        raise ValueError(f"benchmark folder {root} has no folder of {kind.what}: it must be called {' or '.join(kind.folders)}")
    return _stems(_pictures(folder), root)


def _pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICTURES and not path.name.startswith(".")]


def _stems(pictures: Sequence[Path], root: Path) -> dict[str, Path]:
    """Pictures by their names without endings, in small letters. Raises ValueError for two of one name."""
    stems: dict[str, Path] = {}
    for path in pictures:
        other = stems.setdefault(path.stem.casefold(), path)
        if other != path:
            raise ValueError(f"{path.parent} of benchmark folder {root} has both {other.name} and {path.name}: one must go")
    return stems


def _complain(root: Path, what: str, lacks: str, names: Sequence[str], total: int) -> None:
    """Raises ValueError when there are any names."""
    if names:
        raise ValueError(f"benchmark folder {root} has {what} without {lacks}: {', '.join(_few(names))} ({len(names)} of {total})")


def _few(names: Sequence[str]) -> list[str]:
    return [*names[:NAMED], "…"] if len(names) > NAMED else [*names]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which 9 comes before 10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _unique(names: Iterable[str]) -> list[str]:
    """Names of letters, digits, `-`, `_` and `.`, no two equal where large and small letters are."""
    taken: set[str] = set()
    ids = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "case"
        number, unique = 2, plain
        while unique.casefold() in taken:
            number, unique = number + 1, f"{plain}-{number}"
        taken.add(unique.casefold())
        ids.append(unique)
    return ids
