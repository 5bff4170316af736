"""The network of the Fréchet inception distance, and what it sees in a picture.

FID is told with one file of weights: the Inception v3 (Szegedy et al., CVPR 2016) that TensorFlow gave out on 2015-12-05, as
pytorch-fid carries it. That network differs from the published one in its pooling: means leave the padding out, and the last
block takes a maximum. Its 2048 features are the means over the last block's 8x8 positions.

Pictures go in as pytorch-fid gives them: bilinear to 299x299 without a filter against aliases, then −1..1. TensorFlow's own
resizing, which torch-fidelity copies, and filtered resizing, which clean-fid takes, give other figures: FIDs are comparable only
where this step is the same.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .networks import filled, on_device_of

__all__ = ["FEATURES", "Inception", "inception_features", "load_inception"]

SIZE = 299
FEATURES = 2048
BATCH = 16  # pictures at once
_MEAN = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_MAXIMUM = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
_HALVED = partial(F.max_pool2d, kernel_size=3, stride=2)


class _Conv(nn.Module):
    """Convolution, normalization, ReLU; an even padding of a filter's reach unless it strides."""

    def __init__(self, inputs: int, outputs: int, size: int | tuple[int, int], stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        height, width = size if isinstance(size, tuple) else (size, size)
        reach = (height // 2, width // 2) if pad and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, reach, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, planes: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(planes)))


class _Mixed(nn.Module):
    """Several paths beside each other, whose outputs are put together. Their names are torchvision's, those of the weights."""

    def pooled(self, planes: Tensor) -> Tensor:
        raise NotImplementedError

    def paths(self, planes: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def forward(self, planes: Tensor) -> Tensor:
        return torch.cat([*self.paths(planes), self.pooled(planes)], 1)


class _MixedA(_Mixed):
    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inputs, 64, 1)
        self.branch5x5_1 = _Conv(inputs, 48, 1)
        self.branch5x5_2 = _Conv(48, 64, 5)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3)
        self.branch_pool = _Conv(inputs, pooled, 1)

    def paths(self, planes: Tensor) -> list[Tensor]:
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(planes)))
        return [self.branch1x1(planes), self.branch5x5_2(self.branch5x5_1(planes)), twice]

    def pooled(self, planes: Tensor) -> Tensor:
        return self.branch_pool(_MEAN(planes))


class _MixedB(_Mixed):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def paths(self, planes: Tensor) -> list[Tensor]:
        return [self.branch3x3(planes), self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(planes)))]

    def pooled(self, planes: Tensor) -> Tensor:
        return _HALVED(planes)


class _MixedC(_Mixed):
    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inputs, 192, 1)
        self.branch7x7_1 = _Conv(inputs, inner, 1)
        self.branch7x7_2 = _Conv(inner, inner, (1, 7))
        self.branch7x7_3 = _Conv(inner, 192, (7, 1))
        self.branch7x7dbl_1 = _Conv(inputs, inner, 1)
        self.branch7x7dbl_2 = _Conv(inner, inner, (7, 1))
        self.branch7x7dbl_3 = _Conv(inner, inner, (1, 7))
        self.branch7x7dbl_4 = _Conv(inner, inner, (7, 1))
        self.branch7x7dbl_5 = _Conv(inner, 192, (1, 7))
        self.branch_pool = _Conv(inputs, 192, 1)

    def paths(self, planes: Tensor) -> list[Tensor]:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(planes)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(planes)))
        return [self.branch1x1(planes), once, self.branch7x7dbl_5(self.branch7x7dbl_4(twice))]

    def pooled(self, planes: Tensor) -> Tensor:
        return self.branch_pool(_MEAN(planes))


class _MixedD(_Mixed):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Conv(inputs, 192, 1)
        self.branch3x3_2 = _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(inputs, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def paths(self, planes: Tensor) -> list[Tensor]:
        wide = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(planes)))
        return [self.branch3x3_2(self.branch3x3_1(planes)), self.branch7x7x3_4(wide)]

    def pooled(self, planes: Tensor) -> Tensor:
        return _HALVED(planes)


class _MixedE(_Mixed):
    def __init__(self, inputs: int, pool: partial[Tensor]) -> None:
        super().__init__()
        self.pool = pool
        self.branch1x1 = _Conv(inputs, 320, 1)
        self.branch3x3_1 = _Conv(inputs, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3))
        self.branch3x3_2b = _Conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = _Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1))
        self.branch_pool = _Conv(inputs, 192, 1)

    def paths(self, planes: Tensor) -> list[Tensor]:
        once = self.branch3x3_1(planes)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(planes))
        forks = [self.branch3x3_2a(once), self.branch3x3_2b(once), self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return [self.branch1x1(planes), *forks]

    def pooled(self, planes: Tensor) -> Tensor:
        return self.branch_pool(self.pool(planes))


class Inception(nn.Module):
    """Inception v3 as FID has it, without the classes. Names of layers are those of pytorch-fid's file; weights are random."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3, pad=False)
        self.Mixed_5b = _MixedA(192, 32)
        self.Mixed_5c = _MixedA(256, 64)
        self.Mixed_5d = _MixedA(288, 64)
        self.Mixed_6a = _MixedB(288)
        self.Mixed_6b = _MixedC(768, 128)
        self.Mixed_6c = _MixedC(768, 160)
        self.Mixed_6d = _MixedC(768, 160)
        self.Mixed_6e = _MixedC(768, 192)
        self.Mixed_7a = _MixedD(768)
        self.Mixed_7b = _MixedE(1280, _MEAN)
        self.Mixed_7c = _MixedE(2048, _MAXIMUM)

    def forward(self, planes: Tensor) -> Tensor:
        """Features [N, 2048] of pictures [N, 3, 299, 299] in −1..1."""
        planes = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(planes)))
        planes = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_HALVED(planes)))
        planes = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_HALVED(planes))))
        planes = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(planes)))))
        planes = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(planes)))
        return planes.mean((2, 3))


@torch.no_grad()
def inception_features(pictures: Tensor, network: nn.Module) -> Tensor:
    """What FID compares: [N, 2048] float32 on the CPU, of pictures [N, H, W, 3] in 0..1.

    Raises ValueError when the pictures have another shape.
    """
    if pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"pictures are {'×'.join(map(str, pictures.shape))}, but they must be N×height×width×3")
    found = []
    for part in pictures.split(BATCH):
        planes = on_device_of(network, part.permute(0, 3, 1, 2))
        planes = F.interpolate(planes, (SIZE, SIZE), mode="bilinear", align_corners=False)
        found.append(network(planes * 2 - 1).float().cpu())
    return torch.cat(found) if found else torch.zeros(0, FEATURES)


def load_inception(path: Path) -> nn.Module:
    """FID's Inception v3 from a .safetensors file."""
    return filled(Inception(), path)
