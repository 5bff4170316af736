"""Which masks belong to which photo, where several photos come at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["pair_lines", "pair_photos"]


def pair_photos(photos: Sequence[Tensor], masks: Sequence[Tensor], people: str = "") -> list[tuple[Tensor, Tensor]]:
    """Each photo [1, H, W, C] with its masks [N, H, W] on its device, in the photos' order.

    The rule, in this order:
        `people` says how many masks each photo has ("2,3,1"): the masks are dealt out in their order.
        As many lists of masks as photos: the k-th list is the k-th photo's.
        As many masks as photos: the k-th mask is the k-th photo's.
    Args:
        photos: batches [B, H, W, C], of any sizes; taken one after another.
        masks: batches [M, H, W] or single masks [H, W].
    Raises ValueError where no rule fits, or a photo's masks are of another size.
    """
    singles = [batch[i : i + 1] for batch in photos for i in range(len(batch))]
    lists = [batch.reshape(-1, *batch.shape[-2:]) for batch in masks]
    each = [mask[None] for batch in lists for mask in batch]
    if people.strip():
        dealt = _dealt(each, _counts(people, len(singles)))
    elif len(lists) == len(singles):
        dealt = [list(batch.split(1)) for batch in lists]
    elif len(each) == len(singles):
        dealt = [[mask] for mask in each]
    else:
        raise ValueError(
            f"there are {len(singles)} photos, but {len(lists)} lists of masks with {len(each)} masks in all: there must be a list or "
            "a mask for each photo, or people_each must say how many masks each photo has, such as 2,3,1"
        )
    return [(photo, _of_photo(number, photo, some)) for number, (photo, some) in enumerate(zip(singles, dealt, strict=True), start=1)]


def pair_lines(text: str, photos: int, name: str) -> list[str]:
    """A line for each photo; a single line is for all. Raises ValueError for another number of lines; `name` is the input's."""
    lines = [line.strip() for line in text.strip().splitlines()] or [""]
    if len(lines) == 1:
        return lines * photos
    if len(lines) != photos:
        raise ValueError(f"{name} has {len(lines)} lines, but there are {photos} photos: it must have one line, or one for each photo")
    return lines


def _counts(people: str, photos: int) -> list[int]:
    words = re.split(r"[,\s]+", people.strip(" ,"))
    if not all(word.isdigit() for word in words):
        raise ValueError(f"people_each is {people!r}, but it must be a number for each photo, such as 2,3,1")
    counts = [int(word) for word in words]
    if len(counts) != photos:
        raise ValueError(f"people_each has {len(counts)} numbers, but there are {photos} photos")
    return counts


def _dealt(masks: list[Tensor], counts: list[int]) -> list[list[Tensor]]:
    if sum(counts) != len(masks):
        raise ValueError(f"people_each says {sum(counts)} masks, but there are {len(masks)}")
    given = iter(masks)
    return [[next(given) for _ in range(count)] for count in counts]


def _of_photo(number: int, photo: Tensor, masks: list[Tensor]) -> Tensor:
    if not masks:
        raise ValueError(f"photo {number} has no masks, but each photo must have at least one: leave it out")
    height, width = photo.shape[1:3]
    for mask in masks:
        if mask.shape[-2:] != (height, width):
            rows, columns = mask.shape[-2:]
            raise ValueError(f"photo {number} is {width}×{height} but one of its masks is {columns}×{rows}: they must be the same size")
    return torch.cat([mask.to(photo.device) for mask in masks])
