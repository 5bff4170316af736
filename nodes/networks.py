"""Poses and parsings by networks that the artist has put into the models folders."""

from __future__ import annotations

import json
from typing import Any

import torch
from comfy_api.latest import io

from ..mild_core.models.parsing_network import parse_people, parsing_crops, person_squares
from ..mild_core.models.pose_network import decode_heatmaps, person_crops
from ..mild_core.morphology import write_keypoints
from ..mild_core.scene import Pose, Scene
from ..mild_core.scene.coco import from_coco
from . import host
from .types import PosesSocket, SceneSocket, schema

__all__ = ["FindParsing", "FindPoses"]


def _network_input(folder: str, example: str) -> Any:
    # optional, or with an empty folder the graph would end in "required input is missing", which helps nobody
    return io.Combo.Input(
        "network",
        options=host.network_names(folder),
        optional=True,
        tooltip=f"A file in models/{folder}: model.safetensors with its config.json beside it, such as {example}.",
    )


class FindPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDFindPoses",
            display_name="MILD Find Poses",
            description="Finds the joints of each person of a scene with a ViTPose network from your models folder.",
            search_aliases=["pose", "vitpose", "keypoints", "openpose", "skeleton"],
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People."),
                io.Float.Input(
                    "threshold",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="A joint that the network is less sure of counts as unknown.",
                ),
                _network_input(host.POSES, "usyd-community/vitpose-base-simple"),
            ],
            outputs=[
                PosesSocket.Output(
                    display_name="poses", tooltip="18 joints of each person, in the scene's order; hands and faces are left empty."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return (network is None) or host.unknown_network(host.POSES, network) or True

    @classmethod
    def execute(cls, scene: Scene, threshold: float, network: str | None = None) -> io.NodeOutput:
        model = host.load_network(host.POSES, network)
        poses: list[Pose] = []
        if scene.people:
            size = tuple(model.model.network.config.backbone_config.image_size)
            crops, frames = person_crops(scene.photo[0], [person.seen.box for person in scene.people], size)
            joints = from_coco(decode_heatmaps(host.run_network(host.POSES, model, crops), frames))
            poses = [Pose.of(person) for person in torch.where(joints[..., 2:] < threshold, 0.0, joints)]
        return io.NodeOutput(write_keypoints(poses, scene.size))


class FindParsing(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDFindParsing",
            display_name="MILD Find Parsing",
            description="Labels what each pixel of the people shows (hair, face, trousers, …) with a SegFormer network from your models "
            "folder.",
            search_aliases=["parsing", "human parsing", "segformer", "clothes", "segmentation"],
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People."),
                _network_input(host.PARSING, "mattmdjaga/segformer_b2_clothes"),
            ],
            outputs=[
                io.Mask.Output(display_name="parsing", tooltip="Label / 255, on each person's own pixels; 0 elsewhere."),
                io.String.Output(display_name="labels", tooltip='What the labels mean, as JSON, such as "2": "Hair".'),
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return (network is None) or host.unknown_network(host.PARSING, network) or True

    @classmethod
    def execute(cls, scene: Scene, network: str | None = None) -> io.NodeOutput:
        model = host.load_network(host.PARSING, network)
        names = model.model.network.config.id2label
        labels = torch.zeros(scene.size, dtype=torch.uint8)
        if scene.people:
            squares = person_squares(scene)
            labels = parse_people(scene, squares, host.run_network(host.PARSING, model, parsing_crops(scene.photo[0], squares)))
        return io.NodeOutput(labels[None] / 255, json.dumps({str(number): names[number] for number in sorted(names)}))
