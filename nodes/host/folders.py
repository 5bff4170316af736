"""Folders of our own under ComfyUI's models folder, and what is said of files that are not in them."""

from __future__ import annotations

import os
from collections.abc import Iterable

import folder_paths

__all__ = ["add_folder", "unknown_file"]


def add_folder(folder: str, endings: Iterable[str]) -> None:
    """Let ComfyUI know models/FOLDER, beside the folders of extra_model_paths.yaml and of other packs, whose endings stay."""
    known = folder in folder_paths.folder_names_and_paths
    folder_paths.add_model_folder_path(folder, os.path.join(folder_paths.models_dir, folder))
    if not known:
        folder_paths.folder_names_and_paths[folder][1].update(endings)


def unknown_file(input: str, name: str | None, names: list[str], folder: str, put: str) -> str | None:
    """Why there is no file of that name, in words that say what to do; None where there is one.

    Args:
        input: of the node, whose value the name is.
        names: of the files that there are.
        put: what to put where.
    """
    if name in names:
        return None
    if not names:
        return f"{input} is {name!r}, but there is none in models/{folder}: {put}"
    return f"{input} is {name!r}, but it must be one of {', '.join(names)}; for others {put}"
