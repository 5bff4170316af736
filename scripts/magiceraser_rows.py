"""The rows of MagicEraser's ablation (arXiv 2410.10207, Table 3) as graphs: what each adds, and what it needs to run.

A row is the graph of `workflows/magiceraser_checkpoint.json`, or of the bundled model, with one hole for all who go, as the paper has
it, and only those parts that the row has. "As sampled": the paper does not copy detail from the photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from scripts.graph import Node, Out
from scripts.graph_parts import MINI_MODEL, MINI_PROMPTS, erasing, erasing_with_checkpoint, results

__all__ = ["ROWS", "STRENGTH", "Files", "Row", "lacks", "row_nodes"]

STRENGTH = 0.9  # of denoising, where the holes are filled before
MINI_STEPS, CHECKPOINT_STEPS = 10, 50
OLRD, FILL, REFOCUS, PROMPT = "OLRD", "content initialization", "attention refocus", "prompt tuning"


class Row(NamedTuple):
    """One row of the table: its parts beside the baseline, and the paper's figures on its own test photographs."""

    name: str
    parts: tuple[str, ...]
    psnr: float
    ssim: float
    lpips: float
    fid: float


ROWS = (
    Row("i", (), 21.331, 0.815, 0.134, 52.10),
    Row("ii", (OLRD,), 22.130, 0.834, 0.119, 50.73),
    Row("iii", (OLRD, FILL), 22.891, 0.840, 0.109, 48.91),
    Row("iv", (OLRD, FILL, REFOCUS), 23.277, 0.844, 0.110, 48.93),
    Row("v", (OLRD, FILL, PROMPT), 23.311, 0.858, 0.104, 47.94),
    Row("vi", (OLRD, FILL, PROMPT, REFOCUS), 23.620, 0.861, 0.101, 46.56),
)


@dataclass(frozen=True)
class Files:
    """What an artist has, by the names in ComfyUI's models folders; "" for what is not there.

    Attributes:
        checkpoint: of Stable Diffusion 1.5 inpainting; "" for the bundled model.
        lora: trained on removal pairs with plain captions.
        embedding, word_lora: what prompt tuning made.
        lama: an inpainting network; "" for the exemplar fill.
        panoptic: a panoptic network; "" for a prompt without a tag, and regions by the mask alone.
    """

    checkpoint: str = ""
    lora: str = ""
    embedding: str = ""
    word_lora: str = ""
    lama: str = ""
    panoptic: str = ""


def lacks(row: Row, files: Files) -> str:
    """Why a row cannot be run, in words; "" where it can.

    Row i is the bundled model as it is, or the checkpoint; which pairs the bundled model is trained on is no choice, so that rows iii
    and iv are run on it without OLRD.
    """
    if not files.checkpoint:
        if PROMPT in row.parts:
            return "the bundled model takes no words; it needs --checkpoint, --embedding and --word-lora"
        return "there are no weights of the bundled model that were trained on OLRD" if row.parts == (OLRD,) else ""
    if PROMPT in row.parts:
        return "" if files.embedding and files.word_lora else "it needs --embedding and --word-lora, which prompt tuning makes"
    return "it needs --lora, trained on removal pairs" if OLRD in row.parts and not files.lora else ""


def row_nodes(row: Row, files: Files, detail: str = "as sampled") -> dict[str, Node]:
    """The nodes of a row's graph by name. Titles are those by which `mild-score` finds its slots.

    Args:
        detail: of MILD Decode Layers; the paper knows no other than "as sampled".
    """
    parts = {
        "photo": Node("LoadImage", "Photo", (0, 0), (0, 0), {"image": ""}),
        "people": Node("LoadImageMask", "Hole", (0, 0), (0, 0), {"image": "", "channel": "red"}),
    }
    nodes = _checkpoint(row, files) if files.checkpoint else _mini()
    nodes.pop("bodies")
    attend = nodes.pop("attend")
    nodes["scene"] = _with(nodes["scene"], erase="all")
    nodes["decode"] = _with(nodes["decode"], detail=detail)
    nodes["encode"] = _with(nodes["encode"], scene=Out("scene", "scene"), complete="nobody")
    if FILL in row.parts:
        fill = {"background": "network", "network": files.lama} if files.lama else {"background": "exemplar"}
        nodes["fill"] = Node("MILDFillHoles", "Content initialization", (0, 0), (0, 0), fill)
        nodes["encode"] = _with(nodes["encode"], fill=Out("fill", "fill"))
    else:
        nodes["encode"] = _with(nodes["encode"], initialize="smooth")
    if REFOCUS in row.parts:
        plan = {"plan": Out("encode", "plan")}
        if files.panoptic:
            nodes["regions"] = Node("MILDPanopticRegions", "Regions", (0, 0), (0, 0), {**plan, "panoptic": Out("panoptic", "panoptic")})
            plan = {"plan": Out("regions", "plan")}
        nodes["attend"] = _with(attend, method="refocus", **plan)
    steps = CHECKPOINT_STEPS if files.checkpoint else MINI_STEPS
    schedule = {"steps": round(steps * STRENGTH), "denoise": STRENGTH} if FILL in row.parts else {"steps": steps, "denoise": 1.0}
    model = Out("attend" if REFOCUS in row.parts else "control", "model")
    nodes["sample"] = _with(nodes["sample"], model=model, **schedule)
    return {**parts, **nodes, "picture": results()["picture"]}


def _mini() -> dict[str, Node]:
    return erasing(MINI_MODEL, MINI_PROMPTS, {"cfg": 1.0}, "as sampled")


def _checkpoint(row: Row, files: Files) -> dict[str, Node]:
    nodes = erasing_with_checkpoint()
    nodes["model"] = _with(nodes["model"], ckpt_name=files.checkpoint)
    tuned = PROMPT in row.parts
    words = {
        "scene": Out("scene", "scene"),
        "template": "A photo of {embedding} {tag}",
        "embedding": files.embedding if tuned else "none",
        **({"panoptic": Out("panoptic", "panoptic")} if files.panoptic else {"tag": "background"}),
    }
    nodes["words"] = Node("MILDBackgroundPrompt", "Prompt", (0, 0), (0, 0), words)
    nodes["background"] = _with(nodes["background"], text=Out("words", "prompt"))
    if files.panoptic:
        seen = {"photo": Out("photo", "IMAGE"), "network": files.panoptic}
        nodes["panoptic"] = Node("MILDPanoptic", "What everything is", (0, 0), (0, 0), seen)
    lora = files.word_lora if tuned else files.lora
    if OLRD in row.parts:
        taken = {"model": Out("model", "MODEL"), "lora_name": lora, "strength_model": 1.0}
        nodes["lora"] = Node("LoraLoaderModelOnly", "LoRA", (0, 0), (0, 0), taken)
        nodes["control"] = _with(nodes["control"], model=Out("lora", "MODEL"))
    return nodes


def _with(node: Node, **inputs: object) -> Node:
    return replace(node, inputs={**node.inputs, **inputs})
