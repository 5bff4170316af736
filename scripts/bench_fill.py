"""How long the exemplar fill takes: a 512×512 photograph with a hole of 15 %, person-shaped.

    python scripts/bench_fill.py [--size 512] [--share 0.15] [--runs 5]

The photograph is scikit-learn's china.jpg, the hole a standing ellipse with a head. Prints seconds per run and their median,
and the number of threads it ran on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path[0] = str(Path(__file__).resolve().parents[1])

from mild_core.fill import exemplar_fill  # noqa: E402


def standing_figure(size: int, share: float) -> np.ndarray:
    """A body and a head [S, S] bool that cover `share` of the square."""
    mask = np.zeros((size, size), np.uint8)
    for height in np.linspace(0.1, 1.0, 200) * size:
        mask[:] = 0
        centre = (size // 2, size // 2)
        cv2.ellipse(mask, centre, (int(height * 0.16), int(height * 0.4)), 0, 0, 360, 1, -1)
        cv2.circle(mask, (size // 2, int(size / 2 - height * 0.42)), int(height * 0.09), 1, -1)
        if mask.mean() >= share:
            break
    return mask > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    from sklearn.datasets import load_sample_image

    photo = cv2.resize(load_sample_image("china.jpg")[:, 100:527], (options.size, options.size), interpolation=cv2.INTER_CUBIC)
    image = torch.from_numpy(photo.astype(np.float32) / 255)
    hole = torch.from_numpy(standing_figure(options.size, options.share))
    seconds = []
    for run in range(options.runs):
        started = time.perf_counter()
        exemplar_fill(image, hole, seed=run)
        seconds.append(time.perf_counter() - started)
    each = " ".join(f"{s:.2f}" for s in seconds)
    setting = f"{options.size}×{options.size}, hole {float(hole.float().mean()):.1%}, {torch.get_num_threads()} threads"
    print(f"{setting}: {each} s, median {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
