"""What people do to their surroundings."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..mild_core.scene import Scene
from ..mild_core.scene.effects import find_shadows, show_effects
from .types import SceneSocket, schema

__all__ = ["FindEffects"]


class FindEffects(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDFindEffects",
            display_name="MILD Find Effects",
            description="Proposes a mask of the shadows that who goes casts on the ground, so that they go too. The node shows it; "
            "where no shadow can be told, the mask is empty.",
            search_aliases=["shadow", "contact shadow", "effects", "remove shadow"],
            has_intermediate_output=True,  # a cached run shows its picture again
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People, with the choice of who goes."),
                io.Float.Input(
                    "reach",
                    default=0.6,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How far beside the feet a shadow is looked for, in heights of the person. More for a low sun.",
                ),
                io.Float.Input(
                    "sensitivity",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="0 takes only dark shadows, 1 faint ones too, and more that is none.",
                ),
                io.Int.Input("grow", default=2, min=0, max=256, tooltip="Pixels the mask grows, to take soft edges with it."),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="effects",
                    tooltip="The shadows, white. Edit it with the mask editor or any mask node, and connect it to effects of MILD "
                    "Encode Layers.",
                )
            ],
        )

    @classmethod
    def execute(cls, scene: Scene, reach: float, sensitivity: float, grow: int) -> io.NodeOutput:
        effects = find_shadows(scene, reach=reach, sensitivity=sensitivity, grow_by=grow)
        return io.NodeOutput(effects[None], ui=ui.PreviewImage(show_effects(scene, effects), cls=cls))
