"""A choice of people in words: `1,3`, `2-4`, `all`, `all but 2`, `largest`, `none`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .people import Person

__all__ = ["choose", "parse_order"]

GRAMMAR = "numbers such as 1,3 or 2-4, ids such as p1a2b3c4, all, all but 2, largest, or none"


def choose(words: str, people: Sequence[Person]) -> frozenset[str]:
    """The ids of the people that `words` names.

    Raises ValueError when the words are no choice, or name somebody who is not there.
    """
    text = " ".join(words.lower().split())
    if text in ("", "none"):
        return frozenset()
    if text == "largest":
        return frozenset([max(people, key=lambda p: p.area).id])
    everybody = frozenset(p.id for p in people)
    if text == "all":
        return everybody
    but = re.fullmatch(r"all (?:but|except) (.+)", text)
    if but:
        return everybody - frozenset(_named(but.group(1), people))
    return frozenset(_named(text, people))


def parse_order(words: str, people: Sequence[Person]) -> list[Person] | None:
    """The people in the order that `words` gives (`2,1,3`, nearest first); None for an empty text.

    Raises ValueError unless everybody is named exactly once.
    """
    if not words.strip():
        return None
    ids = _named(" ".join(words.lower().split()), people)
    if sorted(ids) != sorted(p.id for p in people):
        raise ValueError(f"depth order is {words!r}, but it must name each person once: {_numbers(people)}")
    by_id = {p.id: p for p in people}
    return [by_id[id] for id in ids]


def _named(text: str, people: Sequence[Person]) -> list[str]:
    """Ids in the order of the text: a comma or space separated list of numbers, ranges and ids."""
    by_name = {p.id: p.id for p in people} | {str(p.number): p.id for p in people}
    found: list[str] = []
    for word in re.split(r"[,\s]+", re.sub(r"\s*-\s*", "-", text).strip(" ,")):
        numbers = re.fullmatch(r"(\d+)-(\d+)", word)
        names = [str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)] if numbers else [word]
        if not names:
            raise ValueError(f"choice has the range {word!r}, but a range must rise, as in 2-4")
        for name in names:
            name = str(int(name)) if name.isdigit() else name
            if name not in by_name:
                known = name.isdigit() or re.fullmatch(r"p[0-9a-f]{8}(-\d+)?", name)
                why = f"the people are {_numbers(people)}" if known else f"it must be {GRAMMAR}"
                raise ValueError(f"choice names {name!r}, but {why}")
            found.append(by_name[name])
    return list(dict.fromkeys(found))


def _numbers(people: Sequence[Person]) -> str:
    return ", ".join(str(n) for n in sorted(p.number for p in people))
