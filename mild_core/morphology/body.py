"""Somebody's whole body and joints, from what is seen of them.

A jointed figure (`figure`) is laid over the silhouette. It must cover what is seen and nothing of what is seen to be somebody
or something else; what somebody nearer covers, and what lies beyond the frame, is free. Joints that are known pull at the
figure's, and a prior keeps it human:

    E(θ) = Σ_x w(x)·(σ(−d_θ(x)/τ) − seen(x))² / Σ_x seen(x)  +  λ·Σ_i (θ_i/s_i)²  +  κ·mean_j c_j·|J_j(θ) − K_j|²/stature²

with d the distance to the figure's outline, w = 0 where the pixel is free, θ_i/s_i the parameters in standard deviations, J
and K the figure's and the known joints, c their confidence. E is brought down by Adam from several beginnings (who is hidden
from the waist down may be half as tall or twice), first on a coarse grid, the best ones then on a finer one. What remains of
doubt stays in the answer: the figures are averaged with weights e^(−E/T).

A figure has no loose clothes. So a hidden pixel is taken for the body's where it is likely enough that a figure covers it, or
where what is seen lies all around it: likely + A·surrounded > B, both in 0..1.

`make bench-body` scores it (docs/morphology.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.box import Box
from ..scene.part import Part
from ..scene.pose import JOINTS, MIRRORED, Pose
from .figure import LIMB_PARTS, PARAMETERS, POINTS, SPREADS, Figure, distance_to, index, nearest_limb, pose_figure
from .surrounded import surrounded

__all__ = ["Body", "fit_body"]

COARSE, FINE = 20, 30  # cells in the length of what is seen
SAMPLES = 6  # pixels a side of a cell that are looked at, of a person who has more
STEPS = (30, 40)  # of Adam on each
LOOK = 3  # steps after which the nearest limb of each point is looked for again
KEPT = 3  # beginnings that go on to the fine grid
RATE = (0.06, 0.01)  # Adam's, from the first step to the last
SOFTNESS = (0.03, 0.008)  # τ, in lengths of what is seen; likewise
PRIOR = 0.002  # λ
PULL = 30.0  # κ
DOUBT = 0.01  # T
STATURES = (1.35, 1.8)  # of the height of what is seen, to begin with, where the rest may be hidden
EXTREME = (0.3, 10.0)  # lengths of what is seen: statures beyond are nobody's
STANCES = (
    {"facing": 0.0},
    {"facing": -1.5},
    {"upper arm l": 0.7, "upper arm r": 0.7, "thigh l": 0.15, "thigh r": 0.15},
    {"upper arm l": 1.5, "upper arm r": 1.5},
)
"""What to begin with: from the front, from the side, with limbs apart, with arms stretched out."""
USUAL = 2  # of them, where it is not even known how tall somebody is
LYING = 1.3  # times as wide as high, is also tried lying
LEAST_JOINTS = 3  # that tell where a figure is
DIFFERENT = 0.1  # of the stature: where figures differ by so much, little is known
TRUST_SEEN, TRUST_HIDDEN = 0.4, 0.25  # confidence of a joint of a figure that agrees: from the silhouette; where that is hidden
TRUST_BESIDE_KNOWN = 0.5  # where other joints are known
ABOVE, BELOW, BESIDE = 0.3, 1.1, 0.6  # lengths of what is seen that the figure may reach beyond it
LEAST_WEIGHT = 0.02  # of a figure that still counts
FINEST = 400  # cells in the longer side of the window: a figure has no finer detail
LIKELY = 0.5  # above which a pixel is in the figure
SURROUNDED, ENOUGH = 0.6, 0.59  # A and B


@dataclass(frozen=True, eq=False)
class Body:
    """What is known of somebody's body.

    Attributes:
        whole: bool, what is seen and what is hidden of it.
        likely: float32, 0..1: how likely the figure covers each pixel.
        parts: uint8, the part of the figure that is nearest to each pixel, as an index of `figure.PARTS`.
        pose: all joints of the figure; those that came in stay as they were.
        agreement: of the figure with what is seen: intersection over union, 0..1.
    """

    whole: Part
    likely: Part
    parts: Part
    pose: Pose
    agreement: float


@torch.inference_mode(False)  # ComfyUI runs nodes in it, and it knows no gradients
def fit_body(seen: Part, free: Part, pose: Pose | None = None) -> Body:
    """Somebody's body from what is seen of them.

    Args:
        seen: bool, not empty.
        free: bool, where they may go on unseen: people who are nearer. Beyond the photo everything is free.
        pose: the joints, where somebody found them.
    """
    view = _View.of(seen, free)
    known = _known(pose, view)
    start = _beginnings(view, known)
    lean = start[:, index("lean")]
    coarse, energy = _brought_down(start, lean, view.grid(COARSE), known, (0.0, 0.5), STEPS[0])
    kept = energy.argsort()[:KEPT]
    fine, energy = _brought_down(coarse[kept], lean[kept], view.grid(FINE), known, (0.5, 1.0), STEPS[1])
    weight = torch.softmax(-energy / DOUBT, 0)
    figures = pose_figure(fine)
    likely = view.rendered(figures, weight)
    shown, hidden = seen.cut(likely.box), free.cut(likely.box)
    whole = replace(likely, pixels=shown | (hidden & (likely.pixels + SURROUNDED * surrounded(seen, free, likely.box) > ENOUGH))).tight()
    told = (likely.pixels > LIKELY) & ~hidden
    agreement = float((told & shown).sum() / (told | shown).sum())
    best = fine[energy.argmin()]
    points = _points(figures, weight, best, view)
    return Body(whole, likely, view.parts(pose_figure(best[None])), _posed(points, agreement, pose), agreement)


class _Grid(NamedTuple):
    """Points to compare at, all [N]; lengths of what is seen are the unit."""

    x: Tensor
    y: Tensor
    seen: Tensor  # 0..1
    weight: Tensor  # 0..1


@dataclass(frozen=True, eq=False)
class _View:
    """What is seen, and the window around it. Figures have their origin in its middle and its length as their unit."""

    seen: Part
    free: Part
    window: Box  # may reach beyond the photo
    middle: tuple[float, float]
    length: float  # pixels

    @classmethod
    def of(cls, seen: Part, free: Part) -> _View:
        box = seen.box
        length = max(box.height, 1.2 * box.width)
        window = Box(
            round(box.left - BESIDE * length),
            round(box.top - ABOVE * length),
            round(box.right + BESIDE * length),
            round(box.bottom + BELOW * length),
        )
        return cls(seen, free, window, ((box.left + box.right) / 2, (box.top + box.bottom) / 2), length)

    def grid(self, cells: int) -> _Grid:
        """So many cells in the length of what is seen."""
        rows, columns = (max(round(n * cells / self.length), 1) for n in (self.window.height, self.window.width))
        photo = torch.zeros(self.window.height, self.window.width, dtype=torch.bool)
        inside = self.window.clip(*self.seen.size)
        inside.moved(-self.window.left, -self.window.top).view(photo).fill_(True)
        step = max(int(self.length / cells / SAMPLES), 1)
        seen, free, photo = (mask[::step, ::step] for mask in (self.seen.cut(self.window).cpu(), self.free.cut(self.window).cpu(), photo))
        share = F.adaptive_avg_pool2d(torch.stack([seen & ~free, (free | ~photo) & ~seen]).float(), (rows, columns)).flatten(1)
        x = (self.window.left + (torch.arange(columns) + 0.5) * self.window.width / columns - self.middle[0]) / self.length
        y = (self.window.top + (torch.arange(rows) + 0.5) * self.window.height / rows - self.middle[1]) / self.length
        y, x = (t.flatten() for t in torch.meshgrid(y, x, indexing="ij"))
        weight = 1 - share[1]
        told = weight > 0.05
        return _Grid(x[told], y[told], (share[0] / weight.clamp(min=0.05))[told], weight[told])

    def rendered(self, figures: Figure, weight: Tensor) -> Part:
        """How likely each pixel of the window that is in the photo is covered by figures of that weight [B]."""
        box, step, x, y = self._cells()
        likely = torch.zeros(x.shape)
        for i, share in enumerate(weight.tolist()):
            if share > LEAST_WEIGHT:
                one = Figure(*(t[i][None] for t in figures))
                apart = distance_to(one, x.flatten(), y.flatten(), nearest_limb(one, x.flatten(), y.flatten()))
                likely += share * torch.sigmoid(-apart / SOFTNESS[1]).view_as(likely)
        pixels = F.interpolate(likely[None, None], tuple(n * step for n in x.shape), mode="bilinear", align_corners=False)[0, 0]
        return Part(box, pixels[: box.height, : box.width].to(self.seen.pixels.device), self.seen.size)

    def parts(self, figure: Figure) -> Part:
        """The nearest part of one figure, for each pixel of the window that is in the photo."""
        box, step, x, y = self._cells()
        part = torch.tensor(LIMB_PARTS, dtype=torch.uint8)[nearest_limb(figure, x.flatten(), y.flatten())].view_as(x)
        pixels = part.repeat_interleave(step, 0).repeat_interleave(step, 1)[: box.height, : box.width]
        return Part(box, pixels.to(self.seen.pixels.device), self.seen.size)

    def _cells(self) -> tuple[Box, int, Tensor, Tensor]:
        """What of the window is in the photo, pixels a side of a cell, and the cells' x and y [rows, columns] in the figures' units."""
        box = self.window.clip(*self.seen.size)
        step = max(box.longest // FINEST, 1)
        x = (torch.arange(box.left, box.right, step) + step / 2 - self.middle[0]) / self.length
        y = (torch.arange(box.top, box.bottom, step) + step / 2 - self.middle[1]) / self.length
        y, x = torch.meshgrid(y, x, indexing="ij")
        return box, step, x, y


class _Known(NamedTuple):
    """Joints that came in, as the figure's points."""

    at: Tensor  # [14, 2], in the units of the figure
    confidence: Tensor  # [14]


def _joint_of(point: str) -> int:
    """The joint that a point of the figure is, of somebody who faces us: their right is the picture's left."""
    if point == "head":
        return JOINTS.index("nose")
    name, *side = point.split()
    return JOINTS.index(f"{'right' if side[0] == 'l' else 'left'} {name}" if side else name)


FACING = tuple(_joint_of(point) for point in POINTS)
AWAY = tuple(MIRRORED[joint] for joint in FACING)  # of somebody with their back to us
FACE = [JOINTS.index(name) for name in ("nose", "right eye", "left eye", "right ear", "left ear")]


def _known(pose: Pose | None, view: _View) -> _Known | None:
    if pose is None or not pose.known.any():
        return None
    at, confidence = torch.zeros(len(POINTS), 2), torch.zeros(len(POINTS))
    joints = pose.joints.clone()
    joints[pose.guessed, 2] = 0
    for i, joint in enumerate(_joints(pose)):
        found = joints[FACE if POINTS[i] == "head" else [joint]]
        if (found[:, 2] > 0).any():
            at[i] = (found[:, :2] * found[:, 2:]).sum(0) / found[:, 2].sum()
            confidence[i] = found[:, 2].max()
    at = (at + 0.5 - torch.tensor(view.middle)) / view.length
    return _Known(at, confidence) if confidence.any() else None


def _joints(pose: Pose | None) -> tuple[int, ...]:
    """For each point of the figure the joint that it is."""
    return AWAY if pose is not None and _faces_away(pose) else FACING


def _faces_away(pose: Pose) -> bool:
    """Whether the person's right is on the picture's right."""
    wide = 0.0
    for joint in ("shoulder", "hip"):
        right, left = (pose.joints[JOINTS.index(f"{side} {joint}")] for side in ("right", "left"))
        if right[2] > 0 and left[2] > 0:
            wide += float(right[0] - left[0])
    return wide > 0


def _beginnings(view: _View, known: _Known | None) -> Tensor:
    """Where to begin from: parameters [B, 27]."""
    places = _places_of_joints(known) if known is not None and int((known.confidence > 0).sum()) >= LEAST_JOINTS else []
    begins = []
    for rank, place in enumerate(places or _places_of_silhouette(view)):
        for stance in STANCES[:USUAL] if rank else STANCES:
            begin = torch.zeros(len(PARAMETERS))
            for name, value in (place | stance).items():
                begin[index(name)] = value
            begins.append(begin)
    return torch.stack(begins)


def _places_of_joints(known: _Known) -> list[dict[str, float]]:
    """Where, how tall and how upright a figure at rest is nearest to the joints (least squares over similarities)."""
    there = known.confidence > 0
    rest = torch.view_as_complex(pose_figure(torch.zeros(1, len(PARAMETERS))).points[0, there])
    found, weight = torch.view_as_complex(known.at[there]), known.confidence[there]
    at, to = ((points * weight).sum() / weight.sum() for points in (rest, found))
    turn = (weight * (found - to) * (rest - at).conj()).sum() / (weight * (rest - at).abs() ** 2).sum()
    stature = float(turn.abs().clamp(*EXTREME))  # joints that fell together, or of somebody else, tell none
    turn = torch.polar(torch.tensor(stature), turn.angle())
    origin = to - turn * at
    return [{"right": float(origin.real), "down": float(origin.imag), "stature": math.log(stature), "lean": float(turn.angle())}]


def _places_of_silhouette(view: _View) -> list[dict[str, float]]:
    """As tall as what is seen or taller, hanging from its top or standing on its bottom, whichever may go on unseen; or lying."""
    box = view.seen.box
    height, width = box.height / view.length, box.width / view.length
    rows, columns = view.seen.pixels.cpu().nonzero().unbind(1)
    across = (columns + 0.5 - box.width / 2) / view.length
    edge = max(box.height // 8, 1)
    places = [{"right": float(across.median()), "down": height * (0.48 - 0.5), "stature": math.log(height)}]
    for stature in STATURES:
        if _goes_on(view, below=True):
            down = height * (0.48 * stature - 0.5)
            places.append({"right": float(across[rows < edge].mean()), "down": down, "stature": math.log(height * stature)})
        if _goes_on(view, below=False):
            down = height * (0.5 - 0.52 * stature)
            places.append({"right": float(across[rows >= box.height - edge].mean()), "down": down, "stature": math.log(height * stature)})
    if width > LYING * height:
        places += [{"right": side * 0.02 * width, "down": 0.0, "stature": math.log(width), "lean": side * math.pi / 2} for side in (-1, 1)]
    return places


def _goes_on(view: _View, below: bool) -> bool:
    """Whether somebody may go on unseen below what is seen, or above it."""
    left, top, right, bottom = view.seen.box
    reach = max((bottom - top) // 20, 2)
    strip = Box(left, bottom, right, bottom + reach) if below else Box(left, top - reach, right, top)
    return strip.bottom > view.seen.size[0] or strip.top < 0 or bool(view.free.cut(strip).any())


def _brought_down(
    start: Tensor, lean: Tensor, grid: _Grid, known: _Known | None, way: tuple[float, float], steps: int
) -> tuple[Tensor, Tensor]:
    """Parameters [B, 27] of less energy, and that energy [B].

    Args:
        lean: [B], which way up each was to begin with: no deviation from upright.
        way: from where to where it is on the way from soft to sharp, 0..1.
    """
    spreads = torch.tensor(list(SPREADS.values()))
    bound = spreads > 0
    upright = torch.zeros_like(start)
    upright[:, index("lean")] = lean
    parameters = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([parameters], betas=(0.9, 0.95))
    area = (grid.seen * grid.weight).sum()
    limb = torch.empty(0)

    def energy(softness: float, look: bool) -> Tensor:
        nonlocal limb
        figure = pose_figure(parameters)
        if look:
            limb = nearest_limb(figure, grid.x, grid.y)
        covered = torch.sigmoid(-distance_to(figure, grid.x, grid.y, limb) / softness)
        total = ((covered - grid.seen) ** 2 * grid.weight).sum(1) / area
        total = total + PRIOR * ((parameters - upright)[:, bound] / spreads[bound]).square().sum(1)
        if known is not None:
            apart = ((figure.points - known.at) ** 2).sum(2) * known.confidence
            stature = parameters[:, index("stature")].exp()
            total = total + PULL * apart.sum(1) / known.confidence.sum() / stature**2
        return total

    with torch.enable_grad():
        for step in range(steps):
            done = way[0] + (way[1] - way[0]) * step / steps
            optimizer.param_groups[0]["lr"] = RATE[0] * (RATE[1] / RATE[0]) ** done
            optimizer.zero_grad()
            energy(SOFTNESS[0] * (SOFTNESS[1] / SOFTNESS[0]) ** done, step % LOOK == 0).sum().backward()
            optimizer.step()
    with torch.no_grad():
        return parameters.detach(), energy(SOFTNESS[1], True)


class _Points(NamedTuple):
    """The points of the best figure in the photo."""

    at: Tensor  # [14, 2], pixels
    sure: Tensor  # [14], 0..1: how little the figures differ there
    shown: Tensor  # [14] bool: where the person is seen


def _points(figures: Figure, weight: Tensor, best: Tensor, view: _View) -> _Points:
    mean = (figures.points * weight[:, None, None]).sum(0)
    variance = ((figures.points - mean).square().sum(2) * weight[:, None]).sum(0)
    stature = float(best[index("stature")].exp())
    at = pose_figure(best[None]).points[0] * view.length + torch.tensor(view.middle) - 0.5
    columns, rows = (at + 0.5).floor().long().unbind(1)
    near = view.seen.cut(view.window).cpu()
    rows, columns = rows - view.window.top, columns - view.window.left
    inside = (rows >= 0) & (rows < near.shape[0]) & (columns >= 0) & (columns < near.shape[1])
    shown = torch.zeros(len(POINTS), dtype=torch.bool)
    shown[inside] = near[rows[inside], columns[inside]]
    return _Points(at, torch.exp(-variance / (DIFFERENT * stature) ** 2), shown)


def _posed(points: _Points, agreement: float, pose: Pose | None) -> Pose:
    """The pose with the figure's joints where it lacks some."""
    joints, guessed = torch.zeros(len(JOINTS), 3), torch.zeros(len(JOINTS), dtype=torch.bool)
    trust = (TRUST_SEEN, TRUST_HIDDEN) if pose is None else (TRUST_BESIDE_KNOWN, TRUST_BESIDE_KNOWN)
    for i, joint in enumerate(_joints(pose)):
        joints[joint, :2] = points.at[i]
        joints[joint, 2] = agreement * points.sure[i] * trust[0 if points.shown[i] else 1]
        guessed[joint] = not points.shown[i]
    if pose is None:
        return Pose(joints, guessed, "silhouette")
    known = pose.known & ~pose.guessed
    joints[known], guessed[known] = pose.joints[known], False
    guessed |= ~known & (joints[:, 2] > 0)
    return replace(pose, joints=joints, guessed=guessed)
