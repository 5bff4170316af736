"""What people do to the ground they stand on: the shadows that must go with them.

A shadow is told from the photo alone. It lies on the ground beside the feet and touches them; it is darker than that ground,
all colours by nearly the same factor, so that the ground's own colour shows through (the test of Cucchiara, Grana, Piccardi,
Prati, "Detecting Moving Objects, Ghosts, and Shadows in Video Streams", PAMI 2003, here as logarithms of linear light and against
the ground around in place of an empty picture); and it may be bluer, where the sky still lights it (an illuminant shifts the
logarithms of all colours along one line: Finlayson, Hordley, Lu, Drew, "On the Removal of Shadows from Images", PAMI 2006).
What has these marks but runs on beyond a person's reach, to both sides, or stands upright, is shade, a kerb or a thing.
Where nothing passes, nothing is proposed.

All is worked out on a small copy of the photo, on the CPU. Lengths in capitals that name no unit are in lengths of the person:
the longer side of their box.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .box import Box
from .masks import distance_inside, grow
from .people import Scene
from .window import box_mean

__all__ = ["find_shadows", "show_effects"]

LONGEST = 768  # pixels of the photo's longest side where shadows are looked for
TALLEST = 200  # pixels of a person there
SHORTEST = 16  # pixels of a person there: what is smaller casts no shadow that can be told from noise
FLATTENED = 3  # times the ground looks shorter in depth than across, from a camera at the height of eyes
FEET = 0.08  # from the lowest point up: what may touch a shadow
CUT = 0.2  # somebody of whom the frame's lower edge cuts more than that is cut off above the feet
GAP = 0.06  # between a foot, which may be raised, and its shadow
AROUND = (0.12, 0.8)  # up and down, and sideways: what counts as the ground around a pixel
GROUND = 0.6  # quantile of the ground's lightness around a pixel that is its own lightness without a shadow
CLOSE = 0.15  # logarithm of light: of that lightness, the pixels within it tell the ground's colour
BLACK = 0.004  # linear light that a camera adds to everything
FAINT, STRONG = 0.12, 0.47  # logarithm of the factor by which a shadow darkens, at least, at sensitivity 1 and 0
DARKEST = 3.0  # the same, at most
CORE = 1.5  # times that least darkening a shadow has where it touches the feet: hysteresis
STRICTER = (1.0, 1.35, 1.8, 2.5)  # times the least darkening, tried in turn: what runs too far at one may end in time at the next
TINT = 0.1  # logarithms of colours may differ by it in any direction,
BLUER, GREENER = 0.4, 0.12  # and by these shares of the darkening: towards blue, and across
SMALLEST = 0.0008  # area, in squared lengths
OUT = 0.25  # a shadow may leave the region searched along such a line,
FRAME = 0.8  # and the photo
BESIDE = 0.15  # beyond anybody's feet: a shadow that lies so on both sides is none, the sun is on one
THICKEST = 0.13  # mean extent in height: what is thicker stands upright
CLOSED = 0.02  # gaps of twice that width are closed
BLUR = 0.008  # how far the texture of the ground is evened out
RIM = 1.5  # pixels: the width of a line
ENOUGH = 0.1  # share of the pixels around that must be ground
ROUNDS = 8  # of a fixed point
NOTHING = 1e-9  # a weight that counts as none
TINTED = (1.0, 0.1, 0.5)  # the colour of effects in a picture of them


class _Stance(NamedTuple):
    """Where somebody stands in the small photo."""

    feet: Tensor  # [h, w] bool
    box: Box  # of the feet
    length: int  # of the person, in pixels
    plain: bool  # tall enough to tell a shadow, and not cut off above the feet


class _View(NamedTuple):
    """What is around the feet of one person, small. Masks are bool [h, w]."""

    light: Tensor  # [3, h, w], logarithms of linear light
    people: Tensor
    feet: Tensor
    staying: Tensor  # the feet of those who stay
    standing: Tensor  # the feet of everybody
    frame: Tensor  # the outermost pixels of the photo
    length: float  # of the person, in pixels


def find_shadows(scene: Scene, *, reach: float = 0.6, sensitivity: float = 0.5, grow_by: float = 0) -> Tensor:
    """Where the shadows of those who go lie on the ground. [H, W] float32 in 0..1, soft at the edge; empty where none is plausible.

    Never on anybody's own pixels. What lies nearer to the feet of somebody who stays is theirs. Who is cut off above the feet,
    or is too small to tell, has no shadow.

    Args:
        reach: how far from the feet a shadow may lie sideways, in lengths of the person; a third as far up and down the picture.
        sensitivity: 0..1. At 0 only dark shadows are taken, at 1 faint ones too.
        grow_by: pixels by which what is found grows.
    Raises ValueError for a number out of its range.
    """
    if not (math.isfinite(reach) and reach >= 0):
        raise ValueError(f"reach is {reach}, but it must be 0 or more")
    if not 0 <= sensitivity <= 1:
        raise ValueError(f"sensitivity is {sensitivity}, but it must be from 0 to 1")
    height, width = scene.size
    shrink = min(LONGEST / max(height, width), 1)
    size = max(round(height * shrink), 1), max(round(width * shrink), 1)
    anybody = scene.union(scene.people)
    light = _linear(_small(scene.photo[0, ..., :3].permute(2, 0, 1), size)).cpu()
    people = _covered(anybody[None], size)[0].cpu()
    stay, go = ([_stance(_sampled(person.whole, size).cpu()) for person in some] for some in (scene.staying, scene.going))
    staying = _feet(stay, size)
    standing = staying | _feet(go, size)
    found = torch.zeros(size)
    for stance in go:
        if stance and stance.plain:
            box = _around(stance, reach).clip(*size)
            view = _view(box, light, people, stance, staying, standing)
            part = _part(found, box)
            torch.maximum(part, _enlarged(_shadow(view, reach, sensitivity), (box.height, box.width)), out=part)
    out = _enlarged(found, scene.size).to(anybody.device) * ~anybody
    return torch.maximum(out, grow(out, grow_by).float()) * ~anybody


def show_effects(scene: Scene, effects: Tensor) -> Tensor:
    """The photo with the mask `effects` [H, W] tinted, and everybody who goes pale. IMAGE [1, H, W, 3]."""
    photo, effects = scene.photo[0].cpu().clamp(0, 1), effects.cpu()
    pale = torch.lerp(photo, torch.ones_like(photo), 0.5)
    image = torch.where(scene.union(scene.going).cpu()[..., None], pale, photo)
    return torch.lerp(image, torch.tensor(TINTED).expand_as(image), 0.6 * effects[..., None])[None]


def _small(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Planes [C, H, W] in a smaller size, each pixel the mean of those it covers. Float32."""
    if planes.shape[-2:] == size:
        return planes.float()
    return F.interpolate(planes[None].float(), size, mode="area")[0]


def _covered(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks [C, H, W] in a smaller size, true where any pixel was."""
    return _small(masks, size) > 0


def _sampled(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask [H, W] in a smaller size, from every so many pixels."""
    rows, columns = ((torch.arange(n) + 0.5) * (length / n) for n, length in zip(size, mask.shape, strict=True))
    return mask[rows.long()[:, None].to(mask.device), columns.long().to(mask.device)]


def _enlarged(mask: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(mask[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]


def _linear(image: Tensor) -> Tensor:
    """sRGB in 0..1 to linear light (IEC 61966-2-1)."""
    image = image.clamp(0, 1)
    return torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)


def _part(planes: Tensor, box: Box) -> Tensor:
    """The pixels of planes [..., H, W] in a box that lies inside; not a copy."""
    return planes[..., box.top : box.bottom, box.left : box.right]


def _stance(body: Tensor) -> _Stance | None:
    """Of a body, a mask [h, w]; None for an empty one."""
    if not body.any():
        return None
    box = Box.around(body)
    length = box.longest
    feet = body & (torch.arange(len(body)) >= box.bottom - max(FEET * length, 1))[:, None]
    return _Stance(feet, Box.around(feet), length, length >= SHORTEST and float(body[-1].sum()) <= CUT * length)


def _feet(stances: list[_Stance | None], size: tuple[int, int]) -> Tensor:
    """Where any of these stands. [h, w] bool."""
    out = torch.zeros(size, dtype=torch.bool)
    for stance in stances:
        if stance:
            out |= stance.feet
    return out


def _around(stance: _Stance, reach: float) -> Box:
    """What must be seen to find a shadow; it may reach beyond the photo."""
    feet = stance.box
    up, side = (int(stance.length * (reach / by + around)) + 2 for by, around in zip((FLATTENED, 1), AROUND, strict=True))
    return Box(feet.left - side, feet.top - up, feet.right + side, feet.bottom + up)


def _view(box: Box, light: Tensor, people: Tensor, stance: _Stance, staying: Tensor, standing: Tensor) -> _View:
    shrink = min(TALLEST / stance.length, 1)
    size = max(round(box.height * shrink), 1), max(round(box.width * shrink), 1)
    frame = torch.ones_like(people)
    frame[1:-1, 1:-1] = False
    masks = torch.stack([_part(mask, box) for mask in (people, stance.feet, staying, standing, frame)])
    around, feet, theirs, everybodys, edge = _covered(masks, size)
    return _View((_small(_part(light, box), size) + BLACK).log(), around, feet, theirs, everybodys, edge, stance.length * shrink)


def _shadow(view: _View, reach: float, sensitivity: float) -> Tensor:
    """The shadow in a view. [h, w] in 0..1; it goes a little way under people, so that none of it is left at their outline."""
    far, beside = _distance(view.feet), _distance(view.standing) > BESIDE * view.length
    region = (far <= reach * view.length) & ~grow(view.people, 1)
    if view.staying.any():
        region &= far <= _distance(view.staying)
    darker, alike = _darkening(view)
    region &= alike & (darker < DARKEST)
    least = STRONG + (FAINT - STRONG) * sensitivity
    found = torch.zeros_like(region)
    for times in STRICTER:
        dark = region & (darker > times * least) & ~grow(found, 1.5)
        found |= _plausible(view, far, reach, beside, dark, dark & (darker > CORE * times * least))
    if not found.any():
        return found.float()
    gap = max(round(CLOSED * view.length), 1)
    closed = found | (~grow(~grow(found, gap), gap) & (far <= reach * view.length))
    under = grow(closed, 3) & grow(view.people, 1)
    return F.avg_pool2d((grow(closed, 1) | under)[None].float(), 3, stride=1, padding=1, count_include_pad=False)[0]


def _distance(feet: Tensor) -> Tensor:
    """How far the pixels lie from the feet, a mask [h, w] that is not empty, in pixels sideways; depth counts as it is seen."""
    return distance_inside(~feet.repeat_interleave(FLATTENED, 0))[::FLATTENED]


def _darkening(view: _View) -> tuple[Tensor, Tensor]:
    """By which logarithm each pixel is darker than the ground around it, [h, w], and whether it has kept the ground's colour.

    Where there is no ground in sight, nothing has.
    """
    known = (~grow(view.people, 1)).float()
    light = view.light
    reach = [max(round(length * view.length), 1) for length in AROUND]
    seen = box_mean(known, reach)
    # the quantile as a fixed point: the mean with weights |residual|⁻¹, leaning to the side that holds less (Koenker's check loss)
    grey = light.mean(0)
    level = box_mean(known * grey, reach) / seen.clamp(min=NOTHING)
    for _ in range(ROUNDS):
        residual = grey - level
        weight = known * torch.where(residual > 0, GROUND, 1 - GROUND) / residual.abs().clamp(min=0.03)
        level = box_mean(weight * grey, reach) / box_mean(weight, reach).clamp(min=NOTHING)
    weight = known / (1 + ((grey - level) / CLOSE) ** 2)
    ground = box_mean(weight * light, reach) / box_mean(weight, reach).clamp(min=NOTHING)
    blur = [round(BLUR * view.length)] * 2
    smooth = box_mean(box_mean(known * light, blur), blur) / box_mean(box_mean(known, blur), blur).clamp(min=NOTHING)
    red, green, blue = change = ground - smooth
    darker = change.mean(0)
    to_blue = (red - blue) / math.sqrt(2)
    across = (green - darker).abs() * math.sqrt(1.5)
    more = darker.clamp(0, 2)
    alike = (to_blue > -TINT) & (to_blue < TINT + BLUER * more) & (across < TINT + GREENER * more)
    return darker, alike & (seen > ENOUGH)


def _plausible(view: _View, far: Tensor, reach: float, beside: Tensor, dark: Tensor, core: Tensor) -> Tensor:
    """The connected parts of `dark` [h, w] that can be the shadow of who stands at the feet. Bool.

    `far` [h, w] is the distance to the feet, `beside` [h, w] what lies well beside anybody's, and `core` [h, w] what is dark enough
    to be a shadow where it touches them.
    """
    part = _labels(dark)
    count = int(part.max()) + 1
    length = view.length

    def pixels(where: Tensor) -> Tensor:
        return torch.bincount(part[where], minlength=count)

    columns = torch.arange(part.shape[1])
    spread = torch.zeros(count, part.shape[1], dtype=torch.bool)
    spread[part, columns.expand_as(part)] = True
    at = view.feet.any(0).nonzero()[:, 0]
    left, right = (pixels(beside & side) > 0 for side in (columns < at[0], columns > at[-1]))
    leaving, cut = pixels(far > reach * length - RIM) / RIM, pixels(view.frame)
    area = pixels(dark)
    good = (area >= max(SMALLEST * length**2, 3)) & (area <= THICKEST * length * spread.sum(1))
    good &= pixels(core & (far <= GAP * length + RIM)) > 0
    good &= (leaving <= OUT * length) & (cut <= FRAME * length) & ~(left & right)
    good[0] = False
    aside, whole = good & (left | right), leaving + cut == 0
    if (aside & left).any() and (aside & right).any() and (aside & whole).any():
        good &= ~aside | whole  # of two on opposite sides, the one that is seen to its end
    return good[part]


def _labels(mask: Tensor) -> Tensor:
    """For each pixel of a mask [h, w] the number of its connected part, from 1; 0 outside. Long."""
    import cv2

    return torch.from_numpy(cv2.connectedComponents(mask.byte().numpy(), connectivity=8)[1]).long()
