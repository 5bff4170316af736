"""Where a silhouette fits, for all places of a picture at once."""

from __future__ import annotations

import numpy as np

__all__ = ["fitting_places"]


def fitting_places(shape: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The places (top, left) at which the whole silhouette [h, w] bool is inside the frame and on what is free [H, W] bool.

    How much of it is not free is counted for all places at once: the correlation of both, by Fourier transform. A place inside the
    frame does not wrap around, so that nothing needs padding.

    Returns [H − h + 1, W − w + 1] bool, with no rows or columns where the silhouette is larger than the picture.
    """
    height, width = (max(side - own + 1, 0) for side, own in zip(free.shape, shape.shape, strict=True))
    if not height or not width or free.sum() < shape.sum():
        return np.zeros((height, width), bool)
    spectrum = np.fft.rfft2(~free) * np.conj(np.fft.rfft2(shape, free.shape))
    return np.fft.irfft2(spectrum, free.shape)[:height, :width] < 0.5  # counts are whole numbers
