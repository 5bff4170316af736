"""Several photos in one latent batch: joined, sampled by the core's own sampler, and parted."""

import sys
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from nodes_graph import mini
from shapes import disc, stripes
from tiny_runs import family, lora

WHO = "1"
SIZES = [(96, 128), (128, 80), (72, 72)]
STEPS = 2


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    family.cache_clear()
    lora.cache_clear()
    encoded_one.cache_clear()


def scene_of(pack, number):
    """A photo of its own, of which the nearest goes, who hides another; every other photo has somebody behind both."""
    room = pack.mild_core.scene
    height, width = SIZES[number % 3]
    masks = [disc(height, width, height // 2, width // 3, 16), disc(height, width, height // 2 - 10, width // 3 + 12, 16)]
    if number % 2:
        masks.append(disc(height, width, height // 2 + 12, width // 3 + 8, 16))
    photo = stripes(height, width)[None] * (0.6 + 0.1 * number)
    scene = room.split_people(photo, room.from_masks(torch.stack(masks)), depth_order=",".join(str(n + 1) for n in range(len(masks))))
    return scene.erasing(room.choose(WHO, scene.people))


def encode(pack, scene, **options):
    """positive, negative, latent, plan of one photo for the bundled model."""
    _, vae, positive, person, negative = mini(pack)
    told = pack.nodes.types.defaults(pack.nodes.EncodeLayers) | {"working_size": 64, "grow": 3, "feather": 2, "person_positive": person}
    return pack.nodes.EncodeLayers.execute(scene, positive, negative, vae, **told | options).args


def encode_tiny(pack, tiny, number):
    """The same for a tiny random model, with latents of noise: a row of people has a prompt of its own."""
    import node_helpers

    plan = pack.mild_core.plan.make_plan(scene_of(pack, number), working_size=64, grow_by=2)
    generator = torch.Generator().manual_seed(number)
    samples = torch.randn(tiny.latent(len(plan.pathways), 8, 8).shape, generator=generator)
    holes = torch.stack([plan.working_hole(p) for p in plan.pathways]).float()[:, None]
    mask = torch.nn.functional.adaptive_max_pool2d(holes, 8).reshape(-1, *[1] * (samples.ndim - 3), 8, 8)
    prompts = [("positive", tiny.conditioning(10 + number if p.person else 2)) for p in plan.pathways]
    told = {"concat_latent_image": torch.randn(samples.shape, generator=generator), "concat_mask": holes}
    positive, negative = (
        node_helpers.conditioning_set_values(c, told) for c in (pack.nodes.host.expand_conditioning(prompts), tiny.conditioning(1))
    )
    return positive, negative, {"samples": samples, "noise_mask": mask, "batch_index": [p.batch_index for p in plan.pathways]}, plan


@cache
def encoded_one(pack, number):
    return encode(pack, scene_of(pack, number))


def encoded(pack, count):
    return [encoded_one(pack, number) for number in range(count)]


def join(pack, photos, most=0):
    """The batches: a list of (positive, negative, latent, plan)."""
    positive, negative, latent, plan = (list(part) for part in zip(*photos, strict=True))
    return list(zip(*pack.nodes.batch.JoinLayers.execute(positive, negative, latent, plan, [most]).args, strict=True))


def part(pack, samples, plans):
    return list(zip(*pack.nodes.batch.PartLayers.execute(list(samples), list(plans)).args, strict=True))


def sample(model, told, cfg=1.0, denoise=0.6):
    from nodes import common_ksampler

    return common_ksampler(model, 7, STEPS, cfg, "euler", "normal", *told[:3], denoise=denoise)[0]


def plain(pack, model, plan):
    return model


def strengths(pack, model, plan):
    return pack.nodes.LayerControl.execute(model, plan, 0.5, 1.0, 0).args[0]


def few_at_a_time(pack, model, plan):
    return pack.nodes.LayerControl.execute(model, plan, 0.5, 1.0, 2).args[0]


def attention(pack, model, plan):
    told = pack.nodes.types.defaults(pack.nodes.ModulateAttention) | {"strength": 2.0}
    return pack.nodes.ModulateAttention.execute(model, plan=plan, **told).args[0]


def both(pack, model, plan):
    return attention(pack, strengths(pack, model, plan), plan)


@pytest.mark.parametrize(("count", "change"), [(2, plain), (2, both), (3, plain), (3, strengths), (3, attention), (3, few_at_a_time)])
def test_photos_that_share_a_batch_come_out_as_alone(pack, count, change):
    model = mini(pack)[0]
    photos = encoded(pack, count)
    assert [len(photo[3].pathways) for photo in photos] == [2, 3, 2][:count]
    alone = [sample(change(pack, model, photo[3]), photo) for photo in photos]
    ((*told, plan),) = join(pack, photos)
    together = part(pack, [sample(change(pack, model, plan), told)], [plan])
    for (parted, own), single, photo in zip(together, alone, photos, strict=True):
        assert own is photo[3]
        assert parted["batch_index"] == photo[2]["batch_index"]
        assert torch.equal(parted["noise_mask"], photo[2]["noise_mask"])
        assert parted["samples"].shape == single["samples"].shape
        assert torch.allclose(parted["samples"], single["samples"], atol=1e-4 * float(single["samples"].std()))
        assert not torch.allclose(single["samples"], photo[2]["samples"], atol=1e-2), "the sampler did something"


def test_the_noise_of_each_row_is_that_of_its_photo_alone(pack):
    import comfy.sample

    photos = encoded(pack, 3)
    ((_, _, latent, plan),) = join(pack, photos)
    noise = comfy.sample.prepare_noise(latent["samples"], 3, latent["batch_index"])
    alone = [comfy.sample.prepare_noise(photo[2]["samples"], 3, photo[2]["batch_index"]) for photo in photos]
    assert torch.equal(noise, torch.cat(alone))
    assert len(plan.pathways) == len(noise)


def test_pictures_behind_part_layers_are_those_without_it(pack):
    model, vae, *_ = mini(pack)
    photos = encoded(pack, 2)
    ((*told, plan),) = join(pack, photos)
    for (samples, own), photo in zip(part(pack, [sample(model, told)], [plan]), photos, strict=True):
        images = []
        for given in (samples, sample(model, photo)):
            (layers,) = pack.nodes.DecodeLayers.execute(given, own, vae).args
            images.append(pack.nodes.ComposeLayers.execute(layers).args[0])
        assert images[0].shape[1:3] == own.scene.size
        assert torch.allclose(*images, atol=1e-4)


@pytest.mark.parametrize("name", ["SD1.5 inpainting", "SDXL", "Flux Fill", "Wan"])
def test_models_of_other_families_take_joined_rows_too(pack, name):
    tiny = family(name)
    photos = [encode_tiny(pack, tiny, number) for number in range(2)]
    ((*told, plan),) = join(pack, photos)
    together = part(pack, [sample(both(pack, tiny.model, plan), told, cfg=3.0, denoise=1.0)], [plan])
    for (parted, own), photo in zip(together, photos, strict=True):
        single = sample(both(pack, tiny.model, own), photo, cfg=3.0, denoise=1.0)["samples"]
        assert torch.allclose(parted["samples"], single, atol=1e-3 * float(single.std()))


def test_photos_are_grouped_by_size_and_come_back_in_their_order(pack):
    model = mini(pack)[0]
    photos = [encode(pack, scene_of(pack, number), working_size=64 if number != 1 else 96) for number in range(3)]
    batches = join(pack, photos)
    assert [plan.places for *_, plan in batches] == [(0, 2), (1,)]
    assert [len(latent["samples"]) for _, _, latent, _ in batches] == [len(plan.pathways) for *_, plan in batches]
    parted = part(pack, [sample(model, told) for told in batches], [told[3] for told in batches])
    assert [plan for _, plan in parted] == [photo[3] for photo in photos]
    for (samples, _), photo in zip(parted, photos, strict=True):
        assert torch.allclose(samples["samples"], sample(model, photo)["samples"], atol=1e-4)


def test_rows_of_a_batch_are_bounded_but_those_of_a_photo_stay_together(pack):
    photos = encoded(pack, 4)
    rows = [len(photo[3].pathways) for photo in photos]
    assert [plan.places for *_, plan in join(pack, photos, rows[0] + rows[1])] == [(0, 1), (2, 3)]
    assert [plan.places for *_, plan in join(pack, photos, 1)] == [(0,), (1,), (2,), (3,)]
    assert [plan.places for *_, plan in join(pack, photos, 0)] == [(0, 1, 2, 3)]
    for *told, plan in join(pack, photos, 1):
        place = plan.places[0]
        assert all(given is own for given, own in zip(told, photos[place][:3], strict=True)), "a photo alone is passed on as it is"


def test_a_prompt_that_is_the_same_for_all_stays_one_row_and_others_get_one_each(pack):
    photos = encoded(pack, 2)
    ((positive, negative, latent, _),) = join(pack, photos)
    rows = len(latent["samples"])
    assert negative[0][0] is photos[0][1][0][0]
    assert torch.equal(positive[0][0], torch.cat([photo[0][0][0] for photo in photos]))
    for told in (positive, negative):
        assert len(told[0][1]["concat_latent_image"]) == len(told[0][1]["concat_mask"]) == rows
    plain = [encode(pack, scene_of(pack, number), person_positive=None) for number in range(2)]
    assert len(plain[0][0][0][0]) == 1
    mixed = [photos[0], (plain[1][0], *photos[1][1:])]
    ((positive, *_),) = join(pack, mixed)
    own = len(photos[1][3].pathways)
    assert torch.equal(positive[0][0][-own:], plain[1][0][0][0].expand(own, -1, -1)), "one row for all of a photo is one for each"


def with_positive(photo, change):
    positive, *others = photo
    return ([change(*entry) for entry in positive], *others)


def with_latent(photo, **changed):
    positive, negative, latent, plan = photo
    latent = {name: value for name, value in {**latent, **changed}.items() if value is not None}
    return positive, negative, latent, plan


APART = {
    "a longer text": lambda photo: with_positive(photo, lambda text, extra: [text.repeat(1, 2, 1), extra]),
    "a text of another type": lambda photo: with_positive(photo, lambda text, extra: [text.double(), extra]),
    "two parts": lambda photo: (photo[0] * 2, *photo[1:]),
    "a ControlNet": lambda photo: with_positive(photo, lambda text, extra: [text, {**extra, "control": object()}]),
    "another guidance": lambda photo: with_positive(photo, lambda text, extra: [text, {**extra, "guidance": 3.5}]),
    "another reference": lambda photo: with_positive(photo, lambda text, extra: [text, {**extra, "reference_latents": [torch.rand(1, 4)]}]),
    "fewer rows of hints": lambda photo: with_positive(photo, lambda text, extra: [text, {**extra, "concat_mask": torch.ones(7, 1, 8, 8)}]),
    "no noise of its own": lambda photo: with_latent(photo, batch_index=None),
    "no mask": lambda photo: with_latent(photo, noise_mask=None),
    "a mask of another size": lambda photo: with_latent(photo, noise_mask=torch.ones(1, 1, 64, 64)),
    "nothing in it": lambda photo: with_latent(photo, samples=torch.zeros_like(photo[2]["samples"])),
    "another kind": lambda photo: with_latent(photo, type="audio"),
}


@pytest.mark.parametrize("other", APART)
def test_what_cannot_be_joined_stays_apart(pack, other):
    one, two, three = encoded(pack, 3)
    batches = join(pack, [one, APART[other](two), three])
    assert [plan.places for *_, plan in batches] == [(0, 2), (1,)]


@pytest.mark.parametrize(
    "extra",
    [{"control": object()}, {"hooks": object()}, {"someones_rows": torch.rand(3, 4)}],
    ids=["control", "hooks", "rows of an unknown kind"],
)
def test_what_is_the_same_but_may_hold_rows_is_not_shared(pack, extra):
    photos = [with_positive(photo, lambda text, told: [text, {**told, **extra}]) for photo in encoded(pack, 2)]
    assert len(join(pack, photos)) == 2


def test_plain_values_that_are_equal_are_shared(pack):
    def told(photo):
        reference = torch.arange(4.0)[None]
        extra = {"guidance": 3.5, "reference_latents": [reference], "area": (8, 8, 0, 0), "strength": 1.0, "end_percent": None}
        return with_latent(with_positive(photo, lambda text, own: [text, {**own, **extra}]), type="picture")

    ((positive, _, latent, _),) = join(pack, [told(photo) for photo in encoded(pack, 2)])
    assert positive[0][1]["guidance"] == 3.5
    assert positive[0][1]["area"] == (8, 8, 0, 0)
    assert latent["type"] == "picture"


def test_one_prompt_is_for_all_photos(pack):
    photos = encoded(pack, 2)
    negative = mini(pack)[4]
    told = [photo[0] for photo in photos], [negative], [photo[2] for photo in photos], [photo[3] for photo in photos]
    _, (given,), _, _ = pack.nodes.batch.JoinLayers.execute(*told, [0]).args
    assert given[0][0] is negative[0][0]


def test_rows_are_named_in_each_photo(pack):
    photos = encoded(pack, 2)
    *_, plan = join(pack, photos)[0]
    named, first = pack.nodes.control.rows_named, len(photos[0][3].pathways)
    assert first == 2
    for words in ("background", "people", "all", "2"):
        own, other = (named(words, photo[3]) for photo in photos)
        assert own
        assert other
        assert named(words, plan) == own + [first + row for row in other]
    with pytest.raises(ValueError, match="names '3', but the people are 1, 2"):
        named("3", plan)


def test_a_lora_acts_on_its_rows_of_every_photo(pack, tmp_path, monkeypatch):
    pytest.importorskip("comfy.weight_adapter.bypass", reason="needs a ComfyUI that computes LoRAs beside the weights")
    import folder_paths
    from safetensors.torch import save_file

    tiny = family("SD1.5")
    save_file(lora("SD1.5"), str(tmp_path / "people.safetensors"))
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    ((*batch, plan),) = join(pack, [encode_tiny(pack, tiny, number) for number in range(2)])
    (model,) = pack.nodes.LayerLora.execute(tiny.model, plan, "people.safetensors", 1.0, "people").args
    for row, (before, after) in enumerate(zip(*(sample(m, batch, 3.0)["samples"] for m in (tiny.model, model)), strict=True)):
        assert torch.allclose(before, after, atol=1e-4) == (plan.pathways[row].role == "background")


def test_the_gap_is_recorded_and_drawn_over_each_photo(pack, shown):
    model = mini(pack)[0]
    photos = encoded(pack, 2)

    def report(told):
        watched, record = pack.nodes.AttentionGap.execute(model, plan=told[3]).args
        return pack.nodes.AttentionReport.execute(sample(watched, told), record, told[3]).args[3]

    heat = report(join(pack, photos)[0])
    assert heat.shape == (2, 128, 128, 3), "as large as the largest of both ways"
    for picture, photo in zip(heat, photos, strict=True):
        height, width = photo[3].scene.size
        assert torch.allclose(picture[:height, :width], report(photo)[0], atol=1e-3)
        assert not picture[height:].any()
        assert not picture[:, width:].any()


def test_parts_of_bodies_are_matched_where_every_photo_has_them(pack):
    told = pack.nodes.types.defaults(pack.nodes.ModulateAttention) | {"match_parts": 1.0}
    scenes = [pack.nodes.Morphology.execute(scene_of(pack, number), True).args[0] for number in range(2)]
    model = mini(pack)[0]
    photos = [encode(pack, scene) for scene in scenes]
    ((*batch, plan),) = join(pack, photos)
    matched = pack.nodes.ModulateAttention.execute(model, plan=plan, **told).args[0]
    (parted, _), *_ = part(pack, [sample(matched, batch)], [plan])
    alone = sample(pack.nodes.ModulateAttention.execute(model, plan=photos[0][3], **told).args[0], photos[0])
    assert torch.allclose(parted["samples"], alone["samples"], atol=1e-4)
    mixed = join(pack, [photos[0], encode(pack, scene_of(pack, 1))])[0][3]
    with pytest.raises(ValueError, match="went through MILD Morphology"):
        pack.nodes.ModulateAttention.execute(model, plan=mixed, **told)


def test_a_strength_that_is_raised_by_measure_cannot_be_shared(pack):
    told = pack.nodes.types.defaults(pack.nodes.ModulateAttention) | {"target_gap": 0.3}
    shared = join(pack, encoded(pack, 2))[0][3]
    with pytest.raises(ValueError, match=r"target_gap is 0\.3, but plan is of a batch that 2 photos share"):
        pack.nodes.ModulateAttention.execute(mini(pack)[0], plan=shared, **told)
    alone = join(pack, encoded(pack, 1))[0][3]
    assert pack.nodes.ModulateAttention.execute(mini(pack)[0], plan=alone, **told)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_preview_shows_all_photos_side_by_side(pack, monkeypatch, count):
    import comfy.utils
    import numpy as np

    frames = []
    hook = lambda value, total, preview, node_id=None: preview and frames.append(np.array(preview[1]))  # noqa: E731
    photos = encoded(pack, count)
    ((*told, plan),) = join(pack, photos)
    model = pack.nodes.LayerControl.execute(mini(pack)[0], plan, 1.0, 1.0, 0).args[0]
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    sample(model, told)
    height, width = (max(photo[3].scene.size[side] for photo in photos) for side in (0, 1))
    assert len(frames) == STEPS + 1
    assert {frame.shape[:2] for frame in frames} == {(height * (1 if count < 3 else 2), width * min(count, 2))}
    for number, photo in enumerate(photos):
        line, column = divmod(number, 2)
        top, left = line * height, column * width
        own_height, own_width = photo[3].scene.size
        cell = torch.from_numpy(frames[0])[top : top + own_height, left : left + own_width] / 255
        assert torch.allclose(cell, photo[3].scene.photo[0], atol=1 / 255)
        last = torch.from_numpy(frames[-1])[top : top + own_height, left : left + own_width] / 255
        hole = photo[3].pathways[0].paste.whole
        assert (last - cell)[hole].abs().mean() > 0.02, "who goes is gone from each"


def test_a_large_preview_is_made_small(pack, monkeypatch):
    previews = sys.modules["mild_pack.nodes.host.previews"]
    sheet = previews._side_by_side([torch.rand(20, 30, 3), torch.rand(30, 10, 3), torch.rand(5, 5, 3)])
    assert sheet.shape == (60, 60, 3)
    assert [previews._columns(count) for count in (1, 2, 4, 5, 9, 10)] == [1, 2, 2, 3, 3, 4]


def test_nodes_of_one_photo_say_so(pack):
    ((*told, plan),) = join(pack, encoded(pack, 2))
    said = "plan is of a batch that was joined, of 2 of 2 photos, but it must be one photo's.*MILD Part Layers"
    nodes = pack.nodes
    for ask in (
        lambda: nodes.DecodeLayers.execute(told[2], plan, None),
        lambda: nodes.CropImage.execute(plan, torch.rand(1, 96, 128, 3)),
        lambda: nodes.PanopticRegions.execute(plan, SimpleNamespace(check_size=None)),
        lambda: nodes.GuidanceMaps.execute(plan, 0.0),
    ):
        with pytest.raises(ValueError, match=said):
            ask()


def test_what_does_not_belong_together_is_named(pack):
    photos = encoded(pack, 3)
    positive, negative, latent, plan = (list(part) for part in zip(*photos, strict=True))
    execute = pack.nodes.batch.JoinLayers.execute
    with pytest.raises(ValueError, match="positive is of 2 photos, but plan is of 3"):
        execute(positive[:2], negative, latent, plan, [0])
    with pytest.raises(ValueError, match="latent is of 1 photos, but plan is of 3"):
        execute(positive, negative, latent[:1], plan, [0])
    with pytest.raises(ValueError, match="latent 1 has 3 rows, but its plan has 2 pathways"):
        execute(positive, negative, [latent[1], *latent[1:]], plan, [0])
    joined = join(pack, photos, 5)
    with pytest.raises(ValueError, match="plan is joined already"):
        join(pack, joined)
    samples, plans = [told[2] for told in joined], [told[3] for told in joined]
    assert len(plans) == 2
    with pytest.raises(ValueError, match="samples are 1 batches, but plan has 2"):
        part(pack, samples[:1], plans)
    with pytest.raises(ValueError, match="of the 3 photos that were joined"):
        part(pack, samples[:1], plans[:1])
    with pytest.raises(ValueError, match=r"samples hold \d rows, but their plan has \d"):
        part(pack, samples[::-1], plans)
    with pytest.raises(ValueError, match="plan is of photos that share no batch"):
        part(pack, latent, plan)


def test_the_nodes_take_and_give_lists(pack):
    for node in (pack.nodes.batch.JoinLayers, pack.nodes.batch.PartLayers):
        schema = node.define_schema()
        assert schema.is_input_list
        assert all(output.is_output_list for output in schema.outputs)
        assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])
