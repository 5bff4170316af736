"""LoRAs that act on some rows of the latent batch, beside others on other rows, in one pass of the model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import PatcherInjection, WrappersMP
from torch import Tensor, nn

from .rows import options_of, rows_now

__all__ = ["lora_rows"]

KEY = "mild_row_loras"


@dataclass
class RowLora:
    """A LoRA that is added to what its layers give, for some rows.

    Attributes:
        rows: which, of a plan with `total`.
        layers: (the core's hook, which knows module and adapter; where in the module's output: None for all of it, else first
            feature and length).
    """

    rows: frozenset[int]
    total: int
    layers: list[tuple[Any, tuple[int, int] | None]]
    places: Tensor | None = None  # of the pass: its rows in the batch
    batch: int = 0
    handles: list[Any] = field(default_factory=list)

    def __deepcopy__(self, memo: dict[int, Any]) -> RowLora:
        return self

    def around_pass(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        now = rows_now(x, options_of(args, kwargs), self.total)
        mine = [place for place in range(len(x)) if now[place % len(now)] in self.rows]
        self.places, self.batch = torch.tensor(mine, dtype=torch.long, device=x.device), len(x)
        try:
            return executor(x, *args, **kwargs)
        finally:
            self.places = None

    def inject(self, model: ModelPatcher) -> None:
        for layer, span in self.layers:
            layer._move_adapter_weights_to_device(model.load_device, _float_type(layer.module))
            self.handles.append(layer.module.register_forward_hook(self._added(layer.adapter, span)))

    def eject(self, _: ModelPatcher) -> None:
        while self.handles:
            self.handles.pop().remove()

    def _added(self, adapter: Any, span: tuple[int, int] | None) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            x = args[0]
            if self.places is None or not len(self.places) or len(x) % self.batch or len(output) != len(x):
                return None
            times = len(x) // self.batch  # frames and the like are folded into the batch, row by row
            places = (self.places[:, None] * times + torch.arange(times, device=x.device)).flatten() if times > 1 else self.places
            base = output[places]
            part = base if span is None else base[..., span[0] : span[0] + span[1]]
            changed = adapter.g(part + adapter.h(x[places], part).to(part.dtype))
            if span is not None:
                changed = torch.cat([base[..., : span[0]], changed, base[..., span[0] + span[1] :]], -1)
            return output.index_copy(0, places, changed)

        return hook


def lora_rows(model: ModelPatcher, weights: dict[str, Tensor], strength: float, rows: Iterable[int], total: int) -> ModelPatcher:
    """A clone in which a LoRA acts on those rows of a plan with `total`, and on no others, in the same pass.

    The model's weights stay as they are: what the LoRA adds is computed beside each layer (the core's "bypass" form).
    Raises ValueError when the file fits none of the model's layers, or the core is too old to have that form.
    """
    try:
        from comfy.weight_adapter.bypass import BypassForwardHook
    except ImportError:
        raise ValueError("a LoRA for some layers needs a newer ComfyUI (0.30 will do); Load LoRA works here, for all layers") from None
    from comfy import lora, lora_convert

    clone = model.clone()
    loaded = lora.load_lora(lora_convert.convert_lora(weights), lora.model_lora_keys_unet(clone.model, {}))
    modules = dict(clone.model.named_modules())
    layers: list[tuple[Any, tuple[int, int] | None]] = []
    for key, adapter in loaded.items():
        name, offset = (key, None) if isinstance(key, str) else (key[0], key[1] if len(key) > 1 else None)
        module = modules.get(name.removesuffix(".weight"))
        if module is None or not hasattr(adapter, "h") or (offset is not None and offset[0] != 0):
            continue
        layer = BypassForwardHook(module, adapter, multiplier=strength)  # tells the adapter what kind of layer it is for
        layers.append((layer, None if offset is None else (offset[1], offset[2])))
    if not layers:
        raise ValueError(f"lora has {len(weights)} tensors, but none is for a layer of this model: it must be for the same family")
    if len(layers) < len(loaded):
        logging.warning(
            "[MILD] %d of the LoRA's %d patches are of a kind that cannot act on some rows.", len(loaded) - len(layers), len(loaded)
        )
    patch = RowLora(frozenset(rows), total, layers)
    before = clone.injections.get(KEY, [])
    clone.set_injections(KEY, [*before, PatcherInjection(inject=patch.inject, eject=patch.eject)])
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, patch.around_pass)
    return clone


def _float_type(module: nn.Module) -> torch.dtype | None:
    """What an adapter's weights are kept in: the layer's own type where that is a plain one."""
    dtype = getattr(getattr(module, "weight", None), "dtype", None)
    return dtype if dtype in (torch.float32, torch.float16, torch.bfloat16) else None
