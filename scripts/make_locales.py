"""Write the English texts of the nodes from their schemas, and check that the translations are in step with them.

    python3 scripts/bootstrap.py scripts/make_locales.py [--check]

locales/en/nodeDefs.json holds what a running server's /object_info says, so that English has one source: the schemas.
Every other locales/LANGUAGE/nodeDefs.json is written by hand and must have a text for each of these, and no other; where it
has not, this says which, and exits with 1. ComfyUI serves the folder under /i18n.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.remote import Server  # noqa: E402

LOCALES = ROOT / "locales"
ENGLISH = LOCALES / "en" / "nodeDefs.json"
SYNTAX = set("{}|@")  # what the frontend's messages take for placeholders, plurals and links


def english(info: dict[str, Any]) -> dict[str, Any]:
    """The texts of the pack's nodes, {node id: {"display_name", "description", "inputs", "outputs"}}, from /object_info."""
    return {id: texts_of(node) for id, node in sorted(info.items()) if id.startswith("MILD")}


def texts_of(node: dict[str, Any]) -> dict[str, Any]:
    """One node's texts, inputs by name and outputs by place, from its entry of /object_info."""
    inputs = {
        name: spec[1] if len(spec) > 1 else {} for part in ("required", "optional") for name, spec in node["input"].get(part, {}).items()
    }
    outputs = zip(node["output_name"], node["output_tooltips"], strict=True)
    texts = {
        "display_name": node["display_name"],
        "description": node["description"],
        "inputs": {key_of(name): named(options.get("display_name") or name, options.get("tooltip")) for name, options in inputs.items()},
        "outputs": {str(place): named(name, tooltip) for place, (name, tooltip) in enumerate(outputs)},
    }
    return {key: text for key, text in texts.items() if text}


def key_of(name: str) -> str:
    """The key under which the frontend looks for an input: dots would lead into nested texts."""
    return name.replace(".", "_")


def named(name: str, tooltip: str | None) -> dict[str, str]:
    return {"name": name, "tooltip": tooltip} if tooltip else {"name": name}


def flat(texts: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every text with its path, such as MILDRegions.inputs.hole.tooltip."""
    for key, value in texts.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, dict):
            yield from flat(value, path)
        else:
            yield path, value


def faults(wanted: dict[str, Any], texts: dict[str, Any]) -> list[str]:
    """What is missing from a language's texts, too much in them, empty, or not a text that the frontend shows as it is."""
    paths, given = dict(flat(wanted)), dict(flat(texts))
    found = [f"{path} is missing" for path in paths if path not in given]
    found += [f"{path} is no text of any node" for path in given if path not in paths]
    for path, text in given.items():
        if not text.strip():
            found.append(f"{path} is empty")
        if SYNTAX & set(text):
            found.append(f"{path} is {text!r}, but it must be without {' '.join(sorted(SYNTAX))}")
    return found


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def file_of(texts: dict[str, Any]) -> str:
    return json.dumps(texts, indent=2, ensure_ascii=False) + "\n"


def in_step(info: dict[str, Any]) -> bool:
    """Whether the English file holds what the schemas say."""
    return ENGLISH.exists() and ENGLISH.read_text(encoding="utf-8") == file_of(english(info))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the English file is not in step either")
    check = parser.parse_args().check
    with Server() as server:
        info = server.object_info()
    stale = not in_step(info)
    if stale:
        print(f"{'not in step' if check else 'wrote'}: {ENGLISH.relative_to(ROOT)}")
    if stale and not check:
        ENGLISH.parent.mkdir(parents=True, exist_ok=True)
        ENGLISH.write_text(file_of(english(info)), encoding="utf-8")
    found = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in sorted(LOCALES.glob("*/nodeDefs.json"))
        for fault in faults(english(info), load(path))
    ]
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found) or (check and stale))


if __name__ == "__main__":
    sys.exit(main())
