"""A gap record as pictures and as data."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..plan import LayerPlan
from .gap import GapRecord

__all__ = ["as_data", "draw_curve", "draw_heat"]

WIDTH, HEIGHT, MARGIN = 720, 400, 48  # pixels of the curve's picture
HOT = torch.tensor([1.0, 0.15, 0.0])


def as_data(record: GapRecord) -> dict:
    """Everything that was recorded, for JSON: means, and a reading for each step and block; None where there is no number."""
    readings = [
        {
            "step": r.step,
            "sigma": _number(r.sigma),
            "block": r.block,
            "gap": [_number(v) for v in r.gap],
            "leakage": [_number(v) for v in r.leakage],
        }
        for r in record.readings
    ]
    return {"gap": _number(record.gap), "leakage": _number(record.leakage), "readings": readings}


def draw_curve(record: GapRecord) -> Tensor:
    """The gap of every block over the steps, from red, the first block, to blue, the last. IMAGE [1, 400, 720, 3]."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    curves = record.curve()
    longest = max((len(c) for c in curves.values()), default=1)

    def at(step: int, gap: float) -> tuple[float, float]:
        share = step / max(longest - 1, 1)
        return MARGIN + share * (WIDTH - 2 * MARGIN), HEIGHT / 2 - gap * (HEIGHT / 2 - MARGIN)

    for level in (-1.0, -0.5, 0.0, 0.5, 1.0):
        y = at(0, level)[1]
        draw.line([(MARGIN, y), (WIDTH - MARGIN, y)], fill="black" if level == 0 else "#dddddd")
        draw.text((MARGIN - 6, y), f"{level:g}", fill="black", font=font, anchor="rm")
    for index, (block, curve) in enumerate(curves.items()):
        hue = 0.66 * index / max(len(curves) - 1, 1)
        colour = tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.9, 0.8))
        points = [at(step, gap) for step, gap in enumerate(curve) if not math.isnan(gap)]
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        for x, y in points:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        if points and (len(curves) <= 12 or index in (0, len(curves) - 1)):
            draw.text((points[-1][0] + 6, points[-1][1]), str(block), fill=colour, font=font, anchor="lm")
    title = "nothing was recorded" if not curves else f"attention gap {record.gap:+.3f}, leakage {record.leakage:.3f}"
    draw.text((WIDTH / 2, MARGIN / 2), title, fill="black", font=font, anchor="mm")
    draw.text((WIDTH / 2, HEIGHT - MARGIN / 2), "step; one line for each attention block", fill="black", font=font, anchor="mm")
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]


def draw_heat(record: GapRecord, plan: LayerPlan | None) -> Tensor:
    """Where holes look at other people: the hotter, the more. IMAGE.

    With a plan over its photo, [1, H, W, 3]; without one each row's map by itself, [P, 512, 512, 3]. The hottest spot is
    full red, whatever its leakage is; a record without leakage stays black, or is the plain photo.
    """
    heat = record.heat()
    heat = heat / heat.max().clamp(min=1e-6)
    if plan is None:
        large = F.interpolate(heat[:, None], (512, 512), mode="bilinear", align_corners=False)[:, 0]
        return large[..., None] * HOT
    photo = plan.scene.photo[0].float().cpu()
    shown = torch.zeros(photo.shape[:2])
    for row, pathway in zip(heat, plan.pathways, strict=True):
        crop = pathway.crop
        side = F.interpolate(row[None, None], (crop.height, crop.width), mode="bilinear", align_corners=False)[0, 0]
        shown = torch.maximum(shown, crop.paste(torch.zeros_like(shown), side))
    grey = photo.mean(-1, keepdim=True) * 0.7
    return torch.lerp(grey.expand_as(photo), HOT.expand_as(photo), shown[..., None])[None]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
