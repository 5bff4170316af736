"""Pictures of cases, small enough to lie within a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .store import RunResult

__all__ = ["data_uri", "gallery", "hole_uri"]

QUALITY = 82  # of WebP: its own traces stay far below those of an eraser
TINT = (255, 45, 85, 120)  # RGBA over who goes


def gallery(runs: Sequence[RunResult], ids: Sequence[str], side: int, max_bytes: int) -> dict[str, dict[str, Any]]:
    """By case id: {"size": [w, h], "photo", "hole", "truth", "results": {eraser: …}}, all but the size as data URIs.

    Args:
        ids: the cases that are wanted, those wanted most first; a case that fits no more ends it. Cases without a photo are left out.
        side: longest side in pixels; smaller pictures stay as they are.
        max_bytes: of all data URIs together.
    """
    found: dict[str, dict[str, Any]] = {}
    left = max_bytes
    for i in ids:
        case = _case(runs, i, side)
        if case is None:
            continue
        left -= sum(len(uri or "") for uri in (case["photo"], case["hole"], case["truth"], *case["results"].values()))
        if left < 0:
            break
        found[i] = case
    return found


def data_uri(path: Path, side: int) -> str | None:
    """A picture file as a WebP data URI no longer than `side`; None where there is no file."""
    if not path.exists():
        return None
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _uri(small, "WEBP", quality=QUALITY, method=4)


def hole_uri(path: Path, side: int) -> str | None:
    """A mask file as a tint over who goes: a PNG data URI, clear elsewhere; None where there is no file."""
    if not path.exists():
        return None
    with Image.open(path) as mask:
        small = mask.convert("L")
    small.thumbnail((side, side), Image.Resampling.NEAREST)
    tint = Image.fromarray((np.asarray(small) > 127).astype(np.uint8))
    tint.putpalette([0, 0, 0, *TINT[:3]])
    return _uri(tint, "PNG", transparency=bytes([0, TINT[3]]), bits=1, optimize=True)


def _case(runs: Sequence[RunResult], i: str, side: int) -> dict[str, Any] | None:
    folder = runs[0].folder.parent.parent / "cases" / i
    photo = data_uri(folder / "photo.png", side)
    if photo is None:
        return None
    with Image.open(folder / "photo.png") as picture:
        size = list(picture.size)
    results = {run.eraser: data_uri(run.folder / "pictures" / f"{i}.png", side) for run in runs}
    return {
        "size": size,
        "photo": photo,
        "hole": hole_uri(folder / "hole.png", side),
        "truth": data_uri(folder / "truth.png", side),
        "results": {name: uri for name, uri in results.items() if uri},
    }


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
