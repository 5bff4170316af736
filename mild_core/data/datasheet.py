"""The datasheet of a set of truth scenes, after Gebru et al., "Datasheets for Datasets", 2018."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .difficulty import LEVELS

__all__ = ["datasheet"]

MEANING = {
    "people": "how many people are in the photo",
    "occlusion": "of the body that is hidden most, the share that somebody nearer hides",
    "contact": "the gap between the two bodies nearest to each other, as a share of the shorter side",
    "camouflage": "how much of people's colours is behind and beside them too: intersection of CIE Lab histograms, mean over the people",
    "poses": "how unlike the silhouettes are: mean over pairs of 1 − IoU, brought to one height",
    "size": "the share of the photo that shows somebody who goes",
    "erased": "whether everybody goes, or somebody stays",
}

SHARDS = (
    "- **Shards**: WebDataset tars of {} scenes each; a scene's files are called by its id up to the first dot. They are for\n"
    "  programs that are trained: benchmarks read folders."
)


def datasheet(
    descriptions: Sequence[dict[str, Any]], settings: Mapping[str, Any], available: Mapping[str, int], notes: Mapping[str, str]
) -> str:
    """The datasheet as Markdown.

    Args:
        descriptions: of the scenes, as scene.json has them.
        settings: of the set: count, first, split, short_side, most_people, and per_shard where it is in shards.
        available: how many "people" and "places" of the library there were to choose from.
        notes: texts about the library, by file name.
    """
    return (
        "\n\n".join(
            [
                "# Truth scenes: several people, and what is behind them",
                _motivation(),
                _composition(descriptions, available, settings.get("per_shard", 0)),
                _making(settings),
                _reality(),
                _sources(notes),
                _rebuilding(settings),
            ]
        )
        + "\n"
    )


def _motivation() -> str:
    return """## What it is for

To score programs that erase some of the people of a photo and give back what is behind them, and each person whole. No photograph
tells what was behind somebody, or what of somebody was hidden. Here all of it is known, and each scene says what makes it hard.
It is no training set: scores are for photographs that no model was trained on."""


def _composition(descriptions: Sequence[dict[str, Any]], available: Mapping[str, int], per_shard: int) -> str:
    people = Counter(f"{person['photo']} {person['value']}" for told in descriptions for person in told["people"])
    places = Counter(told["place"] for told in descriptions)
    sizes = Counter("{}×{}".format(*told["size"]) for told in descriptions)
    going = sum(len(told["erase"]) for told in descriptions)
    lines = [
        "## What is in it",
        "",
        f"{len(descriptions)} scenes with {sum(people.values())} people, of whom {going} go.",
        "",
        f"- **Different people**: {len(people)}, of {available['people']} to choose from; who is seen most is in {_most(people)} scenes.",
        f"- **Different places**: {len(places)}, of {available['places']} to choose from; what is seen most is in {_most(places)} scenes.",
        f"- **Sizes** in pixels, the most frequent: {_counted(sizes, 5)}.",
        *([SHARDS.format(per_shard)] if per_shard else []),
        "",
        "Scenes share people and places, so that they are not independent: what differs between two programs on one place is likely",
        "to differ on the next scene there. An interval that resamples scenes is too narrow by what they share.",
        "",
        "| tag | value | scenes | what it means |",
        "|---|---|---|---|",
    ]
    for tag, meaning in MEANING.items():
        counts = Counter(told["tags"][tag] for told in descriptions)
        for number, value in enumerate(_in_order(tag, counts)):
            lines.append(
                f"| {tag if number == 0 else ''} | {value}{_bound(tag, value)} | {counts[value]} | {meaning if number == 0 else ''} |"
            )
    return "\n".join(lines)


def _most(counts: Counter) -> int:
    return max(counts.values())


def _counted(counts: Counter, most: int) -> str:
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return ", ".join(f"{name} ({count})" for name, count in found)


def _in_order(tag: str, counts: Counter) -> list[str]:
    steps = [name for name, _ in LEVELS[tag].steps] if tag in LEVELS else []
    rest = sorted((value for value in counts if value not in steps), key=lambda value: (len(value), value))
    return [*rest, *(step for step in steps if step in counts)]


def _bound(tag: str, value: str) -> str:
    """From where to where a measure lies that has this tag."""
    if tag not in LEVELS:
        return ""
    names, bounds = zip(*LEVELS[tag].steps, strict=True)
    if value not in names:
        return ""
    place = names.index(value)
    if place == len(names) - 1:
        return f" (from {bounds[place - 1]:g})"
    return f" ({bounds[place - 1]:g} to {bounds[place]:g})" if place else f" (below {bounds[place]:g})"


def _making(settings: Mapping[str, Any]) -> str:
    return f"""## How it was made

People are cut out of photographs by their masks and pasted on photographs of places, with a shorter side of {settings["short_side"]}
pixels.

- A seed asks for a scene: 1 to {settings["most_people"]} people in turn, and in turn all kinds of occlusion, contact, camouflage and
  poses. A place and
  people for it are looked for, within bounds. The tags are measured in the finished scene: they say what is, not what was asked.
- Only people are taken whom no frame cuts off, nobody in front cuts in parts and nobody nearer touches, and of the places the half
  whose lower
  part looks most like ground.
- The edge of a person is told from the photograph with a guided filter; their colour near it is carried there from inside.
- Person and place are matched part of the way: exposure, cast and contrast, sharpness, grain.
- Everybody casts a contact shadow on the ground, which is a layer of its own. Shadows do not fall on people.
- Who goes is chosen by the seed: at times everybody, often who hides most of the others, so that somebody behind stays.

The number and order of processes change nothing: two builds with the same photographs and library versions are equal byte for byte."""


def _reality() -> str:
    return """## What is true in it, and what is not

**True**: the background, everybody's whole layer and soft alpha, everybody's shadow, the depth order, the picture without those who go.

**Not real**: the people were never there. Their light comes from elsewhere, the direction of the sun and the perspective need not
agree, shadows
are soft ellipses, nothing is mirrored in water or glass, nobody stands behind a thing of the place, nobody holds or embraces anybody.
What looks like ground is told from colours alone, and may be water or a leaf. Some places show animals, or people of their own, who
are in no mask and stay. Most people stand or walk, seen whole, and were cut out of photographs of a few hundred pixels; a mask may
lack a hand.

**Limits**: it says how well a program paints what a place is likely to look like; it says little of how well a program removes real
shadows and
reflections, for which photographs taken twice are the measure."""


def _sources(notes: Mapping[str, str]) -> str:
    if not notes:
        told = "The library holds no README or LICENSE that says where its photographs come from: find out before passing anything on."
    else:
        quoted = ["\n".join(f"> {line}".rstrip() for line in text.splitlines()) for text in notes.values()]
        told = "What the library says of itself:\n\n" + "\n\n".join(quoted)
    return f"""## Sources and licences

The scenes are made of others' photographs, which keep their licences: what may be done with the photographs may be done with the
scenes, and no
more. Nobody in them was asked.

{told}"""


def _rebuilding(settings: Mapping[str, Any]) -> str:
    shards = f" --per-shard {settings['per_shard']}" if settings.get("per_shard") else ""
    return f"""## Building it again

    python -m mild_core.data scenes --photos LIBRARY --out FOLDER --count {settings["count"]} --first {settings["first"]} \\
        --split {settings["split"]} --short-side {settings["short_side"]} --most-people {settings["most_people"]}{shards}

The same command goes on where an earlier run was stopped. `scenes.json` holds a hash of the photographs and the versions of what
decides the bytes."""
