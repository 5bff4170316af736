"""From denoised rows to layers, and from layers to the picture.

Outside the feathered holes nothing is computed: those pixels are the photo's own, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan.layers import LayerPlan, Pathway
from ..scene.box import Box
from ..scene.masks import feather
from ..scene.people import Person, Scene
from ..scene.resize import resized

__all__ = ["Layer", "Layers", "Picture", "check_rows", "compose", "make_layers"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer, the size of the photo.

    Attributes:
        name: "background", or "person 2".
        person: the person's id, None for the background.
        rgba: [H, W, 4] float32 in 0..1, straight (not premultiplied) alpha; the colour outside the alpha is the photo's.
        changed: [H, W] float32 in 0..1, how much of each pixel was denoised; 0 where the photo's own pixel stands.
        box: what the alpha covers; its corner is the layer's offset.
        erased: whether the picture leaves this layer out.
    """

    name: str
    person: str | None
    rgba: Tensor
    changed: Tensor
    box: Box
    erased: bool


@dataclass(frozen=True, eq=False)
class Layers:
    """The result: the background, then the people from far to near, and the scene they came from."""

    scene: Scene
    background: Layer
    people: tuple[Layer, ...]

    @property
    def stack(self) -> tuple[Layer, ...]:
        """All layers, bottom first."""
        return (self.background, *self.people)


@dataclass(frozen=True, eq=False)
class Picture:
    """image [H, W, 3] and what of it differs from the photo, changed [H, W], both float32 in 0..1."""

    image: Tensor
    changed: Tensor


def make_layers(plan: LayerPlan, rows: Sequence[Tensor] | Tensor) -> Layers:
    """Layers from the decoded rows of a plan.

    Args:
        rows: IMAGE [S, S, 3] in 0..1, one for each pathway, in the plan's order; a row that is not of its crop's size is resampled.
    Raises ValueError when the number of rows is not the plan's.
    """
    check_rows(plan, rows)
    scene = plan.scene
    photo = scene.photo[0]
    staying = scene.union(scene.staying)
    image, changed = photo, torch.zeros_like(photo[..., 0])
    denoised: dict[str, tuple[Pathway, Tensor]] = {}
    for pathway, row in zip(plan.pathways, rows, strict=True):
        row = row.to(photo)
        if pathway.person is not None:
            denoised[pathway.person] = (pathway, row)
            continue
        share = feather(pathway.paste, plan.feather) * ~staying
        image = torch.lerp(image, _paste(photo, pathway.crop, row), share[..., None])
        changed = torch.maximum(changed, share)
    opaque = torch.ones_like(photo[..., :1])
    frame = Box(0, 0, photo.shape[1], photo.shape[0])
    background = Layer("background", None, torch.cat([image, opaque], -1), changed, frame, erased=False)
    holes = torch.stack([p.paste for p in plan.pathways if p.person is None] or [torch.zeros_like(staying)]).any(0)
    people = [_person_layer(plan, person, holes, *denoised.get(person.id, (None, None))) for person in reversed(scene.people)]
    return Layers(scene, background, tuple(people))


def check_rows(plan: LayerPlan, rows: Sequence[Tensor] | Tensor) -> None:
    """Raises ValueError unless there is one row for each pathway of the plan."""
    if len(rows) != len(plan.pathways):
        raise ValueError(
            f"samples hold {len(rows)} rows, but the plan has {len(plan.pathways)} pathways: "
            "decode the latent of the same MILD Encode Layers"
        )


def compose(layers: Layers) -> Picture:
    """The picture: the background and the people who stay, far to near."""
    image, changed = layers.background.rgba[..., :3], layers.background.changed
    for layer in layers.people:
        if layer.erased:
            continue
        alpha = layer.rgba[..., 3]
        # lerp adds alpha times the difference: where layer and picture are the same photo pixel it adds exactly nothing
        image = torch.lerp(image, layer.rgba[..., :3], alpha[..., None])
        changed = torch.where(alpha >= 1, layer.changed, torch.maximum(changed * (1 - alpha), layer.changed * alpha))
    return Picture(image.clamp(0, 1), _exact(image, layers.scene.photo[0], changed))


def _exact(image: Tensor, photo: Tensor, changed: Tensor) -> Tensor:
    """`changed`, made to cover every pixel that differs and none that does not."""
    differs = (image != photo).any(-1)
    return torch.where(differs, changed.clamp(min=1 / 255), torch.zeros_like(changed))


def _person_layer(plan: LayerPlan, person: Person, holes: Tensor, pathway: Pathway | None, row: Tensor | None) -> Layer:
    scene = plan.scene
    photo = scene.photo[0]
    erased = person.id in scene.erased
    colour, changed = photo, torch.zeros_like(photo[..., 0])
    # where somebody who stays has a soft edge over somebody who goes, the photo's colour is the other's: drop it
    alpha = person.alpha if erased else torch.where(holes & ~person.visible, torch.zeros_like(person.alpha), person.alpha)
    if pathway is not None and row is not None:
        changed = feather(pathway.paste, min(plan.feather, 2.0)) * (person.whole | pathway.paste)
        colour = torch.lerp(photo, _paste(photo, pathway.crop, row), changed[..., None])
        # the mask that came in knows nothing of the hidden part: its edge is smoothed here
        soft = F.avg_pool2d(F.pad(person.whole.float()[None, None], [1] * 4, mode="replicate"), 3, stride=1)[0, 0]
        alpha = torch.where(person.hidden | pathway.paste, torch.maximum(soft, alpha), alpha)
    rgba = torch.cat([colour, alpha[..., None]], -1)
    return Layer(f"person {person.number}", person.id, rgba, changed, Box.around(alpha > 0), erased)


def _paste(photo: Tensor, crop: Box, row: Tensor) -> Tensor:
    """The photo with a row put back on its crop."""
    return crop.paste(photo, resized(row, crop.height, crop.width))
