"""From denoised rows to layers, and from layers to the picture.

Outside the feathered holes nothing is computed: those pixels are the photo's own, bit for bit. A layer costs what its box does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from ..scene.box import Box
from ..scene.masks import feather, grow
from ..scene.part import Part
from ..scene.people import Person, Scene
from ..scene.resize import resized, resized_rgba
from .arrangement import Arrangement, fingerprint
from .edge import antialiased, freed_colour, soft_edge
from .render import laid_over, rasters
from .seam import Seam
from .seam import seam as meet

__all__ = ["Layer", "Layers", "Picture", "check_rows", "compose", "make_layers", "rgba_batch", "with_backdrop"]

PERSON_FEATHER = 2.0  # pixels at most over which a completed part is blended into the person


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer.

    Attributes:
        name: "background", "backdrop", or "person 2".
        person: the person's id, None for the background and the backdrop.
        scene: what it was cut from.
        box: where it lies in the photo; its corner is the layer's offset.
        colour: [h, w, 3] float32 in 0..1, straight (not premultiplied).
        alpha: [h, w] float32 in 0..1.
        changed: [h, w] float32 in 0..1, how much of each pixel was denoised; 0 where the photo's own pixel stands.
        erased: whether the picture leaves this layer out.
    """

    name: str
    person: str | None
    scene: Scene
    box: Box
    colour: Tensor
    alpha: Tensor
    changed: Tensor
    erased: bool

    @property
    def id(self) -> str:
        """The person's id, "background" or "backdrop"."""
        return self.person or self.name

    @cached_property
    def fingerprint(self) -> str:
        """Of what the layer shows, see `arrangement.fingerprint`."""
        return fingerprint(self.colour, self.shown_alpha)

    @property
    def shown_alpha(self) -> Tensor:
        """`alpha`, and transparent where the photo that the layer was cut from is: [h, w]."""
        if self.scene.opacity is None or self.id == "backdrop":
            return self.alpha
        return self.alpha * self.box.view(self.scene.opacity)

    @property
    def rgba(self) -> Tensor:
        """The layer as big as the photo, [H, W, 4] float32 in 0..1; the colour beyond its box is the photo's.

        Where the photo itself is transparent, so is the layer.
        """
        return self.put(self.scene.photo.new_empty(*self.scene.size, 4))

    def put(self, out: Tensor) -> Tensor:
        """Write `rgba` into `out` [H, W, 4]."""
        out[..., :3], out[..., 3] = self.scene.photo[0], 0
        there = self.box.view(out)
        there[..., :3], there[..., 3] = self.colour, self.shown_alpha
        return out


@dataclass(frozen=True, eq=False)
class Layers:
    """The result: the background, then the people from far to near, and the scene they came from.

    Attributes:
        backdrop: another picture, as big as the photo, to stand in for the background; None where there is none.
        arrangement: where the layers lie when somebody has composed them by hand; None: where they were cut.
    """

    scene: Scene
    background: Layer
    people: tuple[Layer, ...]
    backdrop: Layer | None = None
    arrangement: Arrangement | None = None

    @property
    def stack(self) -> tuple[Layer, ...]:
        """All layers, bottom first."""
        below = () if self.backdrop is None else (self.backdrop,)
        return (*below, self.background, *self.people)


@dataclass(frozen=True, eq=False)
class Picture:
    """image [H, W, 3], or 4 where it has an alpha channel, straight; and what of it differs from the photo, changed [H, W];
    both float32 in 0..1."""

    image: Tensor
    changed: Tensor


def make_layers(
    plan: LayerPlan, rows: Sequence[Tensor] | Tensor, *, seam: Seam = "feather", on_row: Callable[[int, int], None] | None = None
) -> Layers:
    """Layers from the decoded rows of a plan.

    Args:
        rows: IMAGE [S, S, 3] in 0..1, one for each pathway, in the plan's order; a row that is not of its crop's size is resampled.
        seam: how a row is made to meet the photo, see `seam.seam`.
        on_row: called with (rows done, all rows) after each.
    Raises ValueError when the number of rows is not the plan's, and when they are no numbers.
    """
    check_rows(plan, rows)
    scene = plan.scene
    photo = scene.photo[0]
    height, width = scene.size
    staying = scene.union(scene.staying)
    image, changed = photo.clone(), torch.zeros_like(photo[..., 0])
    denoised: dict[str, tuple[Pathway, Tensor]] = {}
    for done, (pathway, row) in enumerate(zip(plan.pathways, rows, strict=True), start=1):
        painted = _painted(photo, pathway, row.detach().to(photo).clamp(0, 1), seam)
        if pathway.person is None:
            box = pathway.paste.box.grown(math.ceil(plan.feather)).inside(pathway.crop).clip(height, width)
            share = feather(pathway.paste.cut(box), plan.feather) * ~box.view(staying)
            box.view(image).lerp_(_of_crop(painted, pathway.crop, box), share[..., None])
            here = box.view(changed)
            here.copy_(torch.maximum(here, share))
        else:
            denoised[pathway.person] = (pathway, painted)
        if on_row is not None:
            on_row(done, len(plan.pathways))
    opaque = torch.ones_like(photo[:1, :1, 0]).expand(height, width)
    background = Layer("background", None, scene, Box(0, 0, width, height), image, opaque, changed, erased=False)
    people = [_person_layer(plan, person, *denoised.get(person.id, (None, None))) for person in reversed(scene.people)]
    return Layers(scene, background, tuple(people))


def rgba_batch(layers: Layers) -> Tensor:
    """All layers as big as the photo, bottom first: [layers, H, W, 4], 16 bytes a pixel and layer."""
    out = layers.scene.photo.new_empty(len(layers.stack), *layers.scene.size, 4)
    for place, layer in enumerate(layers.stack):
        layer.put(out[place])
    return out


def check_rows(plan: LayerPlan, rows: Sequence[Tensor] | Tensor) -> None:
    """Raises ValueError unless there is one row of numbers for each pathway of the plan."""
    if len(rows) != len(plan.pathways):
        raise ValueError(
            f"samples hold {len(rows)} rows, but the plan has {len(plan.pathways)} pathways: "
            "decode the latent of the same MILD Encode Layers"
        )
    for place, row in enumerate(rows, start=1):
        if not row.isfinite().all():
            raise ValueError(f"samples hold NaN or infinity in row {place}: the model or the VAE ran over in half precision")


def with_backdrop(layers: Layers, image: Tensor) -> Layers:
    """Layers with another picture to stand in for the background.

    Args:
        image: [h, w, 3], or 4 with straight alpha; scaled to cover the photo, and cut to it around its centre.
    """
    height, width = layers.scene.size
    there = (image.shape[0], image.shape[1])
    shrink = min(there[0] / height, there[1] / width)
    rows, columns = (max(1, min(round(side * shrink), most)) for side, most in zip((height, width), there, strict=True))
    top, left = (there[0] - rows) // 2, (there[1] - columns) // 2
    part = Box(left, top, left + columns, top + rows).view(image).to(layers.scene.photo)
    alpha = part[..., 3:] if part.shape[-1] == 4 else torch.ones_like(part[..., :1])
    covering = resized_rgba(part[..., :3], alpha, height, width)
    colour, alpha = covering[..., :3], covering[..., 3]
    alpha = torch.where(alpha > 1 - 1e-5, 1, alpha)  # weights of a resampling sum to 1 but for rounding
    everything = Box(0, 0, width, height)
    backdrop = Layer("backdrop", None, layers.scene, everything, colour.clamp(0, 1), alpha, torch.ones_like(alpha), erased=False)
    return replace(layers, backdrop=backdrop)


def compose(layers: Layers) -> Picture:
    """The picture: the background and the people who stay, far to near; or what was composed by hand.

    As it was cut the picture has the photo's own alpha, and `changed` is how much of a pixel was denoised. Composed by hand, or on a
    backdrop, it has an alpha channel where the layers leave the canvas open, and `changed` is 1 where it differs from the photo.
    """
    photo, opacity, size = layers.scene.photo[0], layers.scene.opacity, layers.scene.size
    if layers.arrangement is None and layers.backdrop is None:
        image, _ = laid_over(rasters(_opaque(layers), hidden=False), size)
        changed = _exact(image, photo, _denoised(layers))
        return Picture(image if opacity is None else torch.cat([image, opacity[..., None]], -1), changed)
    image, alpha = laid_over(rasters(layers, hidden=False), size)
    before = torch.ones_like(alpha) if opacity is None else opacity
    differs = (alpha != before) | ((image != photo).any(-1) & (alpha > 0))
    if opacity is not None or (alpha < 1).any():
        image = torch.cat([image, alpha[..., None]], -1)
    return Picture(image, differs.to(photo))


def _opaque(layers: Layers) -> Layers:
    """The same layers, as if the photo had no alpha of its own."""
    if layers.scene.opacity is None:
        return layers
    scene = replace(layers.scene, opacity=None)
    people = tuple(replace(layer, scene=scene) for layer in layers.people)
    return replace(layers, scene=scene, background=replace(layers.background, scene=scene), people=people)


def _denoised(layers: Layers) -> Tensor:
    """How much of each pixel of the picture was denoised, [H, W]."""
    changed = layers.background.changed.clone()
    for layer in layers.people:
        if not layer.erased:
            alpha, here = layer.alpha, layer.box.view(changed)
            here.copy_(torch.where(alpha >= 1, layer.changed, torch.maximum(here * (1 - alpha), layer.changed * alpha)))
    return changed


def _exact(image: Tensor, photo: Tensor, changed: Tensor) -> Tensor:
    """`changed`, made to cover every pixel that differs and none that does not."""
    differs = (image != photo).any(-1)
    return torch.where(differs, changed.clamp(min=1 / 255), torch.zeros_like(changed))


def _person_layer(plan: LayerPlan, person: Person, pathway: Pathway | None, painted: Tensor | None) -> Layer:
    scene = plan.scene
    box = person.soft.box.union(person.body.box).grown(1).clip(*scene.size)
    photo, hole = box.view(scene.photo[0]), plan.hole.cut(box)
    alpha, visible = soft_edge(person.soft.cut(box), grow(hole, 1)), person.seen.cut(box)
    # where the background is no longer the photo's, nor may the edge hold the photo's background
    colour = torch.where(hole[..., None], freed_colour(photo, alpha), photo) if hole.any() else photo
    changed = torch.zeros_like(alpha)
    if pathway is not None and painted is not None:
        body, paste = person.body.cut(box), pathway.paste.cut(box)
        changed = feather(paste, min(plan.feather, PERSON_FEATHER)) * (body | paste)
        colour = torch.lerp(colour, _of_crop(painted, pathway.crop, box), changed[..., None])
        # the mask that came in knows nothing of the hidden part: its edge is smoothed here
        alpha = torch.where((body & ~visible) | paste, torch.maximum(antialiased(body.float()), alpha), alpha)
    there = Part(box, alpha, scene.size).tight()
    within = there.box.moved(-box.left, -box.top)
    erased = person.id in scene.erased
    name = f"person {person.number}"
    return Layer(name, person.id, scene, there.box, within.view(colour).clone(), there.pixels, within.view(changed).clone(), erased)


def _painted(photo: Tensor, pathway: Pathway, row: Tensor, how: Seam) -> Tensor:
    """The row in the photo's resolution, as big as its crop, made to meet the photo."""
    crop = pathway.crop
    painted = resized(row, crop.height, crop.width)
    if how == "feather":
        return painted
    return meet(painted, crop.cut(photo), pathway.hole.cut(crop), pathway.source.cut(crop), how, pathway.batch_index)


def _of_crop(painted: Tensor, crop: Box, box: Box) -> Tensor:
    """What a crop's picture shows in that box of the photo; beyond the crop its frame repeats."""
    return box.moved(-crop.left, -crop.top).cut(painted)
