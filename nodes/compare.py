"""Before and after."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from .types import schema

__all__ = ["BeforeAfter"]

ASPECT = 0.01  # share by which the pictures' proportions may differ: a scaled one is rounded to whole pixels


class BeforeAfter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDBeforeAfter",
            display_name="MILD Before and After",
            description="Compares the photo with the clean picture on the node: ERASE! shows the result, with a slider between the two.",
            search_aliases=["compare", "before after", "slider", "erase"],
            is_output_node=True,
            inputs=[
                io.Image.Input("before", tooltip="The photo."),
                io.Image.Input(
                    "after", tooltip="The clean picture, such as MILD Compose Layers gives it; of another size too, enlarged say."
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, before, after) -> io.NodeOutput:
        _check(before, after)
        # the keys of the core's own compare node, so that whatever reads its results reads these
        shown = {name: ui.PreviewImage(image, cls=cls).as_dict()["images"] for name, image in (("a_images", before), ("b_images", after))}
        return io.NodeOutput(ui=shown)


def _check(before: Tensor, after: Tensor) -> None:
    """Raises ValueError unless the two are of the same proportions, and as many, or one of them a single picture."""
    if len(before) != len(after) and 1 not in (len(before), len(after)):
        raise ValueError(
            f"after is {len(after)} pictures and before {len(before)}, but they must be as many, or one of them a single picture"
        )
    (high, wide), (tall, broad) = before.shape[1:3], after.shape[1:3]
    if abs(high * broad - tall * wide) > ASPECT * max(high * broad, tall * wide):
        raise ValueError(f"after is {broad}×{tall} and before {wide}×{high}, but they must have the same proportions to lie on each other")
