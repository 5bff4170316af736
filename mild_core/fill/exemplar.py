"""Exemplar fill: the hole is covered with patches of the same photograph.

A smooth fill, or a picture that is given, lays the hole out on a small scale. A layout is soft, and in sharp company the patches
most like it are the dull ones: so at first photo and layout are compared under one Gaussian, which leaves of both what the layout
knows, and on the coarse levels patches are compared by how rough they are too (Newson et al., "Video Inpainting of Complex Scenes",
SIAM Journal on Imaging Sciences 2014). From there to full size two steps alternate (Wexler, Shechtman, Irani, "Space-Time
Completion of Video", PAMI 2007):
  search  for every patch that touches the hole, the most similar patch of the allowed source, by PatchMatch
          (Barnes et al., SIGGRAPH 2009), all patches at once: a patch tries the offsets its neighbours at distance
          1 to 8 have found (jump flooding) and random offsets in a shrinking window;
  vote    every pixel of the hole becomes the weighted mean of what the patches over it propose.
Everything is tensor work over all patches, so the same code runs on a CPU and on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.blur import blur
from ..scene.masks import distance_inside, grow
from .smooth import smooth_fill

__all__ = ["exemplar_fill"]

RADIUS = 3  # patches are 7x7
STEPS = ((4, 1), (8, 2, 1))  # how far propagation looks, turn by turn
COARSEST = 20  # no level's shortest side, in pixels, is below it
DEPTH = 16  # of the hole at the coarsest level, in pixels: what the layout decides, and copied patches do not
SOFT = 2.0  # pixels of the coarsest level, sigma of the Gaussian under which the layout is compared
SOFT_TURNS = 4  # of the search for what is like the layout
CACHE_ROWS = 1024  # patches compared at once on a CPU: what its cache holds
CONFIDENCE_DECAY = 2.5  # by the pixel, see `exemplar_fill`; Wexler, section 3.2, has 1.3
LAYOUT_DECAY = 1.3  # the same on the coarsest level
ROUGH_LEVELS = 2  # the coarsest, on which roughness counts
ROUGHNESS = 50.0  # what its squared difference counts, when a colour's counts 1


def exemplar_fill(
    image: Tensor,
    hole: Tensor,
    source: Tensor | None = None,
    *,
    layout: Tensor | None = None,
    decay: float = CONFIDENCE_DECAY,
    seed: int = 0,
    on_level: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Fill `hole` [H, W] of `image` [H, W, 3] (0..1) with content copied from `source` [H, W] (default: not the hole).

    `layout` [H, W, 3] (0..1) says in large what the hole shall show, such as a soft picture that a model made; without it,
    what is around is carried smoothly into the hole. A pixel d deep in the hole counts `decay`^-d in comparisons and votes (on the
    coarsest level `LAYOUT_DECAY`^-d, for what is deep there is told by the layout): the more it is above 1, the more of what is cut at
    the rim goes on into the hole.

    Pixels outside the hole come back unchanged. Nothing outside `source` is ever copied, and what is neither hole nor source is not
    compared with: it says nothing of what the hole shows. Where `source` holds no whole patch, the hole shows the layout, or is
    filled smoothly from the source pixels there are (all known pixels when none).
    The same seed gives the same picture. `on_level(done, total)` is called after each pyramid level.
    Returns [H, W, 3] float32. Raises ValueError when the sizes differ.
    """
    hole = hole > 0.5
    source = ~hole if source is None else (source > 0.5) & ~hole
    for name, picture in (("hole", hole), ("source", source), ("layout", layout)):
        if picture is not None and picture.shape[:2] != image.shape[:2]:
            raise ValueError(f"{name} is {tuple(picture.shape)} but the image is {tuple(image.shape[:2])}: they must be the same size")
    image = image.float()
    if not hole.any():
        return image
    layout = smooth_fill(image, source if source.any() else ~hole) if layout is None else layout.to(image)
    if not _whole_patches(source).any():
        return torch.where(hole[..., None], layout, image)

    laid_out = torch.where(source[..., None], image, layout)  # what is somebody else's, too: under a Gaussian it would reach what is known
    levels = _pyramid(laid_out, hole, source)
    rough = math.sqrt(ROUGHNESS) * _roughness(image, source, radius=2 ** (len(levels) - 1))
    for level in levels[-ROUGH_LEVELS:]:
        level.image = torch.cat([level.image, _shrunk(rough, level.hole.shape)], -1)
    generator = torch.Generator(image.device).manual_seed(seed)
    field = None
    for done, level in enumerate(reversed(levels), start=1):
        finest = done == len(levels)
        search = _Search(level, field, LAYOUT_DECAY if field is None else decay, generator)
        for turn in range(2 if finest else min(1 + 2 * (len(levels) - done), 10)):
            search.improve(STEPS[turn % len(STEPS)], widest=32)
            search.vote()
        if finest:
            search.vote(sharpness=4.0)
        field = search.field()
        if on_level is not None:
            on_level(done, len(levels))
    return torch.where(hole[..., None], search.image[..., :3], image)


@dataclass
class _Level:
    image: Tensor  # [H, W, 3], laid out where it is not source; [H, W, 5] with how rough it is
    hole: Tensor  # [H, W] bool
    known: Tensor  # [H, W] bool: where some of the pixel is source; what is neither hole nor known is somebody else's
    centres: Tensor  # [H, W] bool: where a patch lies in the source whole


def _whole_patches(source: Tensor) -> Tensor:
    """Where a patch centred on the pixel lies in `source` [H, W] whole, and in the picture."""
    return ~_touching(F.pad(~source, [RADIUS] * 4, value=True))[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _touching(mask: Tensor) -> Tensor:
    """Where a patch centred on the pixel holds any of `mask` [H, W]. Bool."""
    return F.max_pool2d(mask.float()[None, None], 2 * RADIUS + 1, stride=1, padding=RADIUS)[0, 0] > 0


def _roughness(image: Tensor, source: Tensor, radius: int) -> Tensor:
    """How much brightness changes across and down from pixel to pixel, mean over the source within `radius`: [H, W, 2].

    Off the source it is carried on smoothly: a hole is as rough as what is around it.
    """
    grey, known = image.mean(-1), source.float()
    across = F.pad(grey.diff(dim=1).abs(), (0, 1)), F.pad(known[:, 1:] * known[:, :-1], (0, 1))
    down = F.pad(grey.diff(dim=0).abs(), (0, 0, 0, 1)), F.pad(known[1:] * known[:-1], (0, 0, 0, 1))
    means, weights = zip(*(_mean_around(*change, radius) for change in (across, down)), strict=True)
    return smooth_fill(torch.stack(means, -1), source & (torch.minimum(*weights) > 0))


def _mean_around(plane: Tensor, weight: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """The weighted mean of a plane [H, W] in the square around each pixel, and the mean weight there."""
    total, weights = F.avg_pool2d(torch.stack([plane * weight, weight])[None], 2 * radius + 1, stride=1, padding=radius)[0]
    return total / weights.clamp(min=1e-6), weights


def _pyramid(image: Tensor, hole: Tensor, source: Tensor) -> list[_Level]:
    """Levels from fine to coarse, halving until the hole is `DEPTH` pixels deep or the picture small."""
    levels = []
    outside, known = (~hole).float()[..., None], source.float()[..., None]
    while True:
        hole = outside[..., 0] <= 0
        levels.append(_Level(image, hole, known[..., 0] > 0, _whole_patches(source)))
        depth = float(distance_inside(hole).max())
        if min(hole.shape) // 2 < COARSEST or depth <= DEPTH:
            return levels
        size = (hole.shape[0] // 2, hole.shape[1] // 2)
        smaller_source = _shrunk(source.float()[..., None], size)[..., 0] > 0.999
        if not _whole_patches(smaller_source).any():
            return levels
        source = smaller_source
        # a coarse pixel is the mean of its known pixels only, and the layout's when it has none
        outside = _shrunk(outside, size)
        colour, everything, known = _shrunk(image * known, size), _shrunk(image, size), _shrunk(known, size)
        image = torch.where(known > 0, colour / known.clamp(min=1e-6), everything)


def _shrunk(image: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(image.permute(2, 0, 1)[None], tuple(size), mode="area")[0].permute(1, 2, 0)


class _Search:
    """The nearest-neighbour field of one level: of every patch on or beside the hole the source patch most like it, and how unlike."""

    def __init__(self, level: _Level, coarser: Tensor | None, decay: float, generator: torch.Generator):
        self.image, self.hole, self.generator = level.image.clone(), level.hole, generator
        height, width = level.hole.shape
        device = level.image.device
        self.size = (height, width)
        self.chunk = CACHE_ROWS if device.type == "cpu" else 1 << 20
        # beside the hole, too: what is known whole is matched best, and its offsets go on into the hole
        beside = grow(level.hole, RADIUS * math.sqrt(2)) & _touching(level.hole | level.known)
        self.targets = beside.nonzero()  # [T, 2]
        self.row_of = torch.full((height, width), -1, dtype=torch.long, device=device)
        self.every = torch.arange(len(self.targets), device=device)
        self.row_of[self.targets[:, 0], self.targets[:, 1]] = self.every
        self.sources = level.centres.nonzero()  # [S, 2]
        self.is_source = level.centres.reshape(-1)
        steps = torch.arange(-RADIUS, RADIUS + 1, device=device)
        self.offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)  # [P, 2]
        # the logarithm of how far a pixel is trusted: the power itself vanishes deep in a hole
        trust = -math.log(decay) * distance_inside(~level.known).to(device)
        # the pixels the vote writes, and for each the patches over it
        self.pixels = level.hole.nonzero()
        around = self.pixels[:, None] - self.offsets  # [N, P, 2]
        inside = ((around >= 0) & (around < torch.tensor(self.size, device=device))).all(-1)
        around = around.clamp(min=0).minimum(torch.tensor([height - 1, width - 1], device=device))
        self.over = self.row_of[around[..., 0], around[..., 1]]
        self.over_trust = trust[around[..., 0], around[..., 1]].where(inside & (self.over >= 0), -torch.inf)
        self.over = self.over.clamp(min=0)

        self.source_rows = self._strips(level.image)
        compared = trust.where(level.hole | level.known, -torch.inf)  # what is somebody else's says nothing of what the hole shows
        weight = self._patches(self._strips(compared[..., None], outside=-torch.inf), self.targets).softmax(1)  # [T, P]
        channels = torch.arange(level.image.shape[2], device=device)
        self.weight = weight.repeat_interleave(len(channels), 1)  # [T, P*C]
        self.rough = len(channels) > 3
        self.of_colours = self.weight * (channels < 3).repeat(len(self.offsets)) if self.rough else self.weight

        self.match = self._start(coarser)
        if coarser is None:
            self._lay_out()
        else:
            self.unlike = torch.ones(len(self.targets), device=device)
        self.vote()

    def _start(self, coarser: Tensor | None) -> Tensor:
        """The first match of every target [T, 2]: the coarser level's, doubled, or a random source patch."""
        random = self.sources[torch.randint(len(self.sources), (len(self.targets),), generator=self.generator, device=self.hole.device)]
        if coarser is None:
            return random
        height, width = coarser.shape[:2]
        half = (self.targets // 2).minimum(torch.tensor([height - 1, width - 1], device=self.hole.device))
        guess = coarser[half[:, 0], half[:, 1]]
        doubled = 2 * guess + (self.targets - 2 * half)
        usable = (guess[:, 0] >= 0) & self._allowed(doubled)
        return torch.where(usable[:, None], doubled, random)

    def _lay_out(self) -> None:
        """Match every target with what is like the layout in large, and as rough: colours are compared as they are under a Gaussian."""
        sharp = self.image, self.source_rows
        self.image = torch.cat([blur(self.image[..., :3], SOFT), self.image[..., 3:]], -1)
        self.source_rows = self._strips(self.image)
        for turn in range(SOFT_TURNS):
            self.improve(STEPS[turn % len(STEPS)], widest=max(self.size))
        self.image, self.source_rows = sharp
        self._compare_all()
        self.unlike = self._in_colour()

    def field(self) -> Tensor:
        """The matches as a map [H, W, 2], -1 where a pixel is no target."""
        out = torch.full((*self.size, 2), -1, dtype=torch.long, device=self.hole.device)
        out[self.targets[:, 0], self.targets[:, 1]] = self.match
        return out

    def improve(self, steps: tuple[int, ...], widest: int) -> None:
        """One search: propagate from neighbours `steps` pixels away, then look around at random, at most `widest` away."""
        self._compare_all()
        for step in steps:
            for dy, dx in ((-step, 0), (step, 0), (0, -step), (0, step)):
                move = torch.tensor([dy, dx], device=self.hole.device)
                beside = self.targets + move
                inside = ((beside >= 0) & (beside < torch.tensor(self.size, device=self.hole.device))).all(1)
                row = self.row_of[beside[:, 0].clamp(0, self.size[0] - 1), beside[:, 1].clamp(0, self.size[1] - 1)]
                self._try(self.match[row.clamp(min=0)] - move, inside & (row >= 0))
        window = widest
        while window >= 1:
            shift = torch.randint(-window, window + 1, self.match.shape, generator=self.generator, device=self.hole.device)
            self._try(self.match + shift, None)
            window //= 4
        self.unlike = self._in_colour()

    def vote(self, sharpness: float = 1.0) -> None:
        """Every hole pixel becomes the weighted mean of what the patches over it propose (Wexler, eq. 4)."""
        spread = torch.quantile(self.unlike[: 1 << 20], 0.75).clamp(min=1e-6)
        unlikeness = sharpness * self.unlike / (2 * spread)
        weight = torch.softmax(self.over_trust - unlikeness[self.over], 1)  # [N, P]
        proposed = self.match[self.over] + self.offsets  # [N, P, 2]
        colours = self.image.flatten(0, 1)[proposed[..., 0] * self.size[1] + proposed[..., 1]]
        self.image[self.pixels[:, 0], self.pixels[:, 1]] = (colours * weight[..., None]).sum(1)

    def _allowed(self, centre: Tensor) -> Tensor:
        height, width = self.size
        inside = (centre[:, 0] >= 0) & (centre[:, 0] < height) & (centre[:, 1] >= 0) & (centre[:, 1] < width)
        flat = centre[:, 0].clamp(0, height - 1) * width + centre[:, 1].clamp(0, width - 1)
        return inside & self.is_source[flat]

    def _compare_all(self) -> None:
        self.target_patches = self._patches(self._strips(self.image), self.targets)
        self.distance = self._compare(self.match, self.every, self.weight)

    def _in_colour(self) -> Tensor:
        """How unlike every match is in colour alone, by which it votes: how rough it is, the hole need not know well."""
        return self._compare(self.match, self.every, self.of_colours) if self.rough else self.distance

    def _compare(self, centre: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
        """Weighted mean squared difference between the target patches `rows` and the source patches at `centre`. [T]"""
        parts = []
        for some_centre, some_rows in zip(centre.split(self.chunk), rows.split(self.chunk), strict=True):
            difference = self._patches(self.source_rows, some_centre).sub_(self.target_patches[some_rows])
            parts.append(difference.square_().mul_(weight[some_rows]).sum(1))
        return torch.cat(parts)

    def _try(self, centre: Tensor, usable: Tensor | None) -> None:
        allowed = self._allowed(centre)
        if usable is not None:
            allowed &= usable
        allowed &= (centre != self.match).any(1)
        rows = allowed.nonzero()[:, 0]
        if not len(rows):
            return
        centre = centre[rows]
        distance = self._compare(centre, rows, self.weight)
        better = distance < self.distance[rows]
        self.match[rows[better]] = centre[better]
        self.distance[rows[better]] = distance[better]

    def _strips(self, image: Tensor, outside: float | None = None) -> Tensor:
        """For each pixel of the padded picture the 7 pixels that start there in its row: [H', W, 7*C].

        A patch is then 7 contiguous reads instead of 49. Outside the frame pixels repeat, or are `outside`.
        """
        planes = image.permute(2, 0, 1)[None]
        pad = [RADIUS] * 4
        planes = F.pad(planes, pad, mode="replicate") if outside is None else F.pad(planes, pad, value=outside)
        windows = planes[0].permute(1, 2, 0).unfold(1, 2 * RADIUS + 1, 1)  # [H', W, C, 7]
        return windows.transpose(2, 3).reshape(-1, windows.shape[2] * (2 * RADIUS + 1))

    def _patches(self, strips: Tensor, centre: Tensor) -> Tensor:
        """The patches at `centre` [T, 2] out of strips: [T, 7*7*C]."""
        first = centre[:, 0] * self.size[1] + centre[:, 1]
        down = torch.arange(2 * RADIUS + 1, device=centre.device) * self.size[1]
        return strips[first[:, None] + down].reshape(len(centre), -1)
