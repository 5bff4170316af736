"""Textual-inversion embeddings in the artist's models folder, and how a prompt names them."""

from __future__ import annotations

import re

import folder_paths

__all__ = ["embedding_names", "embedding_word"]


def embedding_names() -> list[str]:
    """The embedding files that the artist has."""
    return folder_paths.get_filename_list("embeddings")


def embedding_word(name: str) -> str:
    """The word by which the core's tokenizers know the file: `embedding:folder/name.safetensors`, parentheses escaped.

    Raises ValueError for a name that they cannot read: to them it ends at a space, "<" or "[".
    """
    if re.search(r"[\s<\[]", name):
        raise ValueError(f"embedding is {name!r}, but prompts cannot name files with spaces, '<' or '[': rename it")
    return "embedding:" + re.sub(r"([()])", r"\\\1", name)
