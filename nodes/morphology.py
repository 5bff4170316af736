"""What is known of people's bodies, and what pathways are told of it."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..mild_core.morphology import adapter_hint, guide, read_keypoints, understand, write_keypoints
from ..mild_core.morphology.assign import in_words as assigned_in_words
from ..mild_core.morphology.overlay import show_bodies
from ..mild_core.morphology.parsing import read_parsing
from ..mild_core.morphology.relation_picture import draw_relations
from ..mild_core.morphology.relations import in_words as related_in_words
from ..mild_core.plan import LayerPlan
from ..mild_core.scene import Scene
from . import host
from .types import PlanSocket, PosesSocket, SceneSocket, schema

__all__ = ["GuidanceMaps", "Morphology"]


class Morphology(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDMorphology",
            display_name="MILD Morphology",
            description="Finds out how people stand, behind each other too: gives poses and clothes to the people they belong to, guesses "
            "the joints and the outline of who is hidden, and tells who touches whom. The node shows the skeletons; white ones are "
            "poses that nobody got.",
            search_aliases=["pose", "openpose", "skeleton", "parsing", "amodal", "occlusion"],
            has_intermediate_output=True,  # a cached run shows its picture again
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People."),
                PosesSocket.Input(
                    "poses",
                    optional=True,
                    tooltip="From MILD Find Poses, the core's SDPose, DWPose or OpenPose: 18, 25 or 17 joints. Not connected: coarse poses "
                    "told from the masks.",
                ),
                io.MultiType.Input(
                    "parsing",
                    types=[io.Mask, io.Image, io.SEGS],
                    optional=True,
                    tooltip="What each pixel shows (hair, trousers, …), from MILD Find Parsing or another parsing node: a label map "
                    "as mask or picture, or SEGS. Not connected: the parts of the body stand in for it.",
                ),
                io.Mask.Input("objects", optional=True, tooltip="Things that people hold or stand behind: a batch with one mask each."),
                io.Boolean.Input(
                    "silhouettes",
                    default=True,
                    tooltip="Also tell the pose of people from their mask alone, where no pose is theirs. Half a second each.",
                ),
            ],
            outputs=[
                SceneSocket.Output(display_name="scene", tooltip="The scene with poses, clothes, whole bodies and relations."),
                PosesSocket.Output(display_name="poses", tooltip="Everybody's pose, hidden joints guessed, nearest person first."),
                io.Mask.Output(display_name="parsing", tooltip="Label / 255 of what each pixel shows; nearer people cover farther ones."),
                io.Image.Output(display_name="relations", tooltip="Who is in front of whom and how sure that is, and where people touch."),
                io.String.Output(display_name="report", tooltip="Which pose is whose, and who stands how to whom, in words."),
            ],
        )

    @classmethod
    def execute(cls, scene: Scene, silhouettes: bool = True, poses=None, parsing=None, objects=None) -> io.NodeOutput:
        given = [] if poses is None else read_keypoints(poses, scene.size)
        labels = None if parsing is None else read_parsing(parsing, scene.size)
        with host.progress(len(scene.people)) as report:
            found = understand(
                scene,
                poses=given,
                parsing=labels,
                objects=objects,
                silhouettes=silhouettes,
                on_person=lambda done, _: report(done),
            )
        scene = found.scene
        bodies = show_bodies(scene, [given[place] for place in found.assignment.left_over])
        words = ([assigned_in_words(found.assignment, scene.people)] if poses is not None else []) + [related_in_words(scene)]
        return io.NodeOutput(
            scene,
            write_keypoints([person.pose for person in scene.people if person.pose is not None], scene.size),
            _label_map(scene)[None] / 255,
            draw_relations(scene),
            "\n".join(line for line in words if line),
            ui=ui.PreviewImage(bodies, cls=cls),
        )


def _label_map(scene: Scene) -> torch.Tensor:
    """[H, W] uint8: the label of what each pixel shows, 0 where nobody is or nobody knows."""
    out = torch.zeros(scene.size, dtype=torch.uint8)
    for person in scene.people:
        if person.parsing is not None:
            seen = person.parsing.cut(person.seen.box) * person.seen.pixels
            person.seen.box.view(out).add_(seen.cpu())
    return out


class GuidanceMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDGuidanceMaps",
            display_name="MILD Guidance Maps",
            description="Draws for each layer what ControlNets need to know of the people in its crop: an OpenPose map, a parsing map, and "
            "who stands where. Connect one of them to Apply ControlNet, between MILD Encode Layers and the sampler.",
            search_aliases=["openpose", "controlnet", "pose map", "guidance", "t2i adapter"],
            has_intermediate_output=True,  # a cached run shows its picture again
            inputs=[
                PlanSocket.Input("plan", tooltip="From a MILD Encode Layers whose scene went through MILD Morphology."),
                io.Float.Input(
                    "least_confidence",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Joints that are less sure are not drawn. Those told from a mask have 0.4 at most, hidden ones 0.25; hidden "
                    "ones beside joints that were found 0.5.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="pose", tooltip="OpenPose maps, one for each layer: of a person's layer that person, else who stays."
                ),
                io.Image.Output(display_name="parsing", tooltip="A colour for each label of clothes and skin, hidden parts included."),
                io.Image.Output(display_name="relations", tooltip="Red: who is in front. Green: where people touch. Blue: hands, objects."),
                io.Image.Output(
                    display_name="guidance",
                    tooltip="All three as nine channels, for the MILD morphology adapter and nothing else; black for the background.",
                ),
            ],
        )

    @classmethod
    def execute(cls, plan: LayerPlan, least_confidence: float) -> io.NodeOutput:
        if all(person.pose is None for person in plan.scene.people):
            raise ValueError("plan knows nobody's pose, but it must come from a scene that went through MILD Morphology")
        rows = [guide(plan.scene, p.person, p.crop, plan.working_size, least=least_confidence) for p in plan.pathways]
        maps = [torch.stack([row[i] for row in rows]) for i in range(3)]
        hint = torch.stack([adapter_hint(row, p.person) for row, p in zip(rows, plan.pathways, strict=True)])
        return io.NodeOutput(*maps, hint, ui=ui.PreviewImage(maps[0], cls=cls))
