"""The trainer: a run that was cut off goes on as if it had not been, and what it learns is what it should."""

import pytest
import torch
from shapes import disc, stripes

from mild_core.data.pairs import Pair, write_shard
from mild_core.models.mini import ROLE_KEY, MiniConfig, clean, condition, load_weights, make_unet, patchify, sigmas, unpatchify
from mild_core.training.loop import Recipe, rate, read_log
from mild_core.training.mini import export, train

TINY = MiniConfig(model_channels=32, channel_mult=(1, 1), head_channels=16, context_dim=16, size=32)


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    hole = disc(32, 32, 16, 16, 7) > 0
    truth = (stripes(32, 32) * 255).byte()
    fill = torch.where(hole[..., None], torch.full_like(truth, 128), truth)
    write_shard(folder / "pairs-0.safetensors", [Pair(truth, fill, hole, role) for role in (0, 1, 0, 1)])
    return folder


def recipe(**changes):
    return Recipe(**{"steps": 4, "batch": 2, "warmup": 1, "save_every": 2, "rescan_every": 2, **changes})


def test_a_run_that_was_cut_off_ends_with_the_same_weights(pairs, tmp_path):
    train(pairs, tmp_path / "whole", recipe(), TINY)
    train(pairs, tmp_path / "parts", recipe(), TINY, minutes=0)  # one step, then a checkpoint
    assert read_log(tmp_path / "parts")[-1]["step"] == 1
    train(pairs, tmp_path / "parts", recipe(), TINY)
    for name in ("whole", "parts"):
        export(tmp_path / name, tmp_path / f"{name}.safetensors", TINY)
    (config, whole), (_, parts) = (load_weights(tmp_path / f"{n}.safetensors") for n in ("whole", "parts"))
    assert config == TINY
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.allclose(tensor.float(), parts[name].float(), atol=2e-3), name
    assert whole[ROLE_KEY].dtype == torch.float16


def test_it_learns(pairs, tmp_path):
    train(pairs, tmp_path / "run", recipe(steps=60, lr=2e-3, save_every=20, batch=4), TINY)
    losses = [line["loss"] for line in read_log(tmp_path / "run")]
    assert losses[-1] < 0.7 * losses[0]


def test_without_pairs_it_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the prepare step first"):
        train(tmp_path, tmp_path / "run", recipe(), TINY)


def test_a_file_that_is_no_weights_file_is_named(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="is not a weights file of the bundled model"):
        load_weights(tmp_path / "other.safetensors")


def test_the_rate_rises_stays_and_falls():
    schedule = recipe(steps=100, warmup=10, cooldown=0.3)
    rates = [rate(step, schedule) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:70] == [1.0] * 61
    assert rates[70:] == sorted(rates[70:], reverse=True)
    assert rates[99] < 0.05


def test_patches_come_back_as_they_were():
    pixels = torch.rand(2, 3, 24, 40)
    assert patchify(pixels).shape == (2, 192, 3, 5)
    assert torch.equal(unpatchify(patchify(pixels)), pixels)


def test_the_noise_levels_are_stable_diffusions():
    levels = sigmas()
    assert len(levels) == 1000
    assert levels[0] == pytest.approx(0.0292, abs=1e-4)
    assert levels[-1] == pytest.approx(14.6146, abs=1e-3)
    assert (levels.diff() > 0).all()


def test_the_condition_tells_the_hole_and_what_surrounds_it():
    fill = patchify(torch.rand(1, 3, 32, 32) * 2 - 1)
    hole = disc(32, 32, 16, 16, 7)[None, None]
    told = condition(fill, hole)
    assert told.shape == (1, 192 + 64 + 3 + 192, 4, 4)
    assert torch.equal(told[:, :192], fill)
    assert torch.equal(unpatchify(told[:, 192:256]), hole)
    other = torch.where(hole > 0, torch.zeros(()), unpatchify(fill))
    assert torch.equal(condition(patchify(other), hole)[:, 256:], told[:, 256:]), "the smooth fill does not look into the hole"


def test_belief_weighs_the_fill_against_the_smooth_fill():
    told = condition(patchify(torch.rand(1, 3, 16, 16) * 2 - 1), disc(16, 16, 8, 8, 5)[None, None])
    fill, smooth = unpatchify(told[:, :192]), unpatchify(told[:, 259:])
    believed = torch.zeros(1, 1, 16, 16)
    believed[..., :8] = 1
    belief = patchify(torch.where(believed > 0, 100.0, -100.0))
    pixels = unpatchify(clean(torch.cat([torch.zeros(1, 192, 2, 2), belief], 1), told))
    assert torch.allclose(pixels, torch.where(believed > 0, fill, smooth), atol=1e-6)
    half = clean(torch.zeros(1, 256, 2, 2), told)
    assert torch.allclose(unpatchify(half), (fill + smooth) / 2, atol=1e-6)


def test_the_bundled_network_fits_its_budget():
    parameters = sum(p.numel() for p in make_unet(MiniConfig()).parameters())
    assert parameters * 2 <= 48e6
