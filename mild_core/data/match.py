"""A person brought part of the way to the light, the sharpness and the grain of the place they are pasted on.

The light of a photograph is told by grey-world (Buchsbaum, "A spatial processor model for object colour perception", 1980) and
moved by von Kries' gains in linear light. All changes are bounded: clothes have colours of their own, which stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Light", "grain_of", "light_of", "match_grain", "match_light", "match_sharpness", "to_linear", "to_srgb"]

PART = 0.5  # of the way, as an exponent of the gains
EXPOSURE = (0.72, 1.35)  # bounds of the gain of all channels
CAST = (0.9, 1.11)  # bounds of the gain of one channel against the others
CONTRAST = (0.85, 1.15)  # bounds of the change of contrast
COLOURLESS = 0.012  # mean spread of the channels below which a photo is black and white
SOFTNESS = 0.45  # pixels of Gaussian blur that a photo has for each time it is blown up
MOST_GRAIN = 0.012  # standard deviation that is added at most
LEAST_GRAIN = 0.003  # what is less is not seen
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Light:
    """What a photograph, or a part of it, tells of its light."""

    mean: np.ndarray  # [3] float32, mean of linear light
    contrast: float  # standard deviation of the luma
    colourful: float  # mean distance between the largest and the smallest channel


def to_linear(image: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light (IEC 61966-2-1). Float32."""
    return np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** np.float32(2.4)).astype(np.float32)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Linear light in 0..1 to sRGB (IEC 61966-2-1). Float32."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light.clip(1e-8) ** np.float32(1 / 2.4) - 0.055).astype(np.float32)


def light_of(picture: np.ndarray) -> Light:
    """Of a picture [h, w, 3] float32 in 0..1, of which at most every fourth pixel is looked at."""
    step = 4 if min(picture.shape[:2]) >= 64 else 1
    few = picture[::step, ::step]
    mean = to_linear(few).reshape(-1, 3).mean(0)
    return Light(mean.clip(1e-3), float((few @ LUMA).std()), float((few.max(-1) - few.min(-1)).mean()))


def match_light(colour: np.ndarray, alpha: np.ndarray, source: Light, place: Light) -> np.ndarray:
    """Colours [h, w, 3] in 0..1 of who was photographed in one light, as they look in that of the place. Float32.

    Exposure and cast go half of the way (the square root of the ratio of the means), contrast too, about the person's own mean.
    On a black and white place people are black and white.
    """
    ratio = (place.mean / source.mean) ** PART
    exposure = float(np.exp(np.log(ratio).mean()))
    gain = (ratio / exposure).clip(*CAST) * np.clip(exposure, *EXPOSURE)
    lit = to_srgb((to_linear(colour) * gain.astype(np.float32)).clip(0, 1))
    if place.colourful < COLOURLESS:
        lit = np.repeat((lit @ LUMA)[..., None], 3, -1)
    own = (lit * alpha[..., None]).sum((0, 1)) / max(float(alpha.sum()), 1e-6)
    steeper = np.clip((place.contrast / max(source.contrast, 1e-3)) ** PART, *CONTRAST)
    return ((lit - own) * np.float32(steeper) + own).clip(0, 1).astype(np.float32)


def match_sharpness(colour: np.ndarray, alpha: np.ndarray, scale: float, place_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Colour and alpha of a person at `scale` of the photo they come from, as soft as a place at `place_scale` of its own.

    What was blown up q times is as soft as a Gaussian of 0.45·q pixels; Gaussians add by their squares. Who is softer already stays.
    """
    variance = max(place_scale, 1) ** 2 - max(scale, 1) ** 2
    if variance <= 0.05:
        return colour, alpha
    sigma = SOFTNESS * variance**0.5
    blurred = cv2.GaussianBlur(np.dstack([colour * alpha[..., None], alpha]), (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    soft = blurred[..., 3].clip(0, 1)
    return (blurred[..., :3] / soft[..., None].clip(1e-6)).clip(0, 1), soft


def grain_of(picture: np.ndarray, where: np.ndarray | None = None) -> float:
    """Standard deviation of the grain of a picture [h, w, 3] in 0..1, in its smoother half; 0 where there is too little of it.

    Immerkær, "Fast Noise Variance Estimation", 1996: the mean absolute response of a mask that planes do not excite.
    """
    luma = picture @ LUMA
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(luma, -1, kernel))
    busy = cv2.blur(np.abs(luma - cv2.blur(luma, (5, 5))), (5, 5))
    counted = np.ones(luma.shape, bool) if where is None else where
    if counted.sum() < 64:
        return 0.0
    smooth = counted & (busy <= np.median(busy[counted]))
    return float(np.sqrt(np.pi / 2) / 6 * response[smooth].mean())


def match_grain(colour: np.ndarray, alpha: np.ndarray, place_grain: float, rng: np.random.Generator) -> np.ndarray:
    """Colours with as much grain as the place has; nobody loses theirs. Variances add."""
    lacking = np.sqrt(max(place_grain**2 - grain_of(colour, alpha > 0.95) ** 2, 0))
    if lacking < LEAST_GRAIN:
        return colour
    noise = rng.standard_normal(colour.shape[:2], dtype=np.float32)[..., None] * np.float32(min(lacking, MOST_GRAIN))
    return (colour + noise).clip(0, 1)
