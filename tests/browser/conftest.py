"""The real frontend in headless Chromium, with the classic canvas and with Nodes 2.0."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from shapes import ROOT

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
READY = "() => !!(window.app?.extensionManager && window.LiteGraph?.registered_node_types['MILDSplitPeople'])"
PICTURES = ROOT / "out" / "browser"  # screenshots, for the eye


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium (chromium, chromium-browser or google-chrome on the PATH)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[False, True], ids=["canvas", "nodes-2.0"])
def page(request, browser, server):
    """The frontend with the pack's nodes registered; its uncaught errors are in `page.errors`."""
    yield from _open(browser, server, request.param)


def _open(browser, server, nodes_2: bool) -> Iterator:
    for name, value in {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": nodes_2}.items():
        requests.post(f"{server.url}/settings/{name}", json=value, timeout=30).raise_for_status()
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_function(READY, timeout=180_000)
    yield page
    page.close()


@pytest.fixture
def picture(request, page):
    """Keep a screenshot of the page, for the eye: `picture("after a click")`. They lie in out/browser."""

    def keep(what: str) -> Path:
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{request.node.name}-{what}.png".replace(" ", "-").replace("/", "-")
        page.screenshot(path=path)
        return path

    return keep
