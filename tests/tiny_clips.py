"""Videos rendered for tests: a textured disc with a soft shadow goes through a place that is known."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH, RADIUS, FRAMES = 96, 128, 28, 44
ENTERS, STEP = 12, 8  # frame, and pixels of a frame
NOISE, DRIFT = 1.5, 0.02  # standard deviation, and share of the light
SMEARED, OUT_OF_FOCUS = 23, 4  # a frame whose disc is blurred, and one that is blurred in whole
DARK = 0.45  # of the light that the shadow takes


def place() -> np.ndarray:
    """[H, W, 3] float64: the static background, textured."""
    rng = np.random.default_rng(7)
    coarse = cv2.resize(rng.uniform(90, 190, (9, 12, 3)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (coarse + rng.uniform(-14, 14, (HEIGHT, WIDTH, 1))).clip(30, 225)


def light(number: int) -> float:
    """What the light of a frame is times that of the place: a slow drift."""
    return 1 + DRIFT * np.sin(2 * np.pi * number / FRAMES)


def disc(number: int) -> np.ndarray:
    """[H, W] bool: where the thing is."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (x - (STEP * (number - ENTERS) - RADIUS)) ** 2 + (y - 40) ** 2 < RADIUS**2 if number >= ENTERS else np.zeros(x.shape, bool)


def shadow(number: int) -> np.ndarray:
    """[H, W] in 0..1: how much of the light the thing takes, softly, below it and behind."""
    moved = np.roll(disc(number), (22, 0), (0, 1)).astype(np.float64)
    moved[:22] = 0
    return DARK * cv2.GaussianBlur(moved, (0, 0), 3)


def frame(number: int, moving: bool = True, faults: bool = True) -> np.ndarray:
    """[H, W, 3] uint8: that frame of the clip, or of one in which nothing moves."""
    rng = np.random.default_rng(1000 + number)
    picture = place() * light(number)
    if moving:
        picture *= 1 - shadow(number)[..., None]
        texture = np.random.default_rng(3).uniform(20, 235, (HEIGHT, WIDTH, 3)) * (0.4, 0.9, 1.0)
        texture = np.roll(texture, STEP * number, 1)
        if faults and number == SMEARED:
            texture = cv2.blur(texture, (25, 25))
        where = disc(number)
        picture[where] = texture[where]
    if faults and number == OUT_OF_FOCUS:
        picture = cv2.GaussianBlur(picture, (0, 0), 1.1)
    return (picture + rng.normal(0, NOISE, picture.shape)).round().clip(0, 255).astype(np.uint8)


def save_video(path: Path, frames: list[np.ndarray]) -> Path:
    """The frames as a lossless video."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "bgr0"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    return path


def save_clip(folder: Path, name: str, moving: bool = True, track: Path | None = None, faults: bool = True) -> Path:
    """The clip as NAME.mkv in the folder; with `track`, a folder, its masks as PNGs in track/NAME."""
    folder.mkdir(parents=True, exist_ok=True)
    if track is not None:
        (track / name).mkdir(parents=True)
        for number in range(FRAMES):
            cv2.imwrite(str(track / name / f"{number:05d}.png"), disc(number).astype(np.uint8) * 255)
    return save_video(folder / f"{name}.mkv", [frame(number, moving, faults) for number in range(FRAMES)])
