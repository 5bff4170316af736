"""The real frontend in headless Chromium, with the classic canvas and with Nodes 2.0."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from shapes import ROOT

from mild_core.remote import Server

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
READY = "() => !!(window.app?.extensionManager && window.LiteGraph?.registered_node_types['MILDSplitPeople'])"
PICTURES = ROOT / "out" / "browser"  # screenshots, for the eye


@pytest.fixture(scope="module")  # while it is open it holds the thread's event loop, which other tests need
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium (chromium, chromium-browser or google-chrome on the PATH)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def pytest_generate_tests(metafunc):
    """Tests marked `newest` also run in the newest frontend."""
    if "frontend" in metafunc.fixturenames and metafunc.definition.get_closest_marker("newest"):
        metafunc.parametrize("frontend", ["pinned", "newest"], indirect=True)


@pytest.fixture
def frontend(request) -> str:
    """Which frontend the page shows: the one that belongs to the core, or the newest on PyPI."""
    return getattr(request, "param", "pinned")


@pytest.fixture(scope="session")
def newest_server() -> Iterator[Server]:
    """A real ComfyUI that serves the newest frontend."""
    from scripts.serve import put_demo

    fetched = subprocess.run([sys.executable, str(ROOT / "scripts" / "bootstrap.py"), "--frontend"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the newest frontend cannot be had from PyPI: {fetched.stderr.strip()[-300:]}")
    with Server(frontend=Path(fetched.stdout.split()[-1])) as started:
        put_demo(started.input)
        yield started


@pytest.fixture
def server(request, frontend, server) -> Server:
    """The server that `page` shows."""
    return request.getfixturevalue("newest_server") if frontend == "newest" else server


@pytest.fixture(scope="module")
def contexts(browser) -> dict:
    """One browser context for each server and renderer, whose cache makes every page but the first quick to load."""
    return {}


@pytest.fixture(params=[False, True], ids=["canvas", "nodes-2.0"])
def page(request, browser, contexts, server):
    """The frontend, fresh, with the pack's nodes registered; its uncaught errors are in `page.errors`."""
    for name, value in {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": request.param}.items():
        requests.post(f"{server.url}/settings/{name}", json=value, timeout=30).raise_for_status()
    key = (server.url, request.param)
    if key not in contexts:
        contexts[key] = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = contexts[key].new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_function(READY, timeout=180_000)
    yield page
    page.evaluate("() => localStorage.clear()")  # where the frontend keeps drafts; what a tab keeps goes with it
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
