"""Panoptic labels: for each pixel of a photo, the segment that it belongs to, and what each segment shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .coco_panoptic import PERSON, word_for

__all__ = ["Panoptic", "Segment", "panoptic_in_words"]


@dataclass(frozen=True)
class Segment:
    """What is known of a segment.

    Attributes:
        id: its value in the label map, from 1 on.
        name: its class, as the label set calls it, such as "sky-other-merged".
        category: the class's number in its label set.
        thing: whether it is one of a class that can be counted (a person, a car), or stuff (sky, grass).
        score: how sure the network was, 0..1; 1 where somebody drew it.
        crowd: whether it is several of its class that nobody told apart.
    """

    id: int
    name: str
    category: int
    thing: bool
    score: float = 1.0
    crowd: bool = False

    @property
    def word(self) -> str:
        """What a prompt calls it, such as "sky"."""
        return word_for(self.name)


@dataclass(frozen=True, eq=False)
class Panoptic:
    """The panoptic labels of one photo.

    Attributes:
        labels: [H, W] long, the id of each pixel's segment; 0 where nobody knows.
        segments: of all ids that occur; an id has one.
    """

    labels: Tensor
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, labels: Tensor, segments: Iterable[Segment]) -> Panoptic:
        """Of a label map of whole numbers [H, W]: ids without a segment are unknown, and segments without a pixel are left out.

        Raises ValueError for a map of another shape, for two segments of one id, and for an id below 1.
        """
        if labels.ndim != 2:
            raise ValueError(f"labels are {'×'.join(map(str, labels.shape))}, but they must be one map, height×width")
        listed = list(segments)
        ids = [segment.id for segment in listed]
        if len(set(ids)) < len(ids) or min(ids, default=1) < 1:
            raise ValueError(f"segments have the ids {', '.join(map(str, ids))}, but they must be different numbers from 1 on")
        labels = labels.long()
        there = set(labels.unique().tolist())
        known = torch.isin(labels, torch.tensor(ids, dtype=torch.long, device=labels.device))
        return cls(torch.where(known, labels, 0), tuple(segment for segment in listed if segment.id in there))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def mask(self, segments: Iterable[Segment]) -> Tensor:
        """[H, W] bool: the pixels of any of these."""
        ids = torch.tensor([segment.id for segment in segments], dtype=torch.long, device=self.labels.device)
        return torch.isin(self.labels, ids)

    @property
    def background(self) -> Tensor:
        """[H, W] bool: the pixels that show stuff, such as sky or grass."""
        return self.mask(segment for segment in self.segments if not segment.thing)

    def of_words(self, words: Iterable[str]) -> Tensor:
        """[H, W] bool: the pixels of all segments that a prompt calls one of these, crowds included."""
        wanted = set(words)
        return self.mask(segment for segment in self.segments if segment.word in wanted)

    def people(self) -> Tensor:
        """One mask for each person: [N, H, W] bool, the largest first. A crowd is no person."""
        segments = [segment for segment in self.segments if segment.word in PERSON and not segment.crowd]
        masks = [self.labels == segment.id for segment in segments]
        masks.sort(key=lambda mask: -int(mask.sum()))
        return torch.stack(masks) if masks else torch.zeros(0, *self.size, dtype=torch.bool, device=self.labels.device)

    def areas(self) -> dict[int, int]:
        """How many pixels each segment has, by id."""
        ids, counts = self.labels.unique(return_counts=True)
        return {int(id): int(count) for id, count in zip(ids, counts, strict=True) if id}

    def check_size(self, size: tuple[int, int], what: str) -> None:
        """Raises ValueError unless it is of a picture of that height and width; `what` names the picture."""
        if self.size != size:
            given, wanted = ("×".join(map(str, one)) for one in (self.size, size))
            raise ValueError(f"panoptic is of a picture of {given}, but {what} is {wanted}: it must be of the same photo")


def panoptic_in_words(panoptic: Panoptic) -> str:
    """What is to be seen, the largest first: "sky 62 %, 2 × person 20 %, umbrella 3 %". Shares of the whole picture."""
    areas, total = panoptic.areas(), panoptic.labels.numel()
    pixels: dict[str, int] = {}
    counts: dict[str, int] = {}
    for segment in panoptic.segments:
        pixels[segment.word] = pixels.get(segment.word, 0) + areas[segment.id]
        counts[segment.word] = counts.get(segment.word, 0) + (1 if segment.thing else 0)
    ordered = sorted(pixels, key=lambda word: -pixels[word])
    return ", ".join(f"{_counted(counts[word])}{word} {round(100 * pixels[word] / total)} %" for word in ordered)


def _counted(count: int) -> str:
    return f"{count} × " if count > 1 else ""
