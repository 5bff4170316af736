"""What CMMD sees, against transformers' own processor and network of a tiny CLIP with random weights."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPVisionModelWithProjection

from mild_core.metrics.clip_features import clip_features, cmmd_features, load_clip
from mild_core.metrics.compared import Compared
from mild_core.metrics.networks import Networks

SIZE = 28
VISION = {
    "image_size": SIZE, "patch_size": 14, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "projection_dim": 20,
}  # fmt: skip
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 99,
    "projection_dim": 20,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As it is public: both halves of CLIP."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("networks") / "clip-vit-large-patch14-336"
    CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=20)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def network(folder):
    return Networks(folder.parent).get("clip_vit_l14_336")


def grainy(height: int, width: int, seed: int = 0) -> torch.Tensor:
    draw = np.random.default_rng(seed)
    small = Image.fromarray(draw.integers(60, 196, (7, 7, 3), dtype=np.uint8))
    large = np.array(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)
    return torch.from_numpy(large + draw.integers(-60, 61, (height, width, 3))).clamp(0, 255).float() / 255


@pytest.mark.parametrize("size", [(28, 28), (90, 90), (60, 101), (101, 60), (17, 20)])
def test_embeddings_are_those_of_the_public_code(folder, network, size):
    """The middle square by Pillow's bicubic, then the processor's normalization, then the network, then length 1."""
    picture = grainy(*size)
    side = min(size)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    square = Image.fromarray((picture * 255).round().byte().numpy()).crop((left, top, left + side, top + side))
    seen = np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(np.float32) / 255
    processor = CLIPImageProcessor(do_resize=False, do_center_crop=False, do_rescale=False)
    reference = CLIPVisionModelWithProjection.from_pretrained(folder)
    with torch.no_grad():
        expected = reference(**processor(images=[seen], return_tensors="pt", input_data_format="channels_last")).image_embeds
    expected = expected / expected.norm(dim=1, keepdim=True)
    (found,) = clip_features(picture[None], network)
    assert found.shape == (20,)
    assert float(found.norm()) == pytest.approx(1, abs=1e-6)
    assert float((found - expected[0]).abs().max()) < 5e-3, "Pillow rounds to 8 bits"
    other = clip_features(grainy(*size, seed=1)[None], network)[0]
    assert float((found - other).abs().max()) > 0.05, "another picture is another embedding"


def test_many_pictures_are_one_by_one(network):
    pictures = torch.stack([grainy(40, 40, seed) for seed in range(11)])
    together = clip_features(pictures, network)
    assert torch.allclose(together, torch.cat([clip_features(one[None], network) for one in pictures]), atol=1e-5)


def test_cmmd_sees_the_result_and_the_truth(network):
    networks = Networks.of({"clip_vit_l14_336": network})
    photo, result, truth = (grainy(50, 50, seed) for seed in range(3))
    hole = torch.ones(50, 50, dtype=torch.bool)
    found = cmmd_features(Compared(photo, result, hole, truth), "full", networks)
    assert torch.allclose(found[0], clip_features(result[None], network), atol=1e-5)
    assert torch.allclose(found[1], clip_features(truth[None], network), atol=1e-5)
    with pytest.raises(ValueError, match="region is 'box', but CMMD is taken of the full picture"):
        cmmd_features(Compared(photo, result, hole, truth), "box", networks)
    with pytest.raises(ValueError, match="truth is not known"):
        cmmd_features(Compared(photo, result, hole), "full", networks)


def test_the_network_is_the_files_in_single_precision(tmp_path):
    torch.manual_seed(1)
    whole = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=20)).half()
    whole.save_pretrained(tmp_path)
    network = load_clip(tmp_path)
    assert network.dtype == torch.float32
    for name, tensor in network.vision_model.state_dict().items():
        assert torch.equal(tensor, whole.vision_model.state_dict()[name].to(tensor.dtype)), name
    assert torch.equal(network.visual_projection.weight, whole.visual_projection.weight.float())


def test_a_folder_of_other_weights_is_an_error(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    name = next(n for n in tensors if n.endswith("vision_model.post_layernorm.weight"))
    lacking = {n: t for n, t in tensors.items() if n != name}
    for wrong in (lacking, {**tensors, "visual_projection.weight": torch.zeros(7, 32)}):
        save_file(wrong, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(ValueError, match=f"the weights in {tmp_path} are not of the network"):
            load_clip(tmp_path)


def test_wrong_pictures_are_named(network):
    for wrong in (torch.zeros(4, 4, 3), torch.zeros(0, 4, 4, 3), torch.zeros(1, 3, 4, 4)):
        with pytest.raises(ValueError, match="they must be N×height×width×3"):
            clip_features(wrong, network)
