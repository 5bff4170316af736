"""Modulated attention inside ComfyUI: one patch for all families of models.

`optimized_attention_override` is the one hook that nearly all of the core's networks pass their attention through. A patch
composes with the override that was there before: the widened call goes through it, and so does whatever is not modulated.
What an override is not told (which rows, which step) comes from a wrapper around the model's call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy.samplers import calc_cond_batch
from torch import Tensor

from ...mild_core.attention import GapRecord, Method, attention_gap, closer_gain, modulated_attention
from ...mild_core.plan import RegionMap
from .layout import Layout, Span, layout_of
from .rows import options_of, rows_now

__all__ = ["AttentionPatch", "UnreachableError", "install", "percent_to_sigma"]

SLOT = "optimized_attention_override"
KEY = "mild_attention"


class UnreachableError(ValueError):
    """The model is of a family whose attention cannot be modulated."""


@dataclass
class AttentionPatch:
    """What is done to the attention of a model, and what is known while it runs.

    Attributes:
        regions: one map for each row of the latent batch.
        method: the table.
        gain: strength; in a closed loop what it starts from. 0 leaves every call alone.
        first_sigma, last_sigma: noise levels between which it acts, the first the higher.
        blocks: numbers of the attention blocks it acts on, counted from 1 in the order in which they run; None for all.
        target: attention gap that the gain is raised to reach, step by step; None for a fixed gain.
        highest_gain: bound of the closed loop.
        guidance: s of  out = without + s·(with − without), from a second pass without the method; 1 for none.
        match: see `mild_core.attention.bias.BiasColumns.of`.
        fast: see `mild_core.attention.bias.BiasColumns`.
        record: where the attention gap of each call is written, None for nowhere.
        layout: of the model's family, set by `install`.
        previous: the override that was there before, set by `install`.
    """

    regions: tuple[RegionMap, ...]
    method: Method
    gain: float = 1.0
    first_sigma: float = float("inf")
    last_sigma: float = 0.0
    blocks: frozenset[int] | None = None
    target: float | None = None
    highest_gain: float = 4.0
    guidance: float = 1.0
    match: float = 0.0
    fast: bool = False
    record: GapRecord | None = None
    layout: Layout | None = None
    previous: Callable[..., Tensor] | None = None

    # of the run
    on: bool = True
    now: float = 1.0  # the closed loop's gain
    step: int = -1
    sigma: float = float("nan")
    gaps: list[float] = field(default_factory=list)  # of the step so far
    maps: dict[tuple[Span, int], tuple[Tensor, ...]] = field(default_factory=dict)  # memberships, distances, parts of so many tokens

    # of the pass
    rows: int = 0
    pathways: tuple[int, ...] = ()  # whose rows these are, for each condition again
    latent: tuple[int, ...] = ()
    progress: float = 0.0  # share of the schedule that is done
    calls: int = 0
    found: int = 0  # of these, how many the picture was in
    blocks_seen: set[Any] = field(default_factory=set)
    after_picture: bool = False  # whether the call before was one of these

    def __deepcopy__(self, memo: dict[int, Any]) -> AttentionPatch:
        """Itself: older cores deep-copy a model's options when it is cloned, but not its wrappers, which know this one."""
        return self

    def reset(self) -> None:
        """Forget the run, so that nothing outlives it."""
        self.step, self.sigma, self.now = -1, float("nan"), self.gain
        self.gaps.clear()
        self.maps.clear()

    @contextmanager
    def off(self) -> Iterator[None]:
        """Leave attention alone inside."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    # -- hooks ---------------------------------------------------------------------------------------------------------

    def around_run(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        self.reset()
        if self.record is not None:
            self.record.clear()
        try:
            return executor(*args, **kwargs)
        finally:
            self.reset()

    def around_pass(self, executor: Any, x: Tensor, t: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Around one call of the model: learn its rows, its size and its step."""
        sigma = float(t.flatten()[0])
        options = options_of(args, kwargs)
        if sigma != self.sigma:
            self._next_step(sigma, options)
        self.pathways = tuple(rows_now(x, options, len(self.regions)))
        self.rows, self.latent, self.calls, self.found = len(x), tuple(x.shape[2:]), 0, 0
        self.blocks_seen.clear()
        self.after_picture = False
        return executor(x, t, *args, **kwargs)

    def override(self, func: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, heads: int, *args: Any, **kwargs: Any) -> Tensor:
        """Called in place of the core's attention function `func`, with its arguments."""
        inner = func if self.previous is None else _through(self.previous, func)
        span = self._span(q, k, kwargs) if self._acts else None
        if span is None:
            return inner(q, k, v, heads, *args, **kwargs)
        names = ("mask", "attn_precision", "skip_reshape", "skip_output_reshape")
        kwargs |= dict(zip(names, args, strict=False))
        split, merged = not kwargs.pop("skip_reshape", False), not kwargs.pop("skip_output_reshape", False)
        if split:
            width = q[0, 0].numel() // heads
            q, k, v = (x.reshape(*x.shape[:2], -1, width).transpose(1, 2) for x in (q, k, v))  # SD3's v comes split already
        mask, scale = _additive(kwargs.pop("mask", None), q), kwargs.pop("scale", None)
        # low precision kernels take few head widths, and fall back noisily
        shared = {"skip_reshape": True, "skip_output_reshape": True, **kwargs, "low_precision_attention": False}
        membership, distance, parts = self._on_grid(span, q)
        out, masses = modulated_attention(
            q,
            k,
            v,
            self.method,
            membership,
            gain=self.now,
            scale=scale,
            distance=distance,
            parts=parts,
            match=self.match,
            tempered=self.progress < self.method.temper_until,
            fast=self.fast,
            masses=self.record is not None or self.target is not None,
            mask=mask,
            pieces=None if self.previous is None else 1,  # another patch must see the rows as the model made them
            kernel=lambda q, k, v, mask: inner(q, k, v, q.shape[1], mask=mask, **shared),
        )
        if masses is not None:
            self._note(masses, membership, span)
        return out.transpose(1, 2).flatten(2) if merged else out

    def guided(self, args: dict[str, Any]) -> Tensor:
        """out = without + s·(with − without), after guidance (Attentive Eraser, arXiv 2412.12974, "SARG")."""
        if not self._in_time(float(args["sigma"].flatten()[0])):
            return args["denoised"]
        with self.off():
            (without,) = calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], args["model_options"])
        return without + self.guidance * (args["denoised"] - without)

    # -- what they are made of -----------------------------------------------------------------------------------------

    @property
    def _acts(self) -> bool:
        works = self.now != 0 or self.record is not None
        return self.on and works and self._in_time(self.sigma)

    def _in_time(self, sigma: float) -> bool:
        return self.last_sigma <= sigma <= self.first_sigma

    def _next_step(self, sigma: float, options: dict[str, Any]) -> None:
        if self.target is not None and self.gaps:
            self.now = closer_gain(self.now, sum(self.gaps) / len(self.gaps), self.target, self.highest_gain)
        self.gaps.clear()
        schedule = options.get("sample_sigmas")
        self.sigma, self.step = sigma, self.step + 1
        if schedule is not None and len(schedule) > 1:
            self.step = int((schedule.float().cpu() - sigma).abs()[:-1].argmin())
            self.progress = self.step / (len(schedule) - 1)

    def _span(self, q: Tensor, k: Tensor, kwargs: dict[str, Any]) -> Span | None:
        """The picture in this call; None where it is none of ours."""
        assert self.layout is not None
        tokens, keys = q.shape[-2], k.shape[-2]
        options = kwargs.get("transformer_options") or {}
        call, self.calls = self.calls, self.calls + 1
        block = tuple(options.get(name) for name in ("block", "transformer_index", "block_type", "block_index"))
        # an older core does not say which block of Wan it is in; there, too, cross-attention comes right behind self-attention
        crossed = self.after_picture if block == (None,) * 4 else block in self.blocks_seen
        self.blocks_seen.add(block)
        self.after_picture = False
        if (crossed and self.layout.crosses) or len(q) != self.rows:
            return None
        span = self.layout.find(tokens, keys, self.latent, int(options.get("reference_image_num_tokens") or 0), call)
        if span is None:
            return None
        self.after_picture = True
        self.found += 1
        return span if self.blocks is None or self.found in self.blocks else None

    def _on_grid(self, span: Span, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Memberships [B, N, 4], distances [B, N] and parts [B, 2, N, G] for all rows of a call with N tokens."""
        tokens = q.shape[-2]
        if (span, tokens) not in self.maps:
            grid = (*self.latent[-2:], span.cell)
            membership = torch.stack([r.tokens(*grid) for r in self.regions])
            distance = torch.stack([r.distances(*grid) for r in self.regions])[..., None]
            parts = [r.part_tokens(*grid) for r in self.regions] if self.match else []
            labels = max((part.shape[-1] for part in parts), default=0)
            hidden, seen = (
                torch.stack([F.pad(part[i], (0, labels - part.shape[-1])) for part in parts]) if parts else membership[..., :0]
                for i in (0, 1)
            )
            behind = tokens - span.start - span.tokens
            self.maps[span, tokens] = tuple(
                F.pad(planes.repeat(1, span.frames, 1), (0, 0, span.start, behind)).to(q.device)
                for planes in (membership, distance, hidden, seen)
            )
        rows, times = list(self.pathways), self.rows // len(self.pathways)
        membership, distance, hidden, seen = (planes[rows].repeat(times, 1, 1) for planes in self.maps[span, tokens])
        return membership, distance[..., 0], torch.stack([hidden, seen], 1)

    def _note(self, masses: Tensor, membership: Tensor, span: Span) -> None:
        rows = len(self.pathways)
        # guidance's other half sees another prompt, but the same regions: the mean is over both
        masses = masses.unflatten(0, (-1, rows)).mean(0)[:, span.start : span.start + span.tokens]
        membership = membership[:rows, span.start : span.start + span.tokens]
        if self.target is not None:
            gap, _ = attention_gap(masses, membership)
            self.gaps.extend(gap[gap.isfinite()].tolist())
        if self.record is not None:
            whose = (self.pathways, len(self.regions))
            self.record.add(self.step, self.sigma, self.found, *_among_all(*whose, masses, membership), (span.rows, span.columns))


def install(model: ModelPatcher, patch: AttentionPatch) -> ModelPatcher:
    """A clone of the model whose attention the patch modulates.

    Raises UnreachableError for a family of models that does not let its attention be modulated.
    """
    network = model.model.diffusion_model
    patch.layout = layout_of(network)
    if patch.layout is None:
        raise UnreachableError(
            f"model is of the family {type(network).__name__}, whose attention cannot be modulated: "
            "it must be SD1.5, SDXL, SD3, Flux, Qwen-Image, Lumina 2, Z-Image or Wan. It is passed on unchanged."
        )
    clone = model.clone()
    options = clone.model_options["transformer_options"] = dict(clone.model_options.get("transformer_options", {}))
    patch.previous = options.get(SLOT)
    options[SLOT] = patch.override
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, patch.around_run)
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, patch.around_pass)
    if patch.guidance != 1:
        clone.set_model_sampler_post_cfg_function(patch.guided)
    return clone


def percent_to_sigma(model: ModelPatcher, percent: float) -> float:
    """The noise level at that share of the schedule, 0 its noisy end."""
    return float(model.get_model_object("model_sampling").percent_to_sigma(percent))


def _among_all(pathways: tuple[int, ...], total: int, *rows: Tensor) -> list[Tensor]:
    """Tensors [some rows, ...] as [all rows, ...], 0 for the others, which then have no hole and count for nothing."""
    if len(pathways) == total:
        return list(rows)
    return [x.new_zeros(total, *x.shape[1:]).index_copy(0, torch.tensor(pathways, device=x.device), x) for x in rows]


def _through(previous: Callable[..., Tensor], func: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args, **kwargs: previous(func, *args, **kwargs)


def _additive(mask: Tensor | None, q: Tensor) -> Tensor | None:
    """A mask as something to add to logits, [B or 1, H or 1, N or 1, M]."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, torch.finfo(q.dtype).min / 2)
    while mask.ndim < 4:
        mask = mask[:, None] if mask.ndim == 3 else mask[None]
    return mask.expand(-1, -1, q.shape[-2], -1)
