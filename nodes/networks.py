"""Poses and parsings by networks that the artist has put into the models folders."""

from __future__ import annotations

import json
from typing import Any

import torch
from comfy_api.latest import io

from ..mild_core.models.parsing_network import parse_people, parsing_crops, person_squares
from ..mild_core.models.pose_network import decode_heatmaps, person_crops
from ..mild_core.scene import Scene
from ..mild_core.scene.coco import from_coco
from .host.networks import PARSING, POSES, load_network, network_names, run_network, unknown_network
from .types import SceneSocket, schema

__all__ = ["FindParsing", "FindPoses"]

FACE, HAND = 70, 21  # points that the ecosystem's POSE_KEYPOINT has of a face and of a hand


def _network_input(folder: str, example: str) -> Any:
    # optional, or with an empty folder the graph would end in "required input is missing", which helps nobody
    return io.Combo.Input(
        "network",
        options=network_names(folder),
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
                _network_input(POSES, "usyd-community/vitpose-base-simple"),
            ],
            outputs=[
                io.Custom("POSE_KEYPOINT").Output(
                    display_name="poses", tooltip="18 joints of each person, in the scene's order; hands and faces are left empty."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return (network is None) or unknown_network(POSES, network) or True

    @classmethod
    def execute(cls, scene: Scene, threshold: float, network: str | None = None) -> io.NodeOutput:
        model = load_network(POSES, network)
        height, width = scene.size
        frame: dict[str, Any] = {"canvas_width": width, "canvas_height": height, "people": []}
        if scene.people:
            size = tuple(model.model.network.config.backbone_config.image_size)
            crops, frames = person_crops(scene.photo[0], [person.seen.box for person in scene.people], size)
            joints = from_coco(decode_heatmaps(run_network(POSES, model, crops), frames))
            frame["people"] = [_in_pixels(person) for person in torch.where(joints[..., 2:] < threshold, 0.0, joints)]
        return io.NodeOutput([frame])


def _in_pixels(joints: torch.Tensor) -> dict[str, list[float]]:
    """Joints [18, 3] as a person of a POSE_KEYPOINT."""
    return {
        "pose_keypoints_2d": joints.flatten().tolist(),
        "face_keypoints_2d": [0.0] * (3 * FACE),
        "hand_left_keypoints_2d": [0.0] * (3 * HAND),
        "hand_right_keypoints_2d": [0.0] * (3 * HAND),
    }


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
                _network_input(PARSING, "mattmdjaga/segformer_b2_clothes"),
            ],
            outputs=[
                io.Mask.Output(display_name="parsing", tooltip="Label / 255, on each person's own pixels; 0 elsewhere."),
                io.String.Output(display_name="labels", tooltip='What the labels mean, as JSON: {"2": "Hair", …}.'),
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        return (network is None) or unknown_network(PARSING, network) or True

    @classmethod
    def execute(cls, scene: Scene, network: str | None = None) -> io.NodeOutput:
        model = load_network(PARSING, network)
        names = model.model.network.config.id2label
        labels = torch.zeros(scene.size, dtype=torch.uint8)
        if scene.people:
            squares = person_squares(scene)
            labels = parse_people(scene, squares, run_network(PARSING, model, parsing_crops(scene.photo[0], squares)))
        return io.NodeOutput(labels[None] / 255, json.dumps({str(number): names[number] for number in sorted(names)}))
