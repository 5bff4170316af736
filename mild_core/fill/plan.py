"""A plan's rows before and after the sampler: content initialization, and detail for what was sampled."""

from __future__ import annotations

import torch
from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from ..scene.blur import blur
from ..scene.resize import resized
from .exemplar import exemplar_fill
from .fillers import DECAYS, Fill, Initialization, OnLevel
from .smooth import smooth_fill

__all__ = ["copy_detail", "fill_pathway", "without_others"]

LONGEST_COPIED = 1024  # pixels a side: some four seconds a row with a hole of an eighth of it, eleven with a quarter, on two cores
LARGE = 1 / 96  # of a crop's side: sigma of the Gaussian that parts what is the row's, in large, from what is copied
LEAST_LARGE = 4.0  # pixels of that: half a patch
FINE = 2.0  # pixels of the crop that is painted: sigma of the Gaussian that leaves nothing of what is finest


def fill_pathway(
    plan: LayerPlan, pathway: Pathway, how: Initialization | Fill, *, seed: int = 0, on_level: OnLevel | None = None
) -> Tensor:
    """The row's picture with something in the hole for the sampler to start from: [S, S, 3] in 0..1.

    `how` is a name of `FILLERS`, or what MILD Fill Holes makes. Pixels outside the hole are the photo's, whatever the filler gives.
    Raises ValueError for another name, and when the picture of a Fill is not of the photo's size.
    """
    fill = how if isinstance(how, Fill) else Fill.named(how)
    image, hole, source = _seen(plan, pathway, plan.working_size)
    filler = fill.background if pathway.role == "background" else fill.people
    if isinstance(filler, Tensor):
        filled = plan.working_image(pathway, _of_photo(filler, plan))
    else:
        filled = filler(image, hole, source & ~hole, seed, on_level)
    return filled.to(image).where(hole[..., None], image)


def without_others(plan: LayerPlan, pathway: Pathway, row: Tensor) -> Tensor:
    """A row's picture [S, S, 3] with the people it is not for smoothed away: they take the average of what is around them.

    A network carries the colours beside a hole into it. So the background does not get those of who stays, nor a body those of who
    hid it. The hole is left as it is. Returns [S, S, 3], the dtype of `row`.
    """
    return smooth_fill(row, ~plan.working_others(pathway).to(row.device))


def _of_photo(picture: Tensor, plan: LayerPlan) -> Tensor:
    """The picture that has the holes filled already, on the photo's device."""
    if picture.shape[:2] != plan.scene.size:
        (height, width), (photo_height, photo_width) = picture.shape[:2], plan.scene.size
        raise ValueError(f"picture is {width}×{height}, but it must be {photo_width}×{photo_height}, as the photo is")
    return picture[..., :3].to(plan.scene.photo)


def copy_detail(
    plan: LayerPlan,
    pathway: Pathway,
    row: Tensor,
    *,
    fine: float = 1.0,
    longest: int = LONGEST_COPIED,
    seed: int = 0,
    on_level: OnLevel | None = None,
) -> Tensor:
    """A denoised row [S, S, 3] with its hole painted again, in patches of what the row may copy from.

    The row says where things are, the patches what they look like close to: whatever is much larger than a patch is
    the row's. Where nothing may be copied, the row stays. `fine` (0..1) is the patches' share of what is finest, which nothing
    known can place: less of it is softer, and nearer to the truth by squared error and SSIM.

    Returns the crop in the photo's own resolution, but at most `longest` pixels a side: [T, T, 3] in 0..1.
    Raises ValueError when `fine` is out of its range.
    """
    if not 0 <= fine <= 1:
        raise ValueError(f"fine is {fine}, but it must be from 0 to 1")
    size = min(pathway.crop.width, longest)
    image, hole, source = _seen(plan, pathway, size)
    layout = resized(row, size, size).to(image)
    copied = exemplar_fill(image, hole, source, layout=layout, decay=DECAYS[pathway.role], seed=seed, on_level=on_level)
    inside = hole[..., None]
    lacking = (layout - copied) * inside  # outside of the hole nothing lacks
    given = blur(lacking, max(LARGE * size, LEAST_LARGE)) + (1 - fine) * (lacking - blur(lacking, FINE))
    return torch.where(inside, (copied + given).clamp(0, 1), copied)


def _seen(plan: LayerPlan, pathway: Pathway, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The row's view of the photo, its hole, and what the hole may be filled from, in that size."""
    image = plan.working_image(pathway, plan.scene.photo[0], size)
    return image, plan.working_hole(pathway, size), plan.working_source(pathway, size)
