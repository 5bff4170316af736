"""The texts in other languages say what the English ones say: the same nodes, names and figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shapes import ROOT

from scripts.make_locales import ENGLISH, LOCALES, faults, load

DOCS = ROOT / "web" / "docs"
NODES = load(ENGLISH)
LANGUAGES = sorted(path.name for path in LOCALES.iterdir() if path.name != "en")
PAGES = [(language, node) for language in LANGUAGES for node in NODES]
TEXTS = {"a": {"name": "left", "tooltip": "What is left."}}


def help_page(node: str, language: str = "en") -> str:
    path = DOCS / f"{node}.md" if language == "en" else DOCS / node / f"{language}.md"
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"
    return path.read_text(encoding="utf-8")


def tables(page: str) -> list[list[str]]:
    """The first cell of every row that begins with a name in backticks, by table."""
    found: list[list[str]] = []
    before = ""
    for line in page.splitlines():
        if line.startswith("|") and not before.startswith("|"):
            found.append([])
        if line.startswith("| `"):
            found[-1].append(line.split("|")[1].strip())
        before = line
    return found


def names(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def slots(page: str, node: str) -> list[list[str]]:
    """The cells of a page's tables of inputs and of outputs, of those that it has."""
    ours = [[*NODES[node].get("inputs", {})], [slot["name"] for slot in NODES[node].get("outputs", {}).values()]]
    return [cells for cells in tables(page) if cells and any(set(names(cells)) == set(group) for group in ours)]


def code(page: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", page))


def figures(page: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)*", page))


def test_there_is_chinese():
    assert "zh" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_other(language):
    assert faults(NODES, load(LOCALES / language / "nodeDefs.json")) == []


def test_english_can_be_shown_as_it_is():
    assert faults(NODES, NODES) == []


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ({"a": {"name": "左"}}, "a.tooltip is missing"),
        ({"a": {"name": "左", "tooltip": "剩下的", "help": "?"}}, "a.help is no text of any node"),
        ({"a": {"name": " ", "tooltip": "剩下的"}}, "a.name is empty"),
        ({"a": {"name": "左", "tooltip": "左 | 右"}}, "a.tooltip is '左 | 右', but it must be without @ { | }"),
    ],
)
def test_what_is_wrong_with_a_translation_is_named(texts, fault):
    assert faults(TEXTS, texts) == [fault]


@pytest.mark.parametrize("node", NODES)
def test_an_english_page_has_every_input_and_output(node):
    inputs = [*NODES[node].get("inputs", {})]
    outputs = [slot["name"] for slot in NODES[node].get("outputs", {}).values()]
    told = {frozenset(names(cells)) for cells in tables(help_page(node))}
    for wanted in (inputs, outputs):
        assert not wanted or frozenset(wanted) in told, f"no table has just {', '.join(wanted)}"


@pytest.mark.parametrize(("language", "node"), PAGES)
def test_a_page_names_what_the_english_page_names(language, node):
    page, english = help_page(node, language), help_page(node)
    assert [names(cells) for cells in tables(page)] == [names(cells) for cells in tables(english)]
    assert code(page) == code(english)
    assert figures(page) == figures(english)


@pytest.mark.parametrize(("language", "node"), PAGES)
def test_a_page_calls_inputs_and_outputs_as_the_node_does(language, node):
    texts = load(LOCALES / language / "nodeDefs.json")[node]
    page = help_page(node, language)
    assert page.startswith(f"# {texts['display_name']}\n")
    english = NODES[node]
    pairs = {(name, slot["name"]) for name, slot in texts.get("inputs", {}).items()}
    pairs |= {(english["outputs"][place]["name"], slot["name"]) for place, slot in texts.get("outputs", {}).items()}
    for cells in slots(page, node):
        called = [pair for cell in cells for pair in re.findall(r"`([^`]+)`（([^）]+)）", cell)]
        assert [name for name, _ in called] == names(cells), "each name must be followed by what the node calls it"
        assert set(called) <= pairs


@pytest.mark.parametrize("path", sorted(DOCS.glob("*/*.md")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_page_is_of_an_unknown_node_or_language(path: Path):
    assert path.parent.name in NODES
    assert path.stem in LANGUAGES
