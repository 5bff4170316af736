"""Published layouts, filled at random but for LPIPS' own layers, become files that the scores read."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as of_torchmetrics
import torchvision
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
