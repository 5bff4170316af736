"""The only room that knows ComfyUI's internals."""

from .attention import AttentionPatch, UnreachableError, install, percent_to_sigma
from .mini import PatchVAE, expand_conditioning, latent_size, load_mini, progress, shown_in_hole, working_size_of

__all__ = [
    "AttentionPatch",
    "PatchVAE",
    "UnreachableError",
    "expand_conditioning",
    "install",
    "latent_size",
    "load_mini",
    "percent_to_sigma",
    "progress",
    "shown_in_hole",
    "working_size_of",
]
