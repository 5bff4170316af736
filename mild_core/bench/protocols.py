"""Protocols: at which size a case is erased, what counts as the hole, and which measures stand in the table.

Numbers of two protocols do not belong in one table: the same LaMa has 16.4 dB on RORD-Val in one paper and 20.5 in another.
A measure is a metric in a region, "psnr.hole". What an eraser tells of its own run, such as its attention gap, is no protocol's matter.
What an eraser does to the mask by itself, such as growing it, is the eraser's business and part of no protocol.

    scenes        own size        hole: those who go, grown by 6 pixels, and their shadows, less those who stay
    magiceraser   512 × 512       long side to 512, the rest black; the given mask
    smarteraser   512 × 512       both sides to 512, whatever the shape; the given mask
    omnieraser    own size        the given mask

Resizing is bilinear with antialiasing, of 8 bit pictures, as SmartEraser's published code does it; of masks likewise, and a pixel is in
when more than half of it is. In a label map it is whose share is largest. MagicEraser's interpolation is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..metrics.compared import Compared
from ..scene.masks import grow
from .cases import MASKED, Case, Task, read_effects, read_people, read_photo, read_truth

__all__ = ["PROTOCOLS", "Protocol", "check_one_protocol"]

SIDE = 512


class Fit(NamedTuple):
    """How a picture is brought to size, heights and widths in pixels: resized, then black added at the right and the bottom."""

    resized: tuple[int, int]
    padded: tuple[int, int]


def native(size: tuple[int, int]) -> Fit:
    return Fit(size, size)


def stretched(size: tuple[int, int]) -> Fit:
    """Both sides to 512."""
    return Fit((SIDE, SIDE), (SIDE, SIDE))


def padded(size: tuple[int, int]) -> Fit:
    """The long side to 512, the short one in proportion, then black to 512 × 512."""
    scale = SIDE / max(size)
    return Fit((max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)), (SIDE, SIDE))


@dataclass(frozen=True)
class Protocol:
    """How cases are put to an eraser, and how what it makes of them is judged.

    Attributes:
        title, source: for a table's caption: who defined it, and what of it is not known.
        measures: keys of measures, in the order of its table.
        fit: of a photo's height and width, how it is brought to size.
        growth: pixels by which those who go are grown to be the hole that is judged.
        with_effects: whether known shadows are given to the eraser and belong to the hole.
        spares_staying: whether the visible part of those who stay is taken off the hole.
    """

    name: str
    title: str
    source: str
    measures: tuple[str, ...]
    fit: Callable[[tuple[int, int]], Fit] = native
    growth: float = 0
    with_effects: bool = False
    spares_staying: bool = False

    def task(self, case: Case) -> Task:
        """What the eraser is given. Raises ValueError when files do not fit together, or nothing of who goes is left at that size."""
        photo = read_photo(case)
        size = photo.shape[0], photo.shape[1]
        people, erase = read_people(case, size)
        effects = read_effects(case, size) if self.with_effects else None
        fit = self.fit(size)
        task = Task(
            case.id,
            _tensor(_fitted(photo, fit)),
            _fitted_labels(people, fit),
            erase,
            None if effects is None else torch.from_numpy(_fitted_labels(effects.astype(np.uint8), fit) > 0),
        )
        if not task.hole.any():
            raise ValueError(f"case {case.id}: nothing is left of who goes at {_size(fit.padded)}, from a photo of {_size(size)}")
        return task

    def truth(self, case: Case) -> Tensor | None:
        """The truth at the task's size, [H, W, 3] float32 in 0..1; None where there is none.

        Raises ValueError when it would be of another size than the photo there: for `native` any other size, for `padded` another
        shape; `stretched` makes all sizes one.
        """
        truth = read_truth(case)
        if truth is None:
            return None
        with Image.open(case.photo) as photo:
            size = photo.height, photo.width
        fit, own = self.fit(size), (truth.shape[0], truth.shape[1])
        if self.fit(own) != fit:
            raise ValueError(f"case {case.id}: truth is {_size(own)} but photo is {_size(size)}: they must be the same size")
        return _tensor(_fitted(truth, fit))

    def compared(self, case: Case, task: Task, result: Tensor) -> Compared:
        """What scores are taken of.

        Args:
            task: that of `self.task(case)`.
            result: [H, W, 3] floating point in 0..1, at the task's size.
        Raises ValueError when the result is of another size.
        """
        if result.shape != task.photo.shape:
            found = "×".join(map(str, result.shape))
            wanted = "×".join(map(str, task.photo.shape))
            raise ValueError(f"case {case.id}: the eraser's picture is {found}, but it must be {wanted} as the photo it was given")
        going = torch.from_numpy(task.hole)
        effects = task.effects if self.with_effects else None
        hole = grow((going if effects is None else going | effects).float(), self.growth)
        if self.spares_staying:
            hole = hole & ~torch.from_numpy((task.people > 0) & ~task.hole)
        return Compared(task.photo, result.float().cpu(), hole, self.truth(case), going)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "scenes",
            "MILD scenes: own size, inside the hole",
            "ours. Judged is the visible part of those who go with their known shadows, grown by 6 pixels, less those who stay: no eraser"
            " gains by what it leaves alone.",
            (
                "psnr.hole",
                "ssim.hole",
                "haarpsi.hole",
                "lpips_alex.hole",
                "psnr.full",
                "psnr.background",
                "fid.full",
                "local_fid.box",
                "cmmd.full",
                "remove.full",
                "cfd.full",
                "rc_s.full",
                "seam_colour.hole",
                "seam_gradient.hole",
                "leak_colour.hole",
                "leak_texture.hole",
            ),
            growth=6,
            with_effects=True,
            spares_staying=True,
        ),
        Protocol(
            "magiceraser",
            "MagicEraser: 512 × 512, padded, whole picture",
            "MagicEraser (ECCV 2024, arXiv 2410.10207), section 5.1: long side to 512, short side padded with 0, results against reference"
            " images. The padding is part of what is compared, as nothing there says that it is cut off. Not known: interpolation (here"
            " bilinear), where the padding lies (here right and below), which LPIPS (here AlexNet).",
            ("psnr.full", "ssim.full", "lpips_alex.full", "fid.full"),
            fit=padded,
        ),
        Protocol(
            "smarteraser",
            "SmartEraser: 512 × 512, box of the hole",
            "SmartEraser (CVPR 2025, arXiv 2501.08279). Sizes are from its published code, where metrics are taken from third parties'"
            " accounts: LPIPS (AlexNet) and SSIM in the mask's bounding box, the rest on the whole picture. Not known: whether the box is"
            " that of the mask as given (here) or as the method grows it.",
            ("fid.full", "cmmd.full", "remove.full", "lpips_alex.box", "ssim.box", "psnr.full"),
            fit=stretched,
        ),
        Protocol(
            "omnieraser",
            "OmniEraser: own size, whole picture",
            "OmniEraser (arXiv 2501.07397). Metrics are from a third party's re-implementation: whole picture, LPIPS with SqueezeNet,"
            " results at the truth's size. Its aesthetic score AS is not taken. Not known: how its own 1024 × 1024 results were brought to"
            " that size.",
            ("fid.full", "cmmd.full", "lpips_squeeze.full", "psnr.full"),
        ),
    )
}


def check_one_protocol(names: Iterable[str]) -> str:
    """The protocol that all of the named results follow. Raises ValueError for none, for an unknown one, and for several."""
    found = list(dict.fromkeys(names))
    if not found:
        raise ValueError("there are no results, but one table needs at least one")
    for name in found:
        if name not in PROTOCOLS:
            raise ValueError(f"protocol is {name!r}, but it must be one of {', '.join(PROTOCOLS)}")
    if len(found) > 1:
        raise ValueError(f"results follow the protocols {' and '.join(found)}, but one table must have one: make a table of each")
    return found[0]


def _fitted(picture: np.ndarray, fit: Fit) -> np.ndarray:
    """A picture [H, W, 3] or mask [H, W] of uint8, resized and padded with 0."""
    if picture.shape[:2] != fit.resized:
        size = fit.resized[1], fit.resized[0]
        picture = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    below, right = fit.padded[0] - picture.shape[0], fit.padded[1] - picture.shape[1]
    return np.pad(picture, [(0, below), (0, right)] + [(0, 0)] * (picture.ndim - 2))


def _fitted_labels(labels: np.ndarray, fit: Fit) -> np.ndarray:
    """A label map [H, W] uint8: who has the most of a pixel, and nobody where nobody has more than half of it all together."""
    if labels.shape == fit.resized:
        return _fitted(labels, fit)
    values = [int(v) for v in np.unique(labels) if v]
    most, out = np.zeros(fit.padded, np.uint8), np.zeros(fit.padded, np.uint8)
    for value in values:
        share = _fitted(np.where(labels == value, 255, 0).astype(np.uint8), fit)
        out[share > most] = value
        most = np.maximum(most, share)
    out[_fitted(np.where(labels > 0, 255, 0).astype(np.uint8), fit) <= MASKED + 1] = 0
    return out


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).float() / 255


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"
