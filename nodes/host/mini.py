"""The bundled model inside ComfyUI, and what a node must know of the checkpoint at hand.

The bundled model becomes an ordinary MODEL: ComfyUI's own UNet class inside a BaseModel inside a ModelPatcher, so that its
model management loads, offloads and moves it, and every patch made for Stable Diffusion 1.5's UNet finds its hooks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from comfy import latent_formats, model_base, model_management, model_sampling, supported_models_base, utils
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...mild_core.models import adapter, mini

__all__ = ["PatchVAE", "encode_rows", "expand_conditioning", "load_mini", "progress", "shown_in_hole", "working_size_of"]


SD15_INPUT_BLOCKS = 12
ADDED_AFTER = {0: 1, 1: 3, 2: 5}
"""Feature of a T2I-Adapter (0 = the largest) to the input block of the bundled UNet behind which it is added: the last of its
level that is no downsampling. Feature 3 is for a fourth level, which the UNet does not have."""


class _Sampling(model_sampling.ModelSamplingDiscrete, model_sampling.X0):
    """Stable Diffusion's noise levels; the model's output is the clean picture itself."""


class _PatchLatent(latent_formats.LatentFormat):
    """Pixels in -1..1, 8x8 patches as 192 channels. The core's preview puts the patches back, and shows the pixels as they are."""

    latent_channels = mini.PIXEL_CHANNELS
    spacial_downscale_ratio = mini.PATCH

    def __init__(self) -> None:
        self.latent_rgb_factors = [[float(channel == colour) for colour in range(3)] for channel in range(3)]
        self.latent_rgb_factors_reshape = mini.unpatchify


class _MiniConfig(supported_models_base.BASE):
    latent_format = _PatchLatent
    unet_extra_config: dict[str, int] = {}  # the base's would make heads 64 wide, whatever the weights were trained with
    memory_usage_factor = 0.6  # of the core's estimate; the widest level has 64 channels

    def inpaint_model(self) -> bool:
        return False  # the condition is our own, below


class _MiniBase(model_base.BaseModel):
    """The UNet's output is added to the fills it was conditioned on (`mini.clean`), adapters meet its own levels (`_place_features`)."""

    def __init__(self, config: supported_models_base.BASE, device: torch.device | None = None):
        super().__init__(config, model_base.ModelType.EPS, device=device)
        self.model_sampling = _Sampling(config)

    def concat_cond(self, **kwargs: Any) -> Tensor:
        """The condition of `mini.condition`, from the entries that inpainting conditioning carries.

        concat_latent_image is the picture with its hole filled (else the sampler's own latent is), concat_mask the hole in
        pixels (else the noise mask, else everything).
        """
        noise, device = kwargs["noise"], kwargs["device"]
        fill = kwargs.get("concat_latent_image")
        fill = kwargs["latent_image"] if fill is None else self.process_latent_in(fill)
        hole = kwargs.get("concat_mask")
        hole = kwargs.get("denoise_mask") if hole is None else hole
        height, width = noise.shape[-2] * mini.PATCH, noise.shape[-1] * mini.PATCH
        if hole is None:
            hole = torch.ones(1, 1, height, width)
        hole = utils.common_upscale(hole[:, :1] if hole.ndim == 4 else hole[:, None], width, height, "nearest-exact", "disabled")
        fill, hole = (utils.resize_to_batch_size(x.float(), len(noise)) for x in (fill, hole))
        return mini.condition(fill.to(device), hole.to(device))

    def _apply_model(
        self, x: Tensor, t: Tensor, c_concat: Tensor, c_crossattn: Tensor, control: dict[str, list] | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        if control is not None:
            control = _place_features(control, self.model_config.unet_config)
        output = super()._apply_model(x, t, c_concat[:, : mini.TOLD_CHANNELS], c_crossattn, control, *args, **kwargs)
        return mini.clean(output, c_concat.to(output))


def _place_features(control: dict[str, list], unet_config: dict[str, Any]) -> dict[str, list]:
    """What an adapter of `mild_core.models.adapter` says, for the blocks of the bundled UNet; anything else as it is.

    The core lays the four features out for the twelve input blocks of Stable Diffusion 1.5, three a level, and its UNet takes
    them from the end of the list, one for each block. The bundled UNet has two blocks a level and three levels, so that each
    feature would come to a block of another size. Control of another shape, such as a ControlNet's, is left to the core, which
    says what it cannot apply. The control given is not changed: the core takes its lists apart.
    """
    given = control.get("input", [])
    places = [SD15_INPUT_BLOCKS - 3 * (level + 1) for level in range(len(adapter.FEATURE_CHANNELS))]  # of the features, from the end
    widths = dict(zip(places, adapter.FEATURE_CHANNELS, strict=True))
    if len(given) != SD15_INPUT_BLOCKS or any(x is not None and x.shape[1] != widths.get(at) for at, x in enumerate(given)):
        return control
    placed: list[Tensor | None] = [None] * (max(ADDED_AFTER.values()) + 1)
    for level, block in ADDED_AFTER.items():
        feature = given[places[level]]
        if feature is not None:
            placed[block] = adapter.widen(feature, unet_config["model_channels"] * unet_config["channel_mult"][level])
    return {**{name: list(entries) for name, entries in control.items()}, "input": placed[::-1]}


class PatchVAE(VAE):
    """The bundled model's VAE: cutting pixels into 8x8 patches and putting them back. No weights, exact."""

    hole_shows = "filled"  # what its model wants to see in the hole
    working_size = 384  # trained on crops of 256 and of this; the best at use of 128 to 384 (docs/quality.md)

    def __init__(self) -> None:
        super().__init__(sd={"pixel_space_vae": torch.tensor(1.0)})
        self.downscale_ratio = self.upscale_ratio = mini.PATCH
        self.latent_channels = mini.PIXEL_CHANNELS

    def encode(self, pixel_samples: Tensor) -> Tensor:
        pixels = pixel_samples[..., :3].movedim(-1, 1)
        height, width = (n // mini.PATCH * mini.PATCH for n in pixels.shape[-2:])
        top, left = (pixels.shape[-2] - height) // 2, (pixels.shape[-1] - width) // 2
        return mini.patchify(pixels[..., top : top + height, left : left + width].float() * 2 - 1)

    def decode(self, samples_in: Tensor, vae_options: dict | None = None) -> Tensor:
        return ((mini.unpatchify(samples_in.float()) + 1) / 2).clamp(0, 1).movedim(1, -1)

    def encode_tiled(self, pixel_samples: Tensor, **tiling: Any) -> Tensor:
        return self.encode(pixel_samples)

    def decode_tiled(self, samples: Tensor, **tiling: Any) -> Tensor:
        return self.decode(samples)


def load_mini() -> tuple[ModelPatcher, PatchVAE, dict[str, list]]:
    """The bundled model as MODEL and VAE, and its CONDITIONING by role ("background", "person", "none")."""
    config, tensors = mini.load_weights()
    roles = tensors.pop(mini.ROLE_KEY).float()
    unet_config = {
        "image_size": 32,
        "in_channels": mini.PIXEL_CHANNELS + mini.TOLD_CHANNELS,
        "out_channels": mini.OUTPUT_CHANNELS,
        "model_channels": config.model_channels,
        "num_res_blocks": [1] * len(config.channel_mult),
        "channel_mult": config.channel_mult,
        "num_head_channels": config.head_channels,
        "use_spatial_transformer": True,
        "transformer_depth": [0] + [1] * (len(config.channel_mult) - 1),
        "transformer_depth_output": [0, 0] + [1] * (2 * len(config.channel_mult) - 2),
        "transformer_depth_middle": 1,
        "context_dim": config.context_dim,
        "use_linear_in_transformer": True,
    }
    names = utils.unet_to_diffusers(unet_config)
    state = {names[name]: tensor for name, tensor in tensors.items()}
    parameters = sum(t.numel() for t in state.values())
    load_device, offload_device = model_management.get_torch_device(), model_management.unet_offload_device()
    dtype = model_management.unet_dtype(model_params=parameters, supported_dtypes=[torch.float16, torch.float32])
    model_config = _MiniConfig(unet_config)
    manual_cast = model_management.unet_manual_cast(dtype, load_device, [torch.float16, torch.float32])
    model_config.set_inference_dtype(dtype, manual_cast)
    model = _MiniBase(model_config, device=offload_device)
    model.load_model_weights(state)
    patcher = ModelPatcher(model, load_device=load_device, offload_device=offload_device)
    shape = (1, config.context_tokens, config.context_dim)
    conditioning = {role: [[roles[i].reshape(shape), {}]] for i, role in enumerate(config.roles)}
    return patcher, PatchVAE(), conditioning


def shown_in_hole(vae: Any) -> str:
    """What the checkpoint that this VAE belongs to wants to see in the hole: "grey", as inpainting checkpoints do, or "filled"."""
    return getattr(vae, "hole_shows", "grey")


def working_size_of(vae: Any, positive: list) -> int:
    """Pixels a side that the checkpoint was trained on, told from its VAE and the width of its conditioning."""
    if hasattr(vae, "working_size"):
        return vae.working_size
    if vae.latent_channels != 4:
        return 1024  # the 16-channel families (Flux, SD3, Qwen-Image, Wan, Z-Image) all work at about a megapixel
    width = positive[0][0].shape[-1] if positive else 768
    return {768: 512, 1024: 768}.get(width, 1024)  # SD1.5, SD2.1, else SDXL


def encode_rows(vae: Any, rows: Tensor) -> Tensor:
    """Latents of pictures [P, S, S, 3], one row each. A video VAE would take them for the frames of one video."""
    if getattr(vae, "latent_dim", 2) == 3 and not getattr(vae, "not_video", False):
        return torch.cat([vae.encode(row[None]) for row in rows])
    return vae.encode(rows)


def expand_conditioning(rows: Sequence[tuple[str, list]]) -> list:
    """One conditioning whose rows are the pathways': for each the name of the input it came from, and its CONDITIONING.

    Where all are the same it is given back as it is, and the sampler repeats it over the rows. Texts of different length are
    repeated to a common one, which leaves attention over them as it was.
    Raises ValueError when one of several has areas, schedules or other parts, which have no row by row meaning.
    """
    conditionings = [conditioning for _, conditioning in rows]
    if all(conditioning is conditionings[0] for conditioning in conditionings):
        return conditionings[0]
    for name, conditioning in rows:
        if len(conditioning) != 1:
            raise ValueError(f"{name} has {len(conditioning)} parts, but where layers have prompts of their own it must have one")
    texts = [conditioning[0][0] for conditioning in conditionings]
    length = math.lcm(*(text.shape[1] for text in texts))
    text = torch.cat([t[:1].repeat(1, length // t.shape[1], 1) for t in texts])
    extra = dict(conditionings[0][0][1])
    pooled = [conditioning[0][1].get("pooled_output") for conditioning in conditionings]
    if all(p is not None for p in pooled):
        extra["pooled_output"] = torch.cat([p[:1] for p in pooled])
    return [[text, extra]]


@contextmanager
def progress(total: int) -> Iterator[Any]:
    """Yields `report(done)`, which shows progress on the node and stops here when the artist interrupts the run."""
    bar = utils.ProgressBar(total)

    def report(done: int) -> None:
        model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, total)

    yield report
