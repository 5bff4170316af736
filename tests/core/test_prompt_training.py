"""Prompt tuning: one word and a LoRA learn, all else stays; a run that was cut off goes on as if it had not been."""

import shutil
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from PIL import Image
from safetensors.torch import load_file
from shapes import ROOT
from tiny_tuning import SIZE, save_tiny_model, save_tiny_pairs

from mild_core.training import prompt as training
from mild_core.training import prompt_captions as captioning
from mild_core.training.__main__ import main
from mild_core.training.loop import read_log
from mild_core.training.prompt import Draws, PromptRecipe, denoising_loss, export, train
from mild_core.training.prompt_captions import caption_folder
from mild_core.training.prompt_files import learnt, save_lora
from mild_core.training.prompt_model import Learner, load_networks
from mild_core.training.prompt_pairs import ErasurePair, ErasurePairs, PairsAhead, short_prompt
from mild_core.training.prompt_sheet import erase

EDGE = SIZE // 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-inpainting")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return save_tiny_pairs(tmp_path_factory.mktemp("pairs") / "olrd")


def recipe(**changes):
    small = {
        "steps": 4,
        "word_steps": 3,
        "subset": 2,
        "batch": 2,
        "rank": 4,
        "size": SIZE,
        "precision": "no",
        "save_every": 2,
        "sheet_every": 0,
    }
    return PromptRecipe(**{**small, "precision": "no", **changes})


def batch_of(pairs, rows):
    data = ErasurePairs(pairs, SIZE)
    pair = ErasurePair(*(torch.stack(part) for part in zip(*(data.read(row) for row in rows), strict=True)))
    return pair, [data.words[row] for row in rows]


def draws_of(rows, captioned=False):
    g = torch.Generator().manual_seed(7)
    posterior, noise = torch.randn(2, len(rows), 4, EDGE, EDGE, generator=g)
    return Draws(torch.tensor(rows), torch.full((len(rows),), captioned), torch.linspace(100, 900, len(rows)).long(), posterior, noise)


def test_it_runs_from_pairs_to_files(model, pairs, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "models"
    changes = {f"settings.{name}": value for name, value in vars(recipe(sheet_every=2)).items()}
    changes |= {"files.model": model, "files.pairs": pairs, "out": run, "result.out": out, "result.name": "erased"}
    file = ROOT / "mild_core/training/recipes/magiceraser.toml"
    assert main(["train", str(file), *(f"{key}={value}" for key, value in changes.items())]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:4]] == ["step 2/3", "step 3/3", "step 2/4", "step 4/4"]
    assert all("steps a second" in line and "minutes left" in line for line in said[:4])
    assert [line["step"] for line in read_log(run / "both")] == [2, 4]
    card = (out / "embeddings" / "erased.md").read_text()
    assert "both: 4 steps in 0 minutes" in card
    assert "| rank | 4 |" in card
    assert sorted(path.name for path in (run / "both").glob("*.png")) == ["sheet-000002.png", "sheet-000004.png"]
    assert Image.open(run / "both" / "sheet-000004.png").size == (4 * SIZE, 4 * SIZE)
    embedding, lora = load_file(out / "embeddings" / "erased.safetensors"), load_file(out / "loras" / "erased.safetensors")
    assert {name: tensor.shape for name, tensor in embedding.items()} == {"clip_l": (1, 24)}
    layers = {name.split(".")[0] for name in lora}
    assert len(layers) == 7 * 8, "seven transformers with two attentions of four projections"
    assert lora.keys() == {f"{layer}.{part}" for layer in layers for part in ("lora_down.weight", "lora_up.weight", "alpha")}
    assert all(lora[f"{layer}.alpha"] == 4 for layer in layers)
    assert any(lora[f"{layer}.lora_up.weight"].any() for layer in layers)


def test_what_is_learnt_lowers_the_error(model, pairs):
    """On the same pairs with the same noise: much with word and LoRA, a little with the word alone."""
    rows = [0, 1]
    pair, words = batch_of(pairs, rows)
    fallen = []
    for rank in (0, 8):
        networks = load_networks(model, "background", rank)
        optimizer = torch.optim.Adam(Learner(networks.model).parameters(), lr=1e-2)
        losses = []
        for _ in range(25):
            loss = denoising_loss(networks.model, networks, pair, words, draws_of(rows))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        fallen.append(losses[-1] / losses[0])
    assert fallen[1] < 0.7, fallen
    assert fallen[1] < fallen[0] < 0.999, fallen


def test_nothing_else_moves(model, pairs, tmp_path):
    before, after = load_networks(model, "background"), load_networks(model, "background", rank=4)
    optimizer = torch.optim.Adam(Learner(after.model).parameters(), lr=1e-2)
    pair, words = batch_of(pairs, [0, 1])
    for _ in range(3):
        denoising_loss(after.model, after, pair, words, draws_of([0, 1])).backward()
        optimizer.step()
    frozen = {n: t for n, t in after.model.named_parameters() if "lora" not in n}
    moved = [t for n, t in frozen.items() if not torch.equal(t, before.model.get_parameter(n.replace(".base_layer", "")))]
    assert len(moved) == 1
    assert moved[0] is after.model.word.vector
    with torch.no_grad():
        plain = [n.model.text(n.ids(["a photo of sky"]))[0] for n in (before, after)]
        told = [n.model.text(n.ids([short_prompt("sky")]))[0] for n in (before, after)]
    assert torch.equal(*plain)
    place = before.ids([short_prompt("sky")])[0].tolist().index(before.model.word.token)
    apart = (told[0] - told[1]).abs().amax(-1)[0]
    assert not apart[:place].any(), "CLIP looks back only"
    assert (apart[place:] > 0).all()


def test_the_word_begins_as_the_mean_of_its_tokens(model):
    networks = load_networks(model, "sky")
    ids = networks.tokenizer("sky", add_special_tokens=False).input_ids
    assert len(ids) == 3
    assert torch.allclose(networks.model.word.vector, networks.model.word.table.weight[ids].mean(0))
    assert (networks.ids([short_prompt("sky")]) == networks.model.word.token).sum() == 1


class CutError(Exception):
    pass


def cut_after(monkeypatch, calls):
    whole, left = training.denoising_loss, [calls]

    def loss(*given):
        left[0] -= 1
        if left[0] < 0:
            raise CutError
        return whole(*given)

    monkeypatch.setattr(training, "denoising_loss", loss)


def checkpoints(run):
    return {stage: load_file(run / stage / "checkpoint.safetensors") for stage in ("word", "both")}


def test_a_run_that_was_cut_off_ends_bit_for_bit_the_same(model, pairs, tmp_path, monkeypatch):
    train(model, pairs, tmp_path / "whole", recipe())
    train(model, pairs, tmp_path / "parts", recipe(), minutes=0)  # one step of the word, then a checkpoint
    assert not (tmp_path / "parts" / "both").exists()
    with monkeypatch.context() as patch:  # two more steps of the word, three of both, the last of them not kept
        cut_after(patch, 5)
        with pytest.raises(CutError):
            train(model, pairs, tmp_path / "parts", recipe())
    train(model, pairs, tmp_path / "parts", recipe())
    whole, parts = checkpoints(tmp_path / "whole"), checkpoints(tmp_path / "parts")
    for stage, tensors in whole.items():
        assert tensors.keys() == parts[stage].keys()
        assert all(torch.equal(tensor, parts[stage][name]) for name, tensor in tensors.items())
    assert not torch.equal(whole["word"]["model.token"], whole["both"]["model.token"])


def test_a_checkpoint_that_breaks_off_leaves_the_one_before(model, pairs, tmp_path, monkeypatch):
    train(model, pairs, tmp_path, recipe(word_steps=2))
    before = checkpoints(tmp_path)

    def broken(tensors, path, metadata=None):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", broken)
    with pytest.raises(OSError, match="no space left"):
        train(model, pairs, tmp_path, recipe(word_steps=2, steps=6))
    after = checkpoints(tmp_path)
    assert all(torch.equal(tensor, after["both"][name]) for name, tensor in before["both"].items())


def test_two_processes_learn_what_one_does(model, pairs, tmp_path):
    steps = recipe(save_every=9, word_steps=2, steps=1, batch=4)
    train(model, pairs, tmp_path / "one", steps)
    changes = {f"settings.{name}": value for name, value in vars(steps).items()}
    changes |= {"files.model": model, "files.pairs": pairs, "out": tmp_path / "two", "result.out": tmp_path / "made"}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no"]
    command = [*launch, "--dynamo_backend=no", "-m", "mild_core.training", "train", "mild_core/training/recipes/magiceraser.toml"]
    done = subprocess.run([*command, *(f"{k}={v}" for k, v in changes.items())], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len([line for line in done.stdout.splitlines() if line.startswith("step ")]) == 2, "one process alone tells of each stage"
    assert done.stdout.count("wrote ") == 1
    one, two = (checkpoints(tmp_path / name) for name in ("one", "two"))
    for stage, tensors in one.items():
        # what Adam remembers of the gradients; its steps would make much of a rounding where a gradient is next to nothing
        gradients = {name: tensor for name, tensor in tensors.items() if name.startswith("exp_avg.")}
        assert len([name for name, tensor in gradients.items() if tensor.any()]) == (1 if stage == "word" else 1 + 7 * 8)
        for name, tensor in gradients.items():
            assert (tensor - two[stage][name]).norm() <= 1e-3 * tensor.norm() + 1e-9, (stage, name)
    assert torch.allclose(one["both"]["model.token"], two["both"]["model.token"], atol=2e-6)


def test_it_runs_in_bf16(model, pairs, tmp_path):
    train(model, pairs, tmp_path, recipe(precision="bf16", steps=1, word_steps=1))
    vector, lora, steps = learnt(tmp_path / "both" / "checkpoint.safetensors")
    assert steps == 1
    assert vector.dtype == torch.float32
    assert all(torch.isfinite(tensor).all() for tensor in [vector, *lora.values()])


def test_half_of_the_rows_are_told_their_caption(model, pairs):
    drawn = [training._draw(recipe(batch=8), torch.arange(4), 0.5, 2, 1000, step) for step in range(100)]
    assert 0.42 < torch.cat([d.captioned for d in drawn]).float().mean() < 0.58
    assert torch.cat([d.rows for d in drawn]).unique().tolist() == [0, 1, 2, 3]
    networks, asked = load_networks(model, "sky"), []
    ids = networks._replace(tokenizer=lambda prompts, **how: asked.extend(prompts) or networks.tokenizer(prompts, **how))
    ids.tokenizer.model_max_length = 77
    pair, words = batch_of(pairs, [0, 1, 2, 3])
    denoising_loss(networks.model, ids, pair, words, draws_of([0, 1, 2, 3], captioned=True))
    assert asked == ["A photo of R* grass", "stripes in the sky", "a field", "A photo of R* sky"], "a pair without a caption keeps its tag"


def test_pairs_are_read_as_they_are(pairs):
    data = ErasurePairs(pairs, SIZE)
    pair = data.read(0)
    assert [tuple(part.shape) for part in pair] == [(3, SIZE, SIZE), (3, SIZE, SIZE), (1, SIZE, SIZE)]
    assert set(pair.hole.unique().tolist()) == {0, 1}
    inside = pair.hole[0] > 0
    assert pair.input[:, inside].mean(1).tolist() == pytest.approx([1, -1, -1], abs=0.15)
    ahead = PairsAhead(data, lambda step: [step % 4, 0])
    for step in (0, 1, 3):
        assert torch.equal(ahead.batch(step).truth, torch.stack([data.read(step % 4).truth, pair.truth]))
    ahead.close()


def test_the_samples_keep_what_is_known(model, pairs):
    networks = load_networks(model, "sky")
    pair, words = batch_of(pairs, [0, 1])
    prompts = [short_prompt(word.tag) for word in words]
    painted = erase(networks, pair, prompts, steps=2)
    known = (pair.hole < 0.5).expand_as(painted)
    assert torch.equal(painted[known], pair.input[known])
    assert not torch.equal(painted[~known], pair.input[~known])
    assert torch.equal(painted, erase(networks, pair, prompts, steps=2))


def test_what_cannot_be_is_named(model, pairs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no index\.csv"):
        ErasurePairs(tmp_path, SIZE)
    (tmp_path / "index.csv").write_text("id,words\n")
    with pytest.raises(ValueError, match="has no column tag, but it must have id and tag"):
        ErasurePairs(tmp_path, SIZE)
    (tmp_path / "index.csv").write_text("id,tag\n")
    with pytest.raises(ValueError, match="lists no pairs"):
        ErasurePairs(tmp_path, SIZE)
    with pytest.raises(FileNotFoundError, match="holds no unet: it must be a diffusers folder"):
        load_networks(tmp_path, "sky")
    with pytest.raises(ValueError, match="takes 4 channels, but an inpainting model's takes 9"):
        load_networks(save_tiny_model(tmp_path / "plain", in_channels=4), "sky")
    with pytest.raises(FileNotFoundError, match="is missing: train up to a checkpoint"):
        export(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="must have both"):
        save_lora(tmp_path / "x.safetensors", {"a.lora_A.default.weight": torch.zeros(1, 1)})
    for broken, told in (({"rank": 0}, "rank is 0"), ({"size": 36}, "size is 36, but it must be a multiple of 8")):
        with pytest.raises(ValueError, match=told):
            train(model, pairs, tmp_path / "run", recipe(**broken))
    run = tmp_path / "run"
    run.mkdir()
    (run / "settings.json").write_text('{"rank": 8}')
    with pytest.raises(ValueError, match=r"rank is 4, but the run under .* was begun with 8"):
        train(model, pairs, run, recipe())


@pytest.fixture
def captioner(tmp_path):
    """A tiny random GIT with its processor."""
    from transformers import BertTokenizerFast, CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    folder = tmp_path / "captioner"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "grass", "sky", "is", "green", "describe", "in", "image"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    pictures = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"), model_input_names=["input_ids", "attention_mask"])
    GitProcessor(pictures, tokenizer).save_pretrained(folder)
    narrow = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    seeing = {**narrow, "image_size": 16, "patch_size": 8}
    made = GitConfig(vision_config=seeing, vocab_size=len(words), bos_token_id=2, eos_token_id=3, pad_token_id=0, **narrow)
    GitForCausalLM(made).save_pretrained(folder)
    return folder


def test_photos_without_a_caption_get_one(captioner, pairs, tmp_path, capsys):
    shutil.copytree(pairs, tmp_path / "olrd")
    photos = tmp_path / "olrd" / "truth"
    for written in (3, 0):
        assert main(["caption", f"--photos={photos}", f"--network={captioner}"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"{written} captions written"
    assert (photos / "0001.txt").read_text() == "stripes in the sky\n", "what somebody wrote stays"
    assert all((photos / f"{number:04d}.txt").exists() for number in range(4))
    assert not list(photos.glob("*.part"))
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        caption_folder(tmp_path / "olrd" / "input", tmp_path)


def test_a_network_is_asked_for_the_background(captioner, pairs, tmp_path, monkeypatch):
    shutil.copytree(pairs / "input", tmp_path / "photos")
    given, asked = captioning._Captioner._given, []
    monkeypatch.setattr(captioning._Captioner, "_given", lambda self, picture, text: asked.append(text) or given(self, picture, text))
    assert caption_folder(tmp_path / "photos", captioner, "describe the {tag} in the image", {"0000": "grass"}) == 4
    assert asked == ["describe the grass in the image", *["describe the background in the image"] * 3]
    assert "describe" not in (tmp_path / "photos" / "0000.txt").read_text(), "the answer, without the question"
