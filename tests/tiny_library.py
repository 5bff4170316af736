"""A photo library small enough for tests: what is where in it is known."""

from pathlib import Path

import numpy as np
from PIL import Image

BACKDROP = (0, 255, 0)  # what is around the people


def make_library(root: Path) -> Path:
    """Places of noise without green, and people (a head on a body) without green before a green backdrop."""
    rng = np.random.default_rng(0)
    for folder in ("places", "people"):
        (root / folder).mkdir()
    for number in range(14):
        size = (150, 220) if number % 3 else (220, 150)
        save(root / "places" / f"place{number}.jpg", rng.integers(60, 200, (*size, 3)) * (1, 0, 1))
        photo, values = np.full((240, 200, 3), BACKDROP), np.zeros((240, 200), np.uint8)
        y, x = np.mgrid[:240, :200]
        for value, middle in enumerate((50, 140), start=1):
            head = (y - 40) ** 2 + (x - middle) ** 2 < 18**2
            body = (abs(x - middle) < 12 + number) & (y >= 50) & (y < 180 + 4 * number % 40)
            photo[head | body] = (90 + 5 * number, 0, 60 * value)
            values[head | body] = value
        save(root / "people" / f"people{number}.jpg", photo)
        Image.fromarray(values).save(root / "people" / f"people{number}.png")
    return root


def save(path: Path, photo: np.ndarray) -> None:
    Image.fromarray(photo.astype(np.uint8)).save(path, quality=100, subsampling=0)
