"""What is done to some rows of the latent batch and not to others, on a model that knows nothing of rows.

A row is a pathway of a plan. The sampler hands the model all rows of all conditions at once, first all rows of one condition,
then all of the next. Where a part of the rows runs by itself, ROWS in the transformer options says which.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy import model_management
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

__all__ = ["HEADROOM", "delay_rows", "evenly", "limit_rows", "options_of", "out_of_memory", "rows_now"]

ROWS = "mild_rows"
KEY = "mild_rows"
HEADROOM = 1.1  # of the core's estimate of a pass


def options_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The transformer options among the arguments of a call of the model, which come by place or by name."""
    return kwargs.get("transformer_options") or next((a for a in args if isinstance(a, dict)), {})


def rows_now(x: Tensor, options: dict[str, Any], total: int) -> Sequence[int]:
    """Which rows of a plan with so many the batch x holds, for each condition again, by the transformer options of the call.

    Raises ValueError when it is the batch of another plan.
    """
    now = options.get(ROWS) or range(total)
    rows = len(x) // len(options.get("cond_or_uncond") or [0])
    if rows % len(now):
        raise ValueError(f"latent has {rows} rows, but the plan has {total} pathways: sample the latent that came with the plan")
    return now


@dataclass
class SubBatches:
    """Runs a model on as many rows at a time as fit into memory, with the result of all at once.

    Attributes:
        network: of the model, which knows what memory it needs. The model itself, whose options hold this, would never be let go of.
        total: rows of the plan.
        most: rows at a time at most; 0 for as many as fit.
        previous: the function wrapper that was there before.
    """

    network: BaseModel
    total: int
    most: int = 0
    previous: Callable[..., Tensor] | None = None
    found: int = 0  # what was left of `most` after running out of memory; 0 before

    def __deepcopy__(self, memo: dict[int, Any]) -> SubBatches:
        """Itself: older cores deep-copy a model's options when it is cloned, but not its wrappers, which know this one."""
        return self

    def around_run(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        self.found = 0
        return executor(*args, **kwargs)

    def before_run(self, executor: Any, model: ModelPatcher, noise_shape: Sequence[int], *args: Any, **kwargs: Any) -> Any:
        """Have the core make room for the rows that will run at a time, not for all: weights need not leave for that."""
        rows = noise_shape[0]
        device = model.load_device
        room = model_management.get_total_memory(device) - model.model_size()
        at_once = self._at_once(rows, 2, noise_shape, room)
        return executor(model, [at_once, *noise_shape[1:]], *args, **kwargs)

    def __call__(self, apply_model: Callable[..., Tensor], args: dict[str, Any]) -> Tensor:
        x, conditions = args["input"], len(args["cond_or_uncond"])
        rows = len(x) // conditions
        rows_now(x, args["c"]["transformer_options"], self.total)
        done: list[Tensor] = []  # [conditions, some rows, ...]
        while (start := sum(part.shape[1] for part in done)) < rows:
            free = model_management.get_free_memory(x.device)
            some = range(start, min(start + self._at_once(rows, conditions, x.shape, free), rows))
            try:
                part = self._run(apply_model, args, some, rows)
            except Exception as error:
                if len(some) == 1 or not out_of_memory(error):
                    raise
                self.found = math.ceil(len(some) / 2)
                logging.warning("[MILD] out of memory with %d layers at a time; going on with %d.", len(some), self.found)
                model_management.soft_empty_cache(True)
                continue
            done.append(part.unflatten(0, (conditions, -1)))
        return torch.cat(done, 1).flatten(0, 1)

    def _run(self, apply_model: Callable[..., Tensor], args: dict[str, Any], some: range, rows: int) -> Tensor:
        if len(some) < rows:
            conditions = len(args["cond_or_uncond"])
            places = torch.tensor([c * rows + row for c in range(conditions) for row in some])
            args = {**args, **{name: _of_rows(args[name], places, conditions * rows) for name in ("input", "timestep", "c")}}
            options = {**args["c"]["transformer_options"], ROWS: [row % self.total for row in some]}
            args["c"] = {**args["c"], "transformer_options": options}
        if self.previous is not None:
            return self.previous(apply_model, args)
        return apply_model(args["input"], args["timestep"], **args["c"])

    def _at_once(self, rows: int, conditions: int, shape: Sequence[int], room: float) -> int:
        most = min(self.found or self.most or rows, self.most or rows, rows)
        one = HEADROOM * self.network.memory_required([conditions, *shape[1:]])
        return evenly(rows, max(min(most, int(room / max(one, 1))), 1))


def out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out."""
    if hasattr(model_management, "is_oom"):  # newer cores know more kinds
        return model_management.is_oom(error)
    return isinstance(error, model_management.OOM_EXCEPTION)


def evenly(count: int, most: int) -> int:
    """How many of `count` to take at a time, at most `most`, so that the last time has about as many as the others."""
    return math.ceil(count / math.ceil(count / most))


def _of_rows(value: Any, places: Tensor, total: int) -> Any:
    """The same with only those rows of every tensor that has all of them."""
    if isinstance(value, Tensor):
        return value[places.to(value.device)] if value.ndim and len(value) == total else value
    if isinstance(value, dict):
        return {name: part if name == "transformer_options" else _of_rows(part, places, total) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_of_rows(part, places, total) for part in value)
    return value


def limit_rows(model: ModelPatcher, rows: int, most: int = 0) -> ModelPatcher:
    """A clone that runs the rows of a plan a few at a time: as many as fit into memory, at most `most` (0: no bound)."""
    clone = model.clone()
    patch = SubBatches(clone.model, rows, most, clone.model_options.get("model_function_wrapper"))
    clone.set_model_unet_function_wrapper(patch)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, patch.around_run)
    clone.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, patch.before_run)
    return clone


def delay_rows(model: ModelPatcher, strengths: Sequence[float]) -> ModelPatcher:
    """A clone for which row i takes part only in the last share `strengths[i]` (0..1) of the sampler's steps.

    Until then it is what it began with, at the noise of the step; so it is denoised as by a sampler of less denoise.
    """
    clone = model.clone()
    previous = clone.model_options.get("denoise_mask_function")

    def active(sigma: Tensor, denoise_mask: Tensor, extra_options: dict[str, Any]) -> Tensor:
        if previous is not None:
            denoise_mask = previous(sigma, denoise_mask, extra_options=extra_options)
        sigmas = extra_options["sigmas"].tolist()  # of steps + 1 noise levels, the last of them the end
        first = [sigmas[round((1 - strength) * (len(sigmas) - 1))] for strength in strengths]
        on = [float(sigma.flatten()[0]) <= begin * (1 + 1e-4) for begin in first]
        rows = torch.tensor(on, device=denoise_mask.device).repeat(len(denoise_mask) // len(on))
        return denoise_mask * rows.reshape(-1, *[1] * (denoise_mask.ndim - 1))

    clone.set_model_denoise_mask_function(active)
    return clone
