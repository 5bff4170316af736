"""Blend modes, against W3C's formulas written out for one colour at a time in float64."""

import colorsys
import itertools
import math
import random

import pytest
import torch

from mild_core.compose import BLENDS
from mild_core.compose.blend import blended, composite

COLOURS = [*itertools.product((0.0, 0.5, 1.0), repeat=3), *((random.Random(n).randint(0, 255) / 255,) * 3 for n in range(20))]
COLOURS += [tuple(random.Random(f"{n}{c}").randint(0, 255) / 255 for c in "rgb") for n in range(60)]


def separable(mode, b, s):
    """One channel, as the specification writes it."""
    match mode:
        case "multiply":
            return b * s
        case "screen":
            return 1 - (1 - b) * (1 - s)
        case "overlay":
            return separable("hard-light", s, b)
        case "darken":
            return min(b, s)
        case "lighten":
            return max(b, s)
        case "color-dodge":
            return 0.0 if b == 0 else 1.0 if s == 1 else min(1.0, b / (1 - s))
        case "color-burn":
            return 1.0 if b == 1 else 0.0 if s == 0 else 1 - min(1.0, (1 - b) / s)
        case "hard-light":
            return b * 2 * s if s <= 0.5 else separable("screen", b, 2 * s - 1)
        case "soft-light":
            if s <= 0.5:
                return b - (1 - 2 * s) * b * (1 - b)
            d = ((16 * b - 12) * b + 4) * b if b <= 0.25 else math.sqrt(b)
            return b + (2 * s - 1) * (d - b)
        case "difference":
            return abs(b - s)
        case "exclusion":
            return b + s - 2 * b * s
    raise KeyError(mode)


def lum(c):
    return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]


def sat(c):
    return max(c) - min(c)


def clip_color(c):
    grey, n, x = lum(c), min(c), max(c)
    if n < 0:
        c = [grey + (v - grey) * grey / (grey - n) for v in c]
    if x > 1:
        c = [grey + (v - grey) * (1 - grey) / (x - grey) for v in c]
    return c


def set_lum(c, wanted):
    return clip_color([v + wanted - lum(c) for v in c])


def set_sat(c, wanted):
    low, mid, high = sorted(range(3), key=lambda i: c[i])
    out = [0.0, 0.0, 0.0]
    if c[high] > c[low]:
        out[mid], out[high] = (c[mid] - c[low]) * wanted / (c[high] - c[low]), wanted
    return out


def formula(mode, b, s):
    match mode:
        case "normal":
            return s
        case "hue":
            return set_lum(set_sat(s, sat(b)), lum(b))
        case "saturation":
            return set_lum(set_sat(b, sat(s)), lum(b))
        case "color":
            return set_lum(s, lum(b))
        case "luminosity":
            return set_lum(b, lum(s))
    return [separable(mode, *pair) for pair in zip(b, s, strict=True)]


@pytest.mark.parametrize("mode", BLENDS)
def test_each_mode_is_its_formula(mode):
    pairs = list(itertools.product(COLOURS[::2], COLOURS[1::2]))
    below, above = (torch.tensor([pair[i] for pair in pairs]) for i in (0, 1))
    expected = torch.tensor([formula(mode, *pair) for pair in pairs], dtype=torch.float64)
    assert (blended(mode, below, above).double() - expected).abs().max() < 2e-6


@pytest.mark.parametrize("mode", BLENDS)
def test_rounding_decides_nothing(mode):
    """Formulas that jump where a divisor is 0 rise steeply instead: a hair's breadth of colour is no more than a shade."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.tensor(list(itertools.product((0.0, 1.0, 0.5), repeat=6)))
    moved = (corners + 3e-8 * torch.randn(corners.shape, generator=generator)).clamp(0, 1)
    one, other = (blended(mode, x[:, :3], x[:, 3:]) for x in (corners, moved))
    assert (one - other).abs().max() < 0.01


def test_a_hue_is_a_hue():
    """An independent look at the non-separable ones: the hue that comes out is the hue that went in."""
    below, above = (0.5, 0.4, 0.45), (0.3, 0.5, 0.4)
    out = blended("hue", torch.tensor(below), torch.tensor(above)).tolist()
    assert math.isclose(colorsys.rgb_to_hsv(*out)[0], colorsys.rgb_to_hsv(*above)[0], abs_tol=1e-5)
    assert math.isclose(lum(out), lum(below), abs_tol=1e-6)


def test_no_such_mode():
    with pytest.raises(ValueError, match="blend is 'dissolve', but it must be one of normal, multiply"):
        blended("dissolve", torch.zeros(3), torch.zeros(3))


@pytest.mark.parametrize("mode", BLENDS)
def test_a_source_is_laid_over_by_the_formula_of_alpha_compositing(mode):
    chance = random.Random(mode)
    cases = [[chance.random() for _ in range(6)] + [chance.choice([0, 1, chance.random()]) for _ in range(2)] for _ in range(200)]
    table = torch.tensor(cases)
    colour, alpha = table[None, :, :3].clone(), table[None, :, 6].clone()
    composite(colour, alpha, table[None, :, 3:6], table[None, :, 7], mode)
    for case, co, ao in zip(cases, colour[0].tolist(), alpha[0].tolist(), strict=True):
        cb, cs, ab, as_ = case[:3], case[3:6], case[6], case[7]
        mixed = formula(mode, cb, cs)
        expected = [s * as_ * (1 - ab) + b * ab * (1 - as_) + as_ * ab * m for s, b, m in zip(cs, cb, mixed, strict=True)]
        assert math.isclose(ao, as_ + ab * (1 - as_), abs_tol=1e-6)
        assert [v * ao for v in co] == pytest.approx(expected, abs=3e-6)


def test_what_is_equal_changes_nothing_and_what_is_clear_draws_nothing():
    colour = torch.rand(9, 9, 3)
    there, alpha = colour.clone(), torch.ones(9, 9)
    composite(there, alpha, colour, torch.rand(9, 9), "normal")
    assert torch.equal(there, colour)
    composite(there, alpha, 1 - colour, torch.zeros(9, 9), "screen")
    assert torch.equal(there, colour)
    assert torch.equal(alpha, torch.ones(9, 9))
