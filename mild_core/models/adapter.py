"""The adapter: a T2I-Adapter (Mou et al., arXiv 2302.08453) that shows the bundled model the body it has to complete.

It sees three RGB pictures in 0..1, one after the other in the channels: the pose, the parsing, the spatial relations. It
makes of them one feature for each level of a UNet of four levels, which is added to what that level passes on.

It has the shape that ComfyUI's stock loader builds for Stable Diffusion 1.5, with 64 channels in place of 320:

    feature       0            1            2            3
    size          64 @ 1/8     128 @ 1/16   256 @ 1/32   256 @ 1/64 of the pixels
    bundled UNet  64 @ 1/8     192 @ 1/16   256 @ 1/32   has no such level

A feature is added to the first channels of its level, behind the level's last layer and before its downsampling, as the paper
does. The last feature is added nowhere; its weights are zeros that the loader insists on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import T2IAdapter

__all__ = [
    "BUNDLED",
    "FEATURE_CHANNELS",
    "GUIDANCE",
    "GUIDANCE_CHANNELS",
    "guided",
    "load_adapter",
    "make_adapter",
    "save_adapter",
    "widen",
]

BUNDLED = Path(__file__).with_name("adapters")  # the folder of the one that ships
GUIDANCE = ("pose", "parsing", "relations")  # three channels each
GUIDANCE_CHANNELS = 3 * len(GUIDANCE)
FEATURE_CHANNELS = (64, 128, 256, 256)  # the stock loader's c, 2c, 4c, 4c
UNUSED = 3  # the feature that is added nowhere


def make_adapter() -> T2IAdapter:
    """An adapter that changes nothing yet: [B, 9, H, W] in 0..1 to four features [B, c, H/8, W/8] … [B, 4c, H/64, W/64], all 0.

    A T2I-Adapter has no zero convolutions of its own, and random features would disturb a finished model for a long time. Here
    the first convolution is zero, and so are the last one of each residual branch. The path from the first convolution to each
    feature is then linear, and random where it gets wider, so that the first step moves the first convolution, the second the
    branches' last ones, and the third all.

    There are no biases: they are zeros that the loader insists on, so that black guidance changes nothing, trained or not.
    """
    from diffusers import T2IAdapter

    adapter: Any = T2IAdapter(GUIDANCE_CHANNELS, list(FEATURE_CHANNELS), num_res_blocks=2, downscale_factor=8, adapter_type="full_adapter")
    full = adapter.adapter
    nn.init.zeros_(full.conv_in.weight)
    for block in full.body:
        for resnet in block.resnets:
            nn.init.zeros_(resnet.block2.weight)
    biases = (tensor for name, tensor in full.named_parameters() if name.endswith("bias"))
    for tensor in (*biases, *full.body[UNUSED].parameters()):
        nn.init.zeros_(tensor.requires_grad_(False))
    return adapter


def save_adapter(path: Path, adapter: nn.Module, notes: dict[str, Any]) -> None:
    """Write the adapter in half precision, in diffusers' layout, which ComfyUI's stock loader reads; whole or not at all.

    Notes are for people, and stand in the header as JSON.
    """
    from safetensors.torch import save_file

    unfinished = path.with_suffix(".part")
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in adapter.state_dict().items()}
    save_file(tensors, str(unfinished), {"format": "pt", "notes": json.dumps(notes)})
    unfinished.rename(path)


def load_adapter(path: Path) -> nn.Module:
    """The adapter of a file that `save_adapter` wrote, in float32. Raises ValueError when the file is none."""
    from safetensors.torch import load_file

    adapter: Any = make_adapter()  # diffusers types its models as mixins
    tensors = load_file(str(path))
    if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in adapter.state_dict().items()}:
        raise ValueError(f"{path} is no adapter of the bundled model")
    adapter.load_state_dict(tensors)
    return adapter


def widen(feature: Tensor, channels: int) -> Tensor:
    """A feature [B, c, h, w] as wide as the level it is added to: [B, channels, h, w], with zeros behind its own channels."""
    return F.pad(feature, (0, 0, 0, 0, 0, channels - feature.shape[1]))


@contextmanager
def guided(unet: Any, features: Sequence[Tensor]) -> Iterator[None]:
    """While it lasts, a UNet2DConditionModel adds the features to what its levels pass on, one for each level.

    Gradients reach the features. diffusers' own `down_intrablock_additional_residuals` adds to a level without attention only
    after its downsampling, where the feature of such a level does not fit.
    """
    last = [block.attentions[-1] if hasattr(block, "attentions") else block.resnets[-1] for block in unet.down_blocks]
    hooks = [layer.register_forward_hook(partial(_add, feature)) for layer, feature in zip(last, features, strict=False)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _add(feature: Tensor, layer: nn.Module, given: tuple, output: Tensor | tuple[Tensor]) -> Tensor | tuple[Tensor]:
    if isinstance(output, tuple):  # a transformer's
        return (output[0] + widen(feature, output[0].shape[1]),)
    return output + widen(feature, output.shape[1])
