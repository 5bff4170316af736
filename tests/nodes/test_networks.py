"""Pose and parsing networks of random weights, from files through the nodes, in the real core."""

import asyncio
import gc
import importlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from shapes import disc, stripes

SIZE = (96, 128)
LABELS = {0: "Background", 1: "Hat", 2: "Hair", 3: "Pants"}


def vitpose(simple=True, experts=1, keypoints=17):
    from transformers import VitPoseConfig, VitPoseForPoseEstimation

    backbone = {
        "model_type": "vitpose_backbone", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": [64, 48],
        "num_experts": experts, "part_features": 8, "out_indices": [2],
    }  # fmt: skip
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=keypoints, use_simple_decoder=simple))


def segformer():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16)
    config.id2label, config.label2id = LABELS, {name: number for number, name in LABELS.items()}
    return SegformerForSemanticSegmentation(config)


def random(network):
    extra = {"dataset_index": torch.zeros(4, dtype=torch.long)} if "experts" in str(network) else {}
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            spread = torch.randn(tensor.shape, generator=g) * 0.3
            tensor.copy_(1 + spread if "norm" in name and name.endswith("weight") else spread)
        network.eval()
        if hasattr(network, "head"):  # maxima about the threshold, or all joints would be known, or none
            maps = network(torch.randn(4, 3, 64, 48, generator=g), **extra).heatmaps
            scale = 0.35 / maps.flatten(2).amax(2).mean()
            network.head.conv.weight *= scale
            network.head.conv.bias *= scale
    return network


def save(network, folder):
    """As save_pretrained does, and as the hub has it; returns the network's name among the files."""
    network.save_pretrained(folder, safe_serialization=True)
    return f"{folder.name}/model.safetensors"


@pytest.fixture
def rooms(pack):
    """The nodes and their host, whether or not the pack lists them."""
    name = pack.__name__
    return SimpleNamespace(
        nodes=importlib.import_module(f"{name}.nodes.networks"), host=importlib.import_module(f"{name}.nodes.host.networks")
    )


@pytest.fixture
def folders(rooms, tmp_path, monkeypatch):
    """Empty models folders for both kinds."""
    import folder_paths

    for folder in (rooms.host.POSES, rooms.host.PARSING):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, folder, ([str(tmp_path / folder)], {".safetensors"}))
        monkeypatch.delitem(folder_paths.filename_list_cache, folder, raising=False)
    return tmp_path


@pytest.fixture
def scene(pack):
    core = pack.mild_core.scene
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)])
    return core.split_people(stripes(*SIZE)[None], core.from_masks(masks), depth_order="1,2,3")


def nobody(scene):
    return replace(scene, people=())


def expected_joints(rooms, scene, network, threshold, index=None):
    """What transformers' own network says of our crops."""
    models = rooms.nodes
    crops, frames = models.person_crops(scene.photo[0], [p.seen.box for p in scene.people], (64, 48))
    with torch.no_grad():
        heatmaps = network(crops, **({} if index is None else {"dataset_index": torch.full((len(crops),), index)})).heatmaps
    joints = models.from_coco(models.decode_heatmaps(heatmaps, frames))
    joints[joints[..., 2] < threshold] = 0
    return joints


@pytest.mark.parametrize(("simple", "experts"), [(True, 1), (False, 1), (True, 3)])
def test_poses_of_every_decoder(rooms, folders, scene, simple, experts):
    network = random(vitpose(simple, experts))
    name = save(network, folders / "vitpose" / "tiny")
    assert rooms.nodes.FindPoses.define_schema().inputs[-1].options == [name], "the list is made anew for each refresh"
    ((frame,),) = rooms.nodes.FindPoses.execute(scene, 0.3, name).args
    assert (frame["canvas_height"], frame["canvas_width"]) == SIZE
    found = torch.tensor([person["pose_keypoints_2d"] for person in frame["people"]]).reshape(3, 18, 3)
    wanted = expected_joints(rooms, scene, network, 0.3, 0 if experts > 1 else None)
    assert torch.allclose(found, wanted, atol=1e-3)
    assert 0 < (found[..., 2] > 0).float().mean() < 1, "random heatmaps: some joints known, some not"
    if experts > 1:
        assert not torch.allclose(found, expected_joints(rooms, scene, network, 0.3, 1), atol=1e-3), "the experts differ"
    everything = rooms.nodes.FindPoses.execute(scene, 0.0, name).args[0][0]["people"]
    assert sum(c > 0 for p in everything for c in p["pose_keypoints_2d"][2::3]) > (found[..., 2] > 0).sum()
    nothing = rooms.nodes.FindPoses.execute(scene, 99.0, name).args[0][0]["people"]
    assert [any(person["pose_keypoints_2d"]) for person in nothing] == [False] * 3, "who has no joint keeps their place"


def test_the_core_draws_the_poses(rooms, folders, scene):
    drawing = pytest.importorskip("comfy_extras.nodes_sdpose", reason="needs a ComfyUI that draws poses")
    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    (poses,) = rooms.nodes.FindPoses.execute(scene, 0.1, name).args
    (drawn,) = drawing.SDPoseDrawKeypoints.execute(poses, True, True, True, False, 2, 2, 0.1, True).args
    assert drawn.shape == (1, *SIZE, 3)
    assert drawn.any()
    (empty,) = rooms.nodes.FindPoses.execute(nobody(scene), 0.1, name).args
    assert empty[0]["people"] == []


def test_parsing_is_the_networks(rooms, folders, scene):
    from safetensors import safe_open

    network = random(segformer())
    squares = rooms.nodes.person_squares(scene)
    crops = rooms.nodes.parsing_crops(scene.photo[0], squares)
    with torch.no_grad():
        network.decode_head.classifier.bias -= network(crops).logits.mean((0, 2, 3))  # or one label would win everywhere
        logits = network(crops).logits
    name = save(network, folders / "human_parsing" / "tiny")
    with safe_open(str(folders / "human_parsing" / name), "pt") as file:
        assert "segformer.encoder.block.0.0.attention.self.query.weight" in file.keys(), "the hub's name of it"  # noqa: SIM118
    parsing, labels = rooms.nodes.FindParsing.execute(scene, name).args
    assert parsing.shape == (1, *SIZE)
    agree = (parsing[0] * 255).round().byte() == rooms.nodes.parse_people(scene, squares, logits)
    assert agree.float().mean() > 0.999, "rounding may tip a pixel"
    assert len(parsing.unique()) > 2
    assert not parsing[0][~scene.union(scene.people)].any()
    assert json.loads(labels) == {str(number): label for number, label in LABELS.items()}
    assert not rooms.nodes.FindParsing.execute(nobody(scene), name).args[0].any()


def test_nothing_is_kept_after_a_run_and_another_gives_the_same(rooms, folders, scene):
    from comfy import model_management

    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    first = rooms.nodes.FindPoses.execute(scene, 0.0, name).args[0]
    gc.collect()
    assert not any(isinstance(loaded.model and loaded.model.model, rooms.host.Held) for loaded in model_management.current_loaded_models)
    with torch.inference_mode():  # as the core runs nodes
        assert rooms.nodes.FindPoses.execute(scene, 0.0, name).args[0] == first


def test_the_core_unloads_a_network_and_loads_it_again(rooms, folders, monkeypatch):
    from comfy import model_management

    model = rooms.host.load_network("vitpose", save(random(vitpose()), folders / "vitpose" / "tiny"))
    crops = torch.randn(2, 3, 64, 48)
    assert model.loaded_size() == 0
    first = rooms.host.run_network("vitpose", model, crops)
    assert model.loaded_size() == model.model_size() > 0
    assert model in model_management.loaded_models()
    model_management.unload_all_models()
    assert model.loaded_size() == 0
    assert model not in model_management.loaded_models()
    assert torch.equal(rooms.host.run_network("vitpose", model, crops), first)
    moved = []
    monkeypatch.setattr(model.model, "to", lambda *args: moved.append(args))
    model.detach()
    assert moved == [(model.offload_device,)]


def test_memory_running_out_halves_the_batch(rooms, folders, monkeypatch):
    from comfy import model_management

    model = rooms.host.load_network("vitpose", save(random(vitpose()), folders / "vitpose" / "tiny"))
    crops = torch.randn(11, 3, 64, 48)
    whole = rooms.host.run_network("vitpose", model, crops)
    kind, sizes = rooms.host.KINDS["vitpose"], []

    def tight(network, some, most=3):
        sizes.append(len(some))
        if len(some) > most:
            raise model_management.OOM_EXCEPTION("no memory left")
        return kind.forward(network, some)

    monkeypatch.setitem(rooms.host.KINDS, "vitpose", kind._replace(forward=tight))
    assert torch.allclose(rooms.host.run_network("vitpose", model, crops), whole, atol=1e-5)
    assert sizes == [6, 3, 3, 3, 2], "evenly, at most 8; then halves"
    monkeypatch.setitem(rooms.host.KINDS, "vitpose", kind._replace(forward=lambda network, some: tight(network, some, 0)))
    with pytest.raises(model_management.OOM_EXCEPTION, match="no memory left"):
        rooms.host.run_network("vitpose", model, crops)
    sizes.clear()
    monkeypatch.setitem(rooms.host.KINDS, "vitpose", kind._replace(forward=tight))
    room = 2.5 * rooms.host.HEADROOM * 4 * kind.memory(model.model.network.config)
    monkeypatch.setattr(model_management, "get_free_memory", lambda *device: room)
    rooms.host.run_network("vitpose", model, crops)
    assert set(sizes) == {1, 2}, "no more than fit"


def test_other_errors_are_no_lack_of_memory(rooms, folders, monkeypatch):
    model = rooms.host.load_network("vitpose", save(random(vitpose()), folders / "vitpose" / "tiny"))
    kind, sizes = rooms.host.KINDS["vitpose"], []

    def broken(network, some):
        sizes.append(len(some))
        raise RuntimeError("something else")

    monkeypatch.setitem(rooms.host.KINDS, "vitpose", kind._replace(forward=broken))
    with pytest.raises(RuntimeError, match="something else"):
        rooms.host.run_network("vitpose", model, torch.randn(4, 3, 64, 48))
    assert sizes == [4], "not tried again with fewer"


def test_an_interrupt_stops_between_two_passes(rooms, folders, monkeypatch):
    from comfy import model_management

    model = rooms.host.load_network("vitpose", save(random(vitpose()), folders / "vitpose" / "tiny"))
    kind, passes = rooms.host.KINDS["vitpose"], []

    def interrupted(network, some):
        passes.append(len(some))
        model_management.interrupt_current_processing()
        return kind.forward(network, some)

    monkeypatch.setitem(rooms.host.KINDS, "vitpose", kind._replace(forward=interrupted))
    try:
        with pytest.raises(model_management.InterruptProcessingException):
            rooms.host.run_network("vitpose", model, torch.randn(20, 3, 64, 48))
    finally:
        model_management.interrupt_current_processing(False)
    assert len(passes) == 1


def test_half_precision_where_the_core_wants_it(rooms, folders, scene, monkeypatch):
    from comfy import model_management

    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    full = rooms.nodes.FindPoses.execute(scene, 0.0, name).args[0][0]["people"]
    monkeypatch.setattr(model_management, "should_use_fp16", lambda *args, **kwargs: True)
    assert rooms.host.load_network("vitpose", name).model.network.dtype == torch.float16
    half = rooms.nodes.FindPoses.execute(scene, 0.0, name).args[0][0]["people"]
    sure = [torch.tensor([p["pose_keypoints_2d"] for p in people]).reshape(3, 18, 3)[..., 2] for people in (full, half)]
    assert torch.allclose(*sure, atol=0.03)
    assert not torch.equal(*sure)


def test_files_that_are_no_such_network(rooms, folders, scene):
    from safetensors.torch import load_file, save_file

    def poses(name):
        return rooms.nodes.FindPoses.execute(scene, 0.3, name)

    with pytest.raises(ValueError, match=r"network is None, but there is none in models/vitpose: put model\.safetensors and config\.json"):
        poses(None)
    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    with pytest.raises(ValueError, match=r"network is 'other', but it must be one of tiny/model\.safetensors; for others put"):
        poses("other")
    folder = folders / "vitpose" / "tiny"
    described = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")

    def with_config(**changed):
        (folder / "config.json").write_text(json.dumps(described | changed))

    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match=r"has no config\.json beside it, in .*tiny: put the network's own there"):
        poses(name)
    with_config(model_type="vit")
    with pytest.raises(ValueError, match=r"is of the type 'vit', but it must be of 'vitpose'"):
        poses(name)
    with_config(backbone_config={"model_type": "resnet"})
    with pytest.raises(ValueError, match=r"has a backbone of the type 'resnet', but it must be of 'vitpose_backbone'"):
        poses(name)
    with_config(backbone_config=None, backbone="resnet50", use_timm_backbone=True, use_pretrained_backbone=True)
    with pytest.raises(ValueError, match="has a backbone of the type None"):
        poses(name)
    with_config(backbone="resnet50", use_timm_backbone=True, use_pretrained_backbone=True)
    poses(name)  # they would fetch a backbone from the hub; the one described is built
    with_config()
    first, *others = weights
    save_file({other: weights[other] for other in others}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"is not the ViTPose network that its config\.json describes: of its \d+ weights 1 are missing"):
        poses(name)
    save_file(weights | {"one.more": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"0 are missing and 0 of another shape, 1 more are unknown"):
        poses(name)
    save_file(weights | {first: torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"1 of another shape"):
        poses(name)
    more = save(random(vitpose(keypoints=52)), folders / "vitpose" / "synthpose")
    with pytest.raises(ValueError, match=r"finds 52 keypoints, but it must find the 17 of COCO"):
        poses(more)
    clothes = save(random(segformer()), folders / "vitpose" / "clothes")
    with pytest.raises(ValueError, match=r"is of the type 'segformer', but it must be of 'vitpose'"):
        poses(clothes)


def test_without_transformers_only_a_run_fails(rooms, folders, scene, monkeypatch):
    import transformers

    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    monkeypatch.delattr(transformers, "VitPoseForPoseEstimation", raising=False)
    monkeypatch.setattr(type(transformers), "__getattr__", lambda module, name: (_ for _ in ()).throw(AttributeError(name)))
    assert rooms.nodes.FindPoses.define_schema().inputs[-1].options == [name]
    with pytest.raises(RuntimeError, match=r"ViTPose networks need transformers 4\.50\.3 or newer"):
        rooms.nodes.FindPoses.execute(scene, 0.3, name)


def test_folders_join_those_of_extra_model_paths(rooms, tmp_path, monkeypatch):
    import folder_paths

    kept = {"human_parsing": ([str(tmp_path)], set())}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", kept)
    rooms.host.register_folders()
    rooms.host.register_folders()
    assert kept["human_parsing"][0][0] == str(tmp_path), "the first stays the first"
    assert len(kept["human_parsing"][0]) == 2
    assert kept["human_parsing"][1] == set()
    (poses,), endings = kept["vitpose"]
    assert poses.startswith(folder_paths.models_dir)
    assert endings == {".safetensors"}
    (tmp_path / "one").mkdir()
    for file in ("config.json", "model.safetensors"):
        (tmp_path / "one" / file).touch()
    assert rooms.host.network_names("human_parsing") == ["one/model.safetensors"]


def test_what_a_graph_is_told_about_a_missing_file(rooms, folders, monkeypatch):
    import execution
    from comfy_api.latest import io

    import nodes

    class GiveScene(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema(node_id="GiveScene", category="", inputs=[], outputs=[rooms.nodes.SceneSocket.Output()])

        @classmethod
        def execute(cls):
            raise AssertionError("only asked about")

    for node in (rooms.nodes.FindPoses, GiveScene):
        monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, node.GET_SCHEMA().node_id, node)

    def told(**inputs):
        graph = {
            "1": {"class_type": "GiveScene", "inputs": {}},
            "2": {"class_type": "MILDFindPoses", "inputs": {"scene": ["1", 0], "threshold": 0.3} | inputs},
        }
        valid, errors, _ = asyncio.run(execution.validate_inputs("p", graph, "2", {"1": (True, [], "1")}))
        return valid, " ".join(error["details"] for error in errors)

    assert told() == (True, ""), "an empty list sends nothing: the run says what is missing"
    assert "there is none in models/vitpose: put model.safetensors" in told(network="gone.safetensors")[1]
    name = save(random(vitpose()), folders / "vitpose" / "tiny")
    assert "it must be one of tiny/model.safetensors" in told(network="gone.safetensors")[1]
    assert told(network=name) == (True, "")
