"""What the browser composes is what the node gives."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from arranged import layers_of, random_arrangement
from javascript import node
from shapes import ROOT

from mild_core.compose import Arrangement, Layers, Placement, arrangement_text, flatten, rasters
from mild_core.scene import Box

pytestmark = pytest.mark.skipif(node() is None, reason="needs Node.js, on the PATH or in the playwright package")
SIZE = (37, 53)
BOXES = [Box(3, 5, 24, 29), Box(20, 0, 53, 22), Box(30, 20, 37, 35)]


def in_javascript(folder: Path, composed: list[Layers]) -> list[torch.Tensor]:
    """Pictures [H, W, 4] of arranged layers, as web/composer/render.js makes them."""
    cases = []
    for n, layers in enumerate(composed):
        sources = []
        for layer in layers.stack:
            file = folder / f"{n}-{layer.id}"
            rgba = torch.cat([layer.colour, layer.alpha[..., None]], -1)
            file.write_bytes(rgba.mul(255).round().to(torch.uint8).numpy().tobytes())
            size = {"width": layer.box.width, "height": layer.box.height}
            sources.append({"id": layer.id, "box": list(layer.box), "fingerprint": layer.fingerprint, "file": str(file), **size})
        height, width = layers.scene.size
        text, out = arrangement_text(layers.arrangement), str(folder / f"{n}.f32")
        cases.append({"composition": text, "sources": sources, "width": width, "height": height, "out": out})
    told = folder / "cases.json"
    told.write_text(json.dumps(cases))
    subprocess.run([node(), str(ROOT / "tests/web/render_to_file.mjs"), str(told)], check=True)
    return [torch.from_numpy(np.fromfile(c["out"], np.float32)).view(c["height"], c["width"], 4) for c in cases]


def in_bytes(picture: torch.Tensor) -> torch.Tensor:
    return picture.clamp(0, 1).mul(255).round().int()


def differ(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """How far pictures are apart, [H, W, 4]; a colour that cannot be seen does not count."""
    return (one - other).abs() * torch.where(one[..., 3:] > 0.5 / 255, torch.ones(4), torch.tensor([0.0, 0, 0, 1]))


def test_random_compositions_are_the_same_in_both_languages(tmp_path):
    composed = []
    for seed in range(60):
        layers = layers_of(SIZE, BOXES, seed)
        composed.append(replace(layers, arrangement=random_arrangement(layers, seed, count=5)))
    drawn = [flatten(rasters(layers), SIZE) for layers in composed]
    for seed, (here, there) in enumerate(zip(drawn, in_javascript(tmp_path, composed), strict=True)):
        apart = differ(here, there)
        assert apart.mean() < 1e-5, f"composition {seed}"
        assert differ(in_bytes(here).float(), in_bytes(there).float()).max() <= 1, f"composition {seed}"


def test_what_is_only_moved_or_mirrored_is_the_same_to_the_last_bit_of_8(tmp_path):
    layers = layers_of(SIZE, BOXES)
    placed = (
        Placement("a", "background"),
        Placement("b", "p00000001", x=7, y=-9, flip_x=True),
        Placement("c", "p00000002", x=-30, y=40, flip_y=True),
        Placement("d", "p00000003", x=-3, flip_x=True, flip_y=True),
    )
    composed = replace(layers, arrangement=Arrangement(SIZE[::-1], placed))
    (there,) = in_javascript(tmp_path, [composed])
    assert torch.equal(in_bytes(flatten(rasters(composed), SIZE)), in_bytes(there))


def test_a_small_proxy_looks_like_the_picture(tmp_path):
    """The widget works on pictures a quarter as large: on a smooth picture the two agree but for a blur at the edges."""
    size, quarter = (160, 240), (40, 60)
    rows, columns = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    layers = layers_of(size, [Box(40, 40, 120, 120)])
    smooth = torch.stack([rows, columns, 1 - rows], -1)
    person = replace(layers.people[0], colour=1 - smooth[40:120, 40:120], alpha=torch.ones(80, 80))
    layers = replace(layers, background=replace(layers.background, colour=smooth), people=(person,))
    placed = (Placement("1", "background"), Placement("2", person.id, x=41.5, y=-13, rotation=30, scale_x=1.3, blend="multiply"))
    layers = replace(layers, arrangement=Arrangement((240, 160), placed))
    picture = flatten(rasters(layers), size)

    def small(image):
        return torch.nn.functional.avg_pool2d(image.permute(2, 0, 1), 4).permute(1, 2, 0)

    def proxy(layer):
        alpha, box = small(layer.alpha[..., None])[..., 0], Box(*(side // 4 for side in layer.box))
        return replace(layer, colour=small(layer.colour), alpha=alpha, box=box)

    proxies = replace(layers, background=proxy(layers.background), people=(proxy(person),))
    proxies = replace(proxies, scene=replace(layers.scene, photo=layers.scene.photo[:, ::4, ::4]))
    proxies = replace(proxies, arrangement=layers.arrangement.fitted((60, 40)))
    (there,) = in_javascript(tmp_path, [proxies])
    apart = (small(picture) - there).abs()
    assert there.shape[:2] == quarter
    assert apart.mean() < 0.01
    assert (apart > 0.1).any(-1).float().mean() < 0.05
