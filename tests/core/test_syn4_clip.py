import json

import numpy as np
import pytest
import torch
from tiny_tuning import save_tiny_tokenizer

from mild_core.data.syn4_clip import DEVIATION, MEAN, ClipScorer, clip_id, on_white


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("networks") / "clip"
    words = save_tiny_tokenizer(folder)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 12}
    text = {**shape, "vocab_size": words, "eos_token_id": words - 1, "bos_token_id": words - 2, "max_position_embeddings": 77}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config={**shape, "image_size": 32, "patch_size": 8}, projection_dim=12)
    CLIPModel(config).save_pretrained(folder)
    return folder


def test_the_score_is_the_cosine_of_the_whole_network(clip):
    from transformers import CLIPModel, CLIPTokenizer

    rng = np.random.default_rng(0)
    photo, thing = rng.integers(0, 256, (40, 64, 3), dtype=np.uint8), np.zeros((40, 64), bool)
    thing[5:30, 40:64] = True
    network, tokenizer = CLIPModel.from_pretrained(clip).eval(), CLIPTokenizer.from_pretrained(clip)
    with torch.no_grad():
        out = network(pixel_values=on_white(photo, thing, 32), **tokenizer(["a photo of dog"], return_tensors="pt"))
    expected = float(out.logits_per_image[0, 0] / network.logit_scale.exp())
    scorer = ClipScorer(clip)
    assert scorer.score(photo, thing, "dog") == pytest.approx(expected, abs=6e-5)
    assert scorer.score(photo, thing, "dog") == scorer.score(photo, thing, "dog")
    assert scorer.score(photo, thing, "a cat") != scorer.score(photo, thing, "dog")


def test_what_is_outside_of_the_thing_is_white_and_nothing_is_cut_off():
    photo, thing = np.full((20, 60, 3), (200, 10, 10), np.uint8), np.zeros((20, 60), bool)
    thing[:, 50:] = True  # at the side, where the square in the middle does not reach
    seen = on_white(photo, thing, 60)[0] * torch.tensor(DEVIATION)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    picture = (seen.permute(1, 2, 0).numpy() * 255).round()
    assert (picture[22:38, 52:] == (200, 10, 10)).all()
    assert (picture[:, :48] == 255).all()
    assert (picture[:18] == 255).all()


def test_two_folders_are_told_apart(clip, tmp_path):
    assert clip_id(clip) == clip_id(clip)
    for name in ("config.json", "model.safetensors", "vocab.json"):
        (tmp_path / name).write_text("{}")
    assert clip_id(tmp_path) != clip_id(clip)


@pytest.mark.parametrize(
    ("without", "message"),
    [("config.json", "has no config.json"), ("model.safetensors", "no weights in safetensors"), ("vocab.json", "has no tokenizer.json")],
)
def test_errors_name_what_is_missing(tmp_path, without, message):
    for name in {"config.json", "model.safetensors", "vocab.json"} - {without}:
        (tmp_path / name).write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("a pickle is no substitute")
    with pytest.raises(FileNotFoundError, match=message):
        ClipScorer(tmp_path)


def test_another_network_is_an_error(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    for name in ("model.safetensors", "vocab.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match='of the type "bert", but it must be "clip"'):
        ClipScorer(tmp_path)
