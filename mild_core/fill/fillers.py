"""Fillers: everything that can paint a hole before the first denoising step, behind one call.

A filler is told which pixels are the hole, and which are `source`, what the hole may be made of. The others are somebody else's, or
lie beyond the photo's frame. No filler copies or spreads them: what paints from the rim or from context takes them for unknown,
too, so that people who stay are not smeared into the background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from torch import Tensor

from ..plan.layers import Role
from .exemplar import CONFIDENCE_DECAY, exemplar_fill
from .network import InpaintingNetwork, Sides, network_fill
from .smooth import smooth_fill
from .spread import spread_fill

__all__ = ["DECAYS", "FILLERS", "OF_PEOPLE", "Fill", "Filler", "Initialization", "OnLevel", "network_filler"]

Initialization = Literal["exemplar", "smooth", "telea", "navier-stokes", "photo"]
OnLevel = Callable[[int, int], None]
"""on_level(done, total): how far the filler is."""

DECAYS: Mapping[Role, float] = {"background": CONFIDENCE_DECAY, "person": 1.3}
"""Of the exemplar fill, by what is filled: of what is cut at a hole's rim, such as a badge, less goes on into a person than into a wall."""


class Filler(Protocol):
    def __call__(self, image: Tensor, hole: Tensor, source: Tensor, seed: int = 0, on_level: OnLevel | None = None) -> Tensor:
        """What is painted where `hole` [S, S] (bool) of the square picture `image` [S, S, 3] is: [S, S, 3] in 0..1.

        `source` [S, S] (bool) is what the hole may be made of, and holds none of the hole. Pixels outside the hole are not looked at.
        The same seed gives the same picture.
        """


def _exemplar(
    image: Tensor, hole: Tensor, source: Tensor, seed: int = 0, on_level: OnLevel | None = None, decay: float = DECAYS["background"]
) -> Tensor:
    return exemplar_fill(image, hole, source, decay=decay, seed=seed, on_level=on_level)


def _photo(image: Tensor, hole: Tensor, source: Tensor, seed: int = 0, on_level: OnLevel | None = None) -> Tensor:
    return image


def _from_known(
    make: Callable[..., Tensor], image: Tensor, hole: Tensor, source: Tensor, seed: int = 0, on_level: OnLevel | None = None
) -> Tensor:
    """The filler of something that knows only of known and unknown pixels."""
    known = source if source.any() else ~hole
    filled = make(image, known, seed=seed)
    if on_level is not None:
        on_level(1, 1)
    return filled


def _seedless(make: Callable[..., Tensor], **options: Any) -> Filler:
    return partial(_from_known, lambda image, known, seed: make(image, known, **options))


FILLERS: Mapping[str, Filler] = {
    "exemplar": _exemplar,
    "smooth": _seedless(smooth_fill),
    "telea": _seedless(spread_fill, method="telea"),
    "navier-stokes": _seedless(spread_fill, method="navier-stokes"),
    "photo": _photo,
}
"""By name: "exemplar" copies patches of the source, "smooth" takes its average around the hole, "telea" and "navier-stokes" carry its
lines on, "photo" leaves what is there (for samplers that start from pure noise)."""


OF_PEOPLE: Mapping[str, Filler] = {**FILLERS, "exemplar": partial(_exemplar, decay=DECAYS["person"])}
"""The same for what is hidden of people."""


def network_filler(network: InpaintingNetwork, sides: Sides) -> Filler:
    """The filler that paints with that network, at a size that it takes."""
    return partial(_from_known, partial(network_fill, network=network, sides=sides))


@dataclass(frozen=True, eq=False)
class Fill:
    """What the holes of a plan are filled with: by a filler, or from a picture [H, W, 3] in 0..1, the photo with its holes filled already.

    Attributes:
        background: for what is behind people who go.
        people: for what is hidden of people.
    """

    background: Filler | Tensor
    people: Filler | Tensor

    @classmethod
    def named(cls, how: str) -> Fill:
        """Of `FILLERS` for the background, of `OF_PEOPLE` for people. Raises ValueError for another name."""
        if how not in FILLERS:
            raise ValueError(f"initialize is {how!r}, but it must be one of {', '.join(FILLERS)}")
        return cls(FILLERS[how], OF_PEOPLE[how])
