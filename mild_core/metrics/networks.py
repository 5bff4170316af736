"""Where the scores' networks come from: files that people have, under one folder. Nothing is downloaded.

A score that needs a network names it by its key. Whoever runs scores asks first what is `missing`, and says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["NETWORKS", "NetworkFile", "Networks", "filled", "misfits", "on_device_of"]

COUNTERS = ".num_batches_tracked"  # of batch normalization: some files hold them, and nothing that runs reads them
NAMED = 4  # tensors that an error names at most


@dataclass(frozen=True)
class NetworkFile:
    """One network, and where it lies.

    Attributes:
        key: what scores call it.
        path: its name under the folder of networks: a .safetensors file, or a Hugging Face folder of config.json and
            .safetensors files.
        title: what it is, and where people get it.
        load: "module:function"; the function makes the network of a path.
    """

    key: str
    path: str
    title: str
    load: str

    def lies_in(self, folder: Path) -> bool:
        """Whether its files are there."""
        place = folder / self.path
        if place.suffix == ".safetensors":
            return place.is_file()
        return (place / "config.json").is_file() and any(place.glob("*.safetensors"))


_CONVERTED = "made by scripts/convert_network.py of"
_HEADS = "PerceptualSimilarity's v0.1"
_FILES = (
    NetworkFile(
        "lpips_alex",
        "lpips_alex.safetensors",
        f"AlexNet with LPIPS' linear layers, {_CONVERTED} torchvision's alexnet weights and {_HEADS}/alex.pth",
        "mild_core.metrics.lpips:load_alex",
    ),
    NetworkFile(
        "lpips_vgg",
        "lpips_vgg.safetensors",
        f"VGG-16 with LPIPS' linear layers, {_CONVERTED} torchvision's vgg16 weights and {_HEADS}/vgg.pth",
        "mild_core.metrics.lpips:load_vgg",
    ),
    NetworkFile(
        "lpips_squeeze",
        "lpips_squeeze.safetensors",
        f"SqueezeNet with LPIPS' linear layers, {_CONVERTED} torchvision's squeezenet1_1 weights and {_HEADS}/squeeze.pth",
        "mild_core.metrics.lpips:load_squeeze",
    ),
    NetworkFile(
        "inception_fid",
        "inception_fid.safetensors",
        f"the Inception v3 of FID, {_CONVERTED} pytorch-fid's pt_inception-2015-12-05-6726825d.pth",
        "mild_core.metrics.inception:load_inception",
    ),
    NetworkFile(
        "clip_vit_l14_336",
        "clip-vit-large-patch14-336",
        "CLIP ViT-L/14 at 336 pixels: openai/clip-vit-large-patch14-336 on Hugging Face",
        "mild_core.metrics.clip_features:load_clip",
    ),
    NetworkFile(
        "sam_vit_h",
        "sam-vit-huge",
        "Segment Anything ViT-H: facebook/sam-vit-huge on Hugging Face",
        "mild_core.metrics.sam:load_sam",
    ),
    NetworkFile(
        "dinov2_giant",
        "dinov2-giant",
        "DINOv2 ViT-g/14: facebook/dinov2-giant on Hugging Face",
        "mild_core.metrics.dino:load_dino",
    ),
)
NETWORKS: dict[str, NetworkFile] = {network.key: network for network in _FILES}


class Networks:
    """The networks of a folder. Each is loaded when it is first asked for, and kept: in evaluation, without gradients."""

    def __init__(self, folder: Path | None, device: str | torch.device = "cpu") -> None:
        """
        Args:
            folder: where the files of `NETWORKS` lie; None where there are none.
            device: where the networks run.
        """
        self.folder = folder
        self.device = torch.device(device)
        self._kept: dict[str, nn.Module] = {}

    @classmethod
    def of(cls, modules: Mapping[str, nn.Module], device: str | torch.device = "cpu") -> Networks:
        """These modules by key, and no others: for tests, and for networks that were made elsewhere."""
        networks = cls(None, device)
        for key, module in modules.items():
            networks._keep(key, module)
        return networks

    def missing(self, keys: Iterable[str]) -> str:
        """What of these is not there, as a sentence that says what must lie where; "" when nothing is missing.

        Raises ValueError for a key that is not in `NETWORKS`.
        """
        files = [_file(key) for key in keys if key not in self._kept]
        absent = [file for file in files if self.folder is None or not file.lies_in(self.folder)]
        if not absent:
            return ""
        wanted = "; ".join(f"{file.path} ({file.title})" for file in absent)
        where = "no folder of networks was given; it must hold" if self.folder is None else f"{self.folder} lacks"
        return f"{where} {wanted}"

    def get(self, key: str) -> nn.Module:
        """The network of that key.

        Raises FileNotFoundError with the sentence of `missing` when it is not there, and ValueError when its file does not fit.
        """
        if key not in self._kept:
            absent = self.missing([key])
            if absent or self.folder is None:
                raise FileNotFoundError(absent)
            file = _file(key)
            module, function = file.load.split(":")
            load = getattr(importlib.import_module(module), function)
            self._keep(key, load(self.folder / file.path))
        return self._kept[key]

    def _keep(self, key: str, module: nn.Module) -> None:
        self._kept[key] = module.to(self.device).eval().requires_grad_(False)


def _file(key: str) -> NetworkFile:
    if key not in NETWORKS:
        raise ValueError(f"network is {key!r}, but it must be one of {', '.join(NETWORKS)}")
    return NETWORKS[key]


def filled(network: nn.Module, path: Path) -> nn.Module:
    """The network with the tensors of a .safetensors file, all of them and no others.

    Raises ValueError that names the file and the tensors that do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} must be a safetensors file, but it cannot be read as one: {error}") from error
    wrong = misfits(network, tensors)
    if wrong:
        raise ValueError(f"{path} does not hold {type(network).__name__}: {wrong}")
    network.load_state_dict(tensors, strict=False)  # but for the counters it was strict already
    return network


def misfits(network: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """In what these tensors differ from the network's own, by name and shape; "" when they fit."""
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTERS)}
    given = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTERS)}
    shapes = [
        f"{name} is {_shape(given[name])} but must be {_shape(tensor)}"
        for name, tensor in own.items()
        if name in given and given[name].shape != tensor.shape
    ]
    parts = [
        _listed("it lacks", [name for name in own if name not in given]),
        _listed("it has besides", [name for name in given if name not in own]),
        _listed("", shapes),
    ]
    return "; ".join(part for part in parts if part)


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{what} {', '.join(names[:NAMED])}{more}".strip()


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def on_device_of(network: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures on the network's device and in its precision."""
    return pictures.to(next(network.parameters()))
