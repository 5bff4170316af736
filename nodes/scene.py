"""Masks to people."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..mild_core.scene import Scene, choose, from_masks, from_segs, in_words, split_people
from ..mild_core.scene.overlay import number_people
from .types import SceneSocket, one_of, schema

__all__ = ["SplitPeople"]


class SplitPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDSplitPeople",
            display_name="MILD Split People",
            description="Makes a scene of a photo and the masks of its people, and chooses who goes. The node shows each person's number.",
            search_aliases=["people", "person", "masks", "segs", "erase", "remove person"],
            inputs=[
                io.Image.Input("photo", tooltip="One photograph."),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="The people, white: a batch with one mask each, or one mask with everybody. Same size as the photo.",
                ),
                io.SEGS.Input("segs", optional=True, tooltip="The people as Impact Pack's SEGS, in place of masks."),
                io.String.Input(
                    "erase",
                    default="1",
                    tooltip="Who goes: numbers (1,3 or 2-4), all, all but 2, largest, none, or the ids of people.",
                ),
                io.Combo.Input(
                    "separate",
                    options=["auto", "by mask", "by part", "by value"],
                    default="auto",
                    tooltip="How masks are people. by mask: each mask of the batch is one. by part: each connected part is one, "
                    "the largest first. by value: the mask is a label map whose 8-bit values 1, 2, … are the people. "
                    "auto: by mask for a batch, by part for a single mask.",
                ),
                io.String.Input(
                    "depth_order",
                    default="",
                    tooltip="Who stands in front, nearest first, such as 2,1,3. Empty: told from the masks.",
                ),
                io.Float.Input(
                    "smallest",
                    default=0.0005,
                    min=0.0,
                    max=1.0,
                    step=0.0001,
                    tooltip="A mask smaller than this share of the photo is a speck, not a person.",
                ),
            ],
            outputs=[
                SceneSocket.Output(display_name="scene", tooltip="The photo, its people in depth order, and who goes."),
                io.String.Output(
                    display_name="order", tooltip="Who is in front of whom, of those who touch, and how sure: 1 is in front of 2 (92 %)."
                ),
            ],
        )

    @classmethod
    def execute(cls, photo, erase, separate, depth_order, smallest, masks=None, segs=None) -> io.NodeOutput:
        one_of("people come as masks or as segs", masks, segs)
        found = from_masks(masks, separate) if segs is None else from_segs(segs)
        scene: Scene = split_people(photo, found, depth_order=depth_order, smallest=smallest)
        scene = scene.erasing(choose(erase, scene.people))
        return io.NodeOutput(scene, in_words(scene), ui=ui.PreviewImage(number_people(scene), cls=cls))
