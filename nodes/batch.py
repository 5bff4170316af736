"""Several photos at once."""

from __future__ import annotations

from comfy_api.latest import io

from ..mild_core.scene.pairing import pair_lines, pair_photos
from .types import schema

__all__ = ["PhotoBatch"]


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
