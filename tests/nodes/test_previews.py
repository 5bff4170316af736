"""The whole photo as the preview of stock samplers."""

import sys

import numpy as np
import pytest
import torch
from nodes_graph import mini
from PIL import Image
from shapes import disc, stripes
from tiny_runs import family

SIZE = (96, 128)
STEPS = 3


def scene_of(pack):
    """Two who overlap, of whom the nearer goes, and two others who overlap and stay."""
    room = pack.mild_core.scene
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 60, 104, 14), disc(*SIZE, 40, 112, 14)])
    scene = room.split_people(stripes(*SIZE)[None], room.from_masks(masks), depth_order="1,2,3,4")
    return scene.erasing(room.choose("1", scene.people))


def encode(pack, tiny):
    """positive, negative, latent, plan: rows of noise, which the sampler may change in the holes."""
    plan = pack.mild_core.plan.make_plan(scene_of(pack), working_size=64, grow_by=2)
    samples = tiny.latent(len(plan.pathways), 8, 8)
    holes = torch.stack([plan.working_hole(p) for p in plan.pathways]).float()
    mask = torch.nn.functional.adaptive_max_pool2d(holes[:, None], 8).reshape(-1, *[1] * (samples.ndim - 3), 8, 8)
    latent = {"samples": samples, "noise_mask": mask, "batch_index": [p.batch_index for p in plan.pathways]}
    return tiny.conditioning(0), tiny.conditioning(1), latent, plan


def ksampler(model, positive, negative, latent):
    from nodes import KSampler

    return KSampler().sample(model, 7, STEPS, 3.0, "euler", "simple", positive, negative, latent, 1.0)[0]["samples"]


def ksampler_advanced(model, positive, negative, latent):
    from nodes import KSamplerAdvanced

    sampled = KSamplerAdvanced().sample(model, "enable", 7, STEPS, 3.0, "euler", "simple", positive, negative, latent, 0, 10000, "disable")
    return sampled[0]["samples"]


def custom_advanced(model, positive, negative, latent, steps=STEPS):
    """The sampler's output, or where it stops before its last step, the clean estimate by then."""
    from comfy_extras import nodes_custom_sampler as custom

    noise, sampler = custom.RandomNoise.execute(7)[0], custom.KSamplerSelect.execute("euler")[0]
    guider = custom.CFGGuider.execute(model, positive, negative, 3.0)[0]
    sigmas = custom.BasicScheduler.execute(model, "simple", STEPS, 1.0)[0][: steps + 1]
    done, estimate = custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).args
    return (done if steps == STEPS else estimate)["samples"]


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    family.cache_clear()


@pytest.fixture
def frames(pack, monkeypatch):
    """What clients are sent: (steps done, of how many, picture [H, W, 3] uint8), a list that fills."""
    import comfy.utils

    seen = []

    def hook(value, total, preview, node_id=None):
        if preview is not None:
            kind, image, _ = preview
            assert kind == "JPEG"
            seen.append((value, total, torch.from_numpy(np.array(image))))

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    return seen


@pytest.fixture
def core_previews(pack, monkeypatch):
    """The core's own previews, switched on."""
    from comfy.cli_args import LatentPreviewMethod, args

    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Latent2RGB)


def control(pack, model, plan, **options):
    told = {"background": 1.0, "people": 1.0, "at_a_time": 0} | options
    return pack.nodes.LayerControl.execute(model, plan, **told).args[0]


@pytest.mark.parametrize("name", ["SD1.5", "SD1.5 inpainting", "SDXL", "Flux Fill", "Qwen-Image", "Wan"])
@pytest.mark.parametrize("run", [ksampler, ksampler_advanced, custom_advanced])
def test_every_step_shows_the_photo_with_the_rows_in_place_and_changes_no_bit(pack, frames, name, run):
    tiny = family(name)
    positive, negative, latent, plan = encode(pack, tiny)
    plain = run(control(pack, tiny.model, plan, preview=False), positive, negative, latent)
    assert not frames, "the core's setting is none"
    shown = run(control(pack, tiny.model, plan), positive, negative, latent)
    assert torch.equal(shown, plain)
    assert [(value, total) for value, total, _ in frames] == [(step, STEPS) for step in range(STEPS + 1)]
    assert {tuple(picture.shape) for _, _, picture in frames} == {(*SIZE, 3)}
    first, *later = (picture.float() / 255 for _, _, picture in frames)
    assert torch.allclose(first, plan.scene.photo[0], atol=1 / 255), "before the first step everybody is there"
    hole = plan.pathways[0].paste.whole & ~plan.scene.union(plan.scene.staying)
    assert (later[0] - first)[hole].abs().mean() > 0.02, "then who goes is gone"
    assert not torch.equal(later[0][hole], later[1][hole]), "each step shows its own estimate"
    far = torch.nn.functional.max_pool2d(sum(p.paste.whole.float() for p in plan.pathways)[None, None], 17, 1, 8)[0, 0] == 0
    for picture in later:
        assert torch.allclose(picture[far], first[far], atol=1 / 255)


def test_the_bundled_model_shows_true_colours_and_full_resolution(pack, frames):
    from nodes import common_ksampler

    model, vae, positive, person, negative = mini(pack)
    scene = scene_of(pack)
    told = pack.nodes.types.defaults(pack.nodes.EncodeLayers) | {"working_size": 96}
    positive, negative, latent, plan = pack.nodes.EncodeLayers.execute(scene, positive, negative, vae, person_positive=person, **told).args
    watched = control(pack, model, plan)
    samples = common_ksampler(watched, 0, STEPS, 1.0, "euler", "normal", positive, negative, latent, denoise=0.5)[0]["samples"]
    assert len(frames) == STEPS + 1
    core = sys.modules["mild_pack.mild_core.compose"]
    done = core.compose(core.make_layers(plan, vae.decode(samples), seam="feather")).image
    last = frames[-1][2].float() / 255
    assert (last - done).abs().mean() < 0.01, "the last preview is the picture"


def test_the_core_sees_true_pixels_of_the_bundled_model_too(pack, core_previews):
    import latent_preview

    model, vae, *_ = mini(pack)
    picture = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    image = latent_preview.get_previewer("cpu", model.model.latent_format).decode_latent_to_preview(vae.encode(picture))
    assert np.abs(np.asarray(image) / 255 - picture[0].numpy()).max() <= 1.01 / 255


def test_the_clean_estimate_of_the_custom_sampler_is_the_same(pack, frames):
    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    plain = custom_advanced(control(pack, tiny.model, plan, preview=False), positive, negative, latent, STEPS - 1)
    assert torch.equal(custom_advanced(control(pack, tiny.model, plan), positive, negative, latent, STEPS - 1), plain)
    assert len(frames) == STEPS


def test_rows_a_few_at_a_time_modulated_or_delayed_are_shown_all_the_same(pack, frames):
    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    previews = sys.modules["mild_pack.nodes.host.previews"]
    modulate = pack.nodes.types.defaults(pack.nodes.ModulateAttention)

    def shown(make):
        frames.clear()
        ksampler(make(tiny.model), positive, negative, latent)
        return torch.stack([picture for _, _, picture in frames])

    def modulated(model):
        return pack.nodes.ModulateAttention.execute(model, plan=plan, **modulate).args[0]

    plain = shown(lambda model: control(pack, model, plan))
    apart = shown(lambda model: control(pack, model, plan, at_a_time=1))
    assert plain.shape == apart.shape == (STEPS + 1, *SIZE, 3)
    assert (plain.int() - apart.int()).abs().max() <= 1
    before = shown(lambda model: modulated(control(pack, model, plan, people=0.5)))
    after = shown(lambda model: control(pack, modulated(model), plan, people=0.5))
    assert (before.int() - after.int()).abs().max() <= 1, "whichever comes first"
    twice = shown(lambda model: previews.preview_layers(control(pack, model, plan), plan))
    assert torch.equal(twice, plain), "the later takes the place of the earlier"


def test_a_latent_of_another_plan_keeps_the_core_s_preview(pack, frames, core_previews):
    tiny = family("SD1.5")
    *_, latent, plan = encode(pack, tiny)
    previews = sys.modules["mild_pack.nodes.host.previews"]
    one = {name: value[:1] for name, value in latent.items()}
    ksampler(previews.preview_layers(tiny.model, plan), tiny.conditioning(0), tiny.conditioning(1), one)
    sizes = [tuple(picture.shape[:2]) for _, _, picture in frames]
    assert sizes == [SIZE, *[tuple(latent["samples"].shape[-2:])] * STEPS]


def test_the_core_s_picture_of_the_first_row_does_not_reach_the_web_page(pack, monkeypatch, core_previews):
    """Registry and hook as in the core's main.py; only what its web handler is told counts."""
    import comfy.utils
    from comfy_execution import progress
    from comfy_execution.graph import DynamicPrompt

    registry = progress.ProgressRegistry("prompt", DynamicPrompt({}))
    monkeypatch.setattr(progress, "global_progress_registry", registry)
    told = []

    class Web(progress.ProgressHandler):
        def update_handler(self, node_id, value, max_value, state, prompt_id, image=None):
            told.append((value, image and image[1].size))

    registry.register_handler(Web("webui"))
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, image, node_id=None: registry.update_progress("3", value, total, image)
    )
    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    ksampler(control(pack, tiny.model, plan), positive, negative, latent)
    assert told == [(step, SIZE[::-1]) for step in range(STEPS + 1)]
    assert registry.handlers["webui"].enabled
    told.clear()
    ksampler(control(pack, tiny.model, plan, preview=False), positive, negative, latent)
    assert told == [(step + 1, tuple(latent["samples"].shape[:1:-1])) for step in range(STEPS)], "without ours the core's is there"


def test_an_interrupt_goes_through_at_once_and_the_page_hears_again(pack, frames, monkeypatch):
    import comfy.utils
    from comfy import model_management
    from comfy_execution import progress

    steps = []

    def hook(value, total, preview, node_id=None):
        steps.append(value)
        if value == 2:
            raise model_management.InterruptProcessingException

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    web = progress.ProgressHandler("webui")
    progress.get_progress_state().register_handler(web)
    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    try:
        with pytest.raises(model_management.InterruptProcessingException):
            ksampler(control(pack, tiny.model, plan), positive, negative, latent)
        assert max(steps) == 2
        assert web.enabled
    finally:
        progress.get_progress_state().unregister_handler("webui")


@pytest.mark.parametrize("at", ["the plan", "a step"])
def test_a_failing_preview_ends_the_previews_not_the_run(pack, frames, monkeypatch, caplog, at):
    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    plain = ksampler(control(pack, tiny.model, plan, preview=False), positive, negative, latent)
    previews = sys.modules["mild_pack.nodes.host.previews"]

    def fails(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    if at == "the plan":
        monkeypatch.setattr(previews, "make_preview", fails)
    else:
        monkeypatch.setattr(previews.latent_preview.Latent2RGBPreviewer, "decode_latent_to_preview", fails)
    assert torch.equal(ksampler(control(pack, tiny.model, plan), positive, negative, latent), plain)
    assert len(frames) == (at == "a step"), "the photo, before anything is decoded"
    assert caplog.text.count("no preview of the layers in this run: mat1 and mat2") == 1


def test_a_large_photo_is_shown_small(pack, frames):
    import latent_preview

    tiny = family("SD1.5")
    positive, negative, latent, plan = encode(pack, tiny)
    previews = sys.modules["mild_pack.nodes.host.previews"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_preview, "MAX_PREVIEW_RESOLUTION", 64)
        ksampler(previews.preview_layers(tiny.model, plan), positive, negative, latent)
    assert {Image.fromarray(picture.numpy()).size for _, _, picture in frames} == {(64, 48)}
