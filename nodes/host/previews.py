"""The whole photo as the sampler's preview, with every row's present estimate in its place.

The core's own preview shows the first row of the batch, which here is one crop of the background. Ours goes the same way, the
progress of the node that runs, so that every client shows it where it shows the core's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import latent_preview
import numpy as np
import torch
import torch.nn.functional as F
from comfy import utils
from comfy.cli_args import LatentPreviewMethod
from comfy.cli_args import args as settings
from comfy.latent_formats import LatentFormat
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_execution.progress import get_progress_state
from PIL import Image
from torch import Tensor

from ...mild_core.compose.preview import Preview, make_preview
from ...mild_core.plan import AnyPlan

__all__ = ["preview_layers"]

KEY = "mild_previews"
CORE_HANDLER = "webui"  # the core's name for what sends progress to clients
FAILURES = (RuntimeError, ValueError, TypeError, IndexError, OSError)
"""What a previewer may raise: a latent of another shape than its format says, no memory left, a decoder file that cannot be read."""

Callback = Callable[[int, Tensor, Tensor, int], Any]


def preview_layers(model: ModelPatcher, plan: AnyPlan) -> ModelPatcher:
    """A clone whose sampler's preview is the whole photo, as it would be if every row of the plan were done now.

    Where several photos share the batch, all of them are shown, small, side by side in lines that read as a text does.
    It changes no result. It shows whatever the core's preview setting is, by the core's own rough decoding of the model's
    latents; by the artist's TAESD where that is what the setting asks for. Models whose latents nothing decodes roughly keep
    the core's preview. A second call for the same model takes the place of the first.
    """
    clone = model.clone()
    # not the model itself, whose wrappers hold this: it would never be let go of
    latent_format, device = clone.model.latent_format, clone.load_device

    def around_run(executor: Any, noise: Tensor, latent_image: Tensor, sampler: Any, sigmas: Tensor, *args: Any, **kwargs: Any) -> Any:
        if utils.PROGRESS_BAR_HOOK is None:  # nobody looks
            return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
        args, kwargs = _with_callback(args, kwargs, lambda told: _Watched(told, plan, len(sigmas) - 1, latent_format, device))
        return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)

    clone.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, KEY)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, around_run)
    return clone


def _with_callback(
    args: tuple[Any, ...], kwargs: dict[str, Any], around: Callable[[Callback | None], Callback]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a run after its noise levels (denoise_mask, callback, …), with another callback."""
    if len(args) > 1:
        return (args[0], around(args[1]), *args[2:]), kwargs
    return args, {**kwargs, "callback": around(kwargs.get("callback"))}


class _Watched:
    """A sampler's callback that shows the picture after what was there before has been told."""

    def __init__(self, told: Callback | None, plan: AnyPlan, steps: int, latent_format: LatentFormat, device: torch.device) -> None:
        self.told, self.bar = told, utils.ProgressBar(steps)
        self.previews: list[Preview] = []
        self.decode: Callable[[Tensor], Tensor] | None = None
        with self._stops_at_failure():
            self.decode = _decoder(latent_format, device)
            if self.decode is not None:
                longest = max(latent_preview.MAX_PREVIEW_RESOLUTION // _columns(len(plan.plans)), 1)
                self.previews = [make_preview(one, longest) for one in plan.plans]
        if self.previews:
            self._show(0, steps, _side_by_side([preview.photo for preview in self.previews]))  # everybody is there yet

    def __call__(self, step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        picture = self._picture(x0)
        if picture is None:
            if self.told is not None:
                self.told(step, x0, x, total_steps)
            return
        if self.told is not None:
            with _quiet():  # the core's picture would flash up before ours
                self.told(step, x0, x, total_steps)
        self._show(step + 1, total_steps, picture)

    def _picture(self, x0: Tensor) -> Tensor | None:
        """The picture [h, w, 3] by the rows' clean estimates; None where there is none."""
        rows = sum(len(preview.shares) for preview in self.previews)
        if not rows or self.decode is None or getattr(x0, "is_nested", False) or len(x0) != rows:
            return None
        picture = None
        with self._stops_at_failure():
            estimates = (self.decode(x0[row : row + 1]) for row in range(rows))
            picture = _side_by_side([preview.picture([next(estimates) for _ in preview.shares]) for preview in self.previews])
        return picture

    def _show(self, value: int, total: int, picture: Tensor) -> None:
        image = Image.fromarray((picture * 255).round().byte().numpy())
        self.bar.update_absolute(value, total, ("JPEG", image, None))

    @contextmanager
    def _stops_at_failure(self) -> Iterator[None]:
        """Sampling goes on without a preview when something in it fails."""
        try:
            yield
        except FAILURES as error:
            self.previews = []
            logging.warning("[MILD] no preview of the layers in this run: %s", error)


def _columns(photos: int) -> int:
    """How many photos stand in a line of a preview that shows so many."""
    return math.ceil(math.sqrt(photos))


def _side_by_side(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures [h, w, 3] of any sizes as one, each in a cell of its own, black where there is none; one alone as it is."""
    height, width = (max(picture.shape[side] for picture in pictures) for side in (0, 1))
    cells = [F.pad(picture, (0, 0, 0, width - picture.shape[1], 0, height - picture.shape[0])) for picture in pictures]
    columns = _columns(len(cells))
    cells += [torch.zeros_like(cells[0])] * (-len(cells) % columns)
    return torch.cat([torch.cat(cells[start : start + columns], 1) for start in range(0, len(cells), columns)])


def _decoder(latent_format: LatentFormat, device: torch.device) -> Callable[[Tensor], Tensor] | None:
    """What turns the latent of one row into a rough picture [s, s, 3] float32 in 0..1; None where the core has nothing for it."""
    previewer = None
    if settings.preview_method == LatentPreviewMethod.TAESD:
        previewer = latent_preview.get_previewer(device, latent_format)
    elif latent_format.latent_rgb_factors is not None:
        previewer = latent_preview.Latent2RGBPreviewer(
            latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias, latent_format.latent_rgb_factors_reshape
        )
    if previewer is None:
        return None

    def decode(row: Tensor) -> Tensor:
        pixels = np.array(previewer.decode_latent_to_preview(row))
        return torch.from_numpy(pixels).float() / 255

    return decode


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress reaches no client inside, by the switch that the core's registry has for that; what follows sends it."""
    registry = get_progress_state()
    handler = registry.handlers.get(CORE_HANDLER)
    if handler is None or not handler.enabled:
        yield
        return
    registry.disable_handler(CORE_HANDLER)
    try:
        yield
    finally:
        registry.enable_handler(CORE_HANDLER)
