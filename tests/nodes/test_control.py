"""Per-layer control through the pack's nodes, with the stock samplers and models of several kinds."""

import pytest
import torch
from shapes import disc, stripes
from tiny_runs import family, lora, same

SIZE = (96, 128)


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    family.cache_clear()


class TinyVAE:
    """Means of 8×8 patches as a latent, and back: enough of a VAE for a sampler."""

    hole_shows, not_video = "grey", False

    def __init__(self, channels, frames):
        self.latent_channels, self.latent_dim = channels, 3 if frames else 2

    def encode(self, pixels):
        assert self.latent_dim == 2 or len(pixels) == 1, "a video VAE takes a batch for frames"
        means = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)
        latent = means.repeat(1, -(-self.latent_channels // 3), 1, 1)[:, : self.latent_channels] * 2 - 1
        return latent if self.latent_dim == 2 else latent[:, :, None]

    def decode(self, latent):
        latent = latent if self.latent_dim == 2 else latent[:, :, 0]
        return torch.nn.functional.interpolate((latent[:, :3] + 1) / 2, scale_factor=8).clamp(0, 1).movedim(1, -1)


def scene_of(pack, erase="1"):
    room = pack.mild_core.scene
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 60, 104, 14), disc(*SIZE, 40, 112, 14)])
    scene = room.split_people(stripes(*SIZE)[None], room.from_masks(masks), depth_order="1,2,3,4")
    return scene.erasing(room.choose(erase, scene.people))


def encode(pack, tiny, scene, **options):
    told = pack.nodes.types.defaults(pack.nodes.EncodeLayers) | {"working_size": 64, "initialize": "smooth", "grow": 2} | options
    positive, negative = tiny.conditioning(0), tiny.conditioning(1)
    return pack.nodes.EncodeLayers.execute(scene, positive, negative, TinyVAE(tiny.channels, tiny.frames), **told).args


def ksampler(model, positive, negative, latent, steps=4):
    from nodes import KSampler

    return KSampler().sample(model, 7, steps, 3.0, "euler", "simple", positive, negative, latent, 1.0)[0]["samples"]


def ksampler_advanced(model, positive, negative, latent, steps=4):
    from nodes import KSamplerAdvanced

    sampled = KSamplerAdvanced().sample(model, "enable", 7, steps, 3.0, "euler", "simple", positive, negative, latent, 0, 10000, "disable")
    return sampled[0]["samples"]


def custom_advanced(model, positive, negative, latent, steps=4):
    from comfy_extras import nodes_custom_sampler as custom

    noise = custom.RandomNoise.execute(7)[0]
    guider = custom.CFGGuider.execute(model, positive, negative, 3.0)[0]
    sampler = custom.KSamplerSelect.execute("euler")[0]
    sigmas = custom.BasicScheduler.execute(model, "simple", steps, 1.0)[0]
    return custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent)[0]["samples"]


@pytest.mark.parametrize("name", ["SD1.5", "SD1.5 inpainting", "SDXL", "Flux", "Flux Fill", "Qwen-Image", "Wan"])
def test_stock_samplers_agree_and_keep_what_is_no_hole(pack, name):
    tiny = family(name)
    scene = scene_of(pack)
    positive, negative, latent, plan = encode(pack, tiny, scene)
    model = pack.nodes.LayerControl.execute(tiny.model, plan, 1.0, 0.5, 1).args[0]
    results = [run(model, positive, negative, latent) for run in (ksampler, ksampler_advanced, custom_advanced)]
    assert len(results[0]) == len(plan.pathways) == 3
    for result in results[1:]:
        assert same(result, results[0])
    outside = (latent["noise_mask"] == 0).expand_as(results[0])
    assert torch.allclose(results[0][outside], latent["samples"][outside], atol=1e-5)
    assert not torch.allclose(results[0][~outside], latent["samples"][~outside], atol=1e-2)
    layers = pack.nodes.DecodeLayers.execute({"samples": results[0]}, plan, TinyVAE(tiny.channels, tiny.frames)).args[0]
    image, changed, *_ = pack.nodes.ComposeLayers.execute(layers).args
    assert torch.equal(image[0][changed[0] == 0], scene.photo[0][changed[0] == 0])


@pytest.mark.parametrize("name", ["SD1.5", "SD1.5 inpainting", "Flux Fill"])
def test_one_more_person_leaves_the_others_as_they_were(pack, name):
    """Same noise, same first guess, same result, whoever else is in the batch."""
    tiny = family(name)

    def layers(erase):
        positive, negative, latent, plan = encode(pack, tiny, scene_of(pack, erase), context=1.0)
        sampled = ksampler(tiny.model, positive, negative, latent)
        return {(p.role, p.person or p.paste.box): row for p, row in zip(plan.pathways, sampled, strict=True)}

    few, more = layers("1"), layers("1,3")
    shared = few.keys() & more.keys()
    assert len(more) > len(few)
    assert {role for role, _ in shared} == {"background", "person"}
    for key in shared:
        assert same(few[key], more[key]), key


def test_prompts_reach_the_people_they_name(pack):
    tiny = family("SD1.5")
    scene = scene_of(pack, "none")
    first, second, both = (tiny.conditioning(seed) for seed in (2, 3, 4))
    (prompts,) = pack.nodes.PersonPrompt.execute(both, "2,4").args
    (prompts,) = pack.nodes.PersonPrompt.execute(first, "4", prompts).args
    positive, _, _, plan = encode(pack, tiny, scene, prompts=prompts, person_positive=second)
    assert [scene.person(p.person).number for p in plan.pathways] == [2, 4]
    assert torch.equal(positive[0][0], torch.cat([both[0][0], first[0][0]]))
    positive, _, _, _ = encode(pack, tiny, scene, prompts=pack.nodes.PersonPrompt.execute(first, "4").args[0], person_positive=second)
    assert torch.equal(positive[0][0], torch.cat([second[0][0], first[0][0]]))
    with pytest.raises(ValueError, match="names '9', but the people are 1, 2, 3, 4"):
        encode(pack, tiny, scene, prompts=pack.nodes.PersonPrompt.execute(first, "9").args[0])


def test_rows_are_named_by_role_and_by_person(pack):
    plan = encode(pack, family("SD1.5"), scene_of(pack))[3]
    named = pack.nodes.control.rows_named
    assert [p.role for p in plan.pathways] == ["background", "person", "person"]
    assert named("background", plan) == [0]
    assert named(" People ", plan) == [1, 2]
    assert named("all", plan) == [0, 1, 2]
    assert named("4", plan) == [2]
    assert named("1", plan) == [], "nothing of the nearest is hidden"


def test_a_lora_from_the_models_folder_acts_on_the_layers_named(pack, tmp_path, monkeypatch):
    pytest.importorskip("comfy.weight_adapter.bypass", reason="needs a ComfyUI that computes LoRAs beside the weights")
    import folder_paths
    from safetensors.torch import save_file

    tiny = family("SD1.5")
    save_file(lora("SD1.5"), str(tmp_path / "people.safetensors"))
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    assert pack.nodes.host.lora_names() == ["people.safetensors"]
    positive, negative, latent, plan = encode(pack, tiny, scene_of(pack))
    plain = ksampler(tiny.model, positive, negative, latent)
    (model,) = pack.nodes.LayerLora.execute(tiny.model, plan, "people.safetensors", 1.0, "4").args
    changed = ksampler(model, positive, negative, latent)
    assert [same(one, other) for one, other in zip(plain, changed, strict=True)] == [True, True, False]
    assert pack.nodes.LayerLora.execute(tiny.model, plan, "people.safetensors", 1.0, "1").args[0] is tiny.model
    with pytest.raises(ValueError, match=r"lora_name is 'old\.ckpt', but it must be a \.safetensors file"):
        pack.nodes.LayerLora.execute(tiny.model, plan, "old.ckpt", 1.0, "all")


def test_each_row_has_its_own_part_of_a_controlnet_hint(pack):
    from comfy.cldm.cldm import ControlNet
    from comfy.controlnet import ControlNet as Control
    from comfy.ops import disable_weight_init
    from tiny import random_weight

    from nodes import ControlNetApplyAdvanced

    tiny = family("SD1.5")
    torch.manual_seed(0)
    network = ControlNet(
        image_size=32, in_channels=4, model_channels=32, hint_channels=3, num_res_blocks=[1, 1], channel_mult=(1, 2), num_heads=4,
        use_spatial_transformer=True, transformer_depth=[1, 1], transformer_depth_middle=1, context_dim=24, operations=disable_weight_init,
    )  # fmt: skip
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.copy_(random_weight(name, tensor) * (4 if "hint" in name else 1))  # or eight layers swallow what the hint says
    control = Control(network, load_device=torch.device("cpu"))
    scene = scene_of(pack)
    positive, negative, latent, plan = encode(pack, tiny, scene)
    hints, holes = pack.nodes.CropImage.execute(plan, torch.rand(1, *SIZE, 3, generator=torch.Generator().manual_seed(0))).args
    assert hints.shape == (3, 64, 64, 3)
    assert torch.equal(holes[:, None], positive[0][1]["concat_mask"])

    def run(hints, rows=slice(None), model=tiny.model):
        told = ControlNetApplyAdvanced().apply_controlnet(positive, negative, control, hints, 1.0, 0.0, 1.0)
        part = {name: value[rows] for name, value in latent.items()}
        return ksampler(model, *told, part)

    together = run(hints)
    for row in range(3):
        alone = run(hints[row : row + 1], slice(row, row + 1))
        assert torch.allclose(together[row], alone[0], atol=2e-3 * float(alone.std()))
    apart = run(hints, model=pack.nodes.LayerControl.execute(tiny.model, plan, 1.0, 1.0, 1).args[0])
    assert torch.allclose(apart, together, atol=2e-3 * float(together.std())), "each row keeps its hint when rows run apart"
    swapped = run(hints.flip(0))
    assert not same(swapped[0], together[0])
    with pytest.raises(ValueError, match="image is 1×64×64×3, but it must be one picture of 96×128"):
        pack.nodes.CropImage.execute(plan, torch.rand(1, 64, 64, 3))
