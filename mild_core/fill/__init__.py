"""Content initialization: something plausible in the hole before the first denoising step."""

from .exemplar import exemplar_fill
from .plan import Initialization, copy_detail, fill_pathway
from .smooth import smooth_fill

__all__ = ["Initialization", "copy_detail", "exemplar_fill", "fill_pathway", "smooth_fill"]
