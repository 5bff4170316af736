"""The datasheet of a set of Erase Diffusion's removal pairs, after Gebru et al., "Datasheets for Datasets", 2018."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .erasediff import SCALES, TURN
from .olrd import GAP, LEAST_SHARE, MOST_SHARE

__all__ = ["erase_datasheet"]

NAMED = 8  # classes


def erase_datasheet(descriptions: Sequence[dict[str, Any]], settings: Mapping[str, Any], available: int, notes: Mapping[str, str]) -> str:
    """The datasheet as Markdown.

    Args:
        descriptions: of the pairs, as their JSON has them.
        settings: of the set: count, first, part, long_side, per_shard.
        available: how many photos with masks there were to choose from.
        notes: texts about the photos, by file name.
    """
    photos = Counter(told["photo"] for told in descriptions)
    objects = Counter(told["object"] for told in descriptions).most_common(NAMED)
    shares = sorted(told["share"] for told in descriptions)
    size = f"made smaller to a longer side of {settings['long_side']} pixels" if settings["long_side"] else "as they are"
    quoted = ["\n".join(f"> {line}".rstrip() for line in text.splitlines()) for text in notes.values()]
    none = "The folder holds no README or LICENSE that says where its photographs come from: find out before passing anything on."
    sources = "What the folder says of itself:\n\n" + "\n\n".join(quoted) if quoted else none
    return f"""# Removal pairs: a photo's own object a second time, scaled and turned

## What it is for

To train programs that erase things from photos, in the manner of Erase Diffusion (CVPR 2025, arXiv 2503.07026): whatever lies under
the mask in the input is to become the background that the truth shows there.

## What is in it

{len(descriptions)} pairs.

- **Different photos**: {len(photos)}, of {available} to choose from; what is seen most is in {max(photos.values())} pairs.
- **Objects**: {", ".join(f"{name} ({count})" for name, count in objects)}.
- **Holes**: {shares[0]:.1%} to {shares[-1]:.1%} of the photo, half of them below {shares[len(shares) // 2]:.1%}.

Pairs of one photo are not independent: keep all of a photo on the same side when you split further.

## How it was made

The photos are taken in turn, {size}. The paper says that a matting network segments the primary object, which is turned, scaled and
pasted at a random place on the background of the same photo; it tells neither network nor ranges. Here

- **the primary object** is the largest and most central thing of the labels that nothing cuts off, with {LEAST_SHARE:.0%} to
  {MOST_SHARE:.0%} of the photo; where it finds no place, the next;
- **its alpha** is soft, told from mask and photo with a guided filter; colour near the edge is carried there from inside;
- **its scale** is {SCALES[0]:g} to {SCALES[1]:g} of its own (less where it would fit nowhere), **its turn** at most {TURN:.0f}° either way;
- **its place** is any where the whole of it is inside the frame, on background, {GAP} pixels or more from any thing.

**The hole** is every pixel that the object changes. Outside of it input and truth are equal. The number and order of processes change
nothing: two builds with the same photos and library versions are equal byte for byte.

## What is true in it, and what is not

**True**: the truth is the photograph, and the hole tells all that was changed.

**Not real**: the object casts no shadow and may float or lean; light and sharpness are those of where it was cut out. Of photos that
have people's masks alone, everything else counts as background: a hole may hide a thing that nobody labelled.

## Sources and licences

The pairs are made of others' photographs, which keep their licences.

{sources}

## Building it again

    python -m mild_core.data erasediff --photos FOLDER --out FOLDER --count {settings["count"]} --first {settings["first"]} \\
        --part {settings["part"]} --long-side {settings["long_side"]} --per-shard {settings["per_shard"]}

For photos with COCO's panoptic JSON add `--panoptic FILE`. The same command goes on where an earlier run was stopped. `erasures.json`
holds a hash of what the photographs are and the versions of what decides the bytes.
"""
