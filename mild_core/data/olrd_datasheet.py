"""The datasheet of a set of removal pairs, after Gebru et al., "Datasheets for Datasets", 2018."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .olrd import EYE_LEVEL, GAP, HIDDEN, IN_ONE_PIECE, LEAST_SHARE, MOST_SHARE, TRIED

__all__ = ["olrd_datasheet"]

NAMED = 8  # classes


def olrd_datasheet(descriptions: Sequence[dict[str, Any]], settings: Mapping[str, Any], available: int, notes: Mapping[str, str]) -> str:
    """The datasheet as Markdown.

    Args:
        descriptions: of the pairs, as their JSON has them.
        settings: of the set: count, first, part, long_side, per_shard.
        available: how many photos with panoptic labels there were to choose from.
        notes: texts about the photos, by file name.
    """
    parts = [_motivation(), _composition(descriptions, available), _making(settings), _reality(), _sources(notes), _rebuilding(settings)]
    return "\n\n".join(["# Removal pairs: a thing that was never there, and what is behind it", *parts]) + "\n"


def _motivation() -> str:
    return """## What it is for

To train programs that erase things from photos, in the manner of OLRD, the object-level removal dataset of MagicEraser (ECCV 2024,
section 4.4). Trained with random masks a program learns to complete whatever a mask hides, things too. Here every hole has the shape
of a thing, and behind it is background."""


def _composition(descriptions: Sequence[dict[str, Any]], available: int) -> str:
    photos = Counter(told["photo"] for told in descriptions)
    shares = sorted(told["share"] for told in descriptions)
    captioned = sum(bool(told["caption"]) for told in descriptions)
    return f"""## What is in it

{len(descriptions)} pairs.

- **Different photos**: {len(photos)}, of {available} to choose from; what is seen most is in {max(photos.values())} pairs.
- **Things**: {_counted(told["object"] for told in descriptions)}.
- **Backgrounds**, by the largest in the hole: {_counted(told["tag"] for told in descriptions)}.
- **Holes**: {shares[0]:.1%} to {shares[-1]:.1%} of the photo, half of them below {shares[len(shares) // 2]:.1%}.
- **Captions**: {captioned} pairs have one, of their photo's own; the others have the short prompt alone.

Pairs of one photo are not independent: keep all of a photo on the same side when you split further."""


def _counted(names: Iterable[str]) -> str:
    found = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{name} ({count})" for name, count in found[:NAMED])
    return told + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _making(settings: Mapping[str, Any]) -> str:
    size = f"made smaller to a longer side of {settings['long_side']} pixels" if settings["long_side"] else "as they are"
    return f"""## How it was made

A thing of a photo's panoptic labels is cut out and put on the same photo again, elsewhere. The photos are taken in turn, {size}.

- **The thing** has {LEAST_SHARE:.0%} to {MOST_SHARE:.0%} of the photo, no frame cuts it off, {IN_ONE_PIECE:.0%} of it or more is in one
  piece, and other things run along {HIDDEN:.0%} of its outline or less. {TRIED} of a photo are tried at most, then another photo.
- **Its place** is chosen among all where the whole of it is inside the frame, on background, and {GAP} pixels or more from any thing,
  itself included. Unknown pixels are no background, but for seams of a few pixels. The nearer to its own height the likelier
  (a standard deviation of {EYE_LEVEL:.0%} of the photo's height): its size is right there. Size, colour and direction are not changed.
- **Blending** is eq. 10 of the paper with a soft edge, told from the photo with a guided filter; colour near the edge is carried there
  from inside.
- **The hole** is every pixel that the thing changes. Outside of it input and truth are equal.

The number and order of processes change nothing: two builds with the same photos and library versions are equal byte for byte."""


def _reality() -> str:
    return """## What is true in it, and what is not

**True**: the truth is the photograph, and the hole tells all that was changed.

**Not real**: the shifted thing casts no shadow and is mirrored nowhere, though the thing it was cut from may be; it may stand where
none could. A program trained on nothing else does not learn to remove shadows. Whatever the labels miss counts as what they say: a
hole may hide a thing that nobody labelled, a cut-out may lack a hand."""


def _sources(notes: Mapping[str, str]) -> str:
    if not notes:
        told = "The folder holds no README or LICENSE that says where its photographs come from: find out before passing anything on."
    else:
        quoted = ["\n".join(f"> {line}".rstrip() for line in text.splitlines()) for text in notes.values()]
        told = "What the folder says of itself:\n\n" + "\n\n".join(quoted)
    return f"""## Sources and licences

The pairs are made of others' photographs, which keep their licences: what may be done with the photographs may be done with the pairs,
and no more.

{told}"""


def _rebuilding(settings: Mapping[str, Any]) -> str:
    return f"""## Building it again

    python -m mild_core.data olrd --photos FOLDER --out FOLDER --count {settings["count"]} --first {settings["first"]} \\
        --part {settings["part"]} --long-side {settings["long_side"]} --per-shard {settings["per_shard"]}

For photos with COCO's panoptic JSON add `--panoptic FILE`. The same command goes on where an earlier run was stopped. `pairs.json`
holds a hash of what the photographs are and the versions of what decides the bytes."""
