"""Where ComfyUI saves what an artist keeps, and what it writes into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io

__all__ = ["OutputPlace", "output_place", "workflow_text"]


class OutputPlace(NamedTuple):
    """Where a new file goes, by the core's rules."""

    folder: Path  # which is there
    subfolder: str  # the same, seen from the output folder
    stem: str  # what the file's name begins with
    number: int  # the next that the core has not seen


def output_place(filename_prefix: str, size: tuple[int, int]) -> OutputPlace:
    """The place that a filename_prefix names, with %date% and the like filled in, for a picture of that height and width.

    Raises ValueError when it is not inside the output folder.
    """
    height, width = size
    try:
        found = folder_paths.get_save_image_path(filename_prefix, folder_paths.get_output_directory(), width, height)
    except OSError:
        raise  # of the disk, which says itself what is wrong
    except Exception as error:  # the core raises nothing more particular
        raise ValueError(f"filename_prefix is {filename_prefix!r}, but it must name a place inside ComfyUI's output folder") from error
    folder, stem, number, subfolder, _ = found
    return OutputPlace(Path(folder), subfolder, stem, number)


def workflow_text(node: type[io.ComfyNode]) -> dict[str, str]:
    """The texts by keyword, JSON each, that the core's Save Image puts into a PNG: prompt, workflow and whatever else came with them.

    Empty with --disable-metadata. The node must ask for prompt and extra_pnginfo among its hidden inputs.
    """
    if args.disable_metadata or node.hidden is None:
        return {}
    prompt, extra = node.hidden.prompt, node.hidden.extra_pnginfo or {}
    texts = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return texts | {keyword: json.dumps(value) for keyword, value in extra.items()}
