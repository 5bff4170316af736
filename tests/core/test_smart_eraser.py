"""SmartEraser's projector, its prompt, and where it looks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from shapes import disc, stripes

from mild_core.models.smart_eraser import Projector, clip_pixels, load_projector, object_on_white, told_context, untold_context
from mild_core.models.smart_eraser_plan import eraser_plan, row_picture, window_around
from mild_core.scene import Box


def test_the_projector_adds_a_normed_line(tmp_path):
    torch.manual_seed(0)
    projector = Projector(6)
    torch.nn.init.normal_(projector.norm.weight)
    torch.nn.init.normal_(projector.norm.bias)
    save_file({name: tensor.half() for name, tensor in projector.state_dict().items()}, tmp_path / "p.safetensors")
    loaded = load_projector(tmp_path / "p.safetensors")
    w, b, gain, shift = (loaded.state_dict()[n].double() for n in ("fc_out.weight", "fc_out.bias", "norm.weight", "norm.bias"))
    v = torch.randn(4, 6, dtype=torch.float64)
    centred = v - v.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain + shift
    assert torch.allclose(loaded(v.float()).double(), v + normed @ w.T + b, atol=1e-5)
    assert loaded.width == 6
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"weight": torch.zeros(2)}, "holds weight 2, but SmartEraser's projector is"),
        ({"fc_out.weight": torch.zeros(4, 3), "fc_out.bias": torch.zeros(4)}, "fc_out.weight 4×3"),
    ],
)
def test_another_file_is_refused(tmp_path, tensors, why):
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=why):
        load_projector(tmp_path / "x.safetensors")


def test_the_object_stands_in_its_place():
    text = torch.arange(7.0)[None, :, None].expand(1, 7, 3)
    objects = torch.tensor([[70.0] * 3, [80.0] * 3])
    assert told_context(text, objects)[..., 0].tolist() == [[0, 1, 2, 3, 4, 70, 6], [0, 1, 2, 3, 4, 80, 6]]
    assert untold_context(text, objects[:1])[..., 0].tolist() == [[0, 70, 1, 2, 3, 4, 5]]


def test_the_object_on_white():
    picture = torch.zeros(10, 12, 3)
    hole = torch.zeros(10, 12)
    hole[2:5, 3] = hole[4, 3:7] = 1
    cut = object_on_white(picture, hole)
    assert cut.shape == (3, 4, 3)
    assert cut[..., 0].tolist() == [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]]
    with pytest.raises(ValueError, match="an empty mask has no box"):
        object_on_white(picture, torch.zeros(10, 12))


@pytest.mark.parametrize("size", [(60, 41), (33, 90), (224, 224), (20, 20)])
def test_what_clip_sees_is_what_its_own_processor_gives(size):
    """Pillow rounds between columns and rows, which makes a level of 255 here and there."""
    import numpy as np
    from PIL import Image
    from transformers import CLIPImageProcessor

    rows, columns = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    levels = (torch.stack([rows, columns, 1 - rows * columns], -1) * 255).round()
    theirs = CLIPImageProcessor()(images=Image.fromarray(levels.numpy().astype(np.uint8)), return_tensors="pt")["pixel_values"][0]
    ours = clip_pixels(levels / 255, 224)
    assert ours.shape == theirs.shape == (3, 224, 224)
    assert float((ours - theirs).abs().max()) <= 1.01 / 255 / 0.26
    assert float((ours - theirs).abs().mean()) < 0.2 / 255 / 0.26


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.data())
def test_the_window_holds_the_hole(height, width, data):
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    hole = Box(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    window = window_around(hole, height, width)
    assert window.union(hole) == window
    assert window.width == window.height
    if hole.longest <= min(height, width):
        assert window.width == min(height, width)
        assert window.clip(height, width) == window, "inside the photo"
    else:
        assert window.width == max(height, width)
        assert window.clip(height, width) == Box(0, 0, width, height), "all of the photo"
        assert abs(window.left + window.right - width) <= 1
        assert abs(window.top + window.bottom - height) <= 1


@pytest.mark.parametrize("crop", ["around the mask", "each part", "none"])
def test_plans(crop):
    photo, mask = stripes(60, 100)[None], torch.maximum(disc(60, 100, 20, 20, 8), disc(60, 100, 40, 80, 6))
    plan = eraser_plan(photo, mask, crop, 32)
    assert torch.equal(plan.hole.whole, mask > 0)
    pasted = torch.zeros(60, 100, dtype=torch.bool)
    for pathway in plan.pathways:
        assert pathway.role == "background"
        assert pathway.regions.membership.shape == (4, 32, 32)
        assert torch.allclose(pathway.regions.membership.sum(0), torch.ones(32, 32), atol=1e-5)
        assert pathway.regions.membership[0].any()
        pasted |= pathway.paste.whole
    assert torch.equal(pasted, mask > 0)
    boxes = [pathway.crop for pathway in plan.pathways]
    if crop == "none":
        assert boxes == [Box(0, 0, 100, 60)]
    elif crop == "around the mask":
        # both together are longer than the short side
        assert boxes == [Box(0, -20, 100, 80)]
    else:
        assert len(boxes) == 2


def test_beyond_the_photo_all_is_white():
    photo, mask = torch.zeros(1, 20, 60, 3), torch.zeros(20, 60)
    mask[8:12, 5:50] = 1
    plan = eraser_plan(photo, mask, "around the mask", 30)
    picture, hole = row_picture(plan, plan.pathways[0], 60, 60)
    assert picture.shape == (60, 60, 3)
    assert (picture[:20] == 1).all()
    assert (picture[40:] == 1).all()
    assert not picture[20:40].any()
    assert torch.equal(hole[20:40], mask > 0)
    small, covered = row_picture(plan, plan.pathways[0], 15, 15)
    assert small.shape == (15, 15, 3)
    assert torch.equal(covered, torch.nn.functional.max_pool2d(hole[None].float(), 4)[0] > 0), "none of the hole is lost"


def test_what_cannot_be_planned():
    with pytest.raises(ValueError, match="crop is 'square', but it must be one of around the mask, each part, none"):
        eraser_plan(stripes(32, 32)[None], disc(32, 32, 16, 16, 5), "square")
    with pytest.raises(ValueError, match="hold nobody"):
        eraser_plan(stripes(32, 32)[None], torch.zeros(32, 32), "none")
