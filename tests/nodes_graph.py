"""The erase graph with the bundled model, run node by node in this process."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["Erased", "erase", "finish", "mini", "sample"]


class Sampled(NamedTuple):
    samples: dict[str, Any]
    plan: Any
    vae: Any
    scene: Any


class Erased(NamedTuple):
    image: Tensor  # [H, W, 3]
    changed: Tensor  # [H, W]
    layers: Tensor  # [N, H, W, 4]
    hole: Tensor  # [H, W] bool, what of the background was denoised
    scene: Any


@cache
def mini(pack: ModuleType) -> tuple:
    """model, vae, positive, person, negative of the bundled weights."""
    return pack.nodes.MiniModel.execute().args


def sample(pack: ModuleType, photo: Tensor, masks: Tensor, who: str, *, steps: int, denoise: float, separate: str = "auto") -> Sampled:
    """Denoise what it takes to erase `who` from a photo IMAGE [1, H, W, 3] with MASK [B, H, W], by the nodes' defaults."""
    from nodes import common_ksampler

    model, vae, positive, person, negative = mini(pack)
    room = pack.mild_core.scene
    scene = room.split_people(photo, room.from_masks(masks, separate))
    scene = scene.erasing(room.choose(who, scene.people))
    defaults = pack.nodes.types.defaults(pack.nodes.EncodeLayers)
    encoded = pack.nodes.EncodeLayers.execute(scene, positive, negative, vae, person_positive=person, **defaults)
    pos, neg, latent, plan = encoded.args
    samples = common_ksampler(model, 0, steps, 1.0, "euler", "normal", pos, neg, latent, denoise=denoise)[0]
    return Sampled(samples, plan, vae, scene)


def finish(pack: ModuleType, sampled: Sampled, detail: str = "as sampled", seam: str = "matched") -> Erased:
    """Layers and picture of what was sampled."""
    (layers,) = pack.nodes.DecodeLayers.execute(sampled.samples, sampled.plan, sampled.vae, detail, seam).args
    image, changed, rgba, _ = pack.nodes.ComposeLayers.execute(layers).args
    hole = sampled.plan.hole.whole
    return Erased(image[0], changed[0], rgba, hole, sampled.scene)


def erase(pack: ModuleType, *what: Any, **how: Any) -> Erased:
    """`sample`, then `finish`."""
    return finish(pack, sample(pack, *what, **how))
