"""The blend modes of W3C's Compositing and Blending Level 1. The same arithmetic as web/composer/blend.js."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .raster import BLENDS, Blend

__all__ = ["blended", "composite"]

LEAST = 1e-4  # of a divisor. A formula that jumps at 0 rises steeply instead, so that rounding does not decide; 8-bit colours never see it
LUMA = (0.3, 0.59, 0.11)  # W3C's weights of red, green and blue


def blended(mode: Blend, below: Tensor, above: Tensor) -> Tensor:
    """How a colour is mixed with what lies below it: the mode's function B(cb, cs), without alpha.

    Args:
        below, above: [..., 3] float in 0..1; what is beyond is clamped, but in "normal", which gives `above` as it is.
    Returns [..., 3] in 0..1. Raises ValueError for a mode that is none.
    """
    if mode == "normal":
        return above
    below, above = below.clamp(0, 1), above.clamp(0, 1)
    if mode in SEPARABLE:
        return SEPARABLE[mode](below, above)
    if mode in NON_SEPARABLE:
        return NON_SEPARABLE[mode](below, above)
    raise ValueError(f"blend is {mode!r}, but it must be one of {', '.join(BLENDS)}")


def composite(colour: Tensor, alpha: Tensor, source: Tensor, share: Tensor, mode: Blend) -> None:
    """Lay a source over what is there, in place: co = cs·αs·(1−αb) + cb·αb·(1−αs) + αs·αb·B(cb, cs), kept straight.

    Divided by αo = αb + αs·(1−αb) that is cb moved to the mixed colour by αs/αo: where the two are equal, nothing at all changes.

    Args:
        colour, alpha: [h, w, 3] and [h, w], what is there: straight colour, alpha in 0..1.
        source, share: the same of what is laid over it.
    """
    mixed = source if mode == "normal" else torch.lerp(source, blended(mode, colour, source), alpha[..., None])
    alpha.add_(share * (1 - alpha))
    colour.lerp_(mixed, torch.where(alpha > 0, share / alpha, 0)[..., None])


def _hard_light(below: Tensor, above: Tensor) -> Tensor:
    return torch.where(above <= 0.5, below * (2 * above), _screen(below, 2 * above - 1))


def _screen(below: Tensor, above: Tensor) -> Tensor:
    return below + above - below * above


def _soft_light(below: Tensor, above: Tensor) -> Tensor:
    curve = torch.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, below.sqrt())
    darker = below - (1 - 2 * above) * below * (1 - below)
    return torch.where(above <= 0.5, darker, below + (2 * above - 1) * (curve - below))


def _dodge(below: Tensor, above: Tensor) -> Tensor:
    return (below / (1 - above).clamp(min=LEAST)).clamp(max=1)


def _burn(below: Tensor, above: Tensor) -> Tensor:
    return 1 - ((1 - below) / above.clamp(min=LEAST)).clamp(max=1)


def _lum(colour: Tensor) -> Tensor:
    """[..., 1]."""
    red, green, blue = colour.split(1, -1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _sat(colour: Tensor) -> Tensor:
    return colour.amax(-1, keepdim=True) - colour.amin(-1, keepdim=True)


def _with_lum(colour: Tensor, lum: Tensor) -> Tensor:
    """SetLum and ClipColor: the colour moved to that luminosity, then towards grey until it is within 0..1."""
    moved = colour + (lum - _lum(colour))
    grey, low, high = _lum(moved), moved.amin(-1, keepdim=True), moved.amax(-1, keepdim=True)
    moved = torch.where(low < 0, grey + (moved - grey) * (grey / (grey - low).clamp(min=LEAST)), moved)
    moved = torch.where(high > 1, grey + (moved - grey) * ((1 - grey) / (high - grey).clamp(min=LEAST)), moved)
    return moved.clamp(0, 1)


def _with_sat(colour: Tensor, sat: Tensor) -> Tensor:
    """SetSat: the lowest channel to 0, the highest to the saturation, the middle one between them as it was."""
    return (colour - colour.amin(-1, keepdim=True)) * (sat / _sat(colour).clamp(min=LEAST))


SEPARABLE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "screen": _screen,
    "overlay": lambda below, above: _hard_light(above, below),
    "darken": torch.minimum,
    "lighten": torch.maximum,
    "color-dodge": _dodge,
    "color-burn": _burn,
    "hard-light": _hard_light,
    "soft-light": _soft_light,
    "difference": lambda below, above: (below - above).abs(),
    "exclusion": lambda below, above: below + above - 2 * below * above,
}
NON_SEPARABLE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "hue": lambda below, above: _with_lum(_with_sat(above, _sat(below)), _lum(below)),
    "saturation": lambda below, above: _with_lum(_with_sat(below, _sat(above)), _lum(below)),
    "color": lambda below, above: _with_lum(above, _lum(below)),
    "luminosity": lambda below, above: _with_lum(below, _lum(above)),
}
