"""The chain of the bundled model: its pairs, its loss in its own parametrisation, a run from pairs to a weights file."""

from functools import partial

import numpy as np
import pytest
import torch
from shapes import disc, stripes
from tiny_tuning import save_tiny_pairs

from mild_core.data.pairs import write_shard
from mild_core.models.mini import MiniConfig, condition, load_weights, patchify, save_weights, sigmas
from mild_core.training.chain import Chain, Jumps
from mild_core.training.chain_attention import rectified
from mild_core.training.chain_mini import ChainMiniRecipe, chain_loss, export, train
from mild_core.training.chain_pairs import ChainBatch, ChainPair, ChainPairs, crop_pair, prepare
from mild_core.training.mini import MiniModel, load_model

SIZE = 64
CPU = torch.device("cpu")
TINY = MiniConfig(model_channels=32, channel_mult=(1, 2))


@pytest.fixture
def shards(tmp_path):
    """Stripes with a red disc on them in the hole."""
    folder = tmp_path / "shards"
    folder.mkdir()
    made = []
    for number in range(2):
        hole = disc(SIZE, SIZE, 30, 22 + 12 * number, 14) > 0
        truth = (stripes(SIZE, SIZE, 6) * 255).byte()
        shown = torch.where(hole[..., None], torch.tensor([250, 0, 0], dtype=torch.uint8), truth)
        fill = torch.where(hole[..., None], torch.full_like(truth, 128), truth)
        made.append(ChainPair(truth, fill, hole, 0, shown))
    write_shard(folder / "pairs-0.safetensors", made)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a tiny model that says something already."""
    torch.manual_seed(0)
    model = MiniModel(TINY)
    torch.nn.init.normal_(model.unet.conv_out.weight, std=0.02)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, TINY, model.tensors(), {})
    return path


def batch_of(shards, count=2):
    return ChainPairs(shards).batch(count, torch.Generator().manual_seed(0))


def recipe(**changes):
    small = {"steps": 3, "batch": 2, "warmup": 1, "lr": 1e-3, "save_every": 2, "precision": "no"}
    return ChainMiniRecipe(**{**small, **changes})


def test_the_loss_is_the_printed_one_of_this_model(shards, weights):
    """Eq. 6-9 in the paper's own scale, of ε̂ = (x_t/√ᾱ_t − x̂_0)/σ_t; and the gradient of one of the model's weights."""
    model, batch = load_model(weights), batch_of(shards)
    chain, levels = Chain.of_sigmas(sigmas()), sigmas()
    begin, end = torch.tensor([640, 80]), torch.tensor([560, 0])
    generator = torch.Generator().manual_seed(4)
    noise = patchify(torch.randn(batch.truth.shape, generator=generator)).double()
    kept = torch.cat([torch.ones(1), 1 / (1 + levels.double() ** 2)])
    ori, obj = (patchify(picture).double() for picture in (batch.truth, batch.shown))

    def path(at):
        kept_at = kept[at][:, None, None, None]
        return kept_at.sqrt() * (kept_at * ori + (1 - kept_at) * obj) + (1 - kept_at).sqrt() * noise

    x_t, at, to = path(begin), *(kept[time][:, None, None, None] for time in (begin, end))
    told = condition(patchify(batch.fill), batch.hole)
    clean = model((x_t / at.sqrt()).float(), levels[begin - 1], begin - 1, told, batch.role).double()
    said = (x_t / at.sqrt() - clean) / ((1 - at) / at).sqrt()
    jumped = to.sqrt() * (x_t - (1 - at).sqrt() * said) / at.sqrt() + (1 - to).sqrt() * said
    printed = (path(end) - jumped).square().mean()
    ours = chain_loss(model, batch, chain, levels, recipe(), torch.Generator().manual_seed(4), CPU, Jumps(begin, end))
    assert float(ours.detach()) == pytest.approx(float(printed.detach()), rel=1e-4)
    weight = model.unet.conv_out.weight
    wanted, found = (torch.autograd.grad(loss, weight)[0] for loss in (printed, ours))
    assert torch.allclose(found, wanted, rtol=1e-2, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("weighting", ["paper", "even"])
def test_it_learns_to_walk_away_from_the_object(shards, weights, weighting):
    """Steps on the same rows: the loss falls, and so does the red that is left in x̂_0 of a path that shows it."""
    model, batch = load_model(weights), batch_of(shards)
    chain, levels = Chain.of_sigmas(sigmas()), sigmas()
    begin = torch.tensor([250, 250])
    jumps, chosen = Jumps(begin, begin - 100), recipe(weighting=weighting)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses, before = [], red_left(model, batch, chain, levels, begin)
    for _ in range(30):
        with rectified(model.unet, batch.hole, (8, 8)):
            loss = chain_loss(model, batch, chain, levels, chosen, torch.Generator().manual_seed(1), CPU, jumps)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0], losses
    assert red_left(model, batch, chain, levels, begin) < before - 0.02


def red_left(model, batch, chain, levels, begin):
    """How much of the object is in x̂_0: 0 for the truth, 1 for the object as it is."""
    plain, shown = patchify(batch.truth), patchify(batch.shown)
    noise = torch.randn(plain.shape, generator=torch.Generator().manual_seed(9))
    seen = chain.mixed(plain, shown, begin) + levels[begin - 1][:, None, None, None] * noise
    with torch.no_grad(), rectified(model.unet, batch.hole, (8, 8)):
        said = model(seen, levels[begin - 1], begin - 1, condition(patchify(batch.fill), batch.hole), batch.role)
    apart = shown - plain
    return float(((said - plain) * apart).sum() / (apart**2).sum())


def test_the_bundled_model_is_rectified_in_training(shards, weights):
    model, batch = load_model(weights), batch_of(shards)
    chain, levels = Chain.of_sigmas(sigmas()), sigmas()
    loss = partial(chain_loss, model, batch, chain, levels, recipe())
    with torch.no_grad():
        plain = loss(torch.Generator().manual_seed(1), CPU)
        with rectified(model.unet, batch.hole, (8, 8)):
            assert not torch.equal(loss(torch.Generator().manual_seed(1), CPU), plain)
        with rectified(model.unet, torch.ones_like(batch.hole), (8, 8)):
            assert torch.allclose(loss(torch.Generator().manual_seed(1), CPU), plain, rtol=1e-4), "all hole: not blocked"


def test_it_runs_from_pairs_to_a_weights_file_and_goes_on(shards, weights, tmp_path):
    train(shards, tmp_path / "whole", recipe(keep=0.5), weights=weights)
    train(shards, tmp_path / "parts", recipe(keep=0.5), minutes=0, weights=weights)  # one step
    train(shards, tmp_path / "parts", recipe(keep=0.5), weights=weights)
    files = []
    for run in ("whole", "parts"):
        export(tmp_path / run, tmp_path / f"{run}.safetensors", TINY)
        files.append(load_weights(tmp_path / f"{run}.safetensors"))
    (config, whole), (_, parts), (_, before) = *files, load_weights(weights)
    assert config == TINY
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    assert not any(torch.equal(tensor, before[name]) for name, tensor in whole.items() if "conv_out" in name)


def test_batches_keep_what_belongs_together(shards):
    batch = batch_of(shards, 32)
    assert isinstance(batch, ChainBatch)
    outside = batch.hole.expand_as(batch.truth) < 0.5
    assert torch.equal(batch.shown[outside], batch.truth[outside])
    assert torch.equal(batch.fill[outside], batch.truth[outside])
    assert (batch.shown - batch.truth).abs().amax(1, keepdim=True)[batch.hole > 0.5].mean() > 0.3
    assert len({tuple(hole.flatten().nonzero()[0].tolist()) for hole in batch.hole}) > 2, "some are mirrored"


def test_crops_are_made_of_removal_pairs_once(tmp_path, monkeypatch):
    pairs = save_tiny_pairs(tmp_path / "pairs", 3)
    prepare(pairs, tmp_path / "shards", size=32, workers=1)
    data = ChainPairs(tmp_path / "shards")
    assert len(data) == 3
    assert data.shards["truth"].shape == (3, 32, 32, 3)
    same = (data.shards["truth"] == data.shards["shown"]).all(-1)
    assert (same | data.shards["hole"]).all(), "what differs lies in the hole"
    red = (data.shards["shown"].int() - torch.tensor([255, 0, 0])).abs().amax(-1) < 10
    assert (red & data.shards["hole"]).flatten(1).sum(1).min() > 50
    assert not ((data.shards["fill"].int() - torch.tensor([255, 0, 0])).abs().amax(-1) < 40)[data.shards["hole"]].any()
    before = (tmp_path / "shards" / "pairs-00000000.safetensors").stat().st_mtime_ns
    prepare(pairs, tmp_path / "shards", size=32, workers=1)
    assert (tmp_path / "shards" / "pairs-00000000.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("at", [(10, 10), (30, 60), (50, 90)])
def test_a_crop_holds_the_whole_hole(at):
    truth = (stripes(60, 100, 7) * 255).byte().numpy()
    hole = disc(60, 100, *at, 8).numpy() > 0
    shown = np.where(hole[..., None], np.array([255, 0, 0], np.uint8), truth)
    for seed in range(4):
        pair = crop_pair(truth, shown, hole, 48, np.random.default_rng(seed))
        scale = float(pair.hole.float().mean()) ** 0.5
        assert 0.2 < scale < 0.95
        red = (pair.shown.int() - torch.tensor([255, 0, 0])).abs().amax(-1) < 10
        rows, columns = red.any(1).nonzero(), red.any(0).nonzero()
        wide, high = int(columns[-1] - columns[0]), int(rows[-1] - rows[0])
        inside_frame = all(8 <= place <= end - 8 for place, end in zip(at, (60, 100), strict=True))
        assert not inside_frame or abs(wide - high) <= 3, "a disc stays a disc"


def test_errors_name_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no shards of pairs with their objects"):
        ChainPairs(tmp_path)
    with pytest.raises(ValueError, match="longest_jump is 0"):
        recipe(longest_jump=0)
    with pytest.raises(ValueError, match='weighting is "other"'):
        recipe(weighting="other")
