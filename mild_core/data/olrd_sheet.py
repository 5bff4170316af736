"""The contact sheet of removal pairs: what went in, and the truth with the outline of the hole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["SheetEntry", "contact_sheet"]

CELL = (208, 160)  # pixels, width and height of each picture
TEXT = 14  # pixels below it
GAP = 6
COLUMNS = 4  # pairs beside each other
BACK, INK, OUTLINE = (24, 24, 24), (210, 210, 210), (255, 40, 40)
QUALITY = 90


class SheetEntry(NamedTuple):
    """A pair on the sheet."""

    input: np.ndarray  # [H, W, 3] uint8
    truth: np.ndarray  # [H, W, 3] uint8
    mask: np.ndarray  # [H, W] uint8, 255 in the hole
    title: str  # ASCII


def contact_sheet(entries: Sequence[SheetEntry]) -> bytes:
    """The sheet as a JPEG file, four pairs in a row, each its input and its truth. Raises ValueError for no pairs."""
    if not entries:
        raise ValueError("a contact sheet needs at least one pair")
    tiles = [_tile(entry) for entry in entries]
    height, width = tiles[0].shape[:2]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((GAP + rows * (height + GAP), GAP + columns * (width + GAP), 3), BACK, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = GAP + place // columns * (height + GAP), GAP + place % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _tile(entry: SheetEntry) -> np.ndarray:
    tile = np.full((CELL[1] + TEXT, 2 * CELL[0], 3), BACK, np.uint8)
    height, width = entry.mask.shape
    scale = min(CELL[0] / width, CELL[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    hole = (cv2.resize(entry.mask, size, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    outline = (cv2.dilate(hole, np.ones((3, 3), np.uint8)) > hole) > 0
    for place, picture in enumerate((entry.input, entry.truth)):
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        if place:
            small[outline] = OUTLINE
        left, top = place * CELL[0] + (CELL[0] - size[0]) // 2, (CELL[1] - size[1]) // 2
        tile[top : top + size[1], left : left + size[0]] = small
    cv2.putText(tile, entry.title, (2, CELL[1] + TEXT - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)
    return tile
