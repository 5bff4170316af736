"""SmartEraser: erasers that see what they erase."""

from __future__ import annotations

import node_helpers
import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from ..mild_core.models.smart_eraser import PROMPTS, load_projector
from ..mild_core.models.smart_eraser_plan import eraser_plan, row_picture
from ..mild_core.plan import LayerPlan
from ..mild_core.scene.mask_enhancement import OPERATIONS, augmented_mask, enhance_mask, grown_to
from . import host
from .host.smart_eraser import removal_conditioning
from .host.weight_files import SMARTERASER, unknown_weights, weight_names, weight_path
from .types import PlanSocket, schema

__all__ = ["EnhanceMask", "SmartEraser", "SmartEraserPrompt"]

CELL = 8  # pixels a side of a latent's one

CLIP = io.Clip.Input("clip", tooltip="SmartEraser's own text encoder, which was trained with it: Load CLIP, type stable_diffusion.")
CLIP_VISION = io.ClipVision.Input("clip_vision", tooltip="CLIP ViT-L/14 (openai/clip-vit-large-patch14): Load CLIP Vision.")
PROMPT = io.Combo.Input(
    "prompt",
    options=list(PROMPTS),
    default=PROMPTS[0],
    optional=True,
    tooltip="The words before the object, which itself is the last. The first is what SmartEraser was trained with, the other what its "
    "demo asks.",
)


def _projector_input() -> io.Combo.Input:
    # optional, or with an empty folder the graph would end in "required input is missing", which helps nobody
    return io.Combo.Input(
        "projector",
        options=weight_names(SMARTERASER),
        optional=True,
        tooltip="A file in models/smarteraser: SmartEraser's clip_mlp_weight, made a safetensors file by scripts/convert_network.py.",
    )


class SmartEraser(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDSmartEraser",
            display_name="MILD SmartEraser",
            description="Prepares a photo and a mask for the SmartEraser checkpoint, which sees what it erases: the whole photo in its "
            "inpainting channels, and the object in its prompt. For any sampler, with cfg 1.5 and denoise 1; MILD Decode Layers and MILD "
            "Compose Layers put the result back.",
            search_aliases=["smarteraser", "remove object", "erase", "inpaint", "masked-region guidance", "eraser"],
            inputs=[
                CLIP,
                CLIP_VISION,
                io.Image.Input("image", tooltip="One photograph."),
                io.Mask.Input("mask", tooltip="What is erased, in the photo's size. Several masks count as one."),
                io.Vae.Input("vae", tooltip="The VAE of SD1.5."),
                _projector_input(),
                io.Float.Input(
                    "grow_area",
                    default=1.1,
                    min=1.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Times the mask's area that is erased: the mask grows by as many pixels as it takes. SmartEraser's own setting "
                    "is 1.1; its code overshoots, and makes about 1.36 of that.",
                ),
                io.Combo.Input(
                    "crop",
                    options=["around the mask", "each part", "none"],
                    default="around the mask",
                    tooltip="What the network sees. around the mask: a square as long as the photo's short side, as in SmartEraser's demo. "
                    "each part: a closer square for each part of the mask, better for several objects. none: the whole photo as it is.",
                ),
                io.Int.Input(
                    "working_size",
                    default=512,
                    min=64,
                    max=4096,
                    step=8,
                    tooltip="Pixels a side at which a crop is denoised. SmartEraser was trained at 512.",
                ),
                io.Float.Input(
                    "context",
                    default=3.0,
                    min=1.0,
                    max=8.0,
                    step=0.1,
                    tooltip="With crop each part: the length of a crop in lengths of its part.",
                ),
                PROMPT,
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The object in 7 tokens, with photo and hole: for the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="SmartEraser's own empty prompt, with the same: for the sampler."),
                io.Latent.Output(display_name="latent", tooltip="The photo, with nothing in the hole: for the sampler, denoise 1."),
                PlanSocket.Output(display_name="plan", tooltip="For MILD Decode Layers, which puts the rows back."),
            ],
        )

    @classmethod
    def validate_inputs(cls, projector: str | None = None) -> bool | str:
        return (projector is None) or unknown_weights(SMARTERASER, projector) or True

    @classmethod
    def execute(
        cls, clip, clip_vision, image, mask, vae, grow_area, crop, working_size, context, projector=None, prompt=PROMPTS[0]
    ) -> io.NodeOutput:
        if working_size % CELL:
            raise ValueError(f"working_size is {working_size}, but it must be a multiple of {CELL}")
        erased = grown_to(_one_mask(image, mask), grow_area)
        plan = eraser_plan(image, erased, crop, working_size, context)
        size = (working_size, working_size)
        if crop == "none":
            size = tuple(max(round(side / CELL), 1) * CELL for side in plan.scene.size)
        shown = [row_picture(plan, pathway, *size) for pathway in plan.pathways]
        positive, negative = removal_conditioning(clip, clip_vision, load_projector(weight_path(SMARTERASER, projector)), prompt, shown)
        pictures, holes = (torch.stack(part) for part in zip(*shown, strict=True))
        whole = host.encode_rows(vae, pictures)
        told = {"concat_latent_image": whole, "concat_mask": _nearest(holes, whole)}
        touched = F.adaptive_max_pool2d(holes[:, None].float(), whole.shape[-2:]).to(whole)
        latent = {
            "samples": whole * (1 - touched),  # at denoise 1 a trace of it would remain, and the network is to begin from noise alone
            "noise_mask": touched,
            "batch_index": [pathway.batch_index for pathway in plan.pathways],
        }
        return io.NodeOutput(
            node_helpers.conditioning_set_values(positive, told), node_helpers.conditioning_set_values(negative, told), latent, plan
        )


class SmartEraserPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDSmartEraserPrompt",
            display_name="MILD SmartEraser Prompt",
            description="Tells SmartEraser in the prompt of each layer what is to go from it, so that the layers of a scene are erased by "
            "the SmartEraser checkpoint. MILD Encode Layers must have hole_shows photo.",
            search_aliases=["smarteraser", "erase", "layers", "masked-region guidance"],
            inputs=[
                CLIP,
                CLIP_VISION,
                io.Conditioning.Input("positive", tooltip="From MILD Encode Layers; its text is replaced."),
                io.Conditioning.Input("negative", tooltip="From MILD Encode Layers; its text is replaced."),
                PlanSocket.Input("plan", tooltip="From the same MILD Encode Layers."),
                _projector_input(),
                PROMPT,
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler: in each row what its own hole shows."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler: SmartEraser's own empty prompt."),
            ],
        )

    @classmethod
    def validate_inputs(cls, projector: str | None = None) -> bool | str:
        return (projector is None) or unknown_weights(SMARTERASER, projector) or True

    @classmethod
    def execute(cls, clip, clip_vision, positive, negative, plan: LayerPlan, projector=None, prompt=PROMPTS[0]) -> io.NodeOutput:
        loaded = load_projector(weight_path(SMARTERASER, projector))
        shown = [row_picture(plan, pathway, plan.working_size, plan.working_size) for pathway in plan.pathways]
        told, untold = removal_conditioning(clip, clip_vision, loaded, prompt, shown)
        return io.NodeOutput(_with_text(told, positive, shown), _with_text(untold, negative, shown))


def _with_text(text: list, conditioning: list, shown: list[tuple[Tensor, Tensor]]) -> list:
    """That text, with all else from a conditioning of MILD Encode Layers, and with the hole as SmartEraser was told it."""
    extra = conditioning[0][1]
    if extra.get("concat_latent_image") is None:
        raise ValueError("positive and negative carry no picture, but they must come from MILD Encode Layers")
    latents = extra["concat_latent_image"]
    if len(latents) != len(shown):
        raise ValueError(
            f"positive is of {len(latents)} rows, but the plan has {len(shown)} pathways: take both from one MILD Encode Layers"
        )
    kept = {name: value for name, value in extra.items() if name != "pooled_output"}
    hole = _nearest(torch.stack([hole for _, hole in shown]), latents)
    return node_helpers.conditioning_set_values(text, {**kept, "concat_mask": hole})


class EnhanceMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDEnhanceMask",
            display_name="MILD Enhance Mask",
            description="Changes masks the way SmartEraser's training does, so that they look as if another hand had drawn them: smaller, "
            "larger, a hull, an ellipse, a box with curved sides.",
            search_aliases=["grow mask", "erode", "dilate", "convex hull", "ellipse", "smarteraser", "mask augmentation"],
            inputs=[
                io.Mask.Input("mask", tooltip="One or more masks; each is changed by itself."),
                io.Combo.Input(
                    "mode",
                    options=["as in training", *OPERATIONS],
                    default="dilate",
                    tooltip="as in training: drawn by seed, of what suits the mask's shape and size, by a random amount. The others: that "
                    "operation. What would cover more than 0.7 of the picture stays as it was.",
                ),
                io.Float.Input(
                    "amount",
                    default=0.0,
                    min=0.0,
                    max=8.0,
                    step=0.05,
                    tooltip="Times its area that the mask shrinks or grows to, before the ellipse or the curves. 0: SmartEraser's own: "
                    "erode 0.85, dilate 1.1, hull 1.35, ellipse 2.25, curved box 1.15. Not used as in training.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    tooltip="Of what is drawn as in training, and of the curves of the box.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="The changed masks, 0 or 1.")],
        )

    @classmethod
    def execute(cls, mask: Tensor, mode: str, amount: float, seed: int) -> io.NodeOutput:
        changed = []
        for place, one in enumerate(mask.reshape(-1, *mask.shape[-2:])):
            generator = torch.Generator().manual_seed((seed + place) % (1 << 63))
            if mode == "as in training":
                changed.append(augmented_mask(one, generator))
            else:
                changed.append(enhance_mask(one, mode, amount, generator))
        return io.NodeOutput(torch.stack(changed).float())


def _one_mask(image: Tensor, mask: Tensor) -> Tensor:
    """The union of the masks, [H, W] bool. Raises ValueError where it does not fit the photo, and where nothing is in it."""
    if len(image) != 1:
        raise ValueError(f"image is a batch of {len(image)}, but it must be one photograph")
    if mask.shape[-2:] != image.shape[1:3]:
        rows, columns = image.shape[1:3]
        raise ValueError(f"mask is {mask.shape[-1]}×{mask.shape[-2]} but image is {columns}×{rows}: they must be the same size")
    union = (mask.reshape(-1, *mask.shape[-2:]) > 0.5).any(0)
    if not union.any():
        raise ValueError("mask is empty, but it must show what is erased")
    return union.to(image.device)


def _nearest(holes: Tensor, latents: Tensor) -> Tensor:
    """Holes [P, H, W] in the latent's size, [P, 1, h, w]: one pixel of each, as the network was trained."""
    return F.interpolate(holes[:, None].float(), latents.shape[-2:], mode="nearest")
