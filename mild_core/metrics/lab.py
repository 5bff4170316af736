"""CIELAB, in which equal distances look about equally far apart.

CIE 15, "Colorimetry": sRGB (IEC 61966-2-1) to linear light, to XYZ under D65, to L* in 0..100 and a*, b* by
f(t) = t^(1/3) above (6/29)³ and t / (3·(6/29)²) + 4/29 below. The distance of two colours, ΔE*ab of 1976, is Euclidean; about 2 is
just noticed between two large areas that touch.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["lab"]

XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))  # rows X, Y, Z
KNEE = 6 / 29


def lab(image: Tensor) -> Tensor:
    """sRGB planes [3, H, W] in 0..1 as planes of L*, a*, b*, of the same type; what lies outside 0..1 is clipped."""
    image = image.clamp(0, 1)
    light = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor(XYZ, dtype=image.dtype, device=image.device)
    xyz = torch.einsum("kc,chw->khw", to_xyz, light) / to_xyz.sum(1)[:, None, None]  # white is 1, 1, 1
    x, y, z = torch.where(xyz > KNEE**3, xyz.clamp(min=KNEE**3) ** (1 / 3), xyz / (3 * KNEE**2) + 4 / 29)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
