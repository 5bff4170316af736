"""A plan's rows before and after the sampler: content initialization, and detail for what was sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from ..scene.resize import resized
from .exemplar import exemplar_fill
from .smooth import smooth_fill

__all__ = ["Initialization", "copy_detail", "fill_pathway"]

LONGEST_COPIED = 1024  # pixels a side: some four seconds a row with a hole of an eighth of it, eleven with a quarter, on two cores
Initialization = Literal["exemplar", "smooth", "photo"]


def fill_pathway(
    plan: LayerPlan, pathway: Pathway, how: Initialization, *, seed: int = 0, on_level: Callable[[int, int], None] | None = None
) -> Tensor:
    """The row's picture with something in the hole for the sampler to start from: [S, S, 3] in 0..1.

    "exemplar" copies patches of what the row may copy from, "smooth" takes the average of what is around the hole, "photo"
    leaves what is there (for samplers that start from pure noise).
    """
    image, hole, source = _seen(plan, pathway, plan.working_size)
    if how == "photo":
        return image
    if how == "smooth":
        return smooth_fill(image, source if source.any() else ~hole).where(hole[..., None], image)
    if how == "exemplar":
        return exemplar_fill(image, hole, source, seed=seed, on_level=on_level)
    raise ValueError(f"initialize is {how!r}, but it must be one of exemplar, smooth, photo")


def copy_detail(
    plan: LayerPlan,
    pathway: Pathway,
    row: Tensor,
    *,
    longest: int = LONGEST_COPIED,
    seed: int = 0,
    on_level: Callable[[int, int], None] | None = None,
) -> Tensor:
    """A denoised row [S, S, 3] with its hole painted again, in patches of what the row may copy from.

    The row says where things are, the patches what they look like close to. Where nothing may be copied, the row stays.
    Returns the crop in the photo's own resolution, but at most `longest` pixels a side: [T, T, 3] in 0..1.
    """
    size = min(pathway.crop.width, longest)
    image, hole, source = _seen(plan, pathway, size)
    return exemplar_fill(image, hole, source, layout=resized(row, size, size), seed=seed, on_level=on_level)


def _seen(plan: LayerPlan, pathway: Pathway, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The row's view of the photo, its hole, and what the hole may be filled from, in that size."""
    image = plan.working_image(pathway, plan.scene.photo[0], size)
    return image, plan.working_hole(pathway, size), plan.working_source(pathway, size)
