"""PowerPaint's and PixelHacker's prompts in the real core: the published ones, and guidance between them by the stock sampler."""

import importlib

import pytest
import torch
from safetensors.torch import save_file
from tiny import FAMILIES
from tiny_clip import WIDTH, core_clip, their_text

VECTORS, WORDS = 10, 49408


@pytest.fixture(scope="module")
def nodes(pack):
    return importlib.import_module(f"{pack.__name__}.nodes.task_prompts")


@pytest.fixture
def folder(nodes, tmp_path, monkeypatch):
    """Empty models/embeddings and models/pixelhacker, both the same folder."""
    import folder_paths

    for name in ("embeddings", "pixelhacker"):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path)], {".safetensors"}))
        monkeypatch.delitem(folder_paths.filename_list_cache, name, raising=False)
    return tmp_path


def by_transformers(text, ids):
    padded = torch.tensor([[49406, *ids, 49407] + [49407] * (77 - len(ids) - 2)])
    with torch.no_grad():
        return text(padded).last_hidden_state


def sampled(positive, negative, cfg):
    """One step of the stock sampler from noise: linear in what the network predicts."""
    from nodes import common_ksampler

    model = FAMILIES["SD1.5 inpainting"](torch.float32).model
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    return common_ksampler(model, 5, 1, cfg, "euler", "normal", positive, negative, latent, denoise=1.0)[0]["samples"]


def test_powerpaints_prompts(pack, nodes, folder):
    """The ten vectors of each task stand first, then the words, as the published tokenizer has them."""
    text = their_text(WORDS + 2 * VECTORS)
    table = text.get_input_embeddings().weight.detach()
    save_file({"clip_l": table[WORDS : WORDS + VECTORS].clone()}, folder / "P_ctxt.safetensors")
    save_file({"clip_l": table[WORDS + VECTORS :].clone()}, folder / "P_obj.safetensors")
    clip = core_clip(text, str(folder))
    node = nodes.PowerPaintPrompt
    defaults = pack.nodes.types.defaults(node)
    assert defaults["prompt"] == "empty scene blur"
    words = {"context_word": "P_ctxt.safetensors", "object_word": "P_obj.safetensors"}
    positive, negative = node.execute(clip=clip, **{**defaults, **words, "negative_prompt": "a person "}).args
    context, thing = list(range(WORDS, WORDS + VECTORS)), list(range(WORDS + VECTORS, WORDS + 2 * VECTORS))
    assert torch.allclose(positive[0][0], by_transformers(text, [*context, 7893, 3562, 27976]), atol=1e-4)
    assert torch.allclose(negative[0][0], by_transformers(text, [*thing, 320, 2533]), atol=1e-4)
    assert positive[0][0].shape == negative[0][0].shape == (1, 77, WIDTH)
    away, towards = sampled(negative, negative, 1.0), sampled(positive, positive, 1.0)
    assert (away - towards).abs().max() > 1e-3
    assert torch.allclose(sampled(positive, negative, 10.0), away + 10 * (towards - away), atol=1e-2)


def test_powerpaint_without_its_words(nodes, folder):
    node = nodes.PowerPaintPrompt
    with pytest.raises(ValueError, match="context_word is None, but there is none in models/embeddings"):
        node.execute(clip=None, prompt="", negative_prompt="")
    save_file({"clip_l": torch.zeros(10, WIDTH)}, folder / "P_ctxt.safetensors")
    assert node.validate_inputs() is True
    assert node.validate_inputs("P_ctxt.safetensors", None) is True
    why = node.validate_inputs("P_ctxt.safetensors", "P_obj.safetensors")
    assert why.startswith("object_word is 'P_obj.safetensors', but it must be one of P_ctxt.safetensors")


def a_table(width=32):
    g = torch.Generator().manual_seed(2)
    return {
        "embedding_layer.weight": torch.randn(20, width, generator=g),
        "encoder_hid_proj.weight": torch.randn(WIDTH, width, generator=g),
        "encoder_hid_proj.bias": torch.randn(WIDTH, generator=g),
    }


def test_pixelhackers_prompts(pack, nodes, folder):
    tensors = a_table()
    save_file(tensors, folder / "table.safetensors")
    node = nodes.PixelHackerPrompt
    positive, negative = node.execute(table="table.safetensors", **pack.nodes.types.defaults(node)).args
    tokens = (tensors["embedding_layer.weight"].double() @ tensors["encoder_hid_proj.weight"].double().T) + tensors["encoder_hid_proj.bias"]
    assert torch.allclose(positive[0][0], tokens[None, :10].float(), atol=1e-4)
    assert torch.allclose(negative[0][0], tokens[None, 10:].float(), atol=1e-4)
    away, towards = sampled(negative, negative, 1.0), sampled(positive, positive, 1.0)
    assert torch.allclose(sampled(positive, negative, 4.5), away + 4.5 * (towards - away), atol=1e-2)
    few, _ = node.execute(table="table.safetensors", foreground="3, 5, 7 - 8", background="0").args
    assert torch.equal(few[0][0], positive[0][0][:, [3, 5, 7, 8]])
    save_file({"embedding_layer.weight": torch.ones(6, 8)}, folder / "plain.safetensors")
    plain, _ = node.execute(table="plain.safetensors", foreground="0-2", background="3-5").args
    assert torch.equal(plain[0][0], torch.ones(1, 3, 8))


def test_pixelhacker_with_something_else(nodes, folder):
    node = nodes.PixelHackerPrompt
    with pytest.raises(ValueError, match="table is None, but there is none in models/pixelhacker: put a table of PixelHacker"):
        node.execute("0-9", "10-19")
    save_file(a_table(), folder / "table.safetensors")
    save_file({"weight": torch.ones(2, 2)}, folder / "other.safetensors")
    save_file({**a_table(), "encoder_hid_proj.weight": torch.ones(WIDTH, 5)}, folder / "torn.safetensors")
    for table, ids, why in [
        ("other.safetensors", "0-9", r"other\.safetensors lacks embedding_layer\.weight"),
        ("torn.safetensors", "0-9", r"projects vectors of 5 numbers, but the table's are of 32"),
        ("table.safetensors", "0-20", "foreground names '0-20', but it must be numbers from 0 to 19"),
        ("table.safetensors", "", "foreground names ''"),
        ("table.safetensors", "5-3", "foreground names '5-3'"),
    ]:
        with pytest.raises(ValueError, match=why):
            node.execute(ids, "10-19", table)
