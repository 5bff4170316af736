"""MILD OmniEraser in the true core on a tiny random FLUX.1, against diffusers' own classes with the same weights and LoRA."""

import pytest
import torch
from shapes import disc, stripes
from tiny_flux import POOLED, TEXT, core_flux, save_tiny_flux, tiny_flux, tiny_omni_lora, widen
from tiny_runs import same
from tiny_tuning import SIZE, save_tiny_pairs

SHIFT, SCALE = 0.1159, 0.3611  # of FLUX.1's VAE
STEPS = 3


class StandInVAE:
    """Mean colours of 8×8 patches and their products as a latent of 16 channels."""

    latent_channels = 16

    def encode(self, pixels):
        assert pixels.ndim == 4
        assert pixels.shape[-1] == 3
        assert not any(side % 16 for side in pixels.shape[1:3])
        colours = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1) * 2 - 1, 8)
        made = torch.cat([colours, colours**2, colours[:, :1] * colours, colours**3, colours[:, 1:2] * colours, colours[:, :1]], 1)
        return made.cpu()  # as the core's VAE gives it


@pytest.fixture(scope="module")
def lora():
    return tiny_omni_lora(tiny_flux())


@pytest.fixture(scope="module")
def flux(pack):
    return core_flux(tiny_flux())


@pytest.fixture(scope="module")
def files(pack, tmp_path_factory, lora):
    """Files in models/loras: as published, and others that will not do."""
    import folder_paths
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("loras")
    save_file(lora, folder / "omni.safetensors")
    save_file({n: t for n, t in lora.items() if "x_embedder" not in n}, folder / "plain.safetensors")
    save_file(tiny_omni_lora(tiny_flux(), inputs=64), folder / "controlnet.safetensors")
    save_file(tiny_omni_lora(tiny_flux(), inputs=384), folder / "fill.safetensors")
    folder_paths.add_model_folder_path("loras", str(folder))
    return folder


def photos(height=64, width=96, count=1):
    shown = torch.stack([stripes(height, width, 6 + n) for n in range(count)])
    masks = torch.stack([disc(height, width, height // 2, 20 + 25 * n, 14) for n in range(count)])
    return shown, (masks > 0.5).float()


def prompt(seed=0):
    g = torch.Generator().manual_seed(seed)
    return [[torch.randn(1, 7, TEXT, generator=g), {"pooled_output": torch.randn(1, POOLED, generator=g)}]]


def erase(model, image, mask, name="omni.safetensors", strength=1.0, vae=None):
    return node(model, name, strength, vae or StandInVAE(), image, mask, prompt(0), prompt(1))


def node(*given):
    from mild_pack.nodes.omni_eraser import OmniEraser

    return OmniEraser.execute(*given).args


def ksampler(model, positive, negative, latent, cfg=1.0, denoise=1.0):
    from nodes import KSampler

    return KSampler().sample(model, 7, STEPS, cfg, "euler", "simple", positive, negative, latent, denoise)[0]["samples"]


def spied(model):
    """A clone, and what its network is called with and gives, call by call."""
    clone, calls = model.clone(), []

    def watch(apply_model, args):
        given = apply_model(args["input"], args["timestep"], **args["c"])
        calls.append((args["input"], args["timestep"], args["cond_or_uncond"], given))
        return given

    clone.set_model_unet_function_wrapper(watch)
    return clone, calls


def tokens(latent):
    """2×2 patches, channel by channel, without the code under test."""
    return torch.nn.functional.unfold(latent, 2, stride=2).movedim(1, 2)


def by_diffusers(lora, image, mask, noisy, sigma, seed, guidance, adapted=True):
    """The clean latent that diffusers' Flux predicts: packed apart, joined, peft's LoRA, velocity taken from the noisy latent."""
    flux = widen(tiny_flux())
    if adapted:
        flux.load_lora_adapter(dict(lora), prefix="transformer")
    hole = mask[..., None] > 0.5
    told = [(StandInVAE().encode(torch.where(where, 0.0, image)) - SHIFT) * SCALE for where in (hole, ~hole)]
    kept = (1 - mask)[:, None, ::8, ::8].repeat(1, 16, 1, 1)
    joined = torch.cat([tokens(noisy), tokens(torch.cat([*told, kept], 1))], 2)
    rows, height, width = len(noisy), noisy.shape[-2] // 2, noisy.shape[-1] // 2
    places = torch.stack(torch.meshgrid(*(torch.arange(n) for n in (1, height, width)), indexing="ij"), -1).reshape(-1, 3)
    text, extra = prompt(seed)[0]
    with torch.no_grad():
        velocity = flux(
            hidden_states=joined, timestep=sigma, guidance=torch.full((rows,), guidance), txt_ids=torch.zeros(7, 3), img_ids=places,
            encoder_hidden_states=text.expand(rows, -1, -1), pooled_projections=extra["pooled_output"].expand(rows, -1), return_dict=False,
        )[0]  # fmt: skip
    velocity = torch.nn.functional.fold(velocity.movedim(1, 2), noisy.shape[-2:], 2, stride=2)
    return noisy - sigma.reshape(-1, 1, 1, 1) * velocity


@pytest.mark.parametrize("here", ["image", "mask", "model", "nothing"])
def test_what_is_given_may_lie_on_different_devices(pack, files, flux, there, here):
    from comfy import model_management

    image, mask = photos()
    expected = ksampler(*erase(flux, image, mask))
    model_management.unload_all_models()
    moved = flux.clone()
    moved.load_device = torch.device("cpu") if here == "model" else there
    image, mask = (x if name == here else x.to(there) for name, x in (("image", image), ("mask", mask)))
    assert same(ksampler(*erase(moved, image, mask)).cpu(), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_each_step_is_what_diffusers_computes(pack, files, flux, lora, count):
    image, mask = photos(count=count)
    watched, calls = spied(flux)
    model, positive, negative, latent = erase(watched, image, mask)
    sampled = ksampler(model, positive, negative, latent, cfg=2.0)
    assert sampled.shape == (count, 16, 8, 12)
    seen = 0
    for noisy, sigma, conditions, given in calls:
        assert noisy.shape[1] == 16
        for condition, *part in zip(conditions, *(x.chunk(len(conditions)) for x in (noisy, sigma, given)), strict=True):
            expected = by_diffusers(lora, image, mask, part[0], part[1], condition, 3.5)
            assert torch.allclose(part[2], expected, atol=1e-4)
            without = by_diffusers(lora, image, mask, part[0], part[1], condition, 3.5, adapted=False)
            assert (expected - without).abs().mean() > 0.02 * without.std(), "the LoRA makes no difference"
            seen += 1
    assert seen == 2 * STEPS


def test_guidance_of_the_stock_node_counts_on_either_side(pack, files, flux, lora):
    from comfy_extras.nodes_flux import FluxGuidance

    image, mask = photos()
    watched, calls = spied(flux)
    model, positive, negative, latent = erase(watched, image, mask)
    (behind,) = FluxGuidance.execute(positive, 1.0).args
    sampled = ksampler(model, behind, negative, latent)
    noisy, sigma, _, given = calls[0]
    assert torch.allclose(given, by_diffusers(lora, image, mask, noisy, sigma, 0, 1.0), atol=1e-4)
    (before,) = FluxGuidance.execute(prompt(0), 1.0).args
    _, other, *_ = node(flux, "omni.safetensors", 1.0, StandInVAE(), image, mask, before, prompt(1))
    assert same(ksampler(model, other, negative, latent), sampled)


def test_stock_samplers_agree_and_the_model_stays_as_it_was(pack, files, flux):
    from comfy_extras import nodes_custom_sampler as custom

    image, mask = photos()
    plain = ksampler(flux, prompt(0), prompt(1), {"samples": torch.zeros(1, 16, 8, 12)})
    model, positive, negative, latent = erase(flux, image, mask)
    sampled = ksampler(model, positive, negative, latent)
    noise, sampler = custom.RandomNoise.execute(7)[0], custom.KSamplerSelect.execute("euler")[0]
    sigmas, guider = custom.BasicScheduler.execute(model, "simple", STEPS, 1.0)[0], custom.BasicGuider.execute(model, positive)[0]
    custom_sampled = custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent)[0]["samples"]
    assert same(custom_sampled, sampled)
    assert not same(sampled, plain)
    # while the wider model is loaded, a node that runs again must find FLUX.1 in it
    again = erase(flux, image, mask)
    assert same(ksampler(*again), sampled)
    assert torch.equal(ksampler(flux, positive, negative, {"samples": torch.zeros(1, 16, 8, 12)}), plain)
    assert flux.model.diffusion_model.img_in.weight.shape == (128, 64)
    assert same(ksampler(*erase(flux, image, mask, strength=0.0)), plain), "without the LoRA it is plain FLUX.1"


def test_each_photo_of_a_batch_is_erased_as_by_itself(pack, files, flux):
    image, mask = photos(count=3)
    model, positive, negative, latent = erase(flux, image, mask)
    start = torch.randn(3, 16, 8, 12, generator=torch.Generator().manual_seed(1))

    def run(model, positive, negative, latent, noise):
        import comfy.sample

        return comfy.sample.sample(
            model, noise, STEPS, 1.0, "euler", "simple", positive, negative, latent["samples"], seed=0, disable_pbar=True
        )  # fmt: skip

    together = run(model, positive, negative, latent, start)
    for row in range(3):
        one = slice(row, row + 1)
        assert same(run(*erase(flux, image[one], mask[one]), start[one]), together[one])
    shared = erase(flux, image, mask[:1])
    assert same(run(*shared, start)[:1], together[:1])
    assert not same(run(*shared, start)[1:2], together[1:2])
    twice = erase(flux, image[:1], mask[:1])
    doubled = {"samples": twice[3]["samples"].repeat(2, 1, 1, 1)}
    assert same(run(*twice[:3], doubled, start[:1].repeat(2, 1, 1, 1))[1:], together[:1])


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (72, 88), (49, 17)])
def test_photos_of_any_size(pack, files, flux, size):
    image, mask = photos(*size)
    alpha = torch.ones(1, *size, 1)
    model, positive, negative, latent = erase(flux, torch.cat([image, alpha], -1), mask)
    grown = tuple(-(-side // 16) * 2 for side in size)
    assert latent["samples"].shape == (1, 16, *grown)
    assert ksampler(model, positive, negative, latent).shape == (1, 16, *grown)
    margin = (0, -size[1] % 16, 0, -size[0] % 16)
    whole = torch.nn.functional.pad(image.movedim(-1, 1), margin, "replicate").movedim(1, -1)
    assert torch.equal(latent["samples"], StandInVAE().encode(whole))


def test_a_latent_without_the_last_column_will_do(pack, files, flux):
    image, mask = photos(72, 88)  # 9×11 cells of the latent, told as 10×12
    model, positive, negative, latent = erase(flux, image, mask)
    odd = {"samples": latent["samples"][..., :9, :11]}
    assert ksampler(model, positive, negative, odd).shape == (1, 16, 9, 11)


def test_less_memory_and_layers_at_a_time_change_nothing(pack, files, flux):
    """Weights that are patched on their way to the device, and rows that run by themselves."""
    image, mask = photos(count=3)
    model, positive, negative, latent = erase(flux, image, mask)
    plain = ksampler(model, positive, negative, latent)
    assert same(ksampler(pack.nodes.host.limit_rows(model, 3, 1), positive, negative, latent), plain)
    network = model.model.diffusion_model
    model.detach()
    flux.detach()
    model.load(model.load_device, lowvram_model_memory=1)
    model.patch_model(model.load_device, load_weights=False)
    try:
        assert network.img_in.weight.shape == (128, 64)
        noise = torch.randn(3, 16, 8, 12)
        channels = model.model.concat_cond(noise=noise, device=noise.device, mild_omni_eraser=positive[0][1]["mild_omni_eraser"])
        text, extra = prompt(0)[0]
        told = {"c_crossattn": text.expand(3, -1, -1), "y": extra["pooled_output"].expand(3, -1), "guidance": torch.tensor([3.5])}
        given = model.model.apply_model(noise, torch.full((3,), 0.5), c_concat=channels, **told)
    finally:
        model.detach()
    model.patch_model(model.load_device)
    try:
        assert network.img_in.weight.shape == (128, 256)
        merged = model.model.apply_model(noise, torch.full((3,), 0.5), c_concat=channels, **told)
    finally:
        model.detach()
    assert torch.allclose(given, merged, atol=1e-4)


def test_a_lora_of_our_own_training_does_here_what_it_did_there(pack, files, tmp_path):
    """Train, export, erase: the network gives what it gave the trainer, and no longer what FLUX.1 gives."""
    import folder_paths
    from mild_pack.mild_core.training.omni_eraser import OmniEraserRecipe, export, train
    from mild_pack.mild_core.training.omni_eraser_model import Learner, load_networks
    from safetensors.torch import load_file

    folder, pairs = save_tiny_flux(tmp_path / "flux"), save_tiny_pairs(tmp_path / "pairs")
    small = {"batch": 1, "rank": 4, "size": SIZE, "warmup": 1, "sheet_every": 0, "precision": "no", "lr": 1e-2, "ema": 0.0}
    train(folder, pairs, tmp_path / "run", OmniEraserRecipe(steps=3, **small))
    export(tmp_path / "run", tmp_path, "mine")
    folder_paths.add_model_folder_path("loras", str(tmp_path / "loras"))
    learnt = load_networks(folder, 4).model
    saved = load_file(tmp_path / "run" / "checkpoint.safetensors")
    Learner(learnt).load_state_dict({n.removeprefix("average."): t for n, t in saved.items() if n.startswith("average.")})
    asked = [[learnt.text, {"pooled_output": learnt.pooled}]]
    image, mask = photos()
    watched, calls = spied(core_flux(tiny_flux(pooled=learnt.pooled.shape[1])))
    clean = {}
    for strength in (1.0, 0.0):
        model, positive, negative, latent = node(watched, "mine.safetensors", strength, StandInVAE(), image, mask, asked, asked)
        clean[strength] = ksampler(model, positive, negative, latent)
    noisy, sigma, _, given = calls[0]
    with torch.no_grad():
        velocity = learnt(noisy, positive[0][1]["mild_omni_eraser"], sigma)
    assert torch.allclose(given, noisy - sigma * velocity, atol=1e-4)
    assert not same(clean[1.0], clean[0.0])


def test_other_nodes_of_the_pack_work_on_it(pack, files, flux):
    from tiny_runs import regions

    image, mask = photos(count=2)
    model, positive, negative, latent = erase(flux, image, mask)
    record = pack.mild_core.attention.GapRecord()
    patch = pack.nodes.host.AttentionPatch(regions(2), pack.mild_core.attention.METHODS["sma"], record=record)
    changed = ksampler(pack.nodes.host.install(model, patch), positive, negative, latent)
    assert not same(changed, ksampler(model, positive, negative, latent))
    assert record.gap is not None


def test_what_will_not_do_is_named(pack, files, flux):
    from tiny_runs import family

    image, mask = photos()
    for model, told in (
        ("Qwen-Image", "model is QwenImage, but"),
        ("Flux Fill", "model takes 96 channels, but"),
        ("SD3", "model is SD3, but"),
    ):
        with pytest.raises(ValueError, match=told + " it must be FLUX.1-dev"):
            erase(family(model).model, image, mask)
    family.cache_clear()
    for name, told in (
        ("plain.safetensors", "but none for x_embedder: OmniEraser's must widen that layer"),
        ("controlnet.safetensors", "takes 64 numbers a token, but OmniEraser's takes 256: use the stock Load LoRA"),
        ("fill.safetensors", "is 128×384, but for this model it must be 128×256"),
    ):
        with pytest.raises(ValueError, match=told):
            erase(flux, image, mask, name)
    with pytest.raises(ValueError, match="mask is 64×80, but it must be 64×96, as the image is"):
        erase(flux, image, mask[..., :80])
    with pytest.raises(ValueError, match="mask has 3 masks, but it must have 1 or 2"):
        erase(flux, image.repeat(2, 1, 1, 1), mask.repeat(3, 1, 1))
    narrow = StandInVAE()
    narrow.latent_channels = 4
    with pytest.raises(ValueError, match=r"vae gives latents of 4 channels, but FLUX\.1's gives 16"):
        erase(flux, image, mask, vae=narrow)
    model, positive, negative, latent = erase(flux, image, mask)
    with pytest.raises(ValueError, match="not from MILD OmniEraser"):
        ksampler(model, positive, prompt(1), latent, cfg=2.0)
    with pytest.raises(ValueError, match="latent_image is 8×8, but MILD OmniEraser's photo gives 8×12"):
        ksampler(model, positive, negative, {"samples": torch.zeros(1, 16, 8, 8)})
