"""Scores of a picture against the truth, inside a hole. `catalog` lists these and all others by name."""

from .haarpsi import haarpsi
from .psnr import psnr
from .ssim import ssim

__all__ = ["haarpsi", "psnr", "ssim"]
