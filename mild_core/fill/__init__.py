"""Content initialization: something plausible in the hole before the first denoising step."""

from .exemplar import exemplar_fill
from .fillers import FILLERS, OF_PEOPLE, Fill, Filler, Initialization, network_filler
from .network import InpaintingNetwork, Sides, network_fill
from .plan import copy_detail, fill_pathway, without_others
from .smooth import smooth_fill
from .spread import spread_fill

__all__ = [
    "FILLERS",
    "OF_PEOPLE",
    "Fill",
    "Filler",
    "Initialization",
    "InpaintingNetwork",
    "Sides",
    "copy_detail",
    "exemplar_fill",
    "fill_pathway",
    "network_fill",
    "network_filler",
    "smooth_fill",
    "spread_fill",
    "without_others",
]
