"""Content initialization: something plausible in the hole before the first denoising step."""

from .exemplar import exemplar_fill
from .plan import Initialization, fill_pathway
from .smooth import smooth_fill

__all__ = ["Initialization", "exemplar_fill", "fill_pathway", "smooth_fill"]
