"""Pose, parsing and panoptic networks that the artist put into the models folders, run under ComfyUI's model management.

A network is a folder as the hub has it: `vitpose/<name>/model.safetensors` with its `config.json` beside it. transformers
builds it from the two; nothing is downloaded.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths
import torch
from comfy import model_management, utils
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ...mild_core.models.panoptic_network import panoptic_memory, panoptic_queries
from ...mild_core.models.parsing_network import parsing_logits, parsing_memory
from ...mild_core.models.pose_network import pose_heatmaps, pose_memory
from ...mild_core.scene.coco import COCO_JOINTS
from .folders import add_folder, unknown_file
from .mini import progress
from .rows import HEADROOM, evenly, out_of_memory

__all__ = ["PANOPTIC", "PARSING", "POSES", "Held", "load_network", "network_names", "register_folders", "run_network", "unknown_network"]

POSES, PARSING, PANOPTIC = "vitpose", "human_parsing", "panoptic"
AT_ONCE = 8  # crops: more of them are no faster, and other models would have to leave for them


class Kind(NamedTuple):
    """The networks of one folder."""

    model_type: str  # in their config.json
    named: str  # in messages
    config: str  # class of transformers
    network: str  # class of transformers
    example: str  # a public one
    forward: Callable[[nn.Module, Tensor], Any]
    memory: Callable[..., int]  # numbers that a pass holds for each crop, or for a photo
    others: tuple[tuple[str, str, str], ...] = ()  # further types that do the same, each with its two classes
    half: bool = True  # whether it may run in float16
    passed_over: tuple[str, ...] = ()  # parts of names of weights that only training needs, or that are made anew

    def types(self) -> list[str]:
        return [self.model_type, *(other[0] for other in self.others)]

    def of_type(self, model_type: str) -> Kind:
        """The same kind, with the classes of that type."""
        for other, config, network in self.others:
            if other == model_type:
                return self._replace(model_type=other, config=config, network=network)
        return self


KINDS = {
    POSES: Kind(
        "vitpose",
        "ViTPose",
        "VitPoseConfig",
        "VitPoseForPoseEstimation",
        "usyd-community/vitpose-base-simple",
        pose_heatmaps,
        pose_memory,
    ),
    PARSING: Kind(
        "segformer",
        "SegFormer",
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        "mattmdjaga/segformer_b2_clothes",
        parsing_logits,
        parsing_memory,
    ),
    PANOPTIC: Kind(
        "mask2former",
        "Mask2Former, OneFormer or EoMT",
        "Mask2FormerConfig",
        "Mask2FormerForUniversalSegmentation",
        "facebook/mask2former-swin-base-coco-panoptic",
        panoptic_queries,
        panoptic_memory,
        others=(
            ("oneformer", "OneFormerConfig", "OneFormerForUniversalSegmentation"),
            ("eomt", "EomtConfig", "EomtForUniversalSegmentation"),
            ("eomt_dinov3", "EomtDinov3Config", "EomtDinov3ForUniversalSegmentation"),
        ),
        half=False,  # one picture a run: nothing is gained
        passed_over=("relative_position_index", "criterion.", "text_mapper."),
    ),
}
FROM_ELSEWHERE = ("backbone", "backbone_kwargs", "use_pretrained_backbone", "use_timm_backbone")
"""Entries of a config.json by which some versions of transformers would fetch weights from the hub."""
FOR_TRAINING = ("is_training",)
"""An entry by which OneFormer would want the captions it is trained with."""


class Held(nn.Module):
    """A network as ModelPatcher wants it: it sets `device`, which transformers' own classes do not let it."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network


def register_folders() -> None:
    """Let ComfyUI know the folders of these networks."""
    for folder in KINDS:
        add_folder(folder, [".safetensors"])


register_folders()


def network_names(folder: str) -> list[str]:
    """The network files that the artist has in that folder, such as "vitpose-base-simple/model.safetensors"."""
    return [name for name in folder_paths.get_filename_list(folder) if name.endswith(".safetensors")]


def unknown_network(folder: str, name: str | None) -> str | None:
    """Why there is no network of that name, in words that say what to do; None where there is one."""
    kind = KINDS[folder]
    place = os.path.join(folder_paths.get_folder_paths(folder)[0], "<name>")
    put = f"put model.safetensors and config.json of a {kind.named} network, such as {kind.example}, into {place} and refresh"
    return unknown_file("network", name, network_names(folder), folder, put)


def load_network(folder: str, name: str | None) -> ModelPatcher:
    """A network of that folder, which lies on the offload device until it runs; `.model` is a Held.

    Raises ValueError where there is none of that name, no config.json beside it, or one of another kind; where the file is not
    the weights of what its config.json describes; RuntimeError without a transformers that knows such networks.
    """
    if (why := unknown_network(folder, name)) is not None or name is None:
        raise ValueError(why)
    kind = KINDS[folder]
    file = Path(folder_paths.get_full_path_or_raise(folder, name))
    described = _described(kind, name, file.with_name("config.json"))
    config_class, network_class = _classes(kind.of_type(described["model_type"]))
    config = config_class.from_dict(described)
    _check_labels(folder, name, config)
    weights = utils.load_torch_file(str(file), safe_load=True)
    # not load_state_dict: newer versions have renamed layers, and only this reads weights of before
    network, found = network_class.from_pretrained(
        None, config=config, state_dict=weights, output_loading_info=True, ignore_mismatched_sizes=True, local_files_only=True
    )
    wrong = {what: _counted(kind, found[f"{what}_keys"]) for what in ("missing", "unexpected", "mismatched")}
    if any(wrong.values()):
        raise ValueError(
            f"network {name!r} is not the {kind.named} network that its config.json describes: of its {len(network.state_dict())} "
            f"weights {wrong['missing']} are missing and {wrong['mismatched']} of another shape, {wrong['unexpected']} more are unknown"
        )
    load_device, offload_device = model_management.get_torch_device(), model_management.text_encoder_offload_device()
    parameters = sum(p.numel() for p in network.parameters())
    half = kind.half and model_management.should_use_fp16(load_device, model_params=parameters)
    network = network.eval().requires_grad_(False).to(offload_device, torch.float16 if half else torch.float32)
    return ModelPatcher(Held(network), load_device=load_device, offload_device=offload_device)


def _counted(kind: Kind, weights: Iterable[Any]) -> int:
    """How many of these weights the kind does not pass over."""
    return sum(not any(part in str(weight) for part in kind.passed_over) for weight in weights)


def _classes(kind: Kind) -> tuple[Any, Any]:
    try:
        import transformers

        return getattr(transformers, kind.config), getattr(transformers, kind.network)
    except (ImportError, AttributeError) as error:
        raise RuntimeError(f"{kind.named} networks need transformers 4.50.3 or newer, as ComfyUI itself does: {error}") from error


def _described(kind: Kind, name: str, config: Path) -> dict[str, Any]:
    """What the config.json says, less what may not be followed."""
    if not config.is_file():
        raise ValueError(
            f"network {name!r} has no config.json beside it, in {config.parent}: put the network's own there, "
            "and each network into a folder of its own"
        )
    described = json.loads(config.read_text("utf-8"))
    if described.get("model_type") not in kind.types():
        types = " or ".join(map(repr, kind.types()))
        raise ValueError(f"network {name!r} is of the type {described.get('model_type')!r}, but it must be of {types}")
    if kind.model_type == "vitpose":
        backbone = (described.get("backbone_config") or {}).get("model_type")
        if backbone != "vitpose_backbone":
            raise ValueError(f"network {name!r} has a backbone of the type {backbone!r}, but it must be of 'vitpose_backbone'")
    return {entry: value for entry, value in described.items() if entry not in FROM_ELSEWHERE + FOR_TRAINING}


def _check_labels(folder: str, name: str, config: Any) -> None:
    if folder == POSES and config.num_labels != COCO_JOINTS:
        raise ValueError(f"network {name!r} finds {config.num_labels} keypoints, but it must find the {COCO_JOINTS} of COCO")
    if folder == PARSING and config.num_labels > 256:
        raise ValueError(f"network {name!r} has {config.num_labels} labels, but a mask holds at most 256")


def run_network(folder: str, patcher: ModelPatcher, crops: Tensor) -> Tensor:
    """What a network of that folder makes of crops [N, 3, h, w]: [N, ...] float32 on the CPU.

    As many at a time as fit into memory, fewer where they turn out not to. Shows progress, and stops between two passes when the
    artist interrupts.
    """
    kind, device = KINDS[folder], patcher.load_device
    network = patcher.model.network
    each = HEADROOM * kind.memory(network.config) * network.dtype.itemsize
    # plain torch layers cannot stream their weights as the core's can: all of them must be there
    needed = int(each * min(len(crops), AT_ONCE))
    model_management.load_models_gpu([patcher], memory_required=needed, force_full_load=True)
    network.to(device)  # nothing, but with --novram, where the core leaves plain layers behind
    most = min(AT_ONCE, max(int(model_management.get_free_memory(device) / each), 1))
    done: list[Tensor] = []
    with progress(len(crops)) as report, torch.no_grad():
        while (start := sum(len(part) for part in done)) < len(crops):
            report(start)
            some = crops[start : start + evenly(len(crops) - start, most)]
            part = _run(kind, network, some.to(device, network.dtype))
            if part is None:
                most = math.ceil(len(some) / 2)
                logging.warning("[MILD] out of memory with %d crops at a time; going on with %d.", len(some), most)
                model_management.soft_empty_cache(True)
                continue
            done.append(part)
        report(len(crops))
    return torch.cat(done)


def _run(kind: Kind, network: nn.Module, crops: Tensor) -> Tensor | None:
    """The result, or None where memory is out for several crops. The error ends here: its traceback holds all tensors of the pass."""
    try:
        return kind.forward(network, crops).float().cpu()
    except Exception as error:
        if len(crops) == 1 or not out_of_memory(error):
            raise
        return None
