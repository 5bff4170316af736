"""OmniEraser's LoRA: it learns, all else stays, a run that was cut off goes on as if it had not been, and its file is as published."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from shapes import disc
from tiny_flux import save_tiny_flux, tiny_flux, tiny_omni_lora, widen
from tiny_tuning import SIZE, save_tiny_pairs

from mild_core.training import omni_eraser as training
from mild_core.training.loop import read_log
from mild_core.training.omni_eraser import OmniEraserRecipe, erase, export, flow_loss, train
from mild_core.training.omni_eraser_masks import AS_IT_IS, BOX, DILATED, ERODED, redraw
from mild_core.training.omni_eraser_model import Learner, load_networks
from mild_core.training.prompt_pairs import ErasurePair, ErasurePairs

RANK, EDGE = 4, SIZE // 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_flux(tmp_path_factory.mktemp("model") / "tiny-flux")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return save_tiny_pairs(tmp_path_factory.mktemp("pairs") / "pairs")


def recipe(**changes):
    small = {"steps": 4, "batch": 2, "rank": RANK, "size": SIZE, "warmup": 1, "save_every": 2, "sheet_every": 0, "precision": "no"}
    return OmniEraserRecipe(**{**small, **changes})


def batch_of(pairs, rows):
    data = ErasurePairs(pairs, SIZE)
    return ErasurePair(*(torch.stack(part) for part in zip(*(data.read(row) for row in rows), strict=True)))


def draws_of(step=0, **changes):
    return training._draw(recipe(**changes), 4, EDGE, step)


def test_the_loss_is_that_of_the_formula(model, pairs):
    """By the parts of diffusers, in the order of the paper: velocity of the noisy truth, told background, object and mask."""
    networks, pair, draws = load_networks(model, RANK), batch_of(pairs, [0, 1]), draws_of(dilated=0.0, eroded=0.0, boxes=0.0)
    latents = []
    for number, pixels in enumerate((pair.truth, pair.input.masked_fill(pair.hole > 0.5, -1), pair.input.masked_fill(pair.hole < 0.5, -1))):
        posterior = networks.vae.encode(pixels).latent_dist
        latents.append((posterior.mean + posterior.std * draws.posterior[:, number] - 0.1159) * 0.3611)
    sigma = draws.sigma[:, None, None, None]
    noisy = (1 - sigma) * latents[0] + sigma * draws.noise
    kept = (1 - pair.hole)[..., ::4, ::4].repeat(1, 16, 1, 1)
    tokens = torch.nn.functional.unfold(torch.cat([noisy, *latents[1:], kept], 1), 2, stride=2).movedim(1, 2)
    side = EDGE // 2
    places = torch.tensor([[0, y, x] for y in range(side) for x in range(side)])
    with torch.no_grad():
        velocity = networks.model.flux(
            hidden_states=tokens, timestep=draws.sigma, guidance=torch.full((2,), 3.5), txt_ids=torch.zeros(512, 3), img_ids=places,
            pooled_projections=networks.model.pooled.repeat(2, 1), encoder_hidden_states=networks.model.text.repeat(2, 1, 1),
            return_dict=False,
        )[0]  # fmt: skip
        velocity = torch.nn.functional.fold(velocity.movedim(1, 2), (EDGE, EDGE), 2, stride=2)
        expected = ((velocity - (draws.noise - latents[0])) ** 2).mean()
        assert torch.allclose(flow_loss(networks.model, networks, pair, draws), expected, rtol=1e-5)


def test_the_loss_falls_and_nothing_else_moves(model, pairs):
    torch.manual_seed(0)
    networks, pair, draws = load_networks(model, RANK), batch_of(pairs, [0, 1]), draws_of()
    before = {name: tensor.clone() for name, tensor in networks.model.state_dict().items()}
    learner = Learner(networks.model)
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = flow_loss(networks.model, networks, pair, draws)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0], losses
    moved = {name for name, tensor in networks.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {f"flux.{name.replace('/', '.')}" for name in learner.lora}
    layers = {name.split("/lora_")[0] for name in learner.lora}
    assert len(layers) == 1 + 8 + 4 + 3, "x_embedder; attention and both feed-forwards of a double block; q, k and v of a single one"
    told = learner.lora["x_embedder/lora_A/default/weight"]
    assert told.shape == (RANK, 256)
    assert not torch.equal(told[:, 64:], before["flux.x_embedder.lora_A.default.weight"][:, 64:]), "what is told reaches the LoRA"


def test_at_first_it_is_flux_whatever_it_is_told(model):
    networks, plain = load_networks(model, RANK), tiny_flux(pooled=24)
    g = torch.Generator().manual_seed(0)
    noisy, told, sigma = torch.randn(1, 16, 4, 6, generator=g), torch.randn(1, 48, 4, 6, generator=g), torch.tensor([0.3])
    places = torch.tensor([[0, y, x] for y in range(2) for x in range(3)])
    with torch.no_grad():
        expected = plain(
            hidden_states=torch.nn.functional.unfold(noisy, 2, stride=2).movedim(1, 2), timestep=sigma, guidance=torch.tensor([3.5]),
            pooled_projections=networks.model.pooled, encoder_hidden_states=networks.model.text, txt_ids=torch.zeros(512, 3),
            img_ids=places, return_dict=False,
        )[0]  # fmt: skip
        given_back = networks.model(noisy, told, sigma)
    assert torch.allclose(given_back, torch.nn.functional.fold(expected.movedim(1, 2), (4, 6), 2, stride=2), atol=1e-5)


class CutError(Exception):
    pass


def test_a_run_that_was_cut_off_ends_bit_for_bit_the_same(model, pairs, tmp_path, monkeypatch):
    train(model, pairs, tmp_path / "whole", recipe())
    whole, calls = training.flow_loss, []

    def cut(*given_to_it):
        calls.append(1)
        if len(calls) > 3 * 2:  # a step is two rows, one at a time: the fourth is not kept
            raise CutError
        return whole(*given_to_it)

    with monkeypatch.context() as patch:
        patch.setattr(training, "flow_loss", cut)
        with pytest.raises(CutError):
            train(model, pairs, tmp_path / "parts", recipe())
    train(model, pairs, tmp_path / "parts", recipe())
    one, two = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    with safe_open(str(tmp_path / "parts" / "checkpoint.safetensors"), "pt") as file:
        assert file.metadata()["step"] == "4"


def test_rows_at_a_time_learn_what_all_at_once_learn(model, pairs, tmp_path):
    for name, rows in (("one", 1), ("two", 2)):
        train(model, pairs, tmp_path / name, recipe(steps=1, at_once=rows))
    one, two = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("one", "two"))
    gradients = [name for name in one if name.startswith("exp_avg.")]
    assert sum(bool(one[name].any()) for name in gradients) == 16, "the halves that begin as 0 move first"
    for name in gradients:
        assert torch.allclose(one[name], two[name], atol=1e-3 * float(two[name].abs().max()) + 1e-12), name
    losses = [read_log(tmp_path / name)[0]["loss"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_file_is_as_published(model, pairs, tmp_path):
    train(model, pairs, tmp_path / "run", recipe(steps=2))
    export(tmp_path / "run", tmp_path / "models", "mine")
    made, published = load_file(tmp_path / "models" / "loras" / "mine.safetensors"), tiny_omni_lora(tiny_flux(pooled=24), RANK)
    assert {name: tensor.shape for name, tensor in made.items()} == {name: tensor.shape for name, tensor in published.items()}
    flux, learnt = widen(tiny_flux(pooled=24)), load_networks(model, RANK)
    flux.load_lora_adapter(dict(made), prefix="transformer")
    saved = load_file(tmp_path / "run" / "checkpoint.safetensors")
    Learner(learnt.model).load_state_dict({n.removeprefix("average."): t for n, t in saved.items() if n.startswith("average.")})
    for name, tensor in learnt.model.flux.state_dict().items():
        assert torch.equal(flux.state_dict()[name.replace(".default.", ".default_0.")], tensor), name
    with safe_open(str(tmp_path / "models" / "loras" / "mine.safetensors"), "pt") as file:
        assert file.metadata()["prompt"] == "There is nothing here."
        assert file.metadata()["steps"] == "2"


def test_it_runs_in_bf16_and_leaves_a_sheet(model, pairs, tmp_path):
    from PIL import Image

    train(model, pairs, tmp_path, recipe(steps=1, precision="bf16", sheet_every=1))
    saved = load_file(tmp_path / "checkpoint.safetensors")
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for name, tensor in saved.items() if name.startswith("model."))
    with Image.open(tmp_path / "sheet-000001.png") as sheet:
        assert sheet.size == (4 * SIZE, 4 * SIZE)


def test_erasing_follows_the_flow_of_diffusers(model, pairs, monkeypatch):
    """The same steps as by diffusers' own scheduler."""
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    networks, pair = load_networks(model, RANK), batch_of(pairs, [0])
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(str(model), subfolder="scheduler")
    steps, tokens = 5, (EDGE // 2) ** 2
    scheduler.set_timesteps(steps, sigmas=torch.linspace(1, 1 / steps, steps).tolist(), mu=calculate_shift(tokens))
    asked, latents = [], []
    whole = networks.model.forward

    def watch(noisy, told, sigma):
        asked.append(float(sigma))
        latents.append(noisy)
        return whole(noisy, told, sigma)

    monkeypatch.setattr(networks.model, "forward", watch)
    painted = erase(networks, pair, steps)
    assert asked == pytest.approx(scheduler.sigmas[:-1].tolist(), rel=1e-5)
    assert painted.shape == pair.input.shape
    with torch.no_grad():
        moved = scheduler.step(whole(latents[0], training._told(networks, pair), torch.ones(1)), scheduler.timesteps[0], latents[0])
    assert torch.allclose(moved.prev_sample, latents[1], atol=1e-5)


def test_masks_are_redrawn_as_often_as_the_recipe_says():
    drawn = torch.cat([draws_of(step, batch=50, size=64, dilated=0.5, eroded=0.2, boxes=0.1).masks for step in range(40)])
    shares = [(drawn == kind).float().mean().item() for kind in (DILATED, ERODED, BOX, AS_IT_IS)]
    assert shares == pytest.approx([0.5, 0.2, 0.1, 0.2], abs=0.04)
    step = draws_of(3, batch=200, size=64)
    assert float(step.pixels.max()) <= 0.03 * 64
    assert float(step.sigma.min()) > 0
    assert float(step.sigma.max()) <= 1
    assert torch.equal(step.noise, draws_of(3, batch=200, size=64).noise)


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 12), st.floats(0, 8), st.sampled_from([AS_IT_IS, DILATED, ERODED, BOX]))
def test_redrawn_masks(top, left, radius, pixels, how):
    hole = (disc(32, 32, top, left, radius) > 0)[None].float()
    drawn = redraw(hole, how, pixels)
    assert drawn.shape == hole.shape
    assert set(drawn.unique().tolist()) <= {0, 1}
    if not hole.any():
        assert not drawn.any()
        return
    assert drawn.any()
    if how == ERODED:
        assert (drawn <= hole).all()
    else:
        assert (drawn >= hole).all()
    if how == BOX:
        rows, columns = hole[0].any(1), hole[0].any(0)
        assert torch.equal(drawn[0], rows[:, None].float() * columns.float())
    if how == DILATED:
        away = (drawn[0] - hole[0]).nonzero().float()
        if len(away):
            nearest = torch.cdist(away, hole[0].nonzero().float()).min(1).values
            assert float(nearest.max()) <= pixels + 1e-4
            assert math.floor(pixels) >= 1


def test_what_cannot_be_is_named(model, pairs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no model_index\.json: it must be a diffusers folder of FLUX\.1-dev"):
        load_networks(tmp_path, RANK)
    with pytest.raises(FileNotFoundError, match="is missing: train up to a checkpoint"):
        export(tmp_path, tmp_path / "out")
    for changes, told in (
        ({"rank": 0}, "rank is 0, but it must be 1 or more"),
        ({"at_once": 0}, "at_once is 0, but it must be 1 or more"),
        ({"dilated": 0.9}, r"dilated, eroded and boxes are .*, but they must be shares of at most 1 together"),
        ({"size": 36}, "size is 36, but it must be a multiple of 8 pixels"),
    ):
        with pytest.raises(ValueError, match=told):
            train(model, pairs, tmp_path / f"run-{next(iter(changes))}", recipe(**changes))
    train(model, pairs, tmp_path / "run", recipe(steps=1))
    with pytest.raises(ValueError, match="was begun with 4: it must stay"):
        train(model, pairs, tmp_path / "run", recipe(rank=8))
