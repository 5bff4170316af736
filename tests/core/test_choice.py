"""Who goes, said in words."""

import pytest
import torch

from mild_core.scene import Part, Person, choose
from mild_core.scene.choice import parse_order


def person(number: int, area: int) -> Person:
    visible = torch.zeros(10, 10, dtype=torch.bool)
    visible.reshape(-1)[:area] = True
    part = Part.of(visible)
    return Person(f"p0000000{number}", number, part, part, part)


PEOPLE = [person(1, 5), person(2, 30), person(4, 10)]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("1", {1}),
        ("1,2", {1, 2}),
        (" 4 , 1 ", {1, 4}),
        ("1 4", {1, 4}),
        ("1-2", {1, 2}),
        ("1 - 2, 4", {1, 2, 4}),
        ("01", {1}),
        ("all", {1, 2, 4}),
        ("ALL BUT 2", {1, 4}),
        ("all except 1,4", {2}),
        ("largest", {2}),
        ("p00000004", {4}),
        ("none", set()),
        ("", set()),
    ],
)
def test_choice(words, numbers):
    chosen = choose(words, PEOPLE)
    assert {p.number for p in PEOPLE if p.id in chosen} == numbers


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("3", "names '3', but the people are 1, 2, 4"),
        ("1-4", "names '3'"),
        ("2-1", "a range must rise"),
        ("everyone", "it must be numbers such as"),
        ("pdeadbeef", "the people are 1, 2, 4"),
        ("1;2", "it must be numbers such as"),
    ],
)
def test_a_wrong_choice_says_what_it_must_be(words, message):
    with pytest.raises(ValueError, match=message):
        choose(words, PEOPLE)


def test_order():
    assert [p.number for p in parse_order("4,1,2", PEOPLE)] == [4, 1, 2]
    assert parse_order("  ", PEOPLE) is None
    with pytest.raises(ValueError, match="must name each person once: 1, 2, 4"):
        parse_order("1,2", PEOPLE)
