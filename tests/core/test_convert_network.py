"""Published layouts, filled at random but for LPIPS' own layers, become files that the scores read."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as of_torchmetrics
import torchvision
from safetensors.torch import load_file, save_file
from shapes import ROOT
from transformers import CLIPConfig, CLIPModel

from mild_core.metrics.lpips import lpips
from mild_core.metrics.networks import Networks
from scripts.convert_network import convert, main, read

PUBLISHED = Path(of_torchmetrics.__file__).parent / "lpips_models"  # LPIPS' linear layers, as PerceptualSimilarity gives them
BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def backbone(net: str, path: Path) -> torch.nn.Module:
    """torchvision's network of random weights, kept as torchvision keeps it but for the classes' size."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(BACKBONES[net], weights=None, **({"init_weights": False} if net == "vgg" else {}))
    tensors = {name: tensor[:4] if name.startswith("classifier") else tensor for name, tensor in network.state_dict().items()}
    torch.save({name: tensor.clone() for name, tensor in tensors.items()}, path)
    return network.features


@pytest.mark.parametrize("net", BACKBONES)
def test_lpips_with_the_published_layers_is_torchmetrics(net, tmp_path, monkeypatch, capsys):
    features = backbone(net, tmp_path / "backbone.pth")
    out = tmp_path / f"lpips_{net}.safetensors"
    main([f"lpips_{net}", str(tmp_path / "backbone.pth"), str(PUBLISHED / f"{net}.pth"), str(out)])
    assert f"lpips_{net}.safetensors in the folder of networks" in capsys.readouterr().out
    monkeypatch.setattr(of_torchmetrics, "_get_tv_model_features", lambda *_: features)
    monkeypatch.setattr(torch, "load", lambda path, **_: torch.serialization.load(path, map_location="cpu", weights_only=True))
    theirs = of_torchmetrics._LPIPS(net=net)
    image, truth = torch.rand(2, 64, 56, 3, generator=torch.Generator().manual_seed(0))
    expected = float(theirs(image.permute(2, 0, 1)[None], truth.permute(2, 0, 1)[None], normalize=True))
    assert expected > 1e-5
    assert lpips(image, truth, Networks(tmp_path).get(f"lpips_{net}")) == pytest.approx(expected, rel=1e-4)


def inception_file(path: Path, **changed) -> None:
    """The layout of pytorch-fid's file: torchvision's names, 1008 classes, no auxiliary ones."""
    network = torchvision.models.Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    torch.save({**network.state_dict(), **changed}, path)


def test_inception_of_pytorch_fid(tmp_path):
    inception_file(tmp_path / "pt_inception.pth")
    main(["inception_fid", str(tmp_path / "pt_inception.pth"), str(tmp_path / "inception_fid.safetensors")])
    network = Networks(tmp_path).get("inception_fid")
    published = torch.load(tmp_path / "pt_inception.pth", weights_only=True)
    for name in ("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch1x1.bn.running_mean", "Mixed_7c.branch3x3dbl_3b.conv.weight"):
        assert torch.equal(network.state_dict()[name], published[name])


def test_what_does_not_fit_is_named(tmp_path):
    inception_file(tmp_path / "i.pth", **{"Mixed_6a.branch3x3.conv.weight": torch.zeros(1, 2), "Mixed_9z.conv": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"i\.pth do not make inception_fid: it has besides Mixed_9z\.conv; Mixed_6a.*is 1×2 but must be"):
        convert("inception_fid", [tmp_path / "i.pth"])
    with pytest.raises(ValueError, match=r"alex\.pth do not make lpips_alex: it lacks features\.0\.weight"):
        convert("lpips_alex", [PUBLISHED / "alex.pth"])
    with pytest.raises(ValueError, match="which another file held already"):
        convert("lpips_alex", [PUBLISHED / "alex.pth", PUBLISHED / "alex.pth"])
    with pytest.raises(ValueError, match="network is 'vgg', but it must be one of"):
        convert("vgg", [PUBLISHED / "vgg.pth"])
    with pytest.raises(SystemExit, match=r"its name must end in \.safetensors"):
        main(["lpips_alex", str(PUBLISHED / "alex.pth"), str(tmp_path / "out.pth")])
    assert not list(tmp_path.glob("out*"))


def test_as_a_command(tmp_path):
    script = [sys.executable, "scripts/convert_network.py", "lpips_alex", tmp_path / "none.pth", tmp_path / "out.safetensors"]
    told = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.returncode == 1
    assert "none.pth" in told.stderr
    assert "Traceback" not in told.stderr


class Trap:
    """Unpickled carelessly, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


def test_a_files_code_is_not_run(tmp_path):
    torch.save({"features.0.weight": torch.zeros(1), "trap": Trap(tmp_path / "sprung")}, tmp_path / "new.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    for name in ("new.pth", "bare.pth"):
        with pytest.raises(ValueError, match=rf"{name} is not a file of nothing but tensors"):
            read(tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    with pytest.raises(ValueError, match=r"numbers\.pth must hold tensors by name, and nothing else"):
        read(tmp_path / "numbers.pth")
    assert not (tmp_path / "sprung").exists()


def test_a_hugging_face_folder_of_pickles(tmp_path):
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 8}
    config = CLIPConfig(text_config=small, vision_config={**small, "image_size": 28, "patch_size": 14}, projection_dim=8)
    network = CLIPModel(config)
    folder = tmp_path / "clip-vit-large-patch14-336"
    folder.mkdir()
    config.save_pretrained(folder)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    assert Networks(tmp_path).missing(["clip_vit_l14_336"])
    main(["clip_vit_l14_336", str(folder / "pytorch_model.bin"), str(folder / "model.safetensors")])
    loaded = Networks(tmp_path).get("clip_vit_l14_336")
    assert torch.equal(loaded.visual_projection.weight, network.visual_projection.weight)


def a_projector(width=8, **changed):
    g = torch.Generator().manual_seed(0)
    shapes = {"fc_out.weight": (width, width), "fc_out.bias": (width,), "norm.weight": (width,), "norm.bias": (width,)}
    return {**{name: torch.randn(shape, generator=g) for name, shape in shapes.items()}, **changed}


def test_smarterasers_projector(tmp_path, capsys):
    from mild_core.models.smart_eraser import load_projector

    torch.save(a_projector(), tmp_path / "clip_mlp_weight.pth")
    out = tmp_path / "clip_mlp_weight.safetensors"
    main(["smarteraser_projector", str(tmp_path / "clip_mlp_weight.pth"), str(out)])
    assert "its place is models/smarteraser of ComfyUI" in capsys.readouterr().out
    published = torch.nn.Module()
    published.fc_out, published.norm = torch.nn.Linear(8, 8), torch.nn.LayerNorm(8)
    published.load_state_dict(a_projector())
    v = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(load_projector(out)(v), v + published.fc_out(published.norm(v)), atol=1e-6)
    torch.save({**a_projector(), "fc_out.bias": torch.zeros(3), "more": torch.zeros(1)}, tmp_path / "torn.pth")
    with pytest.raises(
        ValueError, match=r"torn\.pth do not make smarteraser_projector: it has besides more; fc_out\.bias is 3 but must be 8"
    ):
        convert("smarteraser_projector", [tmp_path / "torn.pth"])


@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_powerpaints_words(tmp_path, ending):
    prefix = "text_model.embeddings.token_embedding."
    vectors = {name: torch.full((10, 16), float(place)) for place, name in enumerate(("P_obj", "P_ctxt", "P_shape"))}
    encoder = {f"{prefix}trainable_embeddings.{name}": tensor for name, tensor in vectors.items()} | {
        f"{prefix}wrapped.weight": torch.zeros(9, 16)
    }
    if ending == "bin":
        torch.save(encoder, tmp_path / "encoder.bin")
    else:
        save_file(encoder, tmp_path / "encoder.safetensors")
    for name, tensor in vectors.items():
        out = tmp_path / f"{name}-out.safetensors"
        main([f"powerpaint_{name[2:]}", str(tmp_path / f"encoder.{ending}"), str(out)])
        assert list(load_file(out)) == ["clip_l"]
        assert torch.equal(load_file(out)["clip_l"], tensor)
    torch.save({f"{prefix}wrapped.weight": torch.zeros(9, 16)}, tmp_path / "plain.bin")
    with pytest.raises(ValueError, match=r"plain\.bin do not make powerpaint_obj: it lacks the vectors .*trainable_embeddings\.P_obj"):
        convert("powerpaint_obj", [tmp_path / "plain.bin"])


def test_pixelhackers_table(tmp_path):
    from mild_core.models.pixelhacker import load_tokens

    g = torch.Generator().manual_seed(0)
    network = torch.nn.Linear(12, 6)
    table = torch.randn(20, 12, generator=g)
    published = {f"diff_model.encoder_hid_proj.{name}": tensor.detach() for name, tensor in network.named_parameters()}
    torch.save({"embedding_layer.weight": table, **published, "diff_model.conv_in.weight": torch.zeros(4)}, tmp_path / "model.bin")
    out = tmp_path / "table.safetensors"
    main(["pixelhacker_table", str(tmp_path / "model.bin"), str(out)])
    assert sorted(load_file(out)) == ["embedding_layer.weight", "encoder_hid_proj.bias", "encoder_hid_proj.weight"]
    assert torch.allclose(load_tokens(out), network(table), atol=1e-5)
    torch.save({"embedding_layer.weight": table[:5]}, tmp_path / "few.bin")
    with pytest.raises(
        ValueError, match=r"few\.bin do not make pixelhacker_table: it lacks embedding_layer\.weight, a vector for each of 20"
    ):
        convert("pixelhacker_table", [tmp_path / "few.bin"])
