"""FID's Inception v3 against piq's with the same random weights, and what FID and Local FID see of a picture."""

import piq.feature_extractors.fid_inception as of_piq
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from mild_core.metrics.compared import Compared
from mild_core.metrics.fid import fid_features, local_crop, local_fid_features
from mild_core.metrics.inception import FEATURES, Inception, inception_features, load_inception
from mild_core.metrics.networks import Networks
from mild_core.scene.box import Box


def random_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights under which signals keep their size, and normalization does something."""
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=draw)
        if name.endswith("conv.weight"):
            tensors[name] = noise * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_var") or name.endswith("bn.weight"):
            tensors[name] = 1 + 0.2 * noise.tanh()
        elif tensor.is_floating_point():
            tensors[name] = 0.1 * noise
    return tensors


@pytest.fixture(scope="module")
def network():
    network = Inception().eval()
    network.load_state_dict(random_weights(network), strict=False)
    return network


@pytest.fixture(scope="module")
def theirs(network):
    """piq's network; its weights come from ours instead of the web, besides the classes that nobody asks."""
    tensors = {**network.state_dict(), "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    build = torchvision.models.inception_v3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_piq, "load_state_dict_from_url", lambda *_, **__: tensors)
        patch.setattr(of_piq.models, "inception_v3", lambda num_classes, aux_logits, pretrained: build(
            weights=None, num_classes=num_classes, aux_logits=aux_logits, init_weights=False))  # fmt: skip
        return of_piq.InceptionV3().eval()


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("size", [(299, 299), (120, 200), (410, 333)])
def test_features_are_piqs(network, theirs, size):
    given_ = pictures(2, *size)
    expected = theirs(given_.permute(0, 3, 1, 2))[0][:, :, 0, 0]
    found = inception_features(given_, network)
    assert found.shape == (2, FEATURES)
    assert float(expected.std()) > 0.01
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_normalization_runs_with_the_files_statistics(network):
    """A picture's features do not depend on what else is in the batch."""
    given_ = pictures(3, 64, 48)
    assert torch.allclose(inception_features(given_, network)[1:2], inception_features(given_[1:2], network), rtol=1e-3, atol=1e-5)


def test_weights_come_from_a_file(network, tmp_path):
    tensors = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(tensors, tmp_path / "i.safetensors")
    loaded = load_inception(tmp_path / "i.safetensors").eval()
    given_ = pictures(1, 80, 80)
    assert torch.equal(inception_features(given_, loaded), inception_features(given_, network))
    del tensors["Mixed_7c.branch_pool.bn.running_var"]
    tensors["Mixed_5b.branch1x1.conv.weight"] = torch.zeros(64, 3, 1, 1)
    save_file(tensors, tmp_path / "i.safetensors")
    with pytest.raises(ValueError, match=r"lacks Mixed_7c\.branch_pool\.bn\.running_var; Mixed_5b.*is 64×3×1×1 but must be 64×192×1×1"):
        load_inception(tmp_path / "i.safetensors")


def test_wrong_pictures_are_named(network):
    with pytest.raises(ValueError, match="pictures are 5×6×3, but they must be N×height×width×3"):
        inception_features(torch.zeros(5, 6, 3), network)
    assert inception_features(torch.zeros(0, 5, 6, 3), network).shape == (0, FEATURES)


def compared(height: int, width: int, hole: Box, truth: bool = True) -> Compared:
    photo, result, there = pictures(3, height, width)
    mask = torch.zeros(height, width, dtype=torch.bool)
    hole.view(mask)[:] = True
    return Compared(photo, result, mask, there if truth else None)


def test_fid_sees_the_result_and_the_truth_whole(network):
    one = compared(60, 90, Box(40, 10, 60, 20))
    result, truth = fid_features(one, "full", Networks.of({"inception_fid": network}))
    assert torch.allclose(result, inception_features(one.result[None], network), rtol=1e-3, atol=1e-5)
    assert torch.allclose(truth, inception_features(one.truth[None], network), rtol=1e-3, atol=1e-5)
    assert not torch.allclose(result, truth, rtol=1e-3, atol=1e-5)


def test_local_fid_sees_the_square_around_the_hole(network):
    one = compared(60, 90, Box(40, 10, 60, 20))
    result, truth = local_fid_features(one, Networks.of({"inception_fid": network}))
    assert local_crop(one.hole) == Box(37, 2, 62, 27)  # 20 and an eighth on both sides, around (50, 15)
    for found, whole in ((result, one.result), (truth, one.truth)):
        assert torch.allclose(found, inception_features(whole[None, 2:27, 37:62], network), rtol=1e-3, atol=1e-5)


def test_no_truth_another_region_and_no_network_are_named(network):
    networks = Networks.of({"inception_fid": network})
    for score in (lambda one: fid_features(one, "full", networks), lambda one: local_fid_features(one, networks)):
        with pytest.raises(ValueError, match="truth is not known"):
            score(compared(40, 40, Box(1, 1, 9, 9), truth=False))
    with pytest.raises(ValueError, match="region is 'hole', but FID is taken of the full picture"):
        fid_features(compared(40, 40, Box(1, 1, 9, 9)), "hole", networks)
    with pytest.raises(FileNotFoundError, match=r"inception_fid\.safetensors"):
        local_fid_features(compared(40, 40, Box(1, 1, 9, 9)), Networks(None))


@given(st.data())
def test_the_local_crop_holds_the_hole_and_lies_in_the_picture(data):
    height, width = data.draw(st.integers(1, 80)), data.draw(st.integers(1, 80))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    hole = torch.zeros(height, width, dtype=torch.bool)
    box.view(hole)[:] = True
    crop = local_crop(hole)
    side = round(box.longest * 1.25)
    assert crop.inside(box) == box
    assert crop.clip(height, width) == crop
    assert (crop.width, crop.height) == (min(side, width), min(side, height))
    if crop.left > 0 and crop.right < width:
        assert abs((box.left - crop.left) - (crop.right - box.right)) <= 1, "in the middle where there is room"
