"""Inpainting networks (LaMa, MAT) that the artist put into models/inpaint, run under ComfyUI's model management.

The folder and its files are those of the inpaint-nodes pack. spandrel, which the core has for its upscalers, tells the
architecture from the weights and builds it. LaMa's is in spandrel itself; MAT's, whose licence is non-commercial, in
spandrel_extra_arches, which the core takes in where it is installed.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import folder_paths
import torch
from comfy import model_management, utils
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...mild_core.fill import Sides
from .folders import add_folder, unknown_file

__all__ = ["FOLDER", "FillNetwork", "load_fill_network", "network_names", "register_folder", "unknown_network"]

FOLDER = "inpaint"
ENDINGS = (".safetensors", ".pth", ".pt")
LARGEST = 512  # pixels a side: LaMa and MAT were compared with others at this; larger holes LaMa fills with a repeated grain
BYTES_A_PIXEL = 6144  # that a pass holds; a third above what the core reckons for an upscaler
EXAMPLES = "big-lama.safetensors or MAT_Places512_G_fp16.safetensors"
TOLD = 300  # characters of an error that may list every weight
MAT_KEY = "synthesis.first_stage.conv_first.conv.resample_filter"
LAMA_KEY = "model.1.bn_l.running_mean"


def register_folder() -> None:
    """Let ComfyUI know models/inpaint."""
    add_folder(FOLDER, ENDINGS)


register_folder()


def network_names() -> list[str]:
    """The files in models/inpaint that may be networks, such as "big-lama.safetensors"."""
    return [name for name in folder_paths.get_filename_list(FOLDER) if name.lower().endswith(ENDINGS)]


def unknown_network(name: str | None) -> str | None:
    """Why there is no network of that name, in words that say what to do; None where there is one."""
    put = f"put a LaMa or MAT network, such as {EXAMPLES}, into {folder_paths.get_folder_paths(FOLDER)[0]} and refresh"
    return unknown_file("network", name, network_names(), FOLDER, put)


@dataclass(frozen=True, eq=False)
class FillNetwork:
    """An inpainting network, which lies on the offload device until it is called.

    Attributes:
        descriptor: spandrel's, which calls the network.
        patcher: that the core loads and offloads it by.
        sides: the sizes it takes.
    """

    descriptor: Any
    patcher: ModelPatcher
    sides: Sides

    def __call__(self, picture: Tensor, hidden: Tensor, seed: int) -> Tensor:
        """What it makes of a picture [1, 3, s, s] in 0..1 whose pixels under `hidden` [1, 1, s, s] (0, 1) it paints. On the CPU."""
        device, network = self.patcher.load_device, self.patcher.model
        # plain torch layers cannot stream their weights as the core's can: all of them must be there
        needed = BYTES_A_PIXEL * hidden.numel()
        model_management.load_models_gpu([self.patcher], memory_required=needed, force_full_load=True)
        network.to(device)  # nothing, but with --novram, where the core leaves plain layers behind
        own = [device] if device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(own):  # MAT draws its style, and drops out features, whenever it runs
            torch.manual_seed(seed)
            if isinstance(getattr(network, "z", None), Tensor):
                network.z = torch.randn(network.z.shape).to(device)
            return self.descriptor(picture.to(device), hidden.to(device)).float().cpu()


def load_fill_network(name: str | None) -> FillNetwork:
    """The network of that file in models/inpaint.

    Raises ValueError where there is none of that name, or it holds code or no inpainting network; RuntimeError where the library that
    knows its architecture is missing.
    """
    if (why := unknown_network(name)) is not None or name is None:
        raise ValueError(why)
    descriptor = _descriptor(name, _weights(name, folder_paths.get_full_path_or_raise(FOLDER, name)))
    needs = descriptor.size_requirements
    multiple = max(needs.multiple_of, 1)
    sides = Sides(max(needs.minimum, multiple), max(LARGEST // multiple * multiple, needs.minimum), multiple)
    load_device, offload_device = model_management.get_torch_device(), model_management.unet_offload_device()
    # in full precision: of half LaMa's Fourier layers, and both networks' own authors, know nothing
    network = descriptor.model.eval().requires_grad_(False).to(offload_device, torch.float32)
    return FillNetwork(descriptor, ModelPatcher(network, load_device=load_device, offload_device=offload_device), sides)


def _weights(name: str, path: str) -> dict[str, Tensor]:
    """The tensors of a file, read without running anything of it."""
    if _is_torchscript(path):
        raise ValueError(
            f"network {name!r} is a TorchScript program, not a file of weights, and programs from files are not run here. Put big-lama as "
            f"safetensors into models/{FOLDER}; or, if you trust where this file is from, make it of this one, in its folder, by: "
            f"{conversion(os.path.basename(name))}"
        )
    try:
        weights = utils.load_torch_file(path, safe_load=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"network {name!r} cannot be read as a file of nothing but weights: {error}") from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"network {name!r} must be a file of weights by name, and nothing else")
    if LAMA_KEY in weights:  # some take the name of the part off
        return {f"generator.{key}": value for key, value in weights.items()}
    if f"generator.{LAMA_KEY}" in weights:  # the discriminator and the losses are there, too, in what training left behind
        return {key: value for key, value in weights.items() if key.startswith("generator.")}
    return dict(weights)


def _is_torchscript(path: str) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(entry.endswith("/constants.pkl") for entry in archive.namelist())


def conversion(file: str) -> str:
    """The command that makes a safetensors file of a TorchScript one beside it."""
    out = os.path.splitext(file)[0] + ".safetensors"
    weights = f"torch.jit.load('{file}', 'cpu').state_dict()"
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"save_file({{name: tensor.clone().contiguous() for name, tensor in {weights}.items()}}, '{out}')\""
    )


def _descriptor(name: str, weights: dict[str, Tensor]) -> Any:
    """spandrel's model of these weights, which takes a picture and a mask."""
    from spandrel import MAIN_REGISTRY, MaskedImageModelDescriptor, ModelLoader, UnsupportedModelError

    registry = MAIN_REGISTRY.copy()  # the core's own is not touched
    try:
        from spandrel_extra_arches import EXTRA_REGISTRY

        registry.add(*(known for known in EXTRA_REGISTRY if known.architecture.id not in registry))
    except ImportError:
        pass
    if any(key.endswith(MAT_KEY) for key in weights) and "MAT" not in registry:
        raise RuntimeError(
            f"network {name!r} is a MAT, which needs the package spandrel_extra_arches: pip install spandrel_extra_arches "
            "(its licence, and MAT's, forbid commercial use)"
        )
    try:
        descriptor = ModelLoader(registry=registry).load_from_state_dict(weights)
    except UnsupportedModelError as error:
        raise ValueError(f"network {name!r} is none that spandrel knows; it must be a LaMa or MAT, such as {EXAMPLES}") from error
    except (RuntimeError, KeyError) as error:
        why = str(error)[:TOLD]
        raise ValueError(f"network {name!r} looks like one that spandrel knows, but its weights do not fit: {why}") from error
    if not isinstance(descriptor, MaskedImageModelDescriptor):
        what = f"{descriptor.architecture.name}, for {descriptor.purpose}"
        raise ValueError(f"network {name!r} is {what}, but it must be one that fills holes: LaMa or MAT, such as {EXAMPLES}")
    return descriptor
