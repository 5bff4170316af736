"""The texts of the nodes as a real server hands them to the frontend."""

from __future__ import annotations

import pytest
from shapes import ROOT

from scripts.make_locales import LOCALES, english, faults, in_step

LANGUAGES = sorted(path.name for path in LOCALES.iterdir())
DOCS = ROOT / "web" / "docs"


def test_the_english_file_says_what_the_schemas_say(server):
    assert in_step(server.object_info()), "run  python3 scripts/bootstrap.py scripts/make_locales.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_is_covered(server, language):
    served = server.get("/i18n").json()[language]["nodeDefs"]
    ours = {node: texts for node, texts in served.items() if node.startswith("MILD")}
    assert faults(english(server.object_info()), ours) == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_help_is_served_where_the_frontend_looks_first(server, language):
    for node in english(server.object_info()):
        answer = server.get(f"/extensions/{server.pack}/docs/{node}/{language}.md")
        assert answer.content == (DOCS / node / f"{language}.md").read_bytes()
        assert "html" not in answer.headers["content-type"], "the frontend takes that for a page that is not there"
