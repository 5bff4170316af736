"""What a sampler is given of several photos as one batch, and one photo's part of what it gives back.

The core repeats a tensor of one row over the batch, and takes one with a row for each as it is. So what has rows is joined row by
row; of all else only plain values that are equal may be shared, and a photo with anything more (a ControlNet, hooks, another
photo's reference picture) stays by itself, where it is sampled as it would be without joining.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Told", "join_told", "may_join", "part_samples"]

TEXT = "mild_text"  # here, of the tensor beside an entry's options
LATENT_ROWS = frozenset({"samples", "noise_mask"})
CONDITIONING_ROWS = frozenset({TEXT, "pooled_output", "attention_mask", "concat_latent_image", "concat_mask"})
PLAIN = (str, int, float, type(None))


class Told(NamedTuple):
    """What a sampler is told of one photo, or of one batch."""

    positive: list
    negative: list
    latent: dict[str, Any]

    @property
    def rows(self) -> int:
        return self.latent["samples"].shape[0]


def may_join(one: Told, other: Told) -> bool:
    """Whether the rows of two photos may be one batch, in which each is denoised as it is alone."""
    return _latents_join(one.latent, other.latent) and all(
        len(of_one) == len(of_other)
        and all(_parts_join(_named(a), _named(b), (one.rows, other.rows), CONDITIONING_ROWS) for a, b in zip(of_one, of_other, strict=True))
        for of_one, of_other in ((one.positive, other.positive), (one.negative, other.negative))
    )


def join_told(photos: Sequence[Told]) -> Told:
    """Photos of which any two `may_join`, as one batch; one alone as it is."""
    if len(photos) == 1:
        return photos[0]
    counts = [photo.rows for photo in photos]
    positive, negative = (
        [
            _entry(_joined([_named(entry) for entry in entries], counts, CONDITIONING_ROWS, shared=True))
            for entries in zip(*lists, strict=True)
        ]
        for lists in ([photo.positive for photo in photos], [photo.negative for photo in photos])
    )
    latent = _joined([photo.latent for photo in photos], counts, LATENT_ROWS, shared=False)
    latent["batch_index"] = [index for photo in photos for index in photo.latent["batch_index"]]  # a row's noise goes by it alone
    return Told(positive, negative, latent)


def part_samples(samples: dict[str, Any], counts: Sequence[int]) -> list[dict[str, Any]]:
    """What a sampler made of a batch, cut into parts of so many rows. Raises ValueError when it has more rows, or fewer."""
    total = sum(counts)
    if (given := samples["samples"].shape[0]) != total:
        raise ValueError(f"samples hold {given} rows, but their plan has {total}: sample the latent that came with the plan, all of it")
    if len(counts) == 1:
        return [samples]
    parts, start = [], 0
    for count in counts:
        parts.append({name: _cut(name, value, total, slice(start, start + count)) for name, value in samples.items()})
        start += count
    return parts


def _cut(name: str, value: Any, total: int, rows: slice) -> Any:
    has_rows = name in LATENT_ROWS or name == "batch_index"
    return value[rows] if has_rows and len(value) == total else value


def _latents_join(one: dict[str, Any], other: dict[str, Any]) -> bool:
    rows = [latent["samples"].shape[0] for latent in (one, other)]
    if any(len(latent.get("batch_index") or ()) != count for latent, count in zip((one, other), rows, strict=True)):
        return False  # its noise would be that of other places of the batch
    first, second = ({name: value for name, value in latent.items() if name != "batch_index"} for latent in (one, other))
    # the core takes a latent of zeros for an empty one, and leaves it as it is where it scales others
    return _parts_join(first, second, rows, LATENT_ROWS) and bool(one["samples"].any()) == bool(other["samples"].any())


def _parts_join(one: Mapping[str, Any], other: Mapping[str, Any], counts: Sequence[int], by_row: frozenset[str]) -> bool:
    return one.keys() == other.keys() and all(
        _rows_join((one[name], other[name]), counts) if name in by_row and one[name] is not None else _equal(one[name], other[name])
        for name in one
    )


def _rows_join(values: tuple[Any, Any], counts: Sequence[int]) -> bool:
    """Whether both are tensors of one row or of all rows, otherwise of one shape and kind."""
    if not all(isinstance(value, Tensor) and value.ndim and len(value) in (1, count) for value, count in zip(values, counts, strict=True)):
        return False
    one, other = values
    return one.shape[1:] == other.shape[1:] and one.dtype == other.dtype and one.device == other.device


def _equal(one: Any, other: Any) -> bool:
    """Whether both are the same plain value; no tensor of several rows, which might be of the batch."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape[:1] in ((), (1,)) and one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, PLAIN) and one == other


def _joined(parts: Sequence[dict[str, Any]], counts: Sequence[int], by_row: frozenset[str], *, shared: bool) -> dict[str, Any]:
    first = parts[0]
    return {
        name: _joined_rows([part[name] for part in parts], counts, shared) if name in by_row and value is not None else value
        for name, value in first.items()
    }


def _joined_rows(values: Sequence[Tensor], counts: Sequence[int], shared: bool) -> Tensor:
    """All rows, one photo's behind the other's; where `shared`, one row that is the same for all stays one."""
    first = values[0]
    if shared and all(len(value) == 1 and (value is first or torch.equal(value, first)) for value in values):
        return first
    return torch.cat([value.expand(count, *value.shape[1:]) for value, count in zip(values, counts, strict=True)])


def _named(entry: Sequence[Any]) -> dict[str, Any]:
    """An entry of a CONDITIONING as one mapping."""
    return {TEXT: entry[0], **entry[1]}


def _entry(named: dict[str, Any]) -> list:
    return [named.pop(TEXT), named]
