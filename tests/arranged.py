"""Layers of random pixels, and random arrangements of them, for tests."""

from __future__ import annotations

import random

import torch

from mild_core.compose import BLENDS, Arrangement, Layer, Layers, Placement
from mild_core.scene import Box, Scene


def layers_of(size: tuple[int, int], boxes: list[Box], seed: int = 0, opacity: torch.Tensor | None = None) -> Layers:
    """An opaque background and people "p00000001", … in those boxes, all of random colours in 8 bits; soft, hard and clear alpha."""
    generator = torch.Generator().manual_seed(seed)

    def colours(*shape: int) -> torch.Tensor:
        values = torch.randint(0, 256, shape, generator=generator).float() / 255
        return torch.where(torch.rand(shape, generator=generator) < 0.1, values.round(), values)  # pure black and white, too

    height, width = size
    scene = Scene(colours(1, height, width, 3), (), opacity=opacity)
    whole = Box(0, 0, width, height)
    zeros = torch.zeros(size)
    background = Layer("background", None, scene, whole, scene.photo[0].clone(), torch.ones(size), zeros, erased=False)
    people = []
    for number, box in enumerate(boxes, start=1):
        shape = (box.height, box.width)
        chance = torch.rand(shape, generator=generator)
        alpha = torch.where(chance < 0.3, torch.zeros(shape), torch.where(chance > 0.6, torch.ones(shape), colours(*shape)))
        people.append(Layer(f"person {number}", f"p{number:08x}", scene, box, colours(*shape, 3), alpha, zeros[:1, :1], erased=False))
    return Layers(scene, background, tuple(people))


def random_arrangement(layers: Layers, seed: int, count: int = 4) -> Arrangement:
    """A background that may be moved, and placements of all kinds above it."""
    chance = random.Random(seed)
    height, width = layers.scene.size
    placed = []
    for key in range(count):
        layer = layers.background if key == 0 else chance.choice(layers.stack)
        kind = chance.choice(["still", "whole", "any", "any", "tiny"]) if key else chance.choice(["still", "still", "any"])
        step = float if kind in ("any", "tiny") else round
        least = 0.02 if kind == "tiny" else 0.3
        free = kind in ("any", "tiny")
        placed.append(
            Placement(
                key=str(key),
                layer=layer.id,
                x=0 if kind == "still" else step(chance.uniform(-width / 2, width / 2)),
                y=0 if kind == "still" else step(chance.uniform(-height / 2, height / 2)),
                scale_x=chance.choice([1, chance.uniform(least, 3)]) if free else 1,
                scale_y=chance.uniform(least, 3) if free else 1,
                rotation=chance.choice([0, 90, 180, -90, chance.uniform(-400, 400)]) if free else 0,
                flip_x=chance.random() < 0.3,
                flip_y=chance.random() < 0.3,
                opacity=chance.choice([1, chance.random()]),
                blend=chance.choice(BLENDS) if key else "normal",
                visible=chance.random() < 0.95,
            )
        )
    return Arrangement((width, height), tuple(placed))
