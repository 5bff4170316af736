"""The only room that knows ComfyUI's internals."""

from .attention import AttentionPatch, UnreachableError, install, percent_to_sigma
from .files import load_lora, lora_names
from .joining import Told, join_told, may_join, part_samples
from .loras import lora_rows
from .mini import PatchVAE, encode_rows, expand_conditioning, load_mini, progress, shown_in_hole, working_size_of
from .networks import PARSING, POSES, load_network, network_names, run_network, unknown_network
from .previews import preview_layers
from .proxies import PROXY_SIDE, save_proxy
from .rows import delay_rows, limit_rows
from .saving import OutputPlace, output_place, workflow_text

__all__ = [
    "PARSING",
    "POSES",
    "PROXY_SIDE",
    "AttentionPatch",
    "OutputPlace",
    "PatchVAE",
    "Told",
    "UnreachableError",
    "delay_rows",
    "encode_rows",
    "expand_conditioning",
    "install",
    "join_told",
    "limit_rows",
    "load_lora",
    "load_mini",
    "load_network",
    "lora_names",
    "lora_rows",
    "may_join",
    "network_names",
    "output_place",
    "part_samples",
    "percent_to_sigma",
    "preview_layers",
    "progress",
    "run_network",
    "save_proxy",
    "shown_in_hole",
    "unknown_network",
    "workflow_text",
    "working_size_of",
]
