"""Joints by ViTPose (Xu et al. 2022): a crop of each person in, a heatmap for each of COCO's 17 keypoints out.

The network is transformers' VitPoseForPoseEstimation; this file is what stands before it and behind it. Both follow the data
processing it was trained with (Huang et al., "The Devil is in the Details", CVPR 2020): the first pixel of a crop or a heatmap
lies on one edge of the person's frame and the last pixel on the other, so that with a frame of width W at x0, and n pixels

    x_photo = x0 + x_pixel · W / (n − 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scene.box import Box

__all__ = ["decode_heatmaps", "person_crops", "pose_heatmaps", "pose_memory"]

MARGIN = 1.25  # of the person's box
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
COCO = 0  # among the data sets that ViTPose+ has experts for
BLUR_SIGMA, BLUR_REACH = 0.8, 5  # pixels of the heatmap: DARK's modulation with a kernel of 11
FARTHEST = 1.0  # pixels of the heatmap that a maximum may lie off its highest pixel


def person_crops(photo: Tensor, boxes: Sequence[Box], size: tuple[int, int] = (256, 192)) -> tuple[Tensor, Tensor]:
    """What the network sees of each person.

    The box is widened to the shape of the crop, then by a quarter, and sampled bilinearly; beyond the photo all is black. A
    crop of a person much larger than itself averages several samples a pixel: up to 4 times larger, as far as the network's
    training goes and a little beyond, it takes one, as in training.

    Args:
        photo: [H, W, 3] in 0..1.
        boxes: N people's.
        size: height and width of a crop.
    Returns the crops [N, 3, *size], normalised by ImageNet's mean and deviation, and the frames that they show [N, 4]: left,
    top, width and height in pixels of the photo.
    """
    frames = _frames(boxes, size)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    crops = [(_sampled(photo, frame, size) - mean) / std for frame in frames]
    return torch.stack(crops) if crops else torch.zeros(0, 3, *size), frames


def _frames(boxes: Sequence[Box], size: tuple[int, int]) -> Tensor:
    aspect = size[1] / size[0]
    edges = torch.tensor([tuple(box) for box in boxes], dtype=torch.float64).reshape(-1, 4)
    extent = edges[:, 2:] - edges[:, :2]
    height = torch.maximum(extent[:, 1], extent[:, 0] / aspect) * MARGIN
    extent = torch.stack([height * aspect, height], 1)
    return torch.cat([(edges[:, :2] + edges[:, 2:] - extent) / 2, extent], 1)


def _sampled(photo: Tensor, frame: Tensor, size: tuple[int, int]) -> Tensor:
    """The frame (left, top, width, height) of a photo [H, W, 3] as [3, *size]."""
    left, top, width, height = frame.tolist()
    samples = max(1, int(width / (size[1] - 1) / 2))  # a pixel, each way

    def places(start: float, length: float, pixels: int) -> Tensor:
        steps = (torch.arange(pixels * samples, dtype=torch.float64) + 0.5) / samples - 0.5
        return start + steps * length / (pixels - 1)

    x, y = places(left, width, size[1]), places(top, height, size[0])
    rows, columns = photo.shape[:2]
    grid = torch.stack(torch.meshgrid(y * 2 / (rows - 1) - 1, x * 2 / (columns - 1) - 1, indexing="ij")[::-1], -1)
    planes = photo[..., :3].permute(2, 0, 1)[None].float()
    seen = F.grid_sample(planes, grid[None].float(), mode="bilinear", padding_mode="border", align_corners=True)[0]
    inside = ((y >= 0) & (y <= rows - 1))[:, None] & ((x >= 0) & (x <= columns - 1))
    return F.avg_pool2d(seen * inside, samples)


def pose_heatmaps(network: nn.Module, crops: Tensor) -> Tensor:
    """What the network (a VitPoseForPoseEstimation) makes of crops on its device and in its precision: [N, 17, h, w]."""
    experts: Any = network.config.backbone_config.num_experts  # type: ignore[union-attr]
    chosen = {"dataset_index": torch.full((len(crops),), COCO, device=crops.device)} if experts > 1 else {}
    return network(crops, **chosen).heatmaps


def pose_memory(config: Any) -> int:
    """Numbers that a pass holds at once for each crop.

    40 for each token and channel; measured were 24 to 37 with ViT-S, B and L, of which the kept states of all layers are 13.
    """
    backbone = config.backbone_config
    tokens = (backbone.image_size[0] // backbone.patch_size[0]) * (backbone.image_size[1] // backbone.patch_size[1])
    return 40 * tokens * backbone.hidden_size


def decode_heatmaps(heatmaps: Tensor, frames: Tensor) -> Tensor:
    """Where the heatmaps have their maxima, to a fraction of a pixel.

    The highest pixel m, then one Newton step on the logarithm of the blurred heatmap D, where a Gaussian is a parabola:
    x = m − (∇²D)⁻¹ ∇D (DARK, Zhang et al., CVPR 2020). A step of more than a pixel means that the maximum is too flat or too
    torn for a parabola; it is shortened to a pixel.

    Args:
        heatmaps: [N, K, h, w], about 0..1.
        frames: [N, 4], as `person_crops` gives them.
    Returns [N, K, 3]: x and y in pixels of the photo, the first pixel's centre at (0, 0), and the heatmap's maximum in 0..1.
    """
    rows, columns = heatmaps.shape[-2:]
    highest, place = heatmaps.float().flatten(2).max(-1)
    y, x = place // columns, place % columns
    level = F.pad(_blurred(heatmaps.double()).clamp(0.001, 50).log(), (1, 1, 1, 1), mode="replicate").flatten(2)

    def at(down: int, right: int) -> Tensor:
        return level.gather(2, ((y + 1 + down) * (columns + 2) + x + 1 + right)[..., None])[..., 0]

    middle, west, east, north, south = at(0, 0), at(0, -1), at(0, 1), at(-1, 0), at(1, 0)
    dx, dy = (east - west) / 2, (south - north) / 2
    dxx, dyy = east - 2 * middle + west, south - 2 * middle + north
    dxy = (at(1, 1) - east - south + 2 * middle - west - north + at(-1, -1)) / 2
    tiny = torch.finfo(torch.float32).eps  # a flat maximum has no curvature, and no slope to divide by it
    dxx, dyy = dxx + tiny, dyy + tiny
    curvature = dxx * dyy - dxy * dxy
    steps = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], -1) / curvature[..., None]
    points = torch.stack([x, y], -1) - steps.nan_to_num(0).clamp(-FARTHEST, FARTHEST)
    scale = frames[:, None, 2:] / torch.tensor([columns - 1, rows - 1])
    photo = frames[:, None, :2] + points * scale
    return torch.cat([photo.float(), highest.clamp(0, 1)[..., None]], -1)


def _blurred(planes: Tensor) -> Tensor:
    """Gaussian blur of planes [N, K, h, w]; at the frame they are mirrored, the outermost pixels included."""
    reach = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (reach / BLUR_SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    for _ in range(2):
        length = planes.shape[-1]
        places = torch.arange(-BLUR_REACH, length + BLUR_REACH) % (2 * length)
        padded = planes[..., torch.minimum(places, 2 * length - 1 - places)]
        planes = (padded.unfold(-1, len(kernel), 1) * kernel).sum(-1).transpose(-1, -2)
    return planes
