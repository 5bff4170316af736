"""Masks to people."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mild_core.scene import Scene, choose, from_masks, from_segs, in_words, split_people
from ..mild_core.scene.census import list_people, map_owners, shown_size
from ..mild_core.scene.resize import resized
from . import host
from .types import SceneSocket, one_of, schema

__all__ = ["SplitPeople"]


class SplitPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDSplitPeople",
            display_name="MILD Split People",
            description="Makes a scene of a photo and the masks of its people, and chooses who goes: click people in the picture.",
            is_output_node=True,  # so that the artist can run up to here, and pick, before anything is sampled
            has_intermediate_output=True,  # so that a cached run shows the people, too
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
                    tooltip="Who goes: click people in the picture, or write numbers (1,3 or 2-4), all, all but 2, largest, none, or ids.",
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
                    tooltip="Who stands in front, nearest first: drag people in the list, or write numbers such as 2,1,3, or ids. "
                    "Empty: told from the masks.",
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
        return io.NodeOutput(scene, in_words(scene), ui={"mild_people": [_picture(scene, by_hand=bool(depth_order.strip()))]})


def _picture(scene: Scene, by_hand: bool) -> dict[str, Any]:
    """What the people picker shows (web/picker): two files and who is who. Places are in pixels of the photo."""
    height, width = scene.size
    size = shown_size(scene.size, host.PROXY_SIDE)
    return {
        "photo": host.save_proxy(resized(scene.photo[0], *size)),
        "owners": host.save_proxy(map_owners(scene, size)),
        "size": [width, height],
        "scale": max(size) / max(scene.size),
        "by_hand": by_hand,
        "people": list_people(scene),
    }
