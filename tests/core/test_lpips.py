"""LPIPS against torchmetrics' with the same random weights, and inside holes against its definition."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torchmetrics.functional.image.lpips import _LPIPS

from mild_core.metrics.lpips import Lpips, load_alex, load_squeeze, load_vgg, lpips

NETS = ("alex", "vgg", "squeeze")


def picture(height: int, width: int, seed: int) -> torch.Tensor:
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=NETS)
def both(request):
    """Ours and torchmetrics' with the same random weights, the linear layers' not below zero as the published ones."""
    torch.manual_seed(0)
    theirs = _LPIPS(pretrained=False, net=request.param, pnet_rand=True)
    tensors = {}
    for name, tensor in theirs.state_dict().items():
        if name.startswith("net."):
            tensors["features." + name.split(".", 3 if "slices" in name else 2)[-1]] = tensor
        elif name.startswith("lins."):
            tensor.abs_()
            tensors[f"heads.{name.split('.')[1]}.weight"] = tensor
    ours = Lpips(request.param).eval()
    ours.load_state_dict(tensors)
    return ours, theirs


def of_torchmetrics(theirs, image, truth, spatial=False):
    theirs.spatial = spatial
    planes = [x.permute(2, 0, 1)[None] for x in (image, truth)]
    return theirs(*planes, normalize=True)


@pytest.mark.parametrize("size", [(64, 64), (49, 90)])
def test_it_is_that_of_torchmetrics(both, size):
    ours, theirs = both
    image, truth = picture(*size, 1), picture(*size, 2)
    expected = float(of_torchmetrics(theirs, image, truth))
    assert expected > 1e-3
    assert lpips(image, truth, ours) == pytest.approx(expected, rel=1e-5)


def test_inside_a_hole_it_is_the_mean_of_the_spatial_map(both):
    ours, theirs = both
    image, truth = picture(50, 72, 1), picture(50, 72, 2)
    hole = torch.zeros(50, 72, dtype=torch.bool)
    hole[11:30, 40:70] = True
    hole[45:, :5] = True
    spatial = of_torchmetrics(theirs, image, truth, spatial=True)[0, 0]
    assert lpips(image, truth, ours, hole) == pytest.approx(float(spatial[hole].mean()), rel=1e-5)
    inside, outside = (lpips(image, truth, ours, where) for where in (hole, ~hole))
    share = float(hole.double().mean())
    whole = lpips(image, truth, ours, torch.ones_like(hole))
    assert share * inside + (1 - share) * outside == pytest.approx(whole, rel=1e-6)


def test_it_is_symmetric_and_nothing_for_equal_pictures(both):
    ours, _ = both
    image, truth = picture(40, 40, 3), picture(40, 40, 4)
    assert lpips(image, truth, ours) == pytest.approx(lpips(truth, image, ours), rel=1e-6)
    assert lpips(image, truth, ours) > 0
    assert lpips(image, image, ours) == 0
    assert lpips(image, image, ours, torch.ones(40, 40, dtype=torch.bool)) == 0


@settings(max_examples=8, deadline=None)
@given(top=st.integers(0, 180), left=st.integers(0, 180), side=st.integers(1, 60))
def test_a_change_counts_most_where_it_is(top, left, side):
    """A hole over the changed spot scores above one far from it, and the picture between."""
    torch.manual_seed(0)
    network = Lpips("squeeze").eval()
    for head in network.heads:
        head.weight.data.abs_()
    truth = F.interpolate(torch.rand(1, 3, 15, 15), (240, 240), mode="bilinear")[0].permute(1, 2, 0)
    image, hole = truth.clone(), torch.zeros(240, 240, dtype=torch.bool)
    hole[top : top + side, left : left + side] = True
    image[hole] = 1 - image[hole]
    far = torch.roll(hole, (120, 120), (0, 1))
    assert lpips(image, truth, network, hole) > lpips(image, truth, network) > lpips(image, truth, network, far) >= 0


@pytest.mark.parametrize("net", NETS)
def test_the_smallest_picture_that_has_features(net):
    network = Lpips(net).eval()
    side = network.smallest
    assert lpips(picture(side, side, 0), picture(side, side, 1), network) != 0
    with pytest.raises(ValueError, match=rf"image is {side}×{side - 1}.*with {net} it must be at least {side}×{side}"):
        lpips(picture(side, side - 1, 0), picture(side, side - 1, 1), network)


def test_weights_come_from_a_file(tmp_path):
    for net, load in zip(NETS, (load_alex, load_vgg, load_squeeze), strict=True):
        network = Lpips(net)
        save_file(network.state_dict(), tmp_path / "w.safetensors")
        loaded = load(tmp_path / "w.safetensors")
        assert loaded.net == net
        for name, tensor in network.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor)
    with pytest.raises(ValueError, match=r"w\.safetensors does not hold Lpips: it lacks features\.3\.weight"):
        load_alex(tmp_path / "w.safetensors")


def test_wrong_inputs_are_named():
    network = Lpips("squeeze").eval()
    with pytest.raises(ValueError, match=r"they must lie in 0\.\.1"):
        lpips(picture(40, 40, 0) * 255, picture(40, 40, 1), network)
    with pytest.raises(ValueError, match="hole is empty"):
        lpips(picture(40, 40, 0), picture(40, 40, 1), network, torch.zeros(40, 40, dtype=torch.bool))
    with pytest.raises(ValueError, match="must be an Lpips"):
        lpips(picture(40, 40, 0), picture(40, 40, 1), torch.nn.Identity())
    with pytest.raises(ValueError, match="net is 'resnet', but it must be one of alex, vgg, squeeze"):
        Lpips("resnet")
