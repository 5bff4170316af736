"""All scores by name: what each looks at, needs and means. A measure is one of them in a region, such as `psnr.hole`.

A score says which regions it is defined in. Scores of one picture give a number; scores of a set give features of every picture, and a
distance of all features. What an eraser tells of its own run (READINGS) is no score of a picture, but stands in the same tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..scene.box import Box
from .cfd import cfd
from .clip_features import cmmd_features
from .compared import REGIONS, Compared, Region
from .distribution import frechet_distance, mmd2
from .fid import fid_features, local_fid_features
from .haarpsi import haarpsi
from .leakage import leak_colour, leak_texture
from .lpips import lpips
from .networks import Networks
from .psnr import psnr
from .rc_s import rc_s
from .remove import remove
from .seam import seam_colour, seam_gradient
from .ssim import ssim

__all__ = ["METRICS", "READINGS", "Metric"]

Better = Literal["higher", "lower"]
Score = Callable[[Compared, Region, Networks], float]
Features = Callable[[Compared, Region, Networks], "tuple[Tensor, Tensor]"]
Distance = Callable[[Tensor, Tensor], float]
Paired = Callable[[Tensor, Tensor, "Tensor | None"], float]


@dataclass(frozen=True)
class Metric:
    """One score.

    Attributes:
        name: of its measures, before the dot.
        title: as tables call it.
        better: which way is better.
        regions: where it is defined.
        unit: "" where it has none.
        needs_truth: whether it can only be taken where the truth is known.
        networks: keys of NETWORKS that it needs.
        score: of one picture; None for a score of a set.
        features: of one picture and of what it is compared with, [K, D] each; None for a score of one picture.
        distance: of all features of the results [N, D] and of what they are compared with [M, D].
    """

    name: str
    title: str
    better: Better
    regions: tuple[Region, ...]
    unit: str = ""
    needs_truth: bool = True
    networks: tuple[str, ...] = ()
    score: Score | None = None
    features: Features | None = None
    distance: Distance | None = None


def _paired(score: Paired) -> Score:
    """A score of a picture against the truth, which takes a hole, in any region."""

    def of(compared: Compared, region: Region, networks: Networks) -> float:
        result, truth = compared.result, _truth(compared)
        if region == "box":
            box = Box.around(compared.hole)
            return score(box.view(result), box.view(truth), None)
        if region == "background" and compared.hole.all():
            return math.nan  # there is none
        return score(result, truth, {"full": None, "hole": compared.hole, "background": ~compared.hole}[region])

    return of


def _lpips(key: str) -> Score:
    """LPIPS with that network; nan of a box that is smaller than the network can look at."""

    def of(compared: Compared, region: Region, networks: Networks) -> float:
        network: Any = networks.get(key)

        def score(image: Tensor, truth: Tensor, hole: Tensor | None) -> float:
            return math.nan if min(image.shape[:2]) < network.smallest else lpips(image, truth, network, hole)

        return _paired(score)(compared, region, networks)

    return of


def _truth(compared: Compared) -> Tensor:
    if compared.truth is None:
        raise ValueError("truth is not known, but this score compares with it")
    return compared.truth


HIGHER: Better = "higher"
LOWER: Better = "lower"
PAINTED: tuple[Region, ...] = ("full", "hole", "box")
CATALOG = (
    Metric("psnr", "PSNR", HIGHER, REGIONS, "dB", score=_paired(psnr)),
    Metric("ssim", "SSIM", HIGHER, REGIONS, score=_paired(ssim)),
    Metric("haarpsi", "HaarPSI", HIGHER, REGIONS, score=_paired(haarpsi)),
    Metric("lpips_alex", "LPIPS (AlexNet)", LOWER, PAINTED, networks=("lpips_alex",), score=_lpips("lpips_alex")),
    Metric("lpips_vgg", "LPIPS (VGG)", LOWER, PAINTED, networks=("lpips_vgg",), score=_lpips("lpips_vgg")),
    Metric("lpips_squeeze", "LPIPS (SqueezeNet)", LOWER, PAINTED, networks=("lpips_squeeze",), score=_lpips("lpips_squeeze")),
    Metric("fid", "FID", LOWER, ("full",), networks=("inception_fid",), features=fid_features, distance=frechet_distance),
    Metric(
        "local_fid",
        "Local FID",
        LOWER,
        ("box",),
        networks=("inception_fid",),
        features=lambda compared, region, networks: local_fid_features(compared, networks),
        distance=frechet_distance,
    ),
    Metric("cmmd", "CMMD", LOWER, ("full",), networks=("clip_vit_l14_336",), features=cmmd_features, distance=mmd2),
    Metric(
        "remove",
        "ReMOVE",
        HIGHER,
        ("full",),
        needs_truth=False,
        networks=("sam_vit_h",),
        # padded: as published in square pictures, and right in others
        score=lambda compared, region, networks: remove(compared.result, compared.hole, networks.get("sam_vit_h"), padded=True),
    ),
    Metric(
        "cfd",
        "CFD",
        LOWER,
        ("full",),
        needs_truth=False,
        networks=("sam_vit_h", "dinov2_giant"),
        score=lambda compared, region, networks: cfd(
            compared.result, compared.hole, networks.get("sam_vit_h"), networks.get("dinov2_giant")
        ),
    ),
    Metric(
        "rc_s",
        "RC-S",
        HIGHER,
        ("full",),
        needs_truth=False,
        networks=("dinov2_giant",),
        score=lambda compared, region, networks: rc_s(compared.result, compared.hole, networks.get("dinov2_giant")),
    ),
    Metric(
        "seam_colour",
        "colour seam",
        LOWER,
        ("hole",),
        "ΔE",
        needs_truth=False,
        score=lambda compared, region, networks: seam_colour(compared.result, compared.hole),
    ),
    Metric(
        "seam_gradient",
        "sharpness seam",
        LOWER,
        ("hole",),
        "octaves",
        needs_truth=False,
        score=lambda compared, region, networks: seam_gradient(compared.result, compared.hole),
    ),
    Metric(
        "leak_colour",
        "colours left",
        LOWER,
        ("hole",),
        needs_truth=False,
        score=lambda compared, region, networks: leak_colour(compared.result, compared.photo, compared.hole, compared.erased),
    ),
    Metric(
        "leak_texture",
        "texture left",
        LOWER,
        ("hole",),
        needs_truth=False,
        score=lambda compared, region, networks: leak_texture(compared.result, compared.photo, compared.hole, compared.erased),
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in CATALOG}
READINGS: dict[str, Metric] = {
    "attention_gap": Metric("attention_gap", "attention gap", HIGHER, (), needs_truth=False),
    "attention_leakage": Metric("attention_leakage", "attention leakage", LOWER, (), needs_truth=False),
    "seconds": Metric("seconds", "time", LOWER, (), "s", needs_truth=False),
}
"""What an eraser tells of its own run, where it does: keys without a region."""
