"""The erase graph, node by node, in the real core."""

import pytest
import torch
from shapes import disc, stripes

SIZE = (96, 128)


@pytest.fixture(scope="session")
def mini(pack):
    return pack.nodes.MiniModel.execute().args


def people():
    masks = [disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)]
    return torch.stack(masks)


def split(pack, erase="1"):
    """A scene without the node's preview, which needs a running server."""
    core = pack.mild_core.scene
    scene = core.split_people(stripes(*SIZE)[None], core.from_masks(people()))
    return scene.erasing(core.choose(erase, scene.people))


def encode(pack, scene, positive, negative, vae, **options):
    defaults = {"initialize": "exemplar", "grow": 3, "feather": 2, "context": 1.6, "working_size": 64, "hole_shows": "auto", "seed": 0}
    return pack.nodes.EncodeLayers.execute(scene, positive, negative, vae, **{**defaults, **options}).args


def sample(model, positive, negative, latent, steps=2, cfg=1.0, denoise=0.5):
    from nodes import common_ksampler

    return common_ksampler(model, 7, steps, cfg, "euler", "normal", positive, negative, latent, denoise=denoise)[0]


def fine(image):
    """What a mean of 5×5 pixels leaves of an image [H, W, 3]."""
    planes = image.permute(2, 0, 1)[None]
    return (planes - torch.nn.functional.avg_pool2d(planes, 5, 1, 2, count_include_pad=False))[0].permute(1, 2, 0)


def finish(pack, samples, plan, vae, **options):
    (layers,) = pack.nodes.DecodeLayers.execute(samples, plan, vae, **options).args
    return pack.nodes.ComposeLayers.execute(layers).args[:3]


def test_erase_with_the_bundled_model(pack, mini):
    model, vae, positive, person, negative = mini
    scene = split(pack)
    pos, neg, latent, plan = encode(pack, scene, positive, negative, vae, person_positive=person)
    assert latent["samples"].shape == (2, 192, 8, 8)
    assert latent["noise_mask"].shape == (2, 1, 8, 8)
    assert latent["batch_index"] == [p.batch_index for p in plan.pathways]
    image, changed, rgba = finish(pack, sample(model, pos, neg, latent), plan, vae)
    assert image.shape == (1, *SIZE, 3)
    assert rgba.shape == (4, *SIZE, 4)
    same = changed[0] == 0
    assert torch.equal(image[0][same], scene.photo[0][same])
    assert (changed > 0).any()
    assert image.isfinite().all()
    assert not torch.equal(image[0][~same], scene.photo[0][~same])


def test_detail_is_copied_into_what_was_sampled(pack, mini):
    model, vae, positive, person, negative = mini
    scene = split(pack)
    pos, neg, latent, plan = encode(pack, scene, positive, negative, vae, person_positive=person)
    samples = sample(model, pos, neg, latent)
    sampled, _, _ = finish(pack, samples, plan, vae)
    copied, changed, _ = finish(pack, samples, plan, vae, detail="copied")
    same = changed[0] == 0
    assert torch.equal(copied[0][same], scene.photo[0][same])
    assert not torch.equal(copied, sampled)
    hole = plan.pathways[0].paste.whole
    colours = scene.photo[0][~hole].reshape(-1, 3)
    far = [torch.cdist(image[0][hole], colours).amin(1).mean() for image in (copied, sampled)]
    assert far[0] < far[1], "what is copied has the photo's own colours"
    softer, _, _ = finish(pack, samples, plan, vae, detail="copied", seam="feather", fine_detail=0.0)
    whole, _, _ = finish(pack, samples, plan, vae, detail="copied", seam="feather")
    assert fine(softer[0])[hole].std() < fine(whole[0])[hole].std()
    with pytest.raises(ValueError, match="samples hold 1 rows, but the plan has 2 pathways"):
        finish(pack, {"samples": samples["samples"][:1]}, plan, vae, detail="copied")


def test_a_batch_of_pathways_equals_runs_of_one(pack, mini):
    model, vae, positive, _, negative = mini
    pos, neg, latent, _ = encode(pack, split(pack, "1,3"), positive, negative, vae)
    together = sample(model, pos, neg, latent)["samples"]
    for row in range(len(together)):
        alone = {
            "samples": latent["samples"][row : row + 1],
            "noise_mask": latent["noise_mask"][row : row + 1],
            "batch_index": latent["batch_index"][row : row + 1],
        }
        one_pos, one_neg = (
            [[text[:1] if len(text) == 1 else text[row : row + 1], {k: v[row : row + 1] for k, v in extra.items()}] for text, extra in c]
            for c in (pos, neg)
        )
        assert torch.allclose(sample(model, one_pos, one_neg, alone)["samples"], together[row : row + 1], atol=2e-3)


def test_people_are_denoised_with_their_own_prompt(pack, mini):
    _, vae, positive, person, negative = mini
    pos, _, _, plan = encode(pack, split(pack), positive, negative, vae, person_positive=person)
    rows = pos[0][0]
    assert [p.role for p in plan.pathways] == ["background", "person"]
    assert torch.equal(rows[0], positive[0][0][0])
    assert torch.equal(rows[1], person[0][0][0])
    assert not torch.equal(rows[0], rows[1])


def test_the_model_is_what_was_trained(pack, mini):
    """ComfyUI's UNet with our weights gives what diffusers' gives."""
    core = pack.mild_core.models.mini
    from mild_pack.mild_core.training.mini import MiniModel as Trained

    config, tensors = core.load_weights()
    trained = Trained(config)
    trained.roles.weight.data.copy_(tensors.pop(core.ROLE_KEY))
    trained.unet.load_state_dict({n: t.float() for n, t in tensors.items()})
    generator = torch.Generator().manual_seed(0)
    noisy, fill = (torch.randn(2, 192, 8, 8, generator=generator) for _ in range(2))
    hole = (torch.rand(2, 1, 64, 64, generator=generator) > 0.7).float()
    told, sigma, step = core.condition(fill, hole), core.sigmas()[[300, 900]], torch.tensor([300, 900])
    model = mini[0].model
    with torch.no_grad():
        expected = trained(noisy, sigma, step, told, torch.tensor([0, 1]))
        context = torch.cat([mini[2][0][0], mini[3][0][0]])
        given = model.apply_model(noisy, sigma, c_concat=told, c_crossattn=context)
    assert torch.allclose(given, expected, atol=1e-4)
    untouched = core.clean(torch.zeros(2, core.OUTPUT_CHANNELS, 8, 8), told)
    assert (given - untouched).abs().max() > 0.05, "the network adds something to the fills"


def test_patches_made_for_sd15_find_their_hooks(pack, mini):
    model, vae, positive, _, negative = mini
    pos, neg, latent, _ = encode(pack, split(pack), positive, negative, vae)
    seen = []
    patched = model.clone()

    def replace(q, k, v, extra_options):
        seen.append((extra_options["block"], q.shape[1], extra_options["n_heads"]))
        return torch.zeros_like(q)

    patched.set_model_attn1_replace(replace, "middle", 0)
    assert not torch.equal(sample(patched, pos, neg, latent)["samples"], sample(model, pos, neg, latent)["samples"])
    assert {block for block, _, _ in seen} == {("middle", 0)}


def test_interrupting_stops_the_fill(pack, mini):
    from comfy import model_management

    _, vae, positive, _, negative = mini
    model_management.interrupt_current_processing()
    with pytest.raises(model_management.InterruptProcessingException):
        encode(pack, split(pack), positive, negative, vae)


def test_interrupting_stops_the_copying(pack, mini):
    from comfy import model_management

    _, vae, positive, _, negative = mini
    _, _, latent, plan = encode(pack, split(pack), positive, negative, vae)
    model_management.interrupt_current_processing()
    with pytest.raises(model_management.InterruptProcessingException):
        finish(pack, latent, plan, vae, detail="copied")


@pytest.mark.parametrize("shown", ["grey", "filled", "photo"])
def test_what_the_checkpoint_sees_in_the_hole(pack, mini, shown):
    _, vae, positive, _, negative = mini
    scene = split(pack)
    pos, _, latent, plan = encode(pack, scene, positive, negative, vae, hole_shows=shown, show_others=True)
    seen = vae.decode(pos[0][1]["concat_latent_image"])[0]
    hole = plan.working_hole(plan.pathways[0])
    photo = plan.working_image(plan.pathways[0], scene.photo[0])
    assert torch.equal(pos[0][1]["concat_mask"][0, 0] > 0.5, hole)
    assert torch.allclose(seen[~hole], photo[~hole], atol=1e-6)
    expected = {"grey": torch.full_like(photo, 0.5), "filled": vae.decode(latent["samples"])[0], "photo": photo}[shown]
    assert torch.allclose(seen[hole], expected[hole], atol=1e-6)


@pytest.mark.parametrize("shown", ["grey", "filled", "photo"])
def test_the_model_is_not_shown_the_people_a_row_is_not_for(pack, mini, shown):
    """But an eraser that is shown the photo is shown all of it."""
    _, vae, positive, person, negative = mini
    scene = split(pack)
    found = {}
    for others in (True, False):
        pos, _, latent, plan = encode(pack, scene, positive, negative, vae, person_positive=person, hole_shows=shown, show_others=others)
        found[others] = vae.decode(pos[0][1]["concat_latent_image"]), vae.decode(latent["samples"])
    default, _, _, _ = encode(pack, scene, positive, negative, vae, person_positive=person, hole_shows=shown)
    assert torch.equal(default[0][1]["concat_latent_image"], pos[0][1]["concat_latent_image"]), "others are not shown"
    for n, pathway in enumerate(plan.pathways):
        beside = plan.working_others(pathway)
        assert beside.any()
        for with_others, without in zip(*found.values(), strict=True):
            assert torch.allclose(with_others[n][~beside], without[n][~beside], atol=1e-6)
            assert ((with_others[n] - without[n])[beside].abs().max() > 0.05) == (shown != "photo")


def test_working_sizes(pack):
    class Four:
        latent_channels = 4

    class Sixteen:
        latent_channels = 16

    size = pack.nodes.host.working_size_of
    for width, expected in ((768, 512), (1024, 768), (2048, 1024)):
        assert size(Four(), [[torch.zeros(1, 77, width), {}]]) == expected
    assert size(Sixteen(), [[torch.zeros(1, 77, 768), {}]]) == 1024
    assert size(pack.nodes.host.PatchVAE(), []) == 384


def test_texts_of_different_length_are_repeated_to_a_common_one(pack):
    short, long = torch.rand(1, 2, 8), torch.rand(1, 3, 8)
    both = [("positive", [[short, {}]]), ("person_positive", [[long, {}]])]
    rows = pack.nodes.host.expand_conditioning(both)[0][0]
    assert rows.shape == (2, 6, 8)
    assert torch.equal(rows[0], short[0].repeat(3, 1))
    assert torch.equal(rows[1], long[0].repeat(2, 1))
    with pytest.raises(ValueError, match="positive has 2 parts"):
        pack.nodes.host.expand_conditioning([("positive", [[short, {}], [short, {}]]), both[1]])


def test_bad_working_size_and_missing_people_are_named(pack, mini):
    _, vae, positive, _, negative = mini
    with pytest.raises(ValueError, match="working_size is 100"):
        encode(pack, split(pack), positive, negative, vae, working_size=100)
    with pytest.raises(ValueError, match="neither is connected"):
        pack.nodes.SplitPeople.execute(stripes(*SIZE)[None], "1", "auto", "", 0.0)


def test_erase_with_an_sd15_inpainting_checkpoint(pack, tmp_path_factory):
    import comfy.sd
    from tiny import save_sd15_inpaint

    path = tmp_path_factory.mktemp("checkpoints") / "sd15-inpaint.safetensors"
    save_sd15_inpaint(path)
    model, clip, vae = comfy.sd.load_checkpoint_guess_config(str(path))[:3]
    assert type(model.model.model_config).__name__ == "SD15"
    assert model.model.concat_keys == ("mask", "masked_image")
    positive = clip.encode_from_tokens_scheduled(clip.tokenize("empty street"))
    negative = clip.encode_from_tokens_scheduled(clip.tokenize("people"))
    scene = split(pack)
    pos, neg, latent, plan = encode(pack, scene, positive, negative, vae)
    assert latent["samples"].shape == (2, 4, 8, 8)
    image, changed, _ = finish(pack, sample(model, pos, neg, latent, cfg=4.0, denoise=0.9), plan, vae)
    assert image.isfinite().all()
    same = changed[0] == 0
    assert torch.equal(image[0][same], scene.photo[0][same])
    _, _, _, default = encode(pack, scene, positive, negative, vae, working_size=0)
    assert default.working_size == 384, "three quarters of what SD1.5 was trained on: the photo is smaller"


def test_every_input_has_a_tooltip_and_every_node_a_help_page(pack):
    from shapes import ROOT

    for node in pack.nodes.NODES:
        schema = node.define_schema()
        assert schema.node_id.startswith("MILD")
        assert schema.description
        for socket in [*schema.inputs, *schema.outputs]:
            assert socket.tooltip, f"{schema.node_id}: {socket.id or socket.display_name}"
        page = (ROOT / "web" / "docs" / f"{schema.node_id}.md").read_text()
        for socket in schema.inputs:
            assert f"`{socket.id}`" in page, f"{schema.node_id}.md does not explain {socket.id}"
        for socket in schema.outputs:
            assert f"`{socket.display_name}`" in page, f"{schema.node_id}.md does not explain {socket.display_name}"
