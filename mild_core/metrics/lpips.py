"""Learned perceptual image patch similarity.

Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR 2018),
eq. 1. With φ_l the features of layer l of a classifier, divided at each position by their length over the channels, and
weights w_l ≥ 0 that were fitted to people's judgements,

    d(x, x₀) = Σ_l mean over positions of  Σ_c w_l[c] · (φ_l[c](x) − φ_l[c](x₀))²

Pictures are brought to −1..1 and then scaled as the authors' program does (version 0.1). Layers are the outputs of five
ReLUs of AlexNet and VGG-16, and seven layers of SqueezeNet 1.1. Published tables differ in the network: its name belongs
to every figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inside import comparable, mean_inside
from .networks import filled, on_device_of

__all__ = ["Lpips", "load_alex", "load_squeeze", "load_vgg", "lpips"]

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pictures in −1..1
TINY = 1e-10  # beside a length, which may be 0


class Lpips(nn.Module):
    """The features of one classifier and their weights. `features` has torchvision's layout, `heads.l` is w_l [1, C_l, 1, 1]."""

    def __init__(self, net: str) -> None:
        """
        Args:
            net: "alex", "vgg" or "squeeze"; weights are random.
        """
        super().__init__()
        if net not in _NETS:
            raise ValueError(f"net is {net!r}, but it must be one of {', '.join(_NETS)}")
        self.net = net
        self.features = nn.Sequential(*_NETS[net].layers())
        self.heads = nn.ModuleList([nn.Conv2d(channels, 1, 1, bias=False) for channels in _NETS[net].channels])

    @property
    def smallest(self) -> int:
        """Pixels a side that a picture must have at least."""
        return _NETS[self.net].smallest

    def forward(self, images: Tensor, truths: Tensor) -> list[Tensor]:
        """Each layer's map of weighted differences [B, 1, h_l, w_l], of pictures [B, 3, H, W] in 0..1."""
        shift, scale = (images.new_tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        planes = (torch.cat([images, truths]) * 2 - 1 - shift) / scale
        maps: list[Tensor] = []
        for place, layer in enumerate(self.features):
            planes = layer(planes)
            if place in _NETS[self.net].taps:
                unit = planes / (torch.linalg.vector_norm(planes, dim=1, keepdim=True) + TINY)
                image, truth = unit.chunk(2)
                maps.append(self.heads[len(maps)]((image - truth).square()))
        return maps


@torch.no_grad()
def lpips(image: Tensor, truth: Tensor, network: nn.Module, hole: Tensor | None = None) -> float:
    """LPIPS, 0 for equal pictures; with the published weights mostly below 1, and lower is better.

    Without a hole: as published, each layer's mean over all positions. With a hole: each layer's map is stretched to the
    picture bilinearly, as the authors' spatial option does, and the sum of the maps is averaged over the hole. The network
    sees the whole picture either way, so that features at the edge of the hole see what lies beyond it.

    Args:
        image, truth: [H, W, 3] floating point in 0..1, at least 31 pixels a side with AlexNet, 16 with VGG, 17 with SqueezeNet.
        network: an `Lpips`.
        hole: [H, W] bool; None for the whole picture.
    Raises ValueError when sizes, types or ranges are others.
    """
    image, truth, hole = comparable(image, truth, hole)
    height, width = image.shape[1:]
    if not isinstance(network, Lpips):
        raise ValueError(f"network is a {type(network).__name__}, but it must be an Lpips")
    if min(height, width) < network.smallest:
        side = network.smallest
        raise ValueError(f"image is {height}×{width}, but for LPIPS with {network.net} it must be at least {side}×{side}")
    maps = network(on_device_of(network, image[None]), on_device_of(network, truth[None]))
    if hole is None:
        return sum(float(layer.double().mean()) for layer in maps)
    whole = sum(F.interpolate(layer, (height, width), mode="bilinear", align_corners=False) for layer in maps)
    return mean_inside(torch.as_tensor(whole)[0].double().cpu(), hole)


def load_alex(path: Path) -> nn.Module:
    """LPIPS with AlexNet from a .safetensors file."""
    return filled(Lpips("alex"), path)


def load_vgg(path: Path) -> nn.Module:
    """LPIPS with VGG-16 from a .safetensors file."""
    return filled(Lpips("vgg"), path)


def load_squeeze(path: Path) -> nn.Module:
    """LPIPS with SqueezeNet 1.1 from a .safetensors file."""
    return filled(Lpips("squeeze"), path)


def _alexnet() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]


def _vgg16() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for wide, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU()]
            channels = wide
    return layers


def _squeezenet() -> list[nn.Module]:
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    start = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), pool(), _Fire(64, 16, 64), _Fire(128, 16, 64), pool()]
    middle = [_Fire(128, 32, 128), _Fire(256, 32, 128), pool()]
    return [*start, *middle, _Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)]


class _Fire(nn.Module):
    """SqueezeNet's layer: few channels, from which twice `wide` are made, half of them with 3x3 filters."""

    def __init__(self, channels: int, few: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, few, 1)
        self.expand1x1 = nn.Conv2d(few, wide, 1)
        self.expand3x3 = nn.Conv2d(few, wide, 3, padding=1)

    def forward(self, planes: Tensor) -> Tensor:
        planes = F.relu(self.squeeze(planes))
        return F.relu(torch.cat([self.expand1x1(planes), self.expand3x3(planes)], 1))


@dataclass(frozen=True)
class _Net:
    layers: Callable[[], list[nn.Module]]
    taps: tuple[int, ...]  # places in `features` whose output is compared
    channels: tuple[int, ...]  # of each
    smallest: int


_NETS = {
    "alex": _Net(_alexnet, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), 31),
    "vgg": _Net(_vgg16, (3, 8, 15, 22, 29), (64, 128, 256, 512, 512), 16),
    "squeeze": _Net(_squeezenet, (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512), 17),
}
