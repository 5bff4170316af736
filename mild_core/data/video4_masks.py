"""Where the things to erase are in the frames of a clip: told by a mask track, by a network, or by any function.

Video4Removal takes the thing alone (GroundingDINO with SAM 2): shadow and reflection lie outside of the mask, and are gone in the truth.
A track of any program will do, such as SAM's; a network is one of panoptic labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..models.panoptic_network import class_names, decode_queries, panoptic_input, panoptic_queries
from .video4_frames import VIDEOS, frames_of

__all__ = ["Detector", "masks_by", "panoptic_detector", "track_of"]

Detector = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(frame [H, W, 3] uint8, what moves in it [h, w] uint8 with 255 for things) to the mask [H, W] bool of what is to be erased."""

MOVES = 0.5  # of a thing's pixels, at least, for it to be one that moves
NETWORKS = {
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "oneformer": "OneFormerForUniversalSegmentation",
    "eomt": "EomtForUniversalSegmentation",
    "eomt_dinov3": "EomtDinov3ForUniversalSegmentation",
}


def track_of(masks: Path, clip: Path) -> Path:
    """The mask track of a clip: `masks`/STEM with a PNG for each frame, named by its number, or a video `masks`/STEM.mkv.

    Raises FileNotFoundError when there is none.
    """
    for path in (masks / clip.stem, *(masks / f"{clip.stem}{ending}" for ending in VIDEOS)):
        if path.exists():
            return path
    raise FileNotFoundError(f"{masks} holds no mask track of {clip.name}: neither a folder {clip.stem} of PNGs nor a video of that name")


def masks_by(track: Path, wanted: Iterable[int], size: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """The mask [H, W] bool of each wanted frame, with its number, rising; what is brighter than 127 is the thing.

    Masks of another size are resized. A frame without a mask has nothing to erase.

    Args:
        track: as `track_of` gives it; the PNGs of a folder are numbered from 0.
        wanted: numbers of frames.
        size: height and width of the frames.

    Raises ValueError, which names it, when a mask cannot be read.
    """
    numbers = sorted(wanted)
    if track.is_dir():
        named = {int(path.stem): path for path in track.glob("*.png") if path.stem.isdecimal()}
        for number in numbers:
            if number not in named:
                continue
            plane = cv2.imread(str(named[number]), cv2.IMREAD_GRAYSCALE)
            if plane is None:
                raise ValueError(f"{named[number]} cannot be read as a mask: it must be a PNG")
            yield number, _at(plane, size)
        return
    left = set(numbers)
    for number, frame in enumerate(frames_of(track)):
        if number in left:
            yield number, _at(frame[..., 1], size)
            left.remove(number)
        if not left:
            return


@lru_cache(maxsize=1)
def panoptic_detector(folder: Path, device: str = "cpu") -> Detector:
    """A detector of things that move: the things of a panoptic network of transformers of which half or more moves.

    Args:
        folder: a Mask2Former, OneFormer or EoMT network with config.json and model.safetensors.

    Raises FileNotFoundError when the folder has no config.json or no safetensors, ValueError when it holds another network,
    RuntimeError where transformers is missing.
    """
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} must hold config.json and the weights in safetensors of a panoptic network")
    try:
        import transformers
    except ImportError as error:
        raise RuntimeError(f"the network in {folder} needs transformers 4.50.3 or newer: {error}") from error
    kind = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True).model_type
    if kind not in NETWORKS or not hasattr(transformers, NETWORKS[kind]):
        raise ValueError(f'{folder} holds a network of the type "{kind}", but it must be one of {", ".join(NETWORKS)}')
    loader: Any = getattr(transformers, NETWORKS[kind])
    network, told = loader.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True)
    if told["missing_keys"]:
        raise ValueError(f"{len(told['missing_keys'])} weights of the network are missing in {folder}")
    network = network.eval().requires_grad_(False).float().to(device)
    names = class_names(network.config)

    @torch.no_grad()
    def detect(frame: np.ndarray, moving: np.ndarray) -> np.ndarray:
        seen = panoptic_input(torch.from_numpy(frame).float() / 255, network.config)
        classes, masks = panoptic_queries(network, seen.pixels.to(device))
        panoptic = decode_queries(classes.cpu(), masks.cpu(), (frame.shape[0], frame.shape[1]), names, shown=seen.shown)
        moves = cv2.resize((moving == 255).astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
        things = [segment for segment in panoptic.segments if segment.thing]
        kept = [s for s in things if moves[(panoptic.labels == s.id).numpy()].mean() >= MOVES]
        return panoptic.mask(kept).numpy()

    return detect


def _at(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if plane.shape != size:
        plane = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
    return plane > 127
