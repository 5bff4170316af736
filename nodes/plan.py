"""A scene to pathways, and pathways to one latent batch."""

from __future__ import annotations

from collections.abc import Callable

import node_helpers
import torch
import torch.nn.functional as F
from comfy_api.latest import io

from ..mild_core.fill import fill_pathway, without_others
from ..mild_core.plan import LayerPlan, Pathway, make_plan, plan_of_fitting_size
from ..mild_core.scene import choose
from . import host
from .types import FillSocket, PlanSocket, Prompts, PromptsSocket, SceneSocket, schema

__all__ = ["EncodeLayers", "each_row"]


class EncodeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDEncodeLayers",
            display_name="MILD Encode Layers",
            description="Gives every hole its own crop, fills it with a first guess, and encodes background and people as one latent "
            "batch that any sampler denoises together.",
            search_aliases=["inpaint", "layers", "erase", "crop"],
            inputs=[
                SceneSocket.Input("scene", tooltip="From MILD Split People."),
                io.Conditioning.Input("positive", tooltip="The prompt of the background, such as: empty street, nobody."),
                io.Conditioning.Input("negative", tooltip="The negative prompt, of background and people."),
                io.Vae.Input("vae", tooltip="The VAE of the checkpoint that the sampler uses."),
                io.Conditioning.Input(
                    "person_positive",
                    optional=True,
                    tooltip="The prompt of people who are completed where somebody hid them. Not connected: the same as positive.",
                ),
                io.Combo.Input(
                    "initialize",
                    options=["exemplar", "smooth", "photo"],
                    default="exemplar",
                    tooltip="What the sampler starts from in the hole. exemplar: patches copied from the same photo, never from people. "
                    "smooth: the average of what is around. photo: what is there now (for denoise 1).",
                ),
                io.Int.Input(
                    "grow", default=6, min=0, max=256, tooltip="Pixels the erased people's masks grow, to take soft edges with them."
                ),
                io.Int.Input(
                    "feather", default=4, min=0, max=256, tooltip="Pixels over which the edge of a hole is blended into the photo."
                ),
                io.Float.Input(
                    "context",
                    default=1.6,
                    min=1.0,
                    max=8.0,
                    step=0.1,
                    tooltip="Length of a crop in lengths of its hole. More shows the model more of the scene, at less detail.",
                ),
                io.Int.Input(
                    "working_size",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Pixels a side at which each crop is denoised. 0: what the checkpoint was trained on (SD1.5 512, SDXL and "
                    "later 1024, MILD Mini Model 384), less where the photo is smaller.",
                ),
                io.Combo.Input(
                    "hole_shows",
                    options=["auto", "grey", "filled", "photo"],
                    default="auto",
                    tooltip="What an inpainting checkpoint is shown in the hole. grey: as stock inpainting. filled: the first guess. "
                    "photo: the person who goes, for erasers trained that way. auto: what the checkpoint expects.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, tooltip="Seed of the exemplar fill, and of networks that draw."
                ),
                io.Combo.Input(
                    "complete",
                    options=["all", "staying", "nobody"],
                    default="all",
                    optional=True,
                    tooltip="Whose hidden parts are painted. all: everybody's, so that every layer is whole. staying: of those who stay, "
                    "what somebody who goes hid, which is all that the picture needs. nobody: only the background is painted.",
                ),
                io.Float.Input(
                    "megapixels",
                    default=0.0,
                    min=0.0,
                    max=1024.0,
                    step=0.25,
                    optional=True,
                    tooltip="Bound on the megapixels of all layers together, where working_size is 0: with many people each is denoised "
                    "smaller, down to three quarters of what the checkpoint was trained on. 0: no bound.",
                ),
                io.Boolean.Input(
                    "show_others",
                    default=False,
                    optional=True,
                    tooltip="Whether a row shows the people it is not for. Off: they are smoothed away, so that the model does not carry "
                    "their colours into what it paints. With hole_shows photo everybody is shown.",
                ),
                io.Mask.Input(
                    "effects",
                    optional=True,
                    tooltip="Shadows and reflections that go with the people: joins the hole. MILD Find Effects proposes one.",
                ),
                PromptsSocket.Input("prompts", optional=True, tooltip="Prompts for some people, from MILD Person Prompt."),
                FillSocket.Input(
                    "fill", optional=True, tooltip="What holes are filled with, from MILD Fill Holes, in place of initialize."
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Positive prompt with each row's crop and hole, for the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="Negative prompt with each row's crop and hole, for the sampler."),
                io.Latent.Output(display_name="latent", tooltip="One row for each pathway: background crops, then people."),
                PlanSocket.Output(display_name="plan", tooltip="What MILD Decode Layers needs to put the rows back."),
            ],
        )

    @classmethod
    def execute(
        cls,
        scene,
        positive,
        negative,
        vae,
        initialize,
        grow,
        feather,
        context,
        working_size,
        hole_shows,
        seed,
        person_positive=None,
        complete="all",
        effects=None,
        prompts=(),
        megapixels=0.0,
        fill=None,
        show_others=False,
    ) -> io.NodeOutput:
        if working_size and (working_size % 8 or working_size < 64):
            raise ValueError(f"working_size is {working_size}, but it must be a multiple of 8 and at least 64")

        def make(size: int) -> LayerPlan:
            return make_plan(scene, working_size=size, grow_by=grow, feather=feather, context=context, complete=complete, effects=effects)

        trained = host.working_size_of(vae, positive)
        plan = make(working_size) if working_size else plan_of_fitting_size(make, trained, megapixels)
        seed %= 1 << 63  # what a generator takes
        how = initialize if fill is None else fill
        rows = each_row(plan, lambda _, pathway, told: fill_pathway(plan, pathway, how, seed=seed, on_level=told))
        shown = host.shown_in_hole(vae) if hole_shows == "auto" else hole_shows
        if shown != "photo" and not show_others:
            rows = [without_others(plan, pathway, row) for pathway, row in zip(plan.pathways, rows, strict=True)]
        filled = torch.stack(rows)
        holes = torch.stack([plan.working_hole(p) for p in plan.pathways]).float()
        samples = host.encode_rows(vae, filled)
        seen = samples if shown == "filled" else host.encode_rows(vae, _seen(plan, shown, filled, holes))
        told = {"concat_latent_image": seen, "concat_mask": holes[:, None]}
        rows = host.expand_conditioning([_prompt(plan, p, positive, person_positive, prompts) for p in plan.pathways])
        latent = {
            "samples": samples,
            # a token is denoised when any of its pixels is in the hole
            "noise_mask": F.adaptive_max_pool2d(holes[:, None], samples.shape[-2:]).reshape(
                -1, *[1] * (samples.ndim - 3), *samples.shape[-2:]
            ),
            "batch_index": [p.batch_index for p in plan.pathways],
        }
        return io.NodeOutput(
            node_helpers.conditioning_set_values(rows, told), node_helpers.conditioning_set_values(negative, told), latent, plan
        )


def each_row(plan: LayerPlan, make: Callable[[int, Pathway, Callable[[int, int], None]], torch.Tensor]) -> list[torch.Tensor]:
    """What `make(index, pathway, on_level)` gives for each row; progress and interrupts by row and level."""
    rows = []
    with host.progress(len(plan.pathways) * 100) as report:
        for done, pathway in enumerate(plan.pathways):

            def on_level(level: int, levels: int, done: int = done) -> None:
                report(done * 100 + round(100 * level / levels))

            rows.append(make(done, pathway, on_level))
            report((done + 1) * 100)
    return rows


def _prompt(plan: LayerPlan, pathway: Pathway, positive: list, person_positive: list | None, prompts: Prompts) -> tuple[str, list]:
    """The name and the conditioning of the prompt that a row is denoised with."""
    if pathway.person is None:
        return "positive", positive
    for people, conditioning in reversed(prompts):
        if pathway.person in choose(people, plan.scene.people):
            return "prompts", conditioning
    return ("positive", positive) if person_positive is None else ("person_positive", person_positive)


def _seen(plan: LayerPlan, shown: str, filled: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """What the checkpoint sees of each row, IMAGE [P, S, S, 3]: the photo, or the photo with a grey hole."""
    if shown == "photo":
        return torch.stack([plan.working_image(p, plan.scene.photo[0]) for p in plan.pathways])
    return torch.where(holes[..., None] > 0.5, torch.full_like(filled, 0.5), filled)
