"""What a model pays attention to, and how much of it goes to the wrong people."""

from __future__ import annotations

import json
import logging
import re

import torch
import torch.nn.functional as F
from comfy_api.latest import io, ui

from ..mild_core.attention import METHODS, GapRecord, Method
from ..mild_core.attention.report import as_data, draw_curve, draw_heat
from ..mild_core.plan import AnyPlan, RegionMap
from . import host
from .types import GapSocket, PlanSocket, RegionsSocket, one_of, schema

__all__ = ["AttentionGap", "AttentionReport", "ModulateAttention", "Regions"]

PLAIN = Method("plain", "attention as it is")


class Regions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDRegions",
            display_name="MILD Regions",
            description="Says by plain masks what is to be filled, from what, and what it must not look at: for graphs without a plan.",
            search_aliases=["attention", "region map", "mask"],
            inputs=[
                io.Mask.Input("hole", tooltip="What is denoised, white. A batch of masks is one map for each latent of a batch."),
                io.Mask.Input(
                    "own",
                    optional=True,
                    tooltip="What the hole should be like: its own surroundings. Not connected: everything that is not hole or other.",
                ),
                io.Mask.Input("other", optional=True, tooltip="What the hole must not be like: other people. Not connected: nothing."),
            ],
            outputs=[RegionsSocket.Output(display_name="regions", tooltip="For MILD Modulate Attention and MILD Attention Gap.")],
        )

    @classmethod
    def execute(cls, hole, own=None, other=None) -> io.NodeOutput:
        for name, mask in (("own", own), ("other", other)):
            if mask is not None and (mask.shape[-2:] != hole.shape[-2:] or len(mask) not in (1, len(hole))):
                raise ValueError(f"{name} is {tuple(mask.shape)} but hole is {tuple(hole.shape)}: they must be the same size, or one mask")
        other = torch.zeros_like(hole) if other is None else other.expand_as(hole).to(hole)
        own = 1 - other if own is None else own.expand_as(hole).to(hole)
        rows = zip(hole, own, other, strict=True)
        return io.NodeOutput(tuple(RegionMap.of_masks(*masks) for masks in rows))


WHERE = [
    PlanSocket.Input("plan", optional=True, tooltip="From the MILD Encode Layers whose latent the model will denoise."),
    RegionsSocket.Input("regions", optional=True, tooltip="From MILD Regions, in place of a plan."),
]


class ModulateAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDModulateAttention",
            display_name="MILD Modulate Attention",
            description="Keeps each pathway's attention where it belongs: a hole looks at its own surroundings, not at other people. For "
            "SD1.5, SDXL, SD3, Flux, Qwen-Image, Lumina 2, Z-Image, Wan and MILD Mini Model.",
            search_aliases=["attention", "sma", "refocus", "leakage", "regional"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the sampler will use."),
                *WHERE,
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="sma",
                    tooltip="sma: turns holes to their surroundings, by the spread of each token's own attention. refocus: MagicEraser. "
                    "self-rectifying: Erase Diffusion, the hole does not look at itself. redirection: Attentive Eraser, nothing looks "
                    "into the hole.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=8.0,
                    step=0.05,
                    tooltip="0: no effect. 1: as the method has it; where a method blocks attention, 1 blocks all of it.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the method's own part of the schedule after which it begins. 0: from pure noise on.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the method's own part of the schedule after which it ends. refocus has the first 30 % of the "
                    "schedule, the others all of it.",
                ),
                io.String.Input(
                    "blocks",
                    default="all",
                    tooltip="Which self-attention blocks, counted from 1 in the order in which they run: all, 3, or 34-70. MILD "
                    "Attention Report numbers them.",
                ),
                io.Float.Input(
                    "target_gap",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Raises the strength step by step until the hole's attention to its surroundings exceeds that to other people "
                    "by this much. -1: the strength stays.",
                ),
                io.Float.Input(
                    "highest_strength", default=4.0, min=0.0, max=16.0, step=0.1, tooltip="Bound of what target_gap may raise it to."
                ),
                io.Float.Input(
                    "guidance",
                    default=1.0,
                    min=0.0,
                    max=20.0,
                    step=0.1,
                    tooltip="Exaggerates the method's effect: the difference it makes is multiplied by this. 1: off; other values cost a "
                    "second pass. Attentive Eraser uses 9.",
                ),
                io.Boolean.Input(
                    "fast",
                    default=False,
                    tooltip="refocus: estimate the largest and smallest attention logit from their spread, in place of looking for them.",
                ),
                io.Float.Input(
                    "match_parts",
                    default=0.0,
                    min=0.0,
                    max=8.0,
                    step=0.1,
                    optional=True,
                    tooltip="Turns what is hidden of somebody's trousers to what is seen of them, and so for all clothes and skin: by how "
                    "much, beside the method. Needs a plan whose scene went through MILD Morphology. 0: off; 1 is a good value.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The same model with its attention modulated.")],
        )

    @classmethod
    def execute(
        cls,
        model,
        method,
        strength,
        start_percent,
        end_percent,
        blocks,
        target_gap,
        highest_strength,
        guidance,
        fast,
        plan=None,
        regions=None,
        match_parts=0.0,
    ) -> io.NodeOutput:
        if start_percent > end_percent:
            raise ValueError(f"start_percent is {start_percent} but end_percent is {end_percent}: it must not begin after it ends")
        maps = regions_of(plan, regions)
        photos = () if plan is None else plan.plans
        if match_parts and (not photos or any(all(person.parsing is None for person in one.scene.people) for one in photos)):
            raise ValueError(f"match_parts is {match_parts}, but it needs a plan whose scene went through MILD Morphology")
        if target_gap > -1 and len(photos) > 1:
            raise ValueError(
                f"target_gap is {target_gap}, but plan is of a batch that {len(photos)} photos share, and one strength would be raised for "
                "all of them: it must be -1, or the photos sampled one by one, without MILD Join Layers"
            )
        chosen = METHODS[method]
        patch = host.AttentionPatch(
            maps,
            chosen,
            gain=strength,
            first_sigma=host.percent_to_sigma(model, start_percent * chosen.until),
            last_sigma=host.percent_to_sigma(model, end_percent * chosen.until),
            blocks=parse_blocks(blocks),
            target=None if target_gap <= -1 else target_gap,
            highest_gain=highest_strength,
            guidance=guidance,
            match=match_parts,
            fast=fast,
        )
        return _installed(model, patch)


class AttentionGap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDAttentionGap",
            display_name="MILD Attention Gap",
            description="Records, while the model runs, whether holes look at their own surroundings or at other people. Changes nothing.",
            search_aliases=["attention", "cag", "leakage", "measure"],
            inputs=[io.Model.Input("model", tooltip="The model to watch, after all that modulates it."), *WHERE],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For the sampler. A little slower than without."),
                GapSocket.Output(display_name="record", tooltip="For MILD Attention Report."),
            ],
        )

    @classmethod
    def execute(cls, model, plan=None, regions=None) -> io.NodeOutput:
        record = GapRecord()
        watched = _installed(model, host.AttentionPatch(regions_of(plan, regions), PLAIN, record=record))
        return io.NodeOutput(*watched.args, record, ui=watched.ui)


class AttentionReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDAttentionReport",
            display_name="MILD Attention Report",
            description="What MILD Attention Gap recorded: the gap between attention to one's own surroundings and to other people, and "
            "where it leaks.",
            search_aliases=["attention", "cag", "leakage", "heat map"],
            is_output_node=True,  # a report is asked for by being there
            inputs=[
                io.Latent.Input("samples", tooltip="From the sampler that ran the recording model, so that the report waits for it."),
                GapSocket.Input("record", tooltip="From MILD Attention Gap."),
                PlanSocket.Input("plan", optional=True, tooltip="To show the heat map over the photo."),
            ],
            outputs=[
                io.Float.Output(
                    display_name="gap", tooltip="Attention to its own surroundings less that to other people, mean over holes: -1 to 1."
                ),
                io.Float.Output(display_name="leakage", tooltip="Share of holes' attention that goes to other people: 0 to 1."),
                io.Image.Output(display_name="curve", tooltip="The gap of each attention block over the steps."),
                io.Image.Output(display_name="heat_map", tooltip="Where holes look at other people, the hottest spot red."),
                io.String.Output(display_name="json", tooltip="All readings."),
            ],
        )

    @classmethod
    def execute(cls, samples, record, plan=None) -> io.NodeOutput:
        if not record.readings:
            raise ValueError("record is empty, but it must come from the MILD Attention Gap whose model made the samples")
        curve, heat = draw_curve(record), heat_map(record, plan)
        readings = as_data(record)
        told = {"mild_attention": [{"gap": readings["gap"], "leakage": readings["leakage"]}]}  # for pipelines: docs/pipelines.md
        shown = {**ui.PreviewImage(curve, cls=cls).as_dict(), **told}
        return io.NodeOutput(record.gap, record.leakage, curve, heat, json.dumps(readings, indent=1), ui=shown)


def regions_of(plan=None, regions=None) -> tuple[RegionMap, ...]:
    """The maps of one of the two. Raises ValueError unless exactly one is there."""
    one_of("regions come from a plan or from MILD Regions", plan, regions)
    return regions if plan is None else tuple(pathway.regions for pathway in plan.pathways)


def heat_map(record: GapRecord, plan: AnyPlan | None) -> torch.Tensor:
    """Where holes look at other people, IMAGE: over each photo of the plan, the smaller ones on black."""
    if plan is None or len(plan.plans) == 1:
        return draw_heat(record, None if plan is None else plan.plans[0])
    pictures, start = [], 0
    for one in plan.plans:
        rows = slice(start, start := start + len(one.pathways))
        own = [r._replace(gap=r.gap[rows], leakage=r.leakage[rows]) for r in record.readings]
        pictures.append(draw_heat(GapRecord(own, None if record.leaks is None else record.leaks[rows]), one)[0])
    height, width = (max(picture.shape[side] for picture in pictures) for side in (0, 1))
    return torch.stack([F.pad(picture, (0, 0, 0, width - picture.shape[1], 0, height - picture.shape[0])) for picture in pictures])


def parse_blocks(words: str) -> frozenset[int] | None:
    """Block numbers from text such as `3, 34-70`; None for all. Raises ValueError when it is neither."""
    text = words.strip().lower()
    if text in ("", "all"):
        return None
    found: set[int] = set()
    for word in re.split(r"[,\s]+", re.sub(r"\s*-\s*", "-", text)):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise ValueError(f"blocks names {word!r}, but it must be all, numbers from 1 on, or rising ranges such as 34-70")
        found.update(range(first, last + 1))
    return frozenset(found)


def _installed(model, patch: host.AttentionPatch) -> io.NodeOutput:
    """The patched model; the model itself, and a message, where its family cannot be patched."""
    try:
        return io.NodeOutput(host.install(model, patch))
    except host.UnreachableError as error:
        logging.warning("MILD: %s", error)
        return io.NodeOutput(model, ui=ui.PreviewText(str(error)))
