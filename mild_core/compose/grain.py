"""A row's sharpness and grain brought to the photo's."""

from __future__ import annotations

import torch
from torch import Tensor

from ..fill.smooth import smooth_fill
from ..scene.blur import blur
from ..scene.masks import distance_inside
from .ring import LEAST_KNOWN, check, ring_of, samples

__all__ = ["match_grain", "match_sharpness"]

RIDGE = 1e-4  # holds slopes that the ring says nothing about at zero
SCALES = (0.0, 1.0, 2.0, 4.0)  # sigma in pixels of the Gaussians whose differences are the three bands of sharpness and grain
MOST_SHARPENING = 2.0  # how many times the finest band is added to a row
FLAT = 0.1  # share of the pixels, the flattest, from which grain is read
WHITE = 0.04  # of white noise's variance in the finest band, what the next has
BLURRED = (0.25, 0.4)  # the same of noise that a Gaussian of 0.6 pixels has blurred; of that, what the coarsest has
TEXTURE = 3.0  # of texture's variance in the middle band, what the finest has: 3.8 in a sharp picture, about 1 in a soft one
FLAT_SIZE = 6.0  # pixels, sigma of the window that flatness is judged in
CERTAIN = 1.1  # how many times the row's variance the photo's must be before grain is added
MOST_GRAIN = 0.04  # standard deviation in any channel; what is stronger is texture
CLIPPED = 2 / 255  # from black or white, nearer than which a photo has lost its noise
TINY = 1e-30


def match_sharpness(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor) -> Tensor:
    """The row, sharpened by as much as that makes it the photo in the ring.

    Least squares: row + a·fine + b·middle, with its two finest bands. A row that is as sharp as the photo, or shows something
    else, stays as it is: a is never below 0. Arguments and errors as for `seam`.
    """
    check(row, photo, hole, known)
    known = known & ~hole
    if int(known.sum()) < LEAST_KNOWN or not hole.any():
        return row
    ring = _ring_of_bands(hole, known)
    have, wanted = (_bands(picture)[:2] for picture in (row, smooth_fill(photo, known)))
    here = torch.stack([samples(band, ring).flatten() for band in have])
    missing = samples((wanted - have).sum(0), ring).flatten()
    normal = here @ here.T
    normal += RIDGE * normal.trace().clamp(min=TINY) * torch.eye(2).to(normal)
    amount = torch.linalg.solve(normal, here @ missing)
    if amount[0] <= 0:
        return row
    amount = amount.clamp(-amount[0], amount[0]) * (MOST_SHARPENING / amount[0]).clamp(max=1)
    return (row + torch.einsum("i,ihwc->hwc", amount.to(have), have)).clamp(0, 1)


def match_grain(row: Tensor, photo: Tensor, hole: Tensor, known: Tensor, seed: int) -> Tensor:
    """The row with the noise added that the photo has in the ring and the row has not in its hole.

    Noise is read as the covariance of the channels in three bands (differences of Gaussians), where the picture is flattest. What
    is missing is added as normal noise of those bands. Nothing is taken away, pixels that are the photo's own stay as they are,
    and blacks and whites, which have no room for noise, get little. A pixel's noise depends on the seed, its place and the
    crop's size. Arguments and errors as for `seam`.
    """
    check(row, photo, hole, known)
    known = known & ~hole
    if not known.any() or not hole.any():
        return row
    ring = _ring_of_bands(hole, known)
    missing = _positive(_grain(smooth_fill(photo, known), ring) - CERTAIN * _grain(row, hole))
    if not missing.any():
        return row
    noise = _noise(missing, row, seed)
    room = (torch.minimum(row, 1 - row) / MOST_GRAIN).clamp(0, 1)
    own = (row == photo).all(-1) & known
    return torch.where(own[..., None], row, row + noise * room).clamp(0, 1)


def _bands(picture: Tensor) -> Tensor:
    """The differences of a picture [H, W, C] and its Gaussians, fine to coarse: [3, H, W, C]."""
    levels = torch.stack([blur(picture, sigma) for sigma in SCALES])
    return levels[:-1] - levels[1:]


def _grain(picture: Tensor, region: Tensor) -> Tensor:
    """The covariance of the channels' noise in each band, [3, 3, 3] float64, where a region [H, W] of a picture is flattest.

    Robust: a variance is (1.4826 · median |x|)², and cov(a, b) = (var(a + b) − var(a − b)) / 4 (Gnanadesikan and Kettenring, 1972).
    """
    region = region & (torch.minimum(picture, 1 - picture) > CLIPPED).all(-1)
    if not region.any():
        return torch.zeros(3, 3, 3, dtype=torch.float64)
    bands = _bands(picture)
    structure = blur(bands[:2].square().sum((0, 3))[..., None], FLAT_SIZE)[..., 0]
    inside = structure[region]
    count = max(round(FLAT * len(inside)), min(LEAST_KNOWN, len(inside)))
    flat = region & (structure <= inside.kthvalue(count).values)
    noise = torch.stack([samples(band, flat) for band in bands])  # [3, N, 3]
    a, b = noise[..., :, None], noise[..., None, :]
    plus, minus = ((1.4826 * x.abs().median(1).values).square() for x in (a + b, a - b))
    return _without_texture((plus - minus) / 4)


def _without_texture(bands: Tensor) -> Tensor:
    """Covariances of three bands, [3, 3, 3], scaled channel by channel down to what of them can be noise.

    Of noise's variance in a band at most a share BLURRED is in the next coarser one. Texture has about as much in each octave
    (Field, "Relations between the statistics of natural images", 1987), and shading more in the coarser ones. So the coarsest
    band, which shows noise least, tells what of the middle one is texture t; in the finest, which is wider, that is TEXTURE times
    as much, and less in the ratio in which it falls from the coarsest to the middle. The noise of the coarsest is not read.
    """
    fine, middle, coarse = bands.diagonal(dim1=-2, dim2=-1)
    of_middle = ((middle - coarse) / (1 - BLURRED[1])).clamp(min=0).minimum(middle)
    texture = middle - of_middle
    of_fine = (fine - TEXTURE * texture.square() / coarse.maximum(texture).clamp(min=TINY)).clamp(min=0)
    of_middle = of_middle.maximum(WHITE * of_fine).minimum(BLURRED[0] * of_fine)
    scale = (torch.stack([of_fine, of_middle]) / torch.stack([fine, middle]).clamp(min=TINY)).sqrt()
    fine, middle = bands[:2] * scale[..., :, None] * scale[..., None, :]
    return torch.stack([fine, middle, BLURRED[1] * middle])


def _positive(matrices: Tensor) -> Tensor:
    """The nearest matrices [..., 3, 3] that are covariances."""
    values, vectors = torch.linalg.eigh(matrices)
    return vectors * values.clamp(min=0)[..., None, :] @ vectors.mT


def _noise(wanted: Tensor, like: Tensor, seed: int) -> Tensor:
    """Normal noise [H, W, 3] for a picture like that one, with these covariances [3, 3, 3] in its bands.

    It is made as bands of white noise. Since bands overlap, of unit noise made in band i a variance M_ij is read in band j; the
    covariances X_i to make it with minimise Σ_j |Σ_i M_ij X_i − wanted_j|² (projected gradient descent).
    """
    impulse = torch.zeros(65, 65, 1, dtype=torch.float64)
    impulse[32, 32] = 1
    made = _bands(impulse)
    gain = made.square().sum((1, 2, 3)).sqrt()
    overlap = torch.stack([_bands(band).square().sum((1, 2, 3)) for band in made]) / gain.square()[:, None]
    step = 1 / torch.linalg.matrix_norm(overlap, 2) ** 2
    made_with = torch.zeros_like(wanted)
    for _ in range(200):
        misfit = torch.einsum("ij,iab->jab", overlap, made_with) - wanted
        made_with = _positive(made_with - step * torch.einsum("ij,jab->iab", overlap, misfit))
    most = made_with.sum(0).diagonal().max().sqrt()
    values, vectors = torch.linalg.eigh(made_with * (MOST_GRAIN / most.clamp(min=MOST_GRAIN)) ** 2)
    root = vectors * values.clamp(min=0).sqrt()[..., None, :] @ vectors.mT / gain[:, None, None]
    white = torch.randn(len(root), *like.shape, generator=torch.Generator().manual_seed(seed)).to(like)
    noise = torch.zeros_like(like)
    for layer, mix, fine, coarse in zip(white, root.to(like), SCALES, SCALES[1:], strict=False):
        noise += (blur(layer, fine) - blur(layer, coarse)) @ mix
    return noise


def _ring_of_bands(hole: Tensor, known: Tensor) -> Tensor:
    """The ring where the bands of a picture show nothing but what is known."""
    inner = distance_inside(known) > SCALES[-1]
    return ring_of(hole, inner if int(inner.sum()) >= LEAST_KNOWN else known)
