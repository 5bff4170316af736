"""The files of prompt tuning in the real core: they mean there what they meant when they were learnt."""

import logging

import pytest
import torch
from tiny import FAMILIES, random_weight
from tiny_tuning import WIDTH, tiny_text, tiny_unet

ROWS, RANK, WORDS = 2, 4, 49408
TEXT = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "quick_gelu",
        "vocab_size": WORDS, "max_position_embeddings": 77, "layer_norm_eps": 1e-5, "eos_token_id": 49407}  # fmt: skip


@pytest.fixture(scope="module")
def core(pack):
    from mild_pack.mild_core.training import prompt_files, prompt_model

    return prompt_files, prompt_model


@pytest.fixture(scope="module")
def tuned(core):
    """A model whose word and LoRA moved far from where they began."""
    _, prompt_model = core
    g = torch.Generator().manual_seed(3)
    text, unet = tiny_text(WORDS, 49407), tiny_unet()
    with torch.no_grad():
        for network in (text, unet):
            for name, tensor in network.named_parameters():
                tensor.copy_(random_weight(name, tensor).float())
    model = prompt_model.PromptModel(text, unet, WORDS, torch.randn(WIDTH, generator=g), RANK)
    with torch.no_grad():
        for tensor in prompt_model.Learner(model).lora.values():
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=g))
    return model


@pytest.fixture(scope="module")
def files(core, tuned, tmp_path_factory):
    """`embeddings/tuned.safetensors` and `loras/tuned.safetensors`, where the core looks for them."""
    import folder_paths

    prompt_files, prompt_model = core
    folder = tmp_path_factory.mktemp("models")
    learner = prompt_model.Learner(tuned)
    prompt_files.save_embedding(folder / "embeddings" / "tuned.safetensors", learner.token)
    lora = {name.replace("/", "."): tensor for name, tensor in learner.lora.items()}
    prompt_files.save_lora(folder / "loras" / "tuned.safetensors", lora, {"steps": 7})
    folder_paths.add_model_folder_path("loras", str(folder / "loras"))
    return folder


@pytest.fixture(scope="module")
def encoder(tuned):
    """The core's text encoder with the weights of the tuned model's."""
    from comfy.sd1_clip import SDClipModel

    made = SDClipModel(textmodel_json_config=dict(TEXT), dtype=torch.float32)
    weights = {n.replace("token_embedding.table", "token_embedding"): t for n, t in tuned.text.state_dict().items() if "vector" not in n}
    weights = {n if n.startswith("text_model.") else f"text_model.{n}": t for n, t in weights.items()}
    missing, unexpected = made.load_sd(weights)
    assert not [n for n in missing if "text_projection" not in n and "position_ids" not in n]
    assert not [n for n in unexpected if "position_ids" not in n]
    return made


def ids_of(tokens):
    """The token numbers of a prompt of the core, the learnt word's for a vector."""
    return torch.tensor([[WORDS if torch.is_tensor(token) else token for token, _ in tokens[0]]])


def test_the_embedding_means_what_it_was_trained_as(files, encoder, tuned):
    from comfy.sd1_clip import SDTokenizer

    tokenizer = SDTokenizer(embedding_directory=str(files / "embeddings"), embedding_size=WIDTH)
    prompts = ["A photo of embedding:tuned sky", "A photo of the sky"]
    told, plain = (tokenizer.tokenize_with_weights(prompt) for prompt in prompts)
    vectors = [token for token, _ in told[0] if torch.is_tensor(token)]
    assert len(vectors) == 1
    assert torch.equal(vectors[0], tuned.word.vector)
    with torch.no_grad():
        for tokens in (told, plain):
            given = encoder.encode_token_weights(tokens)[0]
            assert given.shape == (1, 77, WIDTH)
            assert torch.allclose(given, tuned.text(ids_of(tokens))[0], atol=1e-5)
        apart = (encoder.encode_token_weights(told)[0] - encoder.encode_token_weights(plain)[0]).abs().amax(-1)[0]
    place = ids_of(told)[0].tolist().index(WORDS)
    assert place == 4
    assert not apart[:place].any(), "only the word itself, and what comes after it, change"
    assert (apart[place:] > 1e-4).all()


def test_the_prompt_is_cut_into_the_tokens_of_the_training(files, tmp_path):
    """ComfyUI cuts the text around the embedding by itself, transformers the whole text with one word more."""
    import os
    from pathlib import Path

    from comfy.sd1_clip import SDTokenizer
    from mild_pack.mild_core.training.prompt_pairs import TOKEN, short_prompt
    from tokenizers import AddedToken
    from transformers import CLIPTokenizer

    trained = CLIPTokenizer.from_pretrained(str(Path(os.environ["MILD_CORE"]) / "comfy" / "sd1_tokenizer"))
    trained.add_tokens([AddedToken(TOKEN, normalized=False)])
    assert trained.convert_tokens_to_ids(TOKEN) == WORDS
    host = SDTokenizer(embedding_directory=str(files / "embeddings"), embedding_size=WIDTH)
    for tag in ("sky", "grass and gravel", "wall-brick", ""):
        ids = trained([short_prompt(tag)], padding="max_length", max_length=77, return_tensors="pt").input_ids
        assert torch.equal(ids, ids_of(host.tokenize_with_weights(short_prompt(tag, "embedding:tuned")))), tag


def test_the_lora_does_what_it_was_trained_to(files, tuned, caplog):
    from comfy.utils import unet_to_diffusers

    from nodes import LoraLoaderModelOnly

    family = FAMILIES["SD1.5 inpainting"](torch.float32)
    network = family.model.model.diffusion_model
    names = unet_to_diffusers(family.model.model.model_config.unet_config)
    trained = {n.replace(".base_layer", ""): t for n, t in tuned.unet.state_dict().items() if "lora_" not in n}
    network.load_state_dict({names[n]: t for n, t in trained.items()})

    with caplog.at_level(logging.WARNING):
        patched = LoraLoaderModelOnly().load_lora_model_only(family.model, "tuned.safetensors", 1.0)[0]
    assert "not loaded" not in caplog.text.lower()
    assert len(patched.patches) == 7 * 8

    g = torch.Generator().manual_seed(5)
    noisy, prompt = torch.randn(ROWS, 9, 8, 8, generator=g), torch.randn(ROWS, 77, WIDTH, generator=g)
    step = torch.tensor([10, 700])
    with torch.no_grad():
        expected = tuned.unet(noisy, step, prompt, return_dict=False)[0]
        plain = network(noisy, step, context=prompt)
        patched.patch_model()
        try:
            given = network(noisy, step, context=prompt)
        finally:
            patched.unpatch_model()
        tuned.unet.disable_adapters()
        without = tuned.unet(noisy, step, prompt, return_dict=False)[0]
        tuned.unet.enable_adapters()
    assert torch.allclose(plain, without, atol=1e-4)
    assert torch.allclose(given, expected, atol=1e-4)
    assert (expected - without).abs().mean() > 0.05 * without.abs().mean()
