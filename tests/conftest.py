"""What tests of all levels share: photographs, small scenes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if AT_ONCE := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):  # share the cores, servers that tests start too
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // AT_ONCE, 1)))

import torch
from shapes import ROOT, disc, stripes

from mild_core.scene import MaskedPerson, Scene, split_people

if TYPE_CHECKING:
    from mild_core.remote import Server

PHOTOS = ROOT.parent / "shared" / "photos"


@pytest.fixture(scope="session")
def photos() -> Path:
    """A folder of real photographs with people's masks, which is not part of the project."""
    if not (PHOTOS / "people").is_dir():
        pytest.skip("needs a photo library (places/, people/) beside the checkout, in ../shared/photos")
    return PHOTOS


@pytest.fixture
def two_people() -> Scene:
    """A striped photo of 96×128 with a near person (1, lower) who overlaps a far one (2), and a third apart (3)."""
    height, width = 96, 128
    masks = [disc(height, width, 60, 40, 18), disc(height, width, 44, 54, 18), disc(height, width, 50, 108, 10)]
    found = [MaskedPerson(n, m) for n, m in enumerate(masks, start=1)]
    return split_people(stripes(height, width)[None], found)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real ComfyUI with the pack, started once for all tests, with the demo's pictures among its inputs."""
    from mild_core.remote import Server
    from scripts.serve import put_demo

    with Server() as started:
        put_demo(started.input)
        yield started


@pytest.fixture(scope="session")
def pack():
    """The pack in the real core, in this process."""
    if "MILD_CORE" not in os.environ:
        pytest.skip("needs a ComfyUI core: run the tests with `make test`")
    from pack import load_pack

    return load_pack()


@pytest.fixture
def shown(pack, monkeypatch) -> list:
    """What nodes show: a list that fills. Saving a preview needs a running server."""
    from comfy_api.latest import ui

    pictures: list = []

    def preview(image, cls):
        pictures.append(image)
        return SimpleNamespace(as_dict=lambda: {"images": [{"filename": f"{len(pictures)}.png"}]})

    monkeypatch.setattr(ui, "PreviewImage", preview)
    return pictures


@pytest.fixture
def there(request, monkeypatch) -> Iterator[torch.device]:
    """A second device (`other_device`). With the pack, the core finds memory enough on it, and models leave it with the test."""
    from other_device import other_device

    if "pack" not in request.fixturenames:
        with other_device() as device:
            yield device
        return
    from comfy import model_management

    def memory(device: object = None, both: bool = False, torch_free_too: bool = False) -> object:
        return (2**34, 2**34) if both or torch_free_too else 2**34

    for asked in ("get_free_memory", "get_total_memory"):
        monkeypatch.setattr(model_management, asked, memory)
    model_management.unload_all_models()
    with other_device() as device:
        yield device
        model_management.unload_all_models()
