"""ReMOVE, how much the inside of a hole resembles what is around it; no truth is needed.

Chandrasekar, Chakrabarty, Bardhan, Hebbalaguppe, AP, "ReMOVE: A Reference-free Metric for Object Erasure" (CVPR Workshops
2024). With the feature map F of SAM's image encoder, 64×64 cells of 256 numbers, and M_p = 1 in the cells of the hole,

    ReMOVE = cos( Σ_p M_p·F_p / Σ_p M_p,  Σ_p (1 − M_p)·F_p / Σ_p (1 − M_p) ).

What the authors' program does, its figures depend on, and the equation does not say:
- A cell is of the hole when the bicubically shrunk mask is full there. Cells at the hole's edge count as around it.
- SAM pads a picture to a square, the mask is only squeezed into one. Where a picture is not square, the cells of the hole lie
  elsewhere than the hole. `padded=True` pads the mask as the picture, and leaves the padding out; take it for pictures that
  are not square, and tell both apart in a table.

Do not choose an eraser by this score alone: it rises when the filling is blurred, and it agrees little with people (Kendall's
τ 0.26 in the PROVE study, where RC-S has 0.59).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene.box import Box
from .inside import comparable
from .sam import sam_features

__all__ = ["cells_within", "remove", "remove_of"]

MARGIN = 16  # pixels around the hole's square, of `crop`


def remove(image: Tensor, hole: Tensor, sam: nn.Module, crop: bool = False, padded: bool = False) -> float:
    """ReMOVE in -1..1, higher is better; good results lie near 0.9. nan where no cell lies wholly in the hole, or all do.

    Args:
        image: [H, W, 3] floating point in 0..1, the eraser's result.
        hole: [H, W] bool, true where somebody was erased.
        sam: a SamModel, of `load_sam`.
        crop: look only at a square around the hole, as the authors' `--crop`.
        padded: lay the mask where the picture is, see above; as the authors' program without.
    Raises ValueError when sizes, types or ranges are others.
    """
    comparable(image, image, hole)
    hole = hole.cpu()
    if crop:
        box = _square(hole)
        image, hole = box.view(image), box.view(hole)
    features = sam_features(image, sam)
    cells = features.shape[-1]
    seen = torch.ones(cells, cells, dtype=torch.bool)
    if padded:
        height, width = hole.shape
        side = max(height, width)
        hole = Box(0, 0, side, side).cut(hole)  # the frame's pixels repeat: the padding is no edge of the hole
        seen[max(round(cells * height / side), 1) :] = False
        seen[:, max(round(cells * width / side), 1) :] = False
    inside = cells_within(hole, cells) & seen
    return remove_of(features, inside, seen & ~inside)


def remove_of(features: Tensor, inside: Tensor, outside: Tensor) -> float:
    """The cosine of the mean features [D, h, w] of two sets of cells [h, w] bool; nan where one is empty."""
    if not (inside.any() and outside.any()):
        return math.nan
    return float(F.cosine_similarity(features[:, inside].mean(1), features[:, outside].mean(1), dim=0))


def cells_within(mask: Tensor, cells: int) -> Tensor:
    """Which of cells×cells squares of a mask [H, W] bool are full in the mask as Pillow shrinks it, bicubic in 8 bits. Bool."""
    from PIL import Image

    drawn = Image.fromarray(mask.cpu().numpy().astype(np.uint8) * 255)
    return torch.from_numpy(np.array(drawn.resize((cells, cells), Image.Resampling.BICUBIC)) == 255)


def _square(hole: Tensor) -> Box:
    """The authors' square: from the upper left of the hole's box, 16 pixels wider on each side, less where the frame is near."""
    height, width = hole.shape
    box = Box.around(hole)
    room = min(box.left, box.top, height - box.bottom + 1, width - box.right + 1)  # a pixel more than there is: they count so
    square = Box(box.left, box.top, box.left + box.longest, box.top + box.longest)
    return square.grown(min(room, MARGIN)).clip(height, width)
