"""Who goes, said in words."""

import json
import subprocess
from random import Random

import pytest
import torch
from javascript import node
from shapes import ROOT

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
        ("pdeadbeef", set()),
        ("pdeadbeef, p00000001,p00000001-1", {1}),
        ("all but pdeadbeef", {1, 2, 4}),
        ("all but pdeadbeef,2", {1, 4}),
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
        ("1;2", "it must be numbers such as"),
        ("p1a2b3c4", "it must be numbers such as"),
        ("1-999999999", "names '3'"),
        ("²", "it must be numbers such as"),
        (",", "it must be numbers such as"),
    ],
)
def test_a_wrong_choice_says_what_it_must_be(words, message):
    with pytest.raises(ValueError, match=message):
        choose(words, PEOPLE)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("4,1,2", [4, 1, 2]),
        ("4, 1-2", [4, 1, 2]),
        ("p00000004,1,p00000002", [4, 1, 2]),
        ("p00000004 p00000001", [4, 1]),
        ("pdeadbeef,p00000004", [4]),
        ("pdeadbeef", []),
        ("  ", []),
    ],
)
def test_order(words, numbers):
    assert [p.number for p in parse_order(words, PEOPLE)] == numbers


@pytest.mark.parametrize("words", ["1,2", "1", "p00000001,2", "pdeadbeef,1,2"])
def test_an_order_with_numbers_names_everybody(words):
    with pytest.raises(ValueError, match="must name each person once: 1, 2, 4"):
        parse_order(words, PEOPLE)


@pytest.mark.parametrize("words", ["3,1,2,4", "front", "all", "2-1"])
def test_an_order_of_nobody_known_is_refused(words):
    with pytest.raises(ValueError, match=r"^depth order (names|has)"):
        parse_order(words, PEOPLE)


PARTS = [
    "1", "2", "4", "3", "01", "1-2", "2 - 1", "p00000001", "p00000004", "pdeadbeef", "p00000001-1", "all", "but", "except", "none",
    "ALL", "largest", "Largest", "x", "-", "p1", "0", "1-2-4", "²", "9999999999",
]  # fmt: skip


def read_here(words: str, read) -> list[int] | None:
    """The numbers that come out, or None for an error."""
    try:
        return [p.number for p in read(words)]
    except ValueError:
        return None


@pytest.mark.skipif(node() is None, reason="needs Node.js, on the PATH or in the playwright package")
def test_the_web_side_reads_the_same_words():
    random = Random(0)
    texts = ["", " ", ",", *PARTS]
    texts += [random.choice([",", " ", ", ", " ,"]).join(random.choices(PARTS, k=random.randint(1, 4))) for _ in range(1500)]
    people = [{"id": p.id, "number": p.number, "area": p.area / 100} for p in PEOPLE]
    program = f"""
        import {{ choose, parseOrder }} from {json.dumps((ROOT / "web/picker/choice.js").as_uri())};
        const {{ texts, people }} = JSON.parse(await new Response(process.stdin).text());
        const number = Object.fromEntries(people.map((p) => [p.id, p.number]));
        const read = (does, words) => {{
          const {{ ids, problem }} = does(words, people);
          return problem ? null : ids.map((id) => number[id]);
        }};
        console.log(JSON.stringify(texts.map((words) => [read(choose, words), read(parseOrder, words)])));
    """
    command = [str(node()), "--input-type=module", "-e", program]
    out = subprocess.run(command, input=json.dumps({"texts": texts, "people": people}), capture_output=True, text=True, check=True).stdout
    there = json.loads(out)
    assert len(there) == len(texts)
    for words, (choice, order) in zip(texts, there, strict=True):
        chosen = read_here(words, lambda text: sorted((p for p in PEOPLE if p.id in choose(text, PEOPLE)), key=lambda p: p.number))
        assert choice == chosen, words
        assert order == read_here(words, lambda text: parse_order(text, PEOPLE)), words
    assert sum(choice is not None for choice, _ in there) > 200, "enough of the texts are choices"
