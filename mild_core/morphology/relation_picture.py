"""The relations of a scene as a picture for people: who is in front of whom, who touches, whose hand lies on what."""

from __future__ import annotations

from math import ceil, hypot
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..scene.depth import PHOTO_SIDE
from ..scene.masks import deepest, distance_inside
from ..scene.part import Part
from ..scene.people import Scene
from .relations import between_people, contact_lines, grips

__all__ = ["draw_relations"]

OBJECT = (0.45, 1.0, 0.75)  # a colour that no depth has
FINE = 3  # a picture under 1024 pixels is drawn on so many times larger, and shrunk: PIL's lines have no soft edges


def draw_relations(scene: Scene) -> Tensor:
    """The scene's relations to look at: IMAGE [1, H, W, 3] in 0..1, on the CPU.

    The photo in grey, and in it everybody in a colour that tells their place: bright and warm is near, dark and cool is far.
    An arrow goes from who is in front to who is behind, the stronger the surer, with the confidence; where two touch there is
    a white line; a ring is a hand that lies on somebody or something; objects are outlined.
    """
    grey = scene.photo[0].cpu().clamp(0, 1) @ torch.tensor([0.2126, 0.7152, 0.0722])
    image = (0.06 + 0.5 * grey)[..., None].repeat(1, 1, 3)
    line = max(min(scene.size) / 300, 1)
    for rank, person in enumerate(scene.people):
        colour = _ramp(1 - rank / max(len(scene.people) - 1, 1))
        there, visible = person.seen.box.view(image), person.seen.pixels.cpu()
        shade = 0.45 + 0.75 * person.seen.box.view(grey)[..., None]  # who is bright in the photo is so in colour
        there.copy_(torch.where(visible[..., None], (colour * shade).clamp(0, 1), there))
        _stroke(image, _rim(person.seen), 0.4 * line, torch.zeros(3), 0.5)
    for thing in scene.objects:
        if thing.area:
            _stroke(image, _rim(thing), 0.6 * line, torch.tensor(OBJECT), 0.9)
    lines = list(contact_lines(scene, scene.relations))
    for contact in lines:
        _stroke(image, contact, 2 * line, torch.zeros(3), 0.6)
    for contact in lines:
        _stroke(image, contact, 0.7 * line, torch.ones(3), 1.0)
    return _annotated(image, scene, line)


def _ramp(near: float) -> Tensor:
    """A colour [3] for how near somebody is, 0..1: evenly lighter in Oklab (Ottosson 2020), from blue over red to yellow."""
    light, hue = 0.45 + 0.43 * near, np.deg2rad(275 + 170 * near)
    a, b = 0.15 * np.cos(hue), 0.15 * np.sin(hue)
    cones = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]])
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = (to_rgb @ (cones @ np.array([light, a, b])) ** 3).clip(0, 1)
    return torch.from_numpy(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)).float()


def _rim(part: Part) -> Part:
    """The outline of a bool mask, its own pixels; the frame of the picture is none of it."""
    window = part.box.grown(1).clip(*part.size)
    return Part(window, distance_inside(part.cut(window)) == 1, part.size)


def _stroke(image: Tensor, line: Part, width: float, colour: Tensor, opacity: float) -> None:
    """Paint a bool mask, grown by `width` pixels, on a picture [H, W, 3], with a soft edge."""
    window = line.box.grown(ceil(width + 1)).clip(*line.size)
    cover = (width + 0.5 - distance_inside(~line.cut(window))).clamp(0, 1)[..., None] * opacity
    there = window.view(image)
    there.lerp_(colour.expand_as(there), cover.to(there))


class _Mark(NamedTuple):
    """Where somebody's number stands."""

    x: float
    y: float
    radius: float


def _mark(seen: Part, line: float) -> _Mark:
    """In the middle of the thickest part of a bool mask."""
    x, y, room = deepest(seen)
    return _Mark(x, y, min(max(0.5 * room, 5 * line), 11 * line))


def _arrow(start: _Mark, end: _Mark, gap: float) -> np.ndarray | None:
    """Points (x, y) [n, 2] from mark to mark, bent to the right so that lines through three people in a row stay apart.

    None where the marks leave no room.
    """
    first, last = np.array(start[:2]), np.array(end[:2])
    across = np.array([first[1] - last[1], last[0] - first[0]])
    length = hypot(*across)
    if length <= start.radius + end.radius + 2 * gap:
        return None
    t = np.linspace(0, 1, 65)[:, None]
    points = (1 - t) ** 2 * first + 2 * t * (1 - t) * ((first + last) / 2 + 0.2 * across) + t**2 * last
    out = np.hypot(*(points - first).T) >= start.radius
    before = np.hypot(*(points - last).T) >= end.radius + gap
    return points[out & before]


def _annotated(image: Tensor, scene: Scene, line: float) -> Tensor:
    """The picture [H, W, 3] with arrows, rings and numbers: [1, H, W, 3]. `line` is how many pixels a thin line is wide."""
    height, width = scene.size
    fine = FINE if max(height, width) <= PHOTO_SIDE else 1
    picture = Image.fromarray((image * 255).round().to(torch.uint8).numpy()).convert("RGBA")
    marks = {person.id: _mark(person.seen, line) for person in scene.people}
    labels: list[tuple[float, float, str]] = []
    sheet = Image.new("RGBA", (width * fine, height * fine))
    draw = ImageDraw.Draw(sheet)
    for relation in sorted(between_people(scene), key=lambda relation: (relation.distance == 0, relation.in_front)):
        sure = 2 * relation.in_front - 1
        start, end = marks[relation.one], marks[relation.other]
        thick = (0.8 + 1.6 * sure) * min(min(start.radius, end.radius) / 9, line)  # small people get thin arrows
        opacity = (0.3 + 0.7 * sure) * (1.0 if relation.distance == 0 else 0.6)
        points = _arrow(start, end, 1.5 * line)
        if points is None or len(points) < 2:
            continue
        for wider, grey in ((1.6 * line, 0), (0, 255)):
            _draw_arrow(draw, points, thick, wider, fine, (grey, grey, grey, round(255 * opacity)))
        labels.append((*points[len(points) // 2].tolist(), f"{100 * relation.in_front:.0f} %"))
    for relation in scene.relations:
        for grip in grips(scene, relation):
            radius = max(grip.hand.radius, 3 * line)
            for wide, colour in ((3.2 * line, (0, 0, 0, 200)), (1.6 * line, (255, 255, 255, 255))):
                reach = radius + wide / 2
                box = [(n + 0.5) * fine for n in (grip.hand.x - reach, grip.hand.y - reach, grip.hand.x + reach, grip.hand.y + reach)]
                draw.ellipse(box, outline=colour, width=max(round(wide * fine), 1))
    picture.alpha_composite(sheet.resize((width, height), Image.Resampling.BOX) if fine > 1 else sheet)
    picture = picture.convert("RGB")
    _write(ImageDraw.Draw(picture), scene, marks, labels, line)
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]


def _draw_arrow(draw: ImageDraw.ImageDraw, points: np.ndarray, thick: float, rim: float, fine: int, colour: tuple[int, ...]) -> None:
    """An arrow along points (x, y) [n, 2], `fine` times as large, with a rim that many pixels wider on both sides together."""
    end, head = points[-1], 2.2 * thick + 2
    shaft = points[np.hypot(*(points - end).T) >= head]
    if len(shaft) > 1:
        draw.line([tuple((point + 0.5) * fine) for point in shaft], colour, max(round((thick + rim) * fine), 1), joint="curve")
    before = points[np.hypot(*(points - end).T) >= head / 2]
    along = end - (before[-1] if len(before) else points[0])
    along = along / max(float(np.hypot(*along)), 1e-6)
    across, tip, back = np.array([-along[1], along[0]]), end + along * rim, end - along * (head + rim / 2)
    corners = (tip, back + across * (head / 2 + rim), back - across * (head / 2 + rim))
    draw.polygon([tuple((corner + 0.5) * fine) for corner in corners], colour)


def _write(draw: ImageDraw.ImageDraw, scene: Scene, marks: dict[str, _Mark], labels: list[tuple[float, float, str]], line: float) -> None:
    """Everybody's number, then what is said of pairs, the last first, where it covers nothing that is written."""
    taken = []
    for person in scene.people:
        mark = marks[person.id]
        font = ImageFont.load_default(max(1.6 * mark.radius, 10))
        draw.text(mark[:2], str(person.number), "white", font, "mm", stroke_width=max(round(mark.radius / 6), 1), stroke_fill="black")
        taken.append(draw.textbbox(mark[:2], str(person.number), font, "mm"))
    font = ImageFont.load_default(max(8 * line, 10))
    edge = max(1.5 * line, 2)
    for x, y, text in reversed(labels):
        left, top, right, bottom = draw.textbbox((x, y), text, font, "mm")
        box = (left - edge, top - edge, right + edge, bottom + edge)
        if all(box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1] for other in taken):
            draw.rounded_rectangle(box, 2 * edge, "black")
            draw.text((x, y), text, "white", font, "mm")
            taken.append(box)
