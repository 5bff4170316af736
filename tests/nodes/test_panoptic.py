"""Panoptic labels from files and label maps through the nodes, to attention and prompts, in the real core."""

import importlib
import json
from types import SimpleNamespace

import pytest
import torch
from shapes import disc, stripes
from tiny_segmenters import SEGMENTERS, tiny_segmenter

SIZE = (96, 128)
SKY, GRASS, PERSON = 187, 193, 1
GOES, STAYS = disc(*SIZE, 40, 40, 14), disc(*SIZE, 44, 80, 10)


@pytest.fixture
def rooms(pack):
    """The nodes and their hosts, whether or not the pack lists them."""
    name = f"{pack.__name__}.nodes"
    parts = {"nodes": "panoptic", "networks": "host.networks", "run": "host.panoptic", "embeddings": "host.embeddings"}
    return SimpleNamespace(**{part: importlib.import_module(f"{name}.{where}") for part, where in parts.items()})


@pytest.fixture
def folders(rooms, tmp_path, monkeypatch):
    """Empty models folders for panoptic networks and embeddings."""
    import folder_paths

    for folder, endings in (("panoptic", {".safetensors"}), ("embeddings", folder_paths.supported_pt_extensions)):
        (tmp_path / folder).mkdir()
        monkeypatch.setitem(folder_paths.folder_names_and_paths, folder, ([str(tmp_path / folder)], endings))
        monkeypatch.delitem(folder_paths.filename_list_cache, folder, raising=False)
    return tmp_path


def a_map():
    values = torch.full(SIZE, SKY)
    values[56:] = GRASS
    return torch.where(torch.maximum(GOES, STAYS) > 0, PERSON, values)


def as_image(values):
    return (values.float() / 255)[None, ..., None].repeat(1, 1, 1, 3)


def find(pack, rooms, **inputs):
    node = rooms.nodes.FindPanoptic
    return node.execute(**{**pack.nodes.types.defaults(node), "photo": stripes(*SIZE)[None], "legend": "", **inputs}).args


def scene_of(pack, masks, erase="1"):
    core = pack.mild_core.scene
    scene = core.split_people(stripes(*SIZE)[None], core.from_masks(masks, "by mask"))
    return scene.erasing(core.choose(erase, scene.people))


def prompt(pack, rooms, scene, **inputs):
    node = rooms.nodes.BackgroundPrompt
    given = {"own_template": "", "tag": "", **pack.nodes.types.defaults(node), **inputs}
    return node.execute(scene=scene, **given).args


@pytest.mark.parametrize("kind", SEGMENTERS)
def test_every_network_from_its_files(pack, rooms, folders, shown, kind):
    network = tiny_segmenter(kind)
    folder = folders / "panoptic" / kind
    network.save_pretrained(folder, safe_serialization=True)
    name = f"{kind}/model.safetensors"
    assert rooms.nodes.FindPanoptic.define_schema().inputs[1].options == ["none", name], "the list is made anew for each refresh"
    masks, panoptic, picture, words = find(pack, rooms, network=name, threshold=0.0, overlap=0.0)
    models = rooms.run
    seen = models.panoptic_input(stripes(*SIZE), network.config)
    with torch.no_grad():
        classes, logits = rooms.networks.panoptic_queries(network, seen.pixels)
    names = models.class_names(network.config)
    wanted = models.decode_queries(classes, logits, SIZE, names, shown=seen.shown, sure=0.0, overlap=0.0)
    assert [(s.id, s.name) for s in panoptic.segments] == [(s.id, s.name) for s in wanted.segments]
    assert [s.score for s in panoptic.segments] == pytest.approx([s.score for s in wanted.segments], rel=1e-4)
    assert (panoptic.labels == wanted.labels).float().mean() > 0.999
    assert panoptic.segments, "random queries see something"
    assert picture.shape == (1, *SIZE, 3)
    assert masks.shape[1:] == SIZE
    assert words
    assert len(shown) == 1


def test_older_files_of_a_network(pack, rooms, folders, shown):
    """Weights that only training needs, and those that newer versions make anew, may be there or not."""
    from safetensors.torch import load_file, save_file

    network = tiny_segmenter("mask2former")
    folder = folders / "panoptic" / "old"
    network.save_pretrained(folder, safe_serialization=True)
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if "criterion" not in k}
    more = {"model.x.attention.self.relative_position_index": torch.zeros(4), "model.text_mapper.a": torch.zeros(1)}
    save_file(weights | more, folder / "model.safetensors")
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | {"is_training": True, "backbone": "microsoft/swin"}))
    find(pack, rooms, network="old/model.safetensors")
    save_file(weights | {"one.more": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"is not the Mask2Former, OneFormer or EoMT network .* 1 more are unknown"):
        find(pack, rooms, network="old/model.safetensors")
    (folder / "config.json").write_text(json.dumps(described | {"model_type": "vitpose"}))
    with pytest.raises(
        ValueError, match="of the type 'vitpose', but it must be of 'mask2former' or 'oneformer' or 'eomt' or 'eomt_dinov3'"
    ):
        find(pack, rooms, network="old/model.safetensors")


def test_no_network_and_no_labels_is_said(pack, rooms, folders):
    with pytest.raises(ValueError, match=r"there is none in models/panoptic: put model\.safetensors and config\.json of a Mask2Former"):
        find(pack, rooms)
    assert rooms.nodes.FindPanoptic.validate_inputs() is rooms.nodes.FindPanoptic.validate_inputs("none") is True
    assert "there is none in models/panoptic" in rooms.nodes.FindPanoptic.validate_inputs("gone")


def test_a_label_map_gives_people_and_labels(pack, rooms, shown):
    masks, _, picture, words = find(pack, rooms, labels=as_image(a_map()))
    assert masks.shape == (2, *SIZE)
    assert torch.equal(masks[0] > 0, GOES > 0), "the largest first"
    assert torch.equal(masks[1] > 0, STAYS > 0)
    assert words.startswith("sky ")
    assert "2 × person" in words
    assert torch.equal(shown[0], picture)
    nobody, _, _, _ = find(pack, rooms, labels=torch.full((1, *SIZE), SKY / 255))
    assert nobody.shape == (1, *SIZE)
    assert not nobody.any()
    with pytest.raises(ValueError, match="panoptic is of a picture of 48×128, but the photo is 96×128"):
        find(pack, rooms, labels=as_image(a_map()[:48]))
    with pytest.raises(ValueError, match="photo is a batch of 2"):
        find(pack, rooms, photo=stripes(*SIZE)[None].repeat(2, 1, 1, 1), labels=as_image(a_map()))


def test_split_people_takes_the_masks(pack, rooms, shown):
    masks = find(pack, rooms, labels=as_image(a_map()))[0]
    scene = scene_of(pack, masks)
    assert len(scene.people) == 2
    assert torch.equal(scene.union(scene.going), GOES > 0)


def encoded(pack, scene):
    model, vae, background, person, nothing = pack.nodes.models.MiniModel.execute().args
    node = pack.nodes.plan.EncodeLayers
    options = {**pack.nodes.types.defaults(node), "working_size": 128, "initialize": "smooth", "context": 4.0}
    return model, *node.execute(scene=scene, positive=background, negative=nothing, vae=vae, person_positive=person, **options).args


def test_the_plan_goes_on_to_refocus_and_the_sampler(pack, rooms, shown):
    """The panoptic regions reach the model: with them the same seed gives another picture; nothing else of the plan is new."""
    from nodes import common_ksampler

    masks, panoptic, _, _ = find(pack, rooms, labels=as_image(a_map()))
    scene = scene_of(pack, masks)
    model, positive, negative, latent, plan = encoded(pack, scene)
    (repainted,) = rooms.nodes.PanopticRegions.execute(plan, panoptic).args
    assert len(repainted.pathways) == len(plan.pathways)
    before, after = (p.pathways[0].regions.membership for p in (plan, repainted))
    assert torch.equal(before[0], after[0])
    assert torch.allclose(after.sum(0), torch.ones(128, 128), atol=1e-5)
    modulate = pack.nodes.attention.ModulateAttention
    options = {**pack.nodes.types.defaults(modulate), "method": "refocus"}

    def sampled(with_plan):
        (patched,) = modulate.execute(model=model, plan=with_plan, **options).args
        return common_ksampler(patched, 0, 2, 1.0, "euler", "normal", positive, negative, latent, denoise=1.0)[0]["samples"]

    plain, ours = sampled(plan), sampled(repainted)
    assert torch.isfinite(ours).all()
    changed = torch.equal(before[1:], after[1:])
    assert torch.equal(plain, ours) == changed
    grown = panoptic.labels.clone()
    grown[:20] = 0  # much of the sky unknown
    (other,) = rooms.nodes.PanopticRegions.execute(plan, type(panoptic).of(grown, panoptic.segments)).args
    assert not torch.equal(sampled(other), ours)


@pytest.mark.parametrize(
    ("inputs", "written"),
    [
        ({}, ("A photo of sky", "sky")),
        ({"template": "A photo of {tag}"}, ("A photo of sky", "sky")),
        ({"template": "There is nothing here."}, ("There is nothing here.", "sky")),
        ({"tag": "beach"}, ("A photo of beach", "beach")),
        ({"own_template": "{tag}, nobody"}, ("sky, nobody", "sky")),
        ({"most_words": 2, "reach": 2.0}, ("A photo of sky and grass", "sky and grass")),
        ({"embedding": "mild.safetensors"}, ("A photo of embedding:mild.safetensors sky", "sky")),
        ({"embedding": "mild (1).pt"}, None),
        ({"embedding": "mild(1).pt"}, ("A photo of embedding:mild\\(1\\).pt sky", "sky")),
    ],
)
def test_prompts(pack, rooms, shown, inputs, written):
    masks, panoptic, _, _ = find(pack, rooms, labels=as_image(a_map()))
    scene = scene_of(pack, masks)
    if written is None:
        with pytest.raises(ValueError, match="prompts cannot name files with spaces"):
            prompt(pack, rooms, scene, panoptic=panoptic, **inputs)
    else:
        assert prompt(pack, rooms, scene, panoptic=panoptic, **inputs) == written


def test_a_prompt_without_labels(pack, rooms):
    scene = scene_of(pack, torch.stack([GOES, STAYS]))
    assert prompt(pack, rooms, scene, template="empty scene blur") == ("empty scene blur", "")
    assert prompt(pack, rooms, scene, tag="sand")[0] == "A photo of sand"
    with pytest.raises(ValueError, match="panoptic is not connected and tag is empty"):
        prompt(pack, rooms, scene)


def test_labels_of_another_photo_are_refused(pack, rooms, shown):
    panoptic = find(pack, rooms, labels=as_image(a_map()))[1]
    core = pack.mild_core.scene
    other = core.split_people(torch.zeros(1, 64, 64, 3), core.from_masks(disc(64, 64, 30, 30, 9)[None]))
    with pytest.raises(ValueError, match="panoptic is of a picture of 96×128, but the scene's photo is 64×64"):
        prompt(pack, rooms, other.erasing(core.choose("1", other.people)), panoptic=panoptic)


@pytest.mark.parametrize("name", ["mild.safetensors", "erasers/mild(1).safetensors", "plain.pt"])
def test_the_cores_tokenizer_reads_the_embedding(pack, rooms, folders, name):
    """A prompt with it holds the embedding's own vector, and the words about it."""
    from comfy.sd1_clip import SDTokenizer
    from safetensors.torch import save_file

    vector = torch.randn(1, 768, generator=torch.Generator().manual_seed(0))
    path = folders / "embeddings" / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith(".pt"):
        torch.save({"string_to_param": {"*": vector}}, path)
    else:
        save_file({"emb_params": vector}, path)
    listed = rooms.nodes.BackgroundPrompt.define_schema()
    (combo,) = [i for i in listed.inputs if i.id == "embedding"]
    assert combo.options == ["none", name]
    scene = scene_of(pack, torch.stack([GOES, STAYS]))
    text, _ = prompt(pack, rooms, scene, tag="sky", embedding=name)
    tokenizer = SDTokenizer(embedding_directory=[str(folders / "embeddings")])
    ((start, *tokens),) = tokenizer.tokenize_with_weights(text)
    plain = tokenizer.tokenize_with_weights("A photo of sky")[0]
    assert [t for t, _ in tokens[:3]] == [t for t, _ in plain[1:4]], "A photo of"
    assert torch.equal(tokens[3][0], vector[0])
    assert tokens[3][1] == 1.0
    assert tokens[4][0] == plain[4][0], "sky"
    assert start == plain[0]


def test_oneformers_task_is_what_the_tokenizer_says(pack, rooms):
    """The sentence that OneFormer is told, by the core's own CLIP tokenizer."""
    from comfy.sd1_clip import SDTokenizer

    words = SDTokenizer().tokenizer("the task is panoptic")["input_ids"]
    assert tuple(words) == importlib.import_module(f"{pack.__name__}.mild_core.models.panoptic_network").TASK
