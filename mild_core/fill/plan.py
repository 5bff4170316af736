"""A plan's rows before and after the sampler: content initialization, and detail for what was sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from .exemplar import exemplar_fill
from .smooth import smooth_fill

__all__ = ["Initialization", "copy_detail", "fill_pathway"]

Initialization = Literal["exemplar", "smooth", "photo"]


def fill_pathway(
    plan: LayerPlan, pathway: Pathway, how: Initialization, *, seed: int = 0, on_level: Callable[[int, int], None] | None = None
) -> Tensor:
    """The row's picture with something in the hole for the sampler to start from: [S, S, 3] in 0..1.

    "exemplar" copies patches of what the row may copy from, "smooth" takes the average of what is around the hole, "photo"
    leaves what is there (for samplers that start from pure noise).
    """
    image = plan.working_image(pathway, plan.scene.photo[0])
    hole, source = plan.working_hole(pathway), plan.working_source(pathway)
    if how == "photo":
        return image
    if how == "smooth":
        return smooth_fill(image, source if source.any() else ~hole).where(hole[..., None], image)
    if how == "exemplar":
        return exemplar_fill(image, hole, source, seed=seed, on_level=on_level)
    raise ValueError(f"initialize is {how!r}, but it must be one of exemplar, smooth, photo")


def copy_detail(
    plan: LayerPlan, pathway: Pathway, row: Tensor, *, seed: int = 0, on_level: Callable[[int, int], None] | None = None
) -> Tensor:
    """A denoised row [S, S, 3] with its hole painted again, in patches of what the row may copy from: [S, S, 3] in 0..1.

    The row says where things are, the patches what they look like close to. Where nothing may be copied, the row stays.
    """
    image = plan.working_image(pathway, plan.scene.photo[0])
    hole, source = plan.working_hole(pathway), plan.working_source(pathway)
    return exemplar_fill(image, hole, source, layout=row, seed=seed, on_level=on_level)
