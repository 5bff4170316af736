"""Means over windows of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["box_mean"]


def box_mean(planes: Tensor, reach: Sequence[int]) -> Tensor:
    """The mean of planes [..., H, W] over the pixels up to `reach` rows and columns away; beyond the frame all is 0."""
    import cv2

    rows, columns = (2 * far + 1 for far in reach)
    means = [
        cv2.boxFilter(plane, -1, (columns, rows), borderType=cv2.BORDER_CONSTANT)
        for plane in planes.reshape(-1, *planes.shape[-2:]).cpu().numpy()
    ]
    return torch.from_numpy(np.stack(means)).reshape(planes.shape).to(planes.device)
