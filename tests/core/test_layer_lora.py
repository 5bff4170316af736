"""A LoRA for one kind of layer: it learns from its own rows alone, and the shared network stays."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from shapes import ROOT, disc, stripes

from mild_core.data.pairs import ROLES, Pair, write_shard
from mild_core.models.adapter import make_adapter, save_adapter
from mild_core.models.mini import condition, patchify, sigmas
from mild_core.training.__main__ import main
from mild_core.training.layer_lora import LayerLoraRecipe, RoleModel, export, train
from mild_core.training.loop import Pairs, read_log
from mild_core.training.mini import load_model

BACKGROUND, PERSON = ROLES.index("background"), ROLES.index("person")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Backgrounds are bright in the hole, people dark, whatever is around it."""
    folder = tmp_path_factory.mktemp("pairs")
    hole = disc(32, 32, 16, 16, 8) > 0
    around = (stripes(32, 32) * 255).byte()
    fill = torch.where(hole[..., None], torch.full_like(around, 128), around)
    truths = {role: torch.where(hole[..., None], torch.full_like(around, value), around) for role, value in ((0, 230), (1, 20))}
    write_shard(folder / "pairs-0.safetensors", [Pair(truths[role], fill, hole, role) for role in (0, 1, 1, 0)])
    return folder


def recipe(**changes):
    return LayerLoraRecipe(**{"steps": 3, "batch": 2, "warmup": 1, "save_every": 2, "rank": 4, "precision": "no", **changes})


def test_each_draws_rows_of_its_own_role(pairs):
    for role in ("background", "person"):
        batch = Pairs(pairs, role=role).batch(6, torch.Generator().manual_seed(0))
        assert (batch.role == ROLES.index(role)).all()
    with pytest.raises(ValueError, match="none of the role none"):
        Pairs(pairs, role="none")
    with pytest.raises(ValueError, match="role is 'dog', but it must be one of background, person, none"):
        Pairs(pairs, role="dog")


def test_it_begins_as_the_network_and_nothing_else_moves(pairs, tmp_path):
    plain, with_lora = load_model(), RoleModel(load_model(), 4)
    inputs = torch.randn(1, 192, 4, 4), sigmas()[[300]], torch.tensor([300]), torch.randn(1, 451, 4, 4), torch.tensor([0])
    with torch.no_grad():
        assert torch.equal(plain(*inputs), with_lora(*inputs))
    train(pairs, tmp_path, recipe(lr=1e-2))
    saved = load_file(tmp_path / "checkpoint.safetensors")
    assert all("lora" in name for name in saved if name.startswith(("model.", "average."))), "the shared network is not saved with it"
    assert any(tensor.any() for name, tensor in saved.items() if name.startswith("model.") and "lora_B" in name)


def test_a_lora_paints_what_its_role_looks_like(pairs, tmp_path):
    shard = load_file(pairs / "pairs-0.safetensors")
    fill, hole = patchify(shard["fill"].permute(0, 3, 1, 2).float() / 127.5 - 1)[:1], shard["hole"][:1, None].float()
    shown = {}
    for role in ("background", "person"):
        train(pairs, tmp_path / role, recipe(role=role, steps=30, lr=1e-2, save_every=10, batch=4, ema=0.5, from_fill=1.0))
        losses = [line["loss"] for line in read_log(tmp_path / role)]
        assert losses[-1] < 0.7 * losses[0]
        model = RoleModel(load_model(), 4)
        average = load_file(tmp_path / role / "checkpoint.safetensors")
        model.lora.load_state_dict({name: average[f"average.{name}"] for name in model.lora.state_dict()})
        with torch.no_grad():
            said = model(fill, sigmas()[[300]], torch.tensor([300]), condition(fill, hole), torch.tensor([ROLES.index(role)]))
        shown[role] = said[patchify(hole).repeat(1, 3, 1, 1) > 0.5].mean()
    assert shown["background"] - shown["person"] > 0.5


def test_a_run_that_was_cut_off_ends_the_same(pairs, tmp_path):
    train(pairs, tmp_path / "whole", recipe())
    train(pairs, tmp_path / "parts", recipe(), minutes=0)
    train(pairs, tmp_path / "parts", recipe())
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    with pytest.raises(ValueError, match=r"rank is 8, but the run under .* was begun with 4"):
        train(pairs, tmp_path / "parts", recipe(rank=8))
    with pytest.raises(ValueError, match="role is person, but"):
        train(pairs, tmp_path / "parts", recipe(role="person"))


def test_with_the_adapter_it_needs_guidance(pairs, tmp_path):
    adapter = make_adapter()
    save_adapter(tmp_path / "adapter.safetensors", adapter, {})
    with pytest.raises(ValueError, match="pairs without guidance"):
        train(pairs, tmp_path / "run", recipe(), adapter=tmp_path / "adapter.safetensors")
    (tmp_path / "guided").mkdir()
    shard = {**load_file(pairs / "pairs-0.safetensors"), "guidance": torch.zeros(4, 9, 32, 32, dtype=torch.uint8)}
    save_file(shard, tmp_path / "guided" / "pairs-0.safetensors")
    with pytest.raises(ValueError, match="is no adapter of the bundled model"):
        train(tmp_path / "guided", tmp_path / "run", recipe(), adapter=pairs / "pairs-0.safetensors")
    train(tmp_path / "guided", tmp_path / "told", recipe(steps=1), adapter=tmp_path / "adapter.safetensors")
    assert read_log(tmp_path / "told")[-1]["step"] == 1


def test_the_command_writes_the_file_and_its_card(pairs, tmp_path):
    out = tmp_path / "mild_people.safetensors"
    changes = {"files.pairs": pairs, "out": tmp_path / "run", "result.out": out, "settings.role": "person", "settings.steps": 1}
    changes["settings.precision"] = "no"
    assert main(["train", str(ROOT / "mild_core/training/recipes/layer_lora.toml"), *(f"{k}={v}" for k, v in changes.items())]) == 0
    names = load_file(out).keys()
    layers = {name.split(".")[0] for name in names}
    assert names == {f"{layer}.{part}" for layer in layers for part in ("lora_down.weight", "lora_up.weight", "alpha")}
    assert "| role | person |" in out.with_suffix(".md").read_text()
    with pytest.raises(FileNotFoundError, match=r"holds no settings\.json"):
        export(tmp_path, out)


def test_two_processes_learn_what_one_does(pairs, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    train(pairs, one, recipe(steps=1, batch=4))
    settings = {**vars(recipe(steps=1, batch=4)), "save_every": 9}
    changes = {"files.pairs": pairs, "out": two, "result.out": tmp_path / "x.safetensors"} | {
        f"settings.{k}": v for k, v in settings.items()
    }
    launch = [
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes=2",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
    ]
    command = [sys.executable, *launch, "-m", "mild_core.training", "train", "mild_core/training/recipes/layer_lora.toml"]
    done = subprocess.run([*command, *(f"{k}={v}" for k, v in changes.items())], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    alone, shared = (load_file(run / "checkpoint.safetensors") for run in (one, two))
    gradients = [name for name in alone if name.startswith("exp_avg.")]
    assert any(alone[name].any() for name in gradients)
    for name in gradients:
        assert (alone[name] - shared[name]).norm() <= 1e-3 * alone[name].norm() + 1e-9, name
