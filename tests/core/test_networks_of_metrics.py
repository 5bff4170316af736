"""How scores find their networks: what is missing is told, what is there is loaded once."""

import importlib.util
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from shapes import ROOT
from torch import nn

from mild_core.metrics.lpips import Lpips
from mild_core.metrics.networks import NETWORKS, NetworkFile, Networks, filled, misfits


def written(folder, net="squeeze"):
    save_file(Lpips(net).state_dict(), folder / f"lpips_{net}.safetensors")


def test_what_is_missing_is_told_with_its_place(tmp_path):
    networks = Networks(tmp_path)
    told = networks.missing(["lpips_alex", "clip_vit_l14_336"])
    assert told.startswith(f"{tmp_path} lacks lpips_alex.safetensors (AlexNet")
    assert "scripts/convert_network.py" in told
    assert "clip-vit-large-patch14-336 (CLIP" in told
    with pytest.raises(FileNotFoundError) as error:
        networks.get("lpips_alex")
    assert str(error.value) == networks.missing(["lpips_alex"])
    assert networks.missing([]) == ""
    assert "no folder of networks was given" in Networks(None).missing(["inception_fid"])


def test_what_is_there_is_loaded_once_and_only_runs(tmp_path):
    written(tmp_path)
    networks = Networks(tmp_path)
    assert networks.missing(["lpips_squeeze"]) == ""
    network = networks.get("lpips_squeeze")
    assert not network.training
    assert not any(tensor.requires_grad for tensor in network.parameters())
    (tmp_path / "lpips_squeeze.safetensors").unlink()
    assert networks.get("lpips_squeeze") is network
    assert networks.missing(["lpips_squeeze"]) == ""


def test_a_folder_needs_its_config_and_its_weights(tmp_path):
    folder = tmp_path / "sam-vit-huge"
    folder.mkdir()
    networks = Networks(tmp_path)
    assert networks.missing(["sam_vit_h"])
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert networks.missing(["sam_vit_h"]), "pickles are not read"
    (folder / "model.safetensors").write_bytes(b"")
    assert networks.missing(["sam_vit_h"]) == ""


def test_given_modules_serve_and_nothing_else(tmp_path):
    network = nn.Linear(2, 2).train()
    networks = Networks.of({"inception_fid": network})
    assert networks.get("inception_fid") is network
    assert not network.training
    assert networks.missing(["inception_fid"]) == ""
    assert "lpips_vgg" in networks.missing(["inception_fid", "lpips_vgg"])


def test_an_unknown_key_is_an_error(tmp_path):
    for ask in (lambda: Networks(tmp_path).missing(["resnet"]), lambda: Networks(tmp_path).get("resnet")):
        with pytest.raises(ValueError, match="network is 'resnet', but it must be one of lpips_alex, "):
            ask()


def test_every_network_says_where_it_comes_from_and_who_loads_it():
    for key, file in NETWORKS.items():
        assert isinstance(file, NetworkFile)
        assert file.key == key
        assert len(file.title) > 20
        module, function = file.load.split(":")
        found = importlib.util.find_spec(module)
        assert found is not None, file.load
        assert found.origin is not None
        with open(found.origin) as text:
            assert f"def {function}(" in text.read()


def test_files_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "w.safetensors"
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    tensors = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(tensors, path)
    assert filled(network, path) is network, "nobody reads the counters"
    assert misfits(network, network.state_dict()) == ""
    save_file({**tensors, "0.bias": torch.zeros(4), "7.weight": torch.zeros(1), "8.weight": torch.zeros(1)}, path)
    with pytest.raises(
        ValueError, match=r"w\.safetensors does not hold Sequential: .*besides 7\.weight, 8\.weight; 0\.bias is 4 but must be 3"
    ):
        filled(network, path)
    save_file({"0.bias": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"it lacks 0\.weight, 1\.weight, 1\.bias, 1\.running_mean and 1 more"):
        filled(network, path)
    path.write_bytes(b"a pickle, say")
    with pytest.raises(ValueError, match=r"w\.safetensors must be a safetensors file"):
        filled(network, path)


def test_heavy_libraries_wait_for_a_run():
    rooms = ", ".join(f"mild_core.metrics.{name}" for name in ("lpips", "inception", "fid", "distribution", "clip_features", "networks"))
    code = f"import sys; sys.path.insert(0, '.'); import {rooms}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "mild_core.metrics.fid" in loaded
    assert not {"transformers", "torchvision", "scipy", "cv2", "torchmetrics", "piq"} & set(loaded)
