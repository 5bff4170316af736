"""Content initialization: something plausible in the hole before the first denoising step."""

from .exemplar import exemplar_fill
from .smooth import smooth_fill

__all__ = ["exemplar_fill", "smooth_fill"]
