import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vision import a_picture, saved, tiny_dino, tiny_sam

from mild_core.metrics.dino import dino_pixels, load_dino, patch_tokens
from mild_core.scene.resize import resized

pytest.importorskip("transformers")
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}  # of DINOv2's preprocessor_config.json


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return load_dino(saved(tiny_dino(), tmp_path_factory.mktemp("dino")))


def test_loaded_as_saved_and_ready_to_run(dino):
    from transformers import Dinov2Model

    assert isinstance(dino, Dinov2Model)
    assert not dino.training
    assert not any(p.requires_grad for p in dino.parameters())
    before, loaded = tiny_dino().state_dict(), dino.state_dict()
    assert len(before) > 30
    assert all(torch.equal(loaded[name], weights) for name, weights in before.items())


@pytest.mark.parametrize("size", [(300, 200), (100, 101), (224, 224)])
def test_pixels_are_the_processors(size):
    from transformers import BitImageProcessor

    processor = BitImageProcessor(size={"height": 224, "width": 224}, do_center_crop=False, **IMAGENET)
    picture = a_picture(*size)
    theirs = processor(Image.fromarray((picture.numpy() * 255).round().astype(np.uint8)), return_tensors="pt")["pixel_values"][0]
    ours = dino_pixels(resized(picture, 224, 224))
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().mean() < 0.5 / 255 / 0.224, "they round to 8 bits while resizing"
    planes = [Image.fromarray(plane).resize((224, 224), Image.Resampling.BICUBIC) for plane in picture.movedim(-1, 0).numpy()]
    exact = np.stack([np.asarray(plane).clip(0, 1) for plane in planes])
    exact = (exact - np.array(IMAGENET["image_mean"])[:, None, None]) / np.array(IMAGENET["image_std"])[:, None, None]
    assert np.abs(ours.numpy() - exact).max() < 2e-4


def test_tokens_lie_where_their_patches_do(dino):
    picture = a_picture(70, 112)
    tokens = patch_tokens(picture, dino)
    assert tokens.shape == (5, 8, 24)
    assert tokens.dtype == torch.float64
    states = dino(dino_pixels(picture)[None]).last_hidden_state[0]
    for row, column in ((0, 0), (0, 7), (2, 3), (4, 7)):
        assert torch.allclose(tokens[row, column].float(), states[1 + 8 * row + column])
    spot = picture.clone()
    spot[14 * 3 : 14 * 4, 14 * 6 : 14 * 7] = 1 - spot[14 * 3 : 14 * 4, 14 * 6 : 14 * 7]
    moved = (patch_tokens(spot, dino) - tokens).norm(dim=-1)
    assert divmod(int(moved.argmax()), 8) == (3, 6)


def test_a_side_must_be_whole_patches(dino):
    with pytest.raises(ValueError, match="picture is 70×100, but its sides must be multiples of 14"):
        patch_tokens(torch.zeros(70, 100, 3), dino)


def test_errors_name_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} has no config.json: .* such as facebook/dinov2-giant"):
        load_dino(tmp_path)
    with pytest.raises(ValueError, match="describes a network of the type 'sam', but it must be of 'dinov2'"):
        load_dino(saved(tiny_sam(), tmp_path / "sam"))
