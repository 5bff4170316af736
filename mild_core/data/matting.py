"""Closed-form matting: the alpha of the unknown part of a trimap.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (PAMI 2008): where the colours of foreground and of background
lie on a line each within a window, alpha is an affine function of colour there, and the sum of its squared errors over all windows is
αᵀLα. The known pixels are held exactly, so that the system is as large as the unknown part alone: a ring around a thing.
"""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["EPSILON", "UNKNOWN", "closed_form_alpha", "trimap_of"]

UNKNOWN = 128  # of a trimap
EPSILON = 1e-7  # of the authors: how much an affine function's slope costs, for colours in 0..1
RING = 3  # erosions with 3×3
WINDOW = 9  # pixels of a window, 3×3
THIN = 0.8  # of the largest depth around: where a thing has no inside, what is that deep is taken for it


def trimap_of(mask: np.ndarray, ring: int = RING) -> np.ndarray:
    """The trimap [h, w] uint8 of a mask [h, w] bool: 255 what that many 3×3 erosions leave of it, 128 the ring of the rest, 0 outside.

    SmartEraser's (CVPR 2025) ring of three pixels lies inside of the mask, so that nothing outside ever changes. Where a thing is so
    thin that nothing is left, such as an arm, its middle is known too: otherwise it would vanish. The frame ends no thing.
    """
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=ring, borderType=cv2.BORDER_REPLICATE) > 0
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), ring, ring, ring, ring, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(np.pad(padded, 1), cv2.DIST_C, 3)[1 + ring : -1 - ring, 1 + ring : -1 - ring]
    reach = cv2.dilate(depth, np.ones((2 * ring + 1, 2 * ring + 1), np.uint8))
    middle = (reach <= ring) & (depth >= THIN * reach)
    return np.where(mask, np.where(inside | middle, 255, UNKNOWN), 0).astype(np.uint8)


def closed_form_alpha(photo: np.ndarray, trimap: np.ndarray, epsilon: float = EPSILON) -> np.ndarray:
    """Alpha [h, w] float64 in 0..1 of a photo [h, w, 3] uint8 with a trimap [h, w]: 255 is 1, 0 is 0, all else is sought.

    Solves L_uu·α_u = −L_uk·α_k for the unknown pixels u and the known ones k, with the matting Laplacian of eq. 12,
    L_ij = Σ over windows w of δ_ij − (1 + (Iᵢ − μ)ᵀ(Σ + ε/|w| U)⁻¹(Iⱼ − μ))/|w|. An unknown part without any known pixel near it is 0.

    Raises ValueError when photo and trimap are of different sizes, or smaller than a window.
    """
    if photo.shape[:2] != trimap.shape or min(trimap.shape) < 3:
        raise ValueError(f"photo is {photo.shape[:2]} and trimap {trimap.shape}, but they must be of one size, 3×3 at least")
    alpha = (trimap == 255).astype(np.float64)
    unknown = (trimap != 0) & (trimap != 255)
    if not unknown.any():
        return alpha
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve

    rows, columns, values = _laplacian(photo, unknown, epsilon)
    number = np.full(trimap.size, -1)
    number[unknown.ravel()] = np.arange(unknown.sum())
    laplacian = coo_matrix((values, (number[rows], columns)), (int(unknown.sum()), trimap.size)).tocsc()
    known = laplacian[:, ~unknown.ravel()] @ alpha[~unknown]
    system = laplacian[:, unknown.ravel()] + diags(np.full(int(unknown.sum()), 1e-9))
    alpha[unknown] = spsolve(system.tocsc(), -known, permc_spec="MMD_AT_PLUS_A")
    return alpha.clip(0, 1)


def _laplacian(photo: np.ndarray, unknown: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of the matting Laplacian that belong to unknown pixels: flat pixel numbers of row and of column, and what is added."""
    width = unknown.shape[1]
    near = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    top, left = np.nonzero(near[1:-1, 1:-1])  # of the windows that lie wholly in the photo
    offset = (np.arange(3)[:, None] * width + np.arange(3)).ravel()
    pixels = (top * width + left)[:, None] + offset  # [windows, 9]
    colour = photo.reshape(-1, 3)[pixels] / 255.0
    centred = colour - colour.mean(1, keepdims=True)
    spread = centred.transpose(0, 2, 1) @ centred / WINDOW + epsilon / WINDOW * np.eye(3)
    affinity = (1 + centred @ np.linalg.solve(spread, centred.transpose(0, 2, 1))) / WINDOW
    entries = np.eye(WINDOW) - affinity
    row = np.broadcast_to(pixels[:, :, None], entries.shape)
    wanted = unknown.ravel()[row]
    return row[wanted], np.broadcast_to(pixels[:, None, :], entries.shape)[wanted], entries[wanted]
