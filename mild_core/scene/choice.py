"""A choice of people in words: `1,3`, `2-4`, `all`, `all but 2`, `largest`, `none`, or ids.

web/picker/choice.js reads the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from .people import Person

__all__ = ["choose", "parse_order"]

GRAMMAR = {
    "choice": "numbers such as 1,3 or 2-4, ids such as p1a2b3c4d, all, all but 2, largest, or none",
    "depth order": "numbers such as 2,1,3, nearest first, or ids such as p1a2b3c4d",
}
ID = re.compile(r"p[0-9a-f]{8}(-[0-9]+)?")


def choose(words: str, people: Sequence[Person]) -> frozenset[str]:
    """The ids of the people that `words` names.

    Ids of people who are not there are passed over, so that a choice outlives new masks.
    Raises ValueError when the words are no choice, or name a number that is not there.
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
        return everybody - frozenset(_present(_named(but[1], people, "choice"), people))
    return frozenset(_present(_named(text, people, "choice"), people))


def parse_order(words: str, people: Sequence[Person]) -> list[Person]:
    """The people in the order that `words` gives, nearest first.

    Numbers (`2,1,3`) must name everybody. Ids may leave people out, and those of people who are not there are passed over.
    An empty text gives nobody. Raises ValueError when numbers leave somebody out, and when the words are no people.
    """
    text = " ".join(words.lower().split())
    if not text:
        return []
    names = _named(text, people, "depth order")
    by_id = {p.id: p for p in people}
    order = [by_id[id] for id in _present(names, people)]
    if len(order) < len(people) and not all(ID.fullmatch(word) for word in _words(text)):
        raise ValueError(f"depth order is {words!r}, but it must name each person once: {_numbers(people)}")
    return order


def _present(ids: Iterable[str], people: Sequence[Person]) -> list[str]:
    there = {p.id for p in people}
    return [id for id in ids if id in there]


def _named(text: str, people: Sequence[Person], what: str) -> list[str]:
    """Ids in the order of the text, each once, also of people who are not there: a list of numbers, ranges and ids.

    Errors call the text `what`.
    """
    by_number = {p.number: p.id for p in people}
    found: list[str] = []
    for word in _words(text):
        if ID.fullmatch(word):
            found.append(word)
            continue
        for number in _range(word, what):
            if number not in by_number:
                raise ValueError(f"{what} names '{number}', but the people are {_numbers(people)}")
            found.append(by_number[number])
    return list(dict.fromkeys(found))


def _words(text: str) -> Iterator[str]:
    """What commas and spaces separate."""
    return (word for word in re.split(r"[, ]+", re.sub(r" ?- ?", "-", text).strip(" ,")))


def _range(word: str, what: str) -> range:
    """The numbers that `3` or `2-4` means."""
    numbers = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", word)
    if not numbers:
        raise ValueError(f"{what} names {word!r}, but it must be {GRAMMAR[what]}")
    first, last = int(numbers[1]), int(numbers[2] or numbers[1])
    if first > last:
        raise ValueError(f"{what} has the range {word!r}, but a range must rise, as in 2-4")
    return range(first, last + 1)


def _numbers(people: Sequence[Person]) -> str:
    return ", ".join(str(n) for n in sorted(p.number for p in people))
