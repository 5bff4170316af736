"""Prompts of erasers whose guidance goes between two tasks, not between a text and none."""

from __future__ import annotations

from comfy_api.latest import io

from ..mild_core.models.pixelhacker import BACKGROUND, FOREGROUND, load_tokens, parse_ids
from .host.embeddings import embedding_names, embedding_word
from .host.weight_files import PIXELHACKER, unknown_weights, weight_names, weight_path
from .types import schema

__all__ = ["PixelHackerPrompt", "PowerPaintPrompt"]


class PowerPaintPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        # optional, or with an empty folder the graph would end in "required input is missing", which helps nobody
        return schema(
            node_id="MILDPowerPaintPrompt",
            display_name="MILD PowerPaint Prompt",
            description="The two prompts by which PowerPaint erases: towards what is around the hole, and away from objects. For an "
            "inpainting checkpoint of PowerPaint (version 1), with a cfg of 7.5 to 12.",
            search_aliases=["powerpaint", "remove object", "erase", "task prompt", "P_ctxt", "P_obj", "embedding"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of SD1.5."),
                io.Combo.Input(
                    "context_word",
                    options=embedding_names(),
                    optional=True,
                    tooltip="PowerPaint's P_ctxt, a file in models/embeddings: scripts/convert_network.py makes it of PowerPaint's text "
                    "encoder.",
                ),
                io.Combo.Input(
                    "object_word",
                    options=embedding_names(),
                    optional=True,
                    tooltip="PowerPaint's P_obj, a file in models/embeddings, made the same way.",
                ),
                io.String.Input("prompt", default="empty scene blur", multiline=True, tooltip="What follows P_ctxt in positive."),
                io.String.Input("negative_prompt", default="", multiline=True, tooltip="What follows P_obj in negative."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="P_ctxt and prompt: for Inpaint Model Conditioning."),
                io.Conditioning.Output(display_name="negative", tooltip="P_obj and negative_prompt: for Inpaint Model Conditioning."),
            ],
        )

    @classmethod
    def validate_inputs(cls, context_word: str | None = None, object_word: str | None = None) -> bool | str:
        given = {"context_word": context_word, "object_word": object_word}
        return next((why for name, word in given.items() if word is not None and (why := _unknown_word(name, word))), True)

    @classmethod
    def execute(cls, clip, prompt, negative_prompt, context_word=None, object_word=None) -> io.NodeOutput:
        pairs = (("context_word", context_word, prompt), ("object_word", object_word, negative_prompt))
        return io.NodeOutput(*(_encoded(clip, name, word, text) for name, word, text in pairs))


def _unknown_word(name: str, word: str | None) -> str | None:
    """Why there is no embedding of that name; None where there is one."""
    names = embedding_names()
    if word in names:
        return None
    have = f"it must be one of {', '.join(names)}" if names else "there is none in models/embeddings"
    return f"{name} is {word!r}, but {have}; scripts/convert_network.py makes it of PowerPaint's text encoder"


def _encoded(clip, name: str, word: str | None, text: str) -> list:
    if (why := _unknown_word(name, word)) is not None or word is None:
        raise ValueError(why)
    return clip.encode_from_tokens_scheduled(clip.tokenize(f"{embedding_word(word)} {text.strip()}"))


class PixelHackerPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPixelHackerPrompt",
            display_name="MILD PixelHacker Prompt",
            description="The two prompts of PixelHacker's latent categories guidance, which are no words but learnt vectors. For a cfg of "
            "4.5. ComfyUI has no loader for PixelHacker's own network; this is for one that was trained with such a table.",
            search_aliases=["pixelhacker", "inpaint", "erase", "latent categories guidance", "embedding"],
            inputs=[
                # optional, or with an empty folder the graph would end in "required input is missing", which helps nobody
                io.Combo.Input(
                    "table",
                    options=weight_names(PIXELHACKER),
                    optional=True,
                    tooltip="A file in models/pixelhacker with the learnt vectors: scripts/convert_network.py makes it of PixelHacker's "
                    "weights.",
                ),
                io.String.Input("foreground", default=FOREGROUND, tooltip="Which vectors guidance goes to, counted from 0."),
                io.String.Input("background", default=BACKGROUND, tooltip="Which vectors guidance goes away from, counted from 0."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The foreground's vectors: for Inpaint Model Conditioning."),
                io.Conditioning.Output(display_name="negative", tooltip="The background's vectors: for Inpaint Model Conditioning."),
            ],
        )

    @classmethod
    def validate_inputs(cls, table: str | None = None) -> bool | str:
        return (table is None) or unknown_weights(PIXELHACKER, table) or True

    @classmethod
    def execute(cls, foreground: str, background: str, table: str | None = None) -> io.NodeOutput:
        tokens = load_tokens(weight_path(PIXELHACKER, table))
        ids = [parse_ids(words, len(tokens), name) for name, words in (("foreground", foreground), ("background", background))]
        return io.NodeOutput(*([[tokens[chosen][None], {}]] for chosen in ids))
