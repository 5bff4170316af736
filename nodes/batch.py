"""Several photos at once."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mild_core.plan import AnyPlan, JoinedPlan, places_of, share_batches
from ..mild_core.scene.pairing import pair_lines, pair_photos
from . import host
from .types import PlanSocket, schema

__all__ = ["JoinLayers", "PartLayers", "PhotoBatch"]


class PhotoBatch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPhotoBatch",
            display_name="MILD Photo Batch",
            description="Gives each of several photos its masks and its choice of who goes. All nodes behind it run once for each photo.",
            search_aliases=["batch", "bulk", "video", "frames", "list"],
            is_input_list=True,
            inputs=[
                io.Image.Input("photos", tooltip="A batch of photos, or a list of photos of different sizes."),
                io.Mask.Input(
                    "masks",
                    tooltip="A list with the masks of each photo; or a batch with one mask for each photo; or all photos' masks one "
                    "after another, with people_each.",
                ),
                io.String.Input(
                    "erase",
                    default="1",
                    multiline=True,
                    tooltip="Who goes, as in MILD Split People: one line for all photos, or a line for each.",
                ),
                io.String.Input(
                    "people_each", default="", tooltip="How many masks each photo has, such as 2,3,1. Empty: told from the masks."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="photo", is_output_list=True, tooltip="The photos, one by one, for MILD Split People."),
                io.Mask.Output(display_name="masks", is_output_list=True, tooltip="The masks of each photo, for MILD Split People."),
                io.String.Output(display_name="erase", is_output_list=True, tooltip="Who goes from each, for MILD Split People."),
            ],
        )

    @classmethod
    def execute(cls, photos, masks, erase, people_each) -> io.NodeOutput:
        pairs = pair_photos(photos, masks, people_each[0])
        lines = erase if len(erase) == len(pairs) > 1 else pair_lines(erase[0], len(pairs), "erase")
        return io.NodeOutput([photo for photo, _ in pairs], [some for _, some in pairs], list(lines))


class JoinLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDJoinLayers",
            display_name="MILD Join Layers",
            description="Lets photos whose layers have one size share a latent batch, so that the sampler runs once for all of them, not "
            "once for each. Each layer comes out as if its photo were alone. MILD Part Layers behind the sampler takes them apart.",
            search_aliases=["batch", "bulk", "list", "merge latents", "latent batch", "faster"],
            is_input_list=True,
            inputs=[
                io.Conditioning.Input("positive", tooltip="From MILD Encode Layers, which runs once for each photo of MILD Photo Batch."),
                io.Conditioning.Input("negative", tooltip="From the same MILD Encode Layers."),
                io.Latent.Input("latent", tooltip="From the same MILD Encode Layers."),
                PlanSocket.Input("plan", tooltip="From the same MILD Encode Layers."),
                io.Int.Input(
                    "most",
                    default=0,
                    min=0,
                    max=4096,
                    tooltip="Layers of one batch at most. 0: no bound. The layers of one photo stay together, even if they are more.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", is_output_list=True, tooltip="One for each batch, for the sampler."),
                io.Conditioning.Output(display_name="negative", is_output_list=True, tooltip="One for each batch, for the sampler."),
                io.Latent.Output(
                    display_name="latent",
                    is_output_list=True,
                    tooltip="The batches: the layers of one photo behind those of the other. Photos that cannot share one have their own.",
                ),
                PlanSocket.Output(
                    display_name="plan",
                    is_output_list=True,
                    tooltip="One for each batch, for MILD Part Layers, and for nodes before the sampler, such as MILD Layer Control.",
                ),
            ],
        )

    @classmethod
    def execute(cls, positive, negative, latent, plan, most) -> io.NodeOutput:
        photos = _photos(positive, negative, latent, plan)
        shared = share_batches([photo.rows for photo in photos], lambda i, j: host.may_join(photos[i], photos[j]), most[0])
        batches = [host.join_told([photos[place] for place in places]) for places in shared]
        plans = [JoinedPlan(tuple(plan[place] for place in places), tuple(places), len(photos)) for places in shared]
        return io.NodeOutput([b.positive for b in batches], [b.negative for b in batches], [b.latent for b in batches], plans)


class PartLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDPartLayers",
            display_name="MILD Part Layers",
            description="Takes the batches of MILD Join Layers apart behind the sampler: each photo's layers by themselves again, in the "
            "order in which the photos came. All nodes behind it run once for each photo.",
            search_aliases=["batch", "bulk", "list", "split latents", "latent from batch"],
            is_input_list=True,
            inputs=[
                io.Latent.Input("samples", tooltip="From the sampler: all batches."),
                PlanSocket.Input("plan", tooltip="From MILD Join Layers."),
            ],
            outputs=[
                io.Latent.Output(display_name="samples", is_output_list=True, tooltip="One for each photo, for MILD Decode Layers."),
                PlanSocket.Output(display_name="plan", is_output_list=True, tooltip="One for each photo, for MILD Decode Layers."),
            ],
        )

    @classmethod
    def execute(cls, samples, plan) -> io.NodeOutput:
        if any(not isinstance(one, JoinedPlan) for one in plan):
            raise ValueError("plan is of photos that share no batch, but it must come from MILD Join Layers")
        if len(samples) != len(plan):
            raise ValueError(
                f"samples are {len(samples)} batches, but plan has {len(plan)}: connect MILD Join Layers' latent to the sampler, and its "
                "plan to all nodes before it that take one"
            )
        places = places_of(plan)
        parts = [host.part_samples(batch, [len(p.pathways) for p in one.plans]) for batch, one in zip(samples, plan, strict=True)]
        return io.NodeOutput([parts[batch][which] for batch, which in places], [plan[batch].plans[which] for batch, which in places])


def _photos(positives: list[list], negatives: list[list], latents: list[dict[str, Any]], plans: list[AnyPlan]) -> list[host.Told]:
    """What the sampler would be told of each photo. A single prompt is for all, as everywhere in ComfyUI.

    Raises ValueError unless there is as much of all, and a plan of one photo for each latent with as many rows.
    """
    if any(isinstance(plan, JoinedPlan) for plan in plans):
        raise ValueError("plan is joined already, but it must be from before MILD Join Layers, one for each photo")
    prompts: dict[str, list] = {"positive": positives, "negative": negatives}
    every: dict[str, list] = {**prompts, "latent": latents}
    for name, given in every.items():
        if len(given) != len(plans) and not (name in prompts and len(given) == 1):
            raise ValueError(f"{name} is of {len(given)} photos, but plan is of {len(plans)}: take all from one MILD Encode Layers")
    each = (given * len(plans) if len(given) == 1 else given for given in prompts.values())
    photos = [host.Told(*told) for told in zip(*each, latents, strict=True)]
    for number, (photo, plan) in enumerate(zip(photos, plans, strict=True), start=1):
        rows = len(plan.pathways)
        if photo.rows != rows:
            raise ValueError(
                f"latent {number} has {photo.rows} rows, but its plan has {rows} pathways: take both from one MILD Encode Layers"
            )
    return photos
