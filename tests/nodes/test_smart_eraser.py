"""SmartEraser in the real core: its prompt is that of transformers, its sampler the stock one, and what it leaves alone the photo."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from shapes import disc, stripes
from tiny import FAMILIES, random_weight
from tiny_clip import IMAGE, WIDTH, core_clip, core_vision, their_text, their_vision, tiny_projector

SIZE = (96, 144)
PROMPT = "Remove the instance of object"


@pytest.fixture(scope="module")
def rooms(pack):
    name = f"{pack.__name__}.nodes"
    return SimpleNamespace(nodes=importlib.import_module(f"{name}.smart_eraser"), host=importlib.import_module(f"{name}.host.smart_eraser"))


@pytest.fixture(scope="module")
def theirs():
    return their_text(), their_vision()


@pytest.fixture(scope="module")
def networks(rooms, theirs):
    """clip, clip_vision and vae, as loaders give them."""
    from comfy.sd import VAE
    from comfy.taesd.taesd import TAESD

    text, vision = theirs
    torch.manual_seed(0)
    vae = VAE(sd={name: random_weight(name, tensor) for name, tensor in TAESD(latent_channels=4).state_dict().items()})
    return {"clip": core_clip(text), "clip_vision": core_vision(vision), "vae": vae}


@pytest.fixture
def projector(rooms, tmp_path, monkeypatch):
    """The name of a projector in an otherwise empty models/smarteraser."""
    import folder_paths

    save_file(tiny_projector(), tmp_path / "clip_mlp_weight.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "smarteraser", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.delitem(folder_paths.filename_list_cache, "smarteraser", raising=False)
    return "clip_mlp_weight.safetensors"


def photo(size=SIZE):
    return (stripes(*size) * 255).round()[None] / 255


def prepare(pack, rooms, networks, projector, mask, image=None, **inputs):
    node = rooms.nodes.SmartEraser
    given = {**pack.nodes.types.defaults(node), "image": photo(mask.shape[-2:]) if image is None else image, "working_size": 64, **inputs}
    return node.execute(**networks, mask=mask, projector=projector, **given).args


def by_transformers(text, vision, picture, mask, prompt):
    """The prompt of the published code, positive and negative, by its own steps on transformers' classes."""
    from transformers import CLIPImageProcessor

    tensors = {name: tensor.double() for name, tensor in tiny_projector().items()}

    def project(v):
        v = v.double()
        normed = (v - v.mean(-1, keepdim=True)) / (v.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        normed = normed * tensors["norm.weight"] + tensors["norm.bias"]
        return (v + normed @ tensors["fc_out.weight"].T + tensors["fc_out.bias"]).float()

    shown = np.where(mask.numpy()[..., None] > 0.5, (picture.numpy() * 255).round(), 255).astype(np.uint8)
    cut = Image.fromarray(shown).crop(Image.fromarray((mask.numpy() * 255).astype(np.uint8)).getbbox())
    processor = CLIPImageProcessor(size={"shortest_edge": IMAGE}, crop_size={"height": IMAGE, "width": IMAGE})
    pixels = processor(images=cut, return_tensors="pt")["pixel_values"]
    words = {
        "Remove the instance of object": [49406, 9709, 518, 34572, 539, 14115, 49407],
        "Remove the instance of": [49406, 9709, 518, 34572, 539, 49407, 49407],
        "": [49406] + [49407] * 6,
    }
    with torch.no_grad():
        told, empty = (text(torch.tensor([words[p]])).last_hidden_state for p in (prompt, ""))
        thing, nothing = (project(vision(p).image_embeds)[:, None] for p in (pixels, torch.zeros_like(pixels)))
    return torch.cat([told[:, :5], thing, told[:, 6:]], 1), torch.cat([empty[:, :1], nothing, empty[:, 1:6]], 1)


@pytest.mark.parametrize("prompt", ["Remove the instance of object", "Remove the instance of"])
def test_the_prompt_is_the_published_codes(rooms, networks, theirs, prompt):
    """With an object as large as the network's picture nothing is resampled, and all is equal."""
    mask = torch.zeros(64, 64)
    mask[10 : 10 + IMAGE, 20 : 20 + IMAGE] = disc(IMAGE, IMAGE, 13.5, 13.5, 14)
    picture = photo((64, 64))[0]
    projector = rooms.nodes.load_projector.__globals__["Projector"](WIDTH)
    projector.load_state_dict(tiny_projector())
    positive, negative = rooms.host.removal_conditioning(networks["clip"], networks["clip_vision"], projector, prompt, [(picture, mask)])
    for given, expected in zip((positive, negative), by_transformers(*theirs, picture, mask, prompt), strict=True):
        assert given[0][0].shape == (1, 7, WIDTH)
        assert torch.allclose(given[0][0], expected, atol=1e-4)
    assert (positive[0][0] - negative[0][0]).abs().max() > 0.1


def test_an_object_of_another_size_is_seen_nearly_alike(rooms, networks, theirs):
    """Pillow and torch round differently when they resample."""
    mask = disc(64, 96, 30, 44, 25)
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    picture = (torch.stack([rows, columns, 1 - rows], -1) * 255).round() / 255
    projector = rooms.nodes.load_projector.__globals__["Projector"](WIDTH)
    projector.load_state_dict(tiny_projector())
    positive, _ = rooms.host.removal_conditioning(networks["clip"], networks["clip_vision"], projector, PROMPT, [(picture, mask)])
    expected, _ = by_transformers(*theirs, picture, mask, PROMPT)
    assert (positive[0][0] - expected).abs().max() < 0.02
    other, _ = rooms.host.removal_conditioning(networks["clip"], networks["clip_vision"], projector, PROMPT, [(picture.flip(0), mask)])
    assert (positive[0][0] - other[0][0]).abs().max() > 0.05, "another object is another prompt"
    assert torch.equal(positive[0][0][:, [0, 1, 2, 3, 4, 6]], other[0][0][:, [0, 1, 2, 3, 4, 6]]), "in one token"


def test_the_nine_channels(pack, rooms, networks, projector):
    """The UNet gets the latent of the whole photo, and the mask in the latent's size."""
    mask = disc(64, 64, 30, 34, 10)
    positive, negative, latent, plan = prepare(pack, rooms, networks, projector, mask[None], crop="none", grow_area=1.0)
    whole = networks["vae"].encode(photo((64, 64)))
    for told in (positive[0][1], negative[0][1]):
        assert torch.equal(told["concat_latent_image"], whole)
        assert torch.equal(told["concat_mask"], mask[None, None, ::8, ::8])
    assert latent["noise_mask"].shape == (1, 1, 8, 8)
    assert torch.equal(latent["noise_mask"][0, 0] > 0, torch.nn.functional.max_pool2d(mask[None, None], 8)[0, 0] > 0)
    assert torch.equal(latent["samples"], whole * (1 - latent["noise_mask"])), "nothing of the object is left to begin with"
    assert latent["batch_index"] == [0]
    assert len(plan.pathways) == 1
    model = FAMILIES["SD1.5 inpainting"](torch.float32).model.model
    told = {**positive[0][1], "noise": torch.zeros(1, 4, 8, 8), "device": torch.device("cpu")}
    channels = model.concat_cond(**told)
    assert torch.equal(channels[:, :1], mask[None, None, ::8, ::8])
    assert torch.allclose(channels[:, 1:], model.process_latent_in(whole))


def test_the_mask_grows_by_area(pack, rooms, networks, projector):
    mask = disc(96, 96, 48, 48, 20)
    areas = {}
    for share in (1.0, 1.1, 1.5):
        *_, plan = prepare(pack, rooms, networks, projector, mask[None], crop="none", grow_area=share)
        areas[share] = plan.hole.area / float(mask.sum())
    assert areas[1.0] == 1
    assert 1.1 <= areas[1.1] < 1.15
    assert 1.5 <= areas[1.5] < 1.56


@pytest.mark.parametrize("crop", ["around the mask", "each part", "none"])
@pytest.mark.parametrize("size", [SIZE, (150, 70)])
def test_the_stock_sampler_erases_and_the_rest_is_the_photo(pack, rooms, networks, projector, crop, size):
    from nodes import common_ksampler

    mask = torch.maximum(disc(*size, 30, 30, 8), disc(*size, size[0] - 12, size[1] - 12, 6))
    positive, negative, latent, plan = prepare(pack, rooms, networks, projector, mask[None], crop=crop)
    rows = len(plan.pathways)
    assert rows == (2 if crop == "each part" else 1)
    assert positive[0][0].shape == (rows, 7, WIDTH)
    model = FAMILIES["SD1.5 inpainting"](torch.float32).model
    samples = common_ksampler(model, 3, 2, 1.5, "ddim", "normal", positive, negative, latent, denoise=1.0)[0]
    assert samples["samples"].isfinite().all()
    (layers,) = pack.nodes.DecodeLayers.execute(samples, plan, networks["vae"], "as sampled", "feather").args
    image, changed, *_ = pack.nodes.ComposeLayers.execute(layers).args
    assert torch.equal(image[0][changed[0] == 0], photo(size)[0][changed[0] == 0])
    assert (image[0][mask > 0] != photo(size)[0][mask > 0]).any()
    assert (changed[0][mask > 0] > 0).float().mean() > 0.99
    far = torch.nn.functional.max_pool2d(mask[None], 25, 1, 12)[0] == 0
    assert not changed[0][far].any()


@pytest.mark.parametrize("here", ["image", "mask", "neither"])
def test_image_and_mask_may_lie_on_different_devices(pack, rooms, networks, projector, there, here):
    mask = torch.maximum(disc(*SIZE, 30, 30, 8), disc(*SIZE, 80, 120, 8))[None]
    expected = prepare(pack, rooms, networks, projector, mask, crop="each part")
    image, mask = (x if name == here else x.to(there) for name, x in (("image", photo()), ("mask", mask)))
    got = prepare(pack, rooms, networks, projector, mask, image, crop="each part")
    for one, other in zip(got[:2], expected[:2], strict=True):
        assert torch.allclose(one[0][0].cpu(), other[0][0], atol=1e-5)
        for told in ("concat_latent_image", "concat_mask"):
            assert torch.allclose(one[0][1][told].cpu(), other[0][1][told], atol=1e-5)
    for part in ("samples", "noise_mask"):
        assert torch.allclose(got[2][part].cpu(), expected[2][part], atol=1e-5)


def test_every_row_is_told_its_own_object(pack, rooms, networks, projector):
    image = photo((64, 256))
    image[0, 20:44, 20:44] = torch.tensor([1.0, 0, 0])
    image[0, 20:44, 212:236] = torch.tensor([0, 0, 1.0])
    masks = torch.stack([disc(64, 256, 32, 32, 10), disc(64, 256, 32, 224, 10)])
    both = prepare(pack, rooms, networks, projector, masks, image, crop="each part", grow_area=1.0)
    for row in range(2):
        alone = prepare(pack, rooms, networks, projector, masks[row : row + 1], image, crop="each part", grow_area=1.0)
        assert torch.allclose(both[0][0][0][row], alone[0][0][0][0], atol=1e-5)
    assert (both[0][0][0][0] - both[0][0][0][1]).abs().max() > 0.05


def test_layers_of_a_scene(pack, rooms, networks, projector, two_people):
    """MILD Encode Layers with SmartEraser's prompt: each row its own, all else as it was."""
    from nodes import common_ksampler

    core = pack.mild_core.scene
    masks = torch.stack([p.visible.float() for p in two_people.people])
    scene = core.split_people(two_people.photo, core.from_masks(masks, "by mask"))
    scene = scene.erasing(core.choose("all", scene.people))
    empty = [[torch.zeros(1, 77, WIDTH), {"pooled_output": torch.zeros(1, WIDTH)}]]
    defaults = {**pack.nodes.types.defaults(pack.nodes.EncodeLayers), "working_size": 64, "hole_shows": "photo", "initialize": "smooth"}
    encoded = pack.nodes.EncodeLayers.execute(scene, empty, empty, networks["vae"], **defaults).args
    positive, negative, latent, plan = encoded
    given = {"clip": networks["clip"], "clip_vision": networks["clip_vision"], "projector": projector}
    told, untold = rooms.nodes.SmartEraserPrompt.execute(positive=positive, negative=negative, plan=plan, **given).args
    assert told[0][0].shape == (len(plan.pathways), 7, WIDTH)
    assert untold[0][0].shape == (1, 7, WIDTH)
    assert told[0][1]["concat_latent_image"] is positive[0][1]["concat_latent_image"]
    assert told[0][1]["concat_mask"].shape[-2:] == latent["samples"].shape[-2:]
    model = FAMILIES["SD1.5 inpainting"](torch.float32).model
    samples = common_ksampler(model, 3, 1, 1.5, "euler", "normal", told, untold, latent, denoise=1.0)[0]["samples"]
    assert samples.isfinite().all()
    with pytest.raises(ValueError, match="they must come from MILD Encode Layers"):
        rooms.nodes.SmartEraserPrompt.execute(positive=empty, negative=empty, plan=plan, **given)


def test_what_cannot_be_is_said(pack, rooms, networks, projector, tmp_path):
    mask = disc(64, 64, 30, 34, 10)[None]

    def attempt(**inputs):
        given = {"mask": mask, **inputs}
        return prepare(pack, rooms, {**networks, **{k: given.pop(k) for k in list(given) if k in networks}}, projector, **given)

    with pytest.raises(ValueError, match="mask is 32×32 but image is 64×64"):
        attempt(mask=torch.ones(1, 32, 32), image=photo((64, 64)))
    with pytest.raises(ValueError, match="mask is empty"):
        attempt(mask=torch.zeros(1, 64, 64))
    with pytest.raises(ValueError, match="image is a batch of 2"):
        attempt(image=photo((64, 64)).repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="working_size is 60, but it must be a multiple of 8"):
        attempt(working_size=60)
    with pytest.raises(ValueError, match="clip is missing"):
        attempt(clip=None)
    with pytest.raises(ValueError, match=r"another family \(g, l\)"):
        attempt(clip=SimpleNamespace(tokenize=lambda text: {"g": [], "l": []}))
    save_file({"fc_out.weight": torch.zeros(24, 24)}, tmp_path / "half.safetensors")
    save_file({n: torch.zeros([16] * t.ndim) for n, t in tiny_projector().items()}, tmp_path / "narrow.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    node = rooms.nodes.SmartEraser
    given = {**networks, **pack.nodes.types.defaults(node), "image": photo((64, 64)), "mask": mask, "working_size": 64}
    for name, why in {
        "half.safetensors": r"half\.safetensors holds fc_out\.weight 24×24, but SmartEraser's projector is",
        "narrow.safetensors": "clip_vision gives embeddings of 24 numbers, but projector is for 16",
        "broken.safetensors": "must be a safetensors file",
        "gone.safetensors": r"projector is 'gone\.safetensors', but it must be one of broken\.safetensors, clip_mlp_weight\.safetensors",
        None: "projector is None, but it must be one of",
    }.items():
        with pytest.raises(ValueError, match=why):
            node.execute(**given, projector=name)
    assert node.validate_inputs() is True
    assert node.validate_inputs(projector) is True
    assert "must be one of" in node.validate_inputs("gone")


def test_an_empty_folder_says_what_to_do(pack, rooms, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "smarteraser", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.delitem(folder_paths.filename_list_cache, "smarteraser", raising=False)
    why = rooms.nodes.SmartEraser.validate_inputs("clip_mlp_weight.safetensors")
    assert "there is none in models/smarteraser" in why
    assert str(tmp_path) in why
    assert "convert_network.py smarteraser_projector" in why


def test_masks_are_changed_one_by_one(pack, rooms):
    node = rooms.nodes.EnhanceMask
    masks = torch.stack([disc(96, 96, 40, 40, 20), disc(96, 96, 60, 50, 12)])

    def changed(**inputs):
        return node.execute(mask=masks, **{**pack.nodes.types.defaults(node), **inputs}).args[0]

    grown = changed()
    assert grown.shape == masks.shape
    for before, after in zip(masks, grown, strict=True):
        assert 1.1 <= float(after.sum() / before.sum()) < 1.2
    assert torch.equal(changed(mode="original"), masks)
    drawn = [changed(mode="as in training", seed=seed) for seed in range(8)]
    assert any(not torch.equal(one, drawn[0]) for one in drawn)
    assert torch.equal(changed(mode="as in training", seed=3), drawn[3])
    with pytest.raises(ValueError, match=r"amount is 0\.5, but for dilate it must be 1 or more"):
        changed(mode="dilate", amount=0.5)
