"""The datasheet of a set of Syn4Removal pairs, after Gebru et al., "Datasheets for Datasets", 2018."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .syn4_instances import AREA, LEAST, SCORE, TOLERANCE, Filtered
from .syn4_place import BORDER, FLOOR, INSIDE, LARGE, TAKEN, TRIES

__all__ = ["syn4_datasheet"]

NAMED = 12  # classes


def syn4_datasheet(
    descriptions: Sequence[dict[str, Any]],
    settings: Mapping[str, Any],
    kept: Filtered,
    backgrounds: int,
    scored: bool,
    notes: Mapping[str, str],
) -> str:
    """The datasheet as Markdown.

    Args:
        descriptions: of the pairs, as their JSON has them.
        settings: of the set.
        kept: the instances.
        backgrounds: how many there were to choose from.
        scored: whether CLIP looked at the instances.
        notes: texts about the photos, by file name.
    """
    parts = [_composition(descriptions, kept, backgrounds), _making(settings, kept, scored), _reality(), _sources(notes), _again(settings)]
    return "\n\n".join(["# Syn4Removal pairs: a thing of one photo on another, and what is behind it", *parts]) + "\n"


def _composition(descriptions: Sequence[dict[str, Any]], kept: Filtered, backgrounds: int) -> str:
    used = Counter(told["object"] for told in descriptions)
    named = ", ".join(f"{word} ({count})" for word, count in sorted(used.items(), key=lambda item: (-item[1], item[0]))[:NAMED])
    shares = sorted(told["share"] for told in descriptions)
    shrunk = sum(told["shrunk"] > 1 for told in descriptions)
    return f"""## What is in it

{len(descriptions)} pairs, in the manner of Syn4Removal, the training set of SmartEraser (CVPR 2025).

- **Things**: {sum(size.number for size in kept.sizes.values())} instances of {len(kept.sizes)} classes to choose from; used are {named}.
- **Backgrounds**: {len({told["background"] for told in descriptions})} different ones, of {backgrounds} to choose from.
- **Masks**: {shares[0]:.1%} to {shares[-1]:.1%} of the picture, half of them below {shares[len(shares) // 2]:.1%}. Made smaller than was
  sought to find a place: {shrunk}.

Pairs of one photo are not independent: keep all of a photo on the same side when you split further."""


def _making(settings: Mapping[str, Any], kept: Filtered, scored: bool) -> str:
    bar = f"min({SCORE}, the class's highest − {TOLERANCE})"
    clip = f"CLIP's cosine with “a photo of CLASS” is {bar} or more,\n  which left out {kept.dropped['score']}"
    if not scored:
        clip = f"**CLIP did not look at\n  them**: no network was given, so that none had to have a score of {bar}"
    cut = " Things that the frame or another thing cuts were left out." if settings["whole"] else ""
    return f"""## How it was made

- **Things** have {AREA[0]:.0%} to {AREA[1]:.0%} of their photo, which left out {kept.dropped["area"]}; {clip}.
  A class has {LEAST} or more, which left out {kept.dropped["class"]}.{cut}
- **Backgrounds** have a shorter side of {settings["least_side"]} pixels or more, and are the largest square in the middle of their photo,
  {settings["size"]} pixels.
- **Size**: the area of the box is drawn from N(μ, σ) of the class, is at most half of what no box of the background's things has, and at
  least {FLOOR:.0%} of the picture. It is turned by up to 45° to either side.
- **Place**: the centre is not in the outer {BORDER:.0%} and in no box of the background's things; the box takes {TAKEN:.0%} of such a
  box at most, and {INSIDE:.0%} of it or more are in the picture. Things with {LARGE:.0%} of the background or more do not count, and
  what nobody labelled is not known. {TRIES} places are tried, then the thing is made 2, 3 and 4 times smaller.
- **Edge**: closed-form matting (Levin et al., 2008) in a ring of three pixels inside the mask, on the thing's own photo; its colour there
  is carried from inside.
- **The mask** is the thing's, hard. Outside of it input and truth are equal.

The number and order of processes change nothing: two builds with the same photos and library versions are equal byte for byte."""


def _reality() -> str:
    return """## What is true in it, and what is not

**True**: the truth is a photograph, and the mask tells all that was changed.

**Not real**: things float, lean, have another light and sharpness than what is around them, and cast no shadow. Only one thing is in
each picture: the authors' model is weak for several, by their own account. Fragments of things are in it where the maps have them."""


def _sources(notes: Mapping[str, str]) -> str:
    if not notes:
        told = "The folders hold no README or LICENSE that says where the photographs come from: find out before passing anything on."
    else:
        quoted = [f"{name}\n\n" + "\n".join(f"> {line}".rstrip() for line in text.splitlines()) for name, text in notes.items()]
        told = "What the folders say of themselves:\n\n" + "\n\n".join(quoted)
    return f"""## Sources and licences

The pairs are made of others' photographs, which keep their licences: what may be done with both photographs of a pair may be done with
the pair, and no more.

{told}"""


def _again(settings: Mapping[str, Any]) -> str:
    return f"""## Building it again

    python -m mild_core.data syn4removal --instances FOLDER --backgrounds FOLDER --out FOLDER --count {settings["count"]} \\
        --first {settings["first"]} --part {settings["part"]} --size {settings["size"]} --least-side {settings["least_side"]} \\
        --per-shard {settings["per_shard"]}{" --whole" if settings["whole"] else ""}

With `--clip FOLDER` where instances were scored. The same command goes on where an earlier run was stopped. `syn4removal.json` holds
hashes of what the photographs are and the versions of what decides the bytes."""
