"""The seam step: how much more the picture changes across the hole's edge than it does anyway beside it.

Ours; no paper defines it. Let s be the signed distance to the hole's edge in pixels, positive inside. The edge at level k is the
line s = k, parallel to the hole's own, which is k = 0. Across it, at each place p along it, two strips meet, of which only what lies
in a square window around p counts:

    I_k(p) = { q near p : k < s(q) ≤ k + w },    O_k(p) = { q near p : k − w < s(q) ≤ k }

A step is a difference between the two, m(k) its mean over all p, and the score what the hole's edge has more than those beside it:

    seam = max(0, m(0) − √((m_in² + m_out²) / 2)),    m_in, m_out the means of m(k) over w ≤ k ≤ 2w and −2w ≤ k ≤ −w

Of independent texture on both sides, the step across the edge is the quadratic mean of the steps within each side, which is what is
taken off: so neither a textured place is charged, nor a smooth fill beside it. Texture hides a step, here as for a viewer. The
strips at the other levels never cross the hole's edge. They count where they are half as full as those at the hole's edge; a side
that the hole or the frame leaves no room on is left out.

    colour     step = ‖mean of CIELAB over I − mean over O‖, in ΔE;                    w = 3, window 7×7
    gradient   step = ½·|log₂((E(I) + ε) / (E(O) + ε))|, in octaves of sharpness;      w = 8, window 17×17

where E is the mean of ‖difference in CIELAB‖² over neighbouring pixels that are both in the strip, so that a mere step of colour is
none in sharpness, and ε is (0.5 ΔE)², under which nothing is seen. All is float64 on the CPU.

The hole must be the one that was filled: an eraser that fills less or more has its seam elsewhere, where these scores do not look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box
from ..scene.masks import distance_inside
from .inside import comparable
from .lab import lab

__all__ = ["seam_colour", "seam_gradient"]

COLOUR_STRIP = 3  # pixels of w for colour: what an eye sees as being at the edge
GRADIENT_STRIP = 8  # for sharpness, which needs more pixels to be told
FLOOR = 0.25  # ε, in ΔE²
LIKE = 0.5  # a parallel edge counts where its strips have that share of the pixels that the hole's edge has: fewer are noisier


class _Windows:
    """Squares of 2·radius + 1 pixels a side around the true pixels of a mask [H, W], cut by its frame."""

    def __init__(self, places: Tensor, radius: int):
        rows, columns = places.nonzero().unbind(1)
        height, width = places.shape
        self.top, self.bottom = (rows - radius).clamp(min=0), (rows + radius + 1).clamp(max=height)
        self.left, self.right = (columns - radius).clamp(min=0), (columns + radius + 1).clamp(max=width)

    def sums(self, planes: Tensor) -> Tensor:
        """Of planes [C, H, W] over each of the N windows, [C, N], from an integral image."""
        total = F.pad(planes.cumsum(1).cumsum(2), (1, 0, 1, 0))
        below = total[:, self.bottom, self.right] - total[:, self.bottom, self.left]
        return below - (total[:, self.top, self.right] - total[:, self.top, self.left])


class _Step(NamedTuple):
    """A kind of step."""

    width: int  # of a strip, in pixels
    planes: Callable[[Tensor], Tensor]  # CIELAB [3, H, W] to what is summed
    steps: Callable[[Tensor, Tensor, Tensor, _Windows], Tensor]  # of such planes, the inner and outer strip [H, W]


def seam_colour(result: Tensor, hole: Tensor) -> float:
    """The step of colour across the hole's edge in ΔE, beyond that of the surroundings: 0 or more, 0 for no seam.

    In a flat picture a hole that is off by one colour scores just that distance. `nan` where it cannot be told: the hole is the whole
    picture, or there is no room for a parallel edge on either side.

    Args:
        result: [H, W, 3] floating point in 0..1.
        hole: [H, W] bool, with at least one pixel.
    Raises ValueError when sizes, types or ranges are others.
    """
    return _excess(result, hole, _Step(COLOUR_STRIP, _with_ones, _colour_steps))


def seam_gradient(result: Tensor, hole: Tensor) -> float:
    """The step of sharpness across the hole's edge in octaves, beyond that of the surroundings: 0 or more, 0 for no seam.

    About 1 where gradients on one side are half as large as on the other. Arguments, errors and `nan` as for `seam_colour`.
    """
    return _excess(result, hole, _Step(GRADIENT_STRIP, _differences, _gradient_steps))


def _excess(result: Tensor, hole: Tensor, step: _Step) -> float:
    """max(0, m(0) − quadratic mean of m_in and m_out)."""
    picture, _, inside = comparable(result, result, hole)
    assert inside is not None
    width = step.width
    box = Box.around(inside).grown(3 * width + width).clip(*inside.shape)  # what the outermost window still sees
    level = box.view(_levels(inside))
    planes = step.planes(lab(picture[:, box.top : box.bottom, box.left : box.right]))

    def found(levels: range) -> Tensor:
        """Steps, and of how many pixels or pairs the smaller strip is, [2, N]."""
        each = []
        for k in levels:
            inner, outer = (level > k) & (level <= k + width), (level > k - width) & (level <= k)
            each.append(step.steps(planes, inner, outer, _Windows((level > k) & (level <= k + 1), width)))
        return torch.cat(each, 1)

    across, size = found(range(1)).mean(1).tolist()
    beside = [found(levels) for levels in (range(width, 2 * width + 1), range(-2 * width, -width + 1))]
    means = [steps[full].mean().item() for steps, full in ((each[0], each[1] >= LIKE * size) for each in beside) if full.any()]
    if math.isnan(across) or not means:
        return math.nan
    return max(0.0, across - math.sqrt(sum(m * m for m in means) / len(means)))


def _levels(hole: Tensor) -> Tensor:
    """The signed distance [H, W]: inside to the nearest pixel outside, 1 and more; outside 0 and less. The frame is no edge."""
    inside, outside = distance_inside(hole.float()).double(), distance_inside((~hole).float()).double()
    return torch.where(hole, inside, 1 - outside)


def _with_ones(picture: Tensor) -> Tensor:
    """The picture, and a plane that counts pixels, [4, H, W]."""
    return torch.cat([picture, torch.ones_like(picture[:1])])


def _differences(picture: Tensor) -> Tensor:
    """Squared differences to the right and to the lower neighbour, 0 where there is none, [2, H, W]."""
    across = (picture[:, :, 1:] - picture[:, :, :-1]).square().sum(0)
    along = (picture[:, 1:] - picture[:, :-1]).square().sum(0)
    return torch.stack([F.pad(across, (0, 1)), F.pad(along, (0, 0, 0, 1))])


def _colour_steps(planes: Tensor, inner: Tensor, outer: Tensor, windows: _Windows) -> Tensor:
    """The distances of the two strips' mean colours, and the pixels of the smaller, for each window that both are in."""
    (one, counted), (other, too) = (windows.sums(planes * strip).split([3, 1]) for strip in (inner, outer))
    steps = (one / counted.clamp(min=0.5) - other / too.clamp(min=0.5)).norm(dim=0)
    fewer = torch.minimum(counted, too)[0]
    return torch.stack([steps, fewer])[:, fewer > 0.5]


def _gradient_steps(planes: Tensor, inner: Tensor, outer: Tensor, windows: _Windows) -> Tensor:
    """Half the logarithms of the ratios of the strips' gradient energies, and the smaller's pairs, where both have any."""
    (one, counted), (other, too) = (windows.sums(_energy(planes, strip)) for strip in (inner, outer))
    steps = (one / counted.clamp(min=0.5) + FLOOR).log2() - (other / too.clamp(min=0.5) + FLOOR).log2()
    fewer = torch.minimum(counted, too)
    return torch.stack([steps.abs() / 2, fewer])[:, fewer > 0.5]


def _energy(differences: Tensor, strip: Tensor) -> Tensor:
    """Sums of squared differences to the four neighbours, where both are in the strip, and how many there are: [2, H, W]."""
    right, down = strip[:, 1:] & strip[:, :-1], strip[1:] & strip[:-1]
    pairs = torch.stack([differences[0, :, :-1] * right, right.double()])
    others = torch.stack([differences[1, :-1] * down, down.double()])
    return F.pad(pairs, (0, 1)) + F.pad(pairs, (1, 0)) + F.pad(others, (0, 0, 0, 1)) + F.pad(others, (0, 0, 1, 0))
