"""Erase Diffusion on an inpainting model: both ways to mix, what learns and what stays, runs that are cut off, the files."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_tuning import SIZE, save_tiny_model, save_tiny_pairs

from mild_core.training import chain_tuning as training
from mild_core.training.chain import Chain
from mild_core.training.chain_files import original_names
from mild_core.training.chain_tuning import ChainDraws, ChainRecipe, chain_loss, export, learner_of, train
from mild_core.training.prompt_model import load_networks
from mild_core.training.prompt_pairs import ErasurePair, ErasurePairs

EDGE = SIZE // 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-inpainting")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return save_tiny_pairs(tmp_path_factory.mktemp("pairs") / "erase")


def recipe(**changes):
    small = {"steps": 4, "batch": 2, "lr": 1e-3, "size": SIZE, "precision": "no", "save_every": 2, "sheet_every": 0}
    return ChainRecipe(**{**small, **changes})


def some_pair(pairs, rows=(0, 1)):
    data = ErasurePairs(pairs, SIZE)
    return ErasurePair(*(torch.stack(part) for part in zip(*(data.read(row) for row in rows), strict=True)))


def some_draws(begin=(700, 90), end=(620, 40)):
    noise = torch.randn(len(begin), 4, EDGE, EDGE, generator=torch.Generator().manual_seed(7))
    return ChainDraws(torch.arange(len(begin)), torch.tensor(begin), torch.tensor(end), noise)


class AffineVae(torch.nn.Module):
    """Averages blocks of 4×4 pixels, mixes colours, adds a constant: as an encoder that is not bent at all."""

    def __init__(self, vae):
        super().__init__()
        self.config = vae.config
        torch.manual_seed(5)
        self.colours = torch.nn.Conv2d(3, 4, 4, 4)

    def encode(self, pixels):
        latents = self.colours(pixels)
        posterior = type("Posterior", (), {"mean": latents, "std": torch.ones_like(latents)})
        return type("Encoded", (), {"latent_dist": posterior})


def test_pixel_and_latent_mixes_are_one_for_an_affine_vae_and_only_there(model, pairs):
    networks = load_networks(model, "background")
    chain, pair, draws = Chain.of(networks.scheduler.alphas_cumprod), some_pair(pairs), some_draws()

    def losses(networks):
        with torch.no_grad():
            return [float(chain_loss(networks.model, networks, pair, draws, chain, recipe(mix=mix))) for mix in ("latent", "pixel")]

    latent, pixel = losses(networks._replace(vae=AffineVae(networks.vae)))
    assert pixel == pytest.approx(latent, rel=1e-4)
    latent, pixel = losses(networks)
    assert pixel != pytest.approx(latent, rel=1e-4)


def test_the_loss_is_eq_9_of_the_network_s_own_jump(model, pairs):
    """Eq. 6-9 as they are printed, with the true network, prompt, mask and masked picture."""
    networks = load_networks(model, "background")
    pair, draws = some_pair(pairs), some_draws()
    kept = torch.cat([torch.ones(1), networks.scheduler.alphas_cumprod]).double()
    with torch.no_grad():
        ori, obj = (networks.encode(picture).double() for picture in (pair.truth, pair.input))

        def path(at):
            kept_at = kept[at][:, None, None, None]
            return kept_at.sqrt() * (kept_at * ori + (1 - kept_at) * obj) + (1 - kept_at).sqrt() * draws.noise

        x_t = path(draws.begin)
        said = networks.model(x_t.float(), draws.begin - 1, networks.told(pair.truth, pair.hole), networks.ids(["", ""])).double()
        at, to = (kept[time][:, None, None, None] for time in (draws.begin, draws.end))
        jumped = to.sqrt() * (x_t - (1 - at).sqrt() * said) / at.sqrt() + (1 - to).sqrt() * said
        printed = float((path(draws.end) - jumped).square().mean())
        chain = Chain.of(networks.scheduler.alphas_cumprod)
        ours = float(chain_loss(networks.model, networks, pair, draws, chain, recipe(rectify=False)))
        rectified = float(chain_loss(networks.model, networks, pair, draws, chain, recipe()))
    assert ours == pytest.approx(printed, rel=1e-4)
    assert rectified != pytest.approx(ours, rel=1e-3)


@pytest.mark.parametrize("rank", [0, 4])
def test_it_learns(model, pairs, rank):
    networks = load_networks(model, "background", rank)
    learner = learner_of(networks, rank)
    chain, pair, draws = Chain.of(networks.scheduler.alphas_cumprod), some_pair(pairs), some_draws()
    optimizer = torch.optim.Adam(learner.parameters(), lr=3e-3 if rank == 0 else 1e-2)
    losses = []
    for _ in range(20):
        loss = chain_loss(networks.model, networks, pair, draws, chain, recipe())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0], losses


def test_text_word_and_vae_stay(model, pairs):
    before, after = load_networks(model, "background"), load_networks(model, "background")
    optimizer = torch.optim.Adam(learner_of(after, 0).parameters(), lr=1e-2)
    chain_loss(after.model, after, some_pair(pairs), some_draws(), Chain.of(after.scheduler.alphas_cumprod), recipe()).backward()
    optimizer.step()
    moved = {n for n, t in after.model.named_parameters() if not torch.equal(t, before.model.get_parameter(n))}
    assert moved
    assert all(name.startswith("unet.") for name in moved)
    assert len(moved) == len(list(after.model.unet.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(before.vae.parameters(), after.vae.parameters(), strict=True))


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_that_was_cut_off_ends_bit_for_bit_the_same(model, pairs, tmp_path, rank):
    train(model, pairs, tmp_path / "whole", recipe(rank=rank, steps=3))
    train(model, pairs, tmp_path / "parts", recipe(rank=rank, steps=3), minutes=0)  # one step
    train(model, pairs, tmp_path / "parts", recipe(rank=rank, steps=3))
    whole, parts = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_a_run_becomes_files_for_the_stock_loaders(model, pairs, tmp_path):
    for rank, folder in ((0, "diffusion_models"), (4, "loras")):
        train(model, pairs, tmp_path / str(rank), recipe(rank=rank, steps=2, sheet_every=2))
        assert (tmp_path / str(rank) / "sheet-000002.png").exists()
        assert export(tmp_path / str(rank), tmp_path / "models", "erased") == [tmp_path / "models" / folder / "erased.safetensors"]
    unet = load_file(tmp_path / "models" / "diffusion_models" / "erased.safetensors")
    untrained = load_networks(model, "background").model.unet.state_dict()
    names = original_names(list(untrained), 1)
    assert {n: t.shape for n, t in unet.items()} == {names[n]: t.shape for n, t in untrained.items()}
    assert all(t.dtype == torch.float16 for t in unet.values())
    lora = load_file(tmp_path / "models" / "loras" / "erased.safetensors")
    layers = {name.split(".")[0] for name in lora}
    assert lora.keys() == {f"{layer}.{part}" for layer in layers for part in ("lora_down.weight", "lora_up.weight", "alpha")}
    with safe_open(tmp_path / "models" / "loras" / "erased.safetensors", "pt") as file:
        notes = file.metadata()
    assert (notes["steps"], notes["mix"], notes["model"]) == ("2", "latent", "tiny-inpainting")


def test_the_original_names_are_those_of_stable_diffusion():
    """Of a U-Net as deep as Stable Diffusion's, levels of two blocks, three with attention: names that any checkpoint of it has."""
    from diffusers import UNet2DConditionModel

    down, up = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
    unet = UNet2DConditionModel(
        block_out_channels=(32,) * 4, down_block_types=down, up_block_types=up, cross_attention_dim=8, in_channels=9
    )
    names = original_names(list(unet.state_dict()), 2)
    assert len(set(names.values())) == len(names)
    for diffusers, original in {
        "conv_in.weight": "input_blocks.0.0.weight",
        "down_blocks.0.resnets.1.conv1.weight": "input_blocks.2.0.in_layers.2.weight",
        "down_blocks.0.downsamplers.0.conv.bias": "input_blocks.3.0.op.bias",
        "down_blocks.1.resnets.0.time_emb_proj.weight": "input_blocks.4.0.emb_layers.1.weight",
        "down_blocks.2.attentions.1.proj_in.weight": "input_blocks.8.1.proj_in.weight",
        "down_blocks.3.resnets.1.norm2.weight": "input_blocks.11.0.out_layers.0.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight": "middle_block.1.transformer_blocks.0.attn1.to_q.weight",
        "up_blocks.0.upsamplers.0.conv.weight": "output_blocks.2.1.conv.weight",
        "up_blocks.1.upsamplers.0.conv.weight": "output_blocks.5.2.conv.weight",
        "up_blocks.3.resnets.2.conv_shortcut.weight": "output_blocks.11.0.skip_connection.weight",
        "up_blocks.3.attentions.2.norm.weight": "output_blocks.11.1.norm.weight",
        "conv_norm_out.weight": "out.0.weight",
    }.items():
        assert names[diffusers] == original
    with pytest.raises(ValueError, match=r"add_embedding\.linear_1\.weight is no tensor"):
        original_names(["add_embedding.linear_1.weight"], 2)


def test_what_a_step_draws_is_the_same_however_many_share_it(model, pairs):
    chain = Chain.of(load_networks(model, "background").scheduler.alphas_cumprod)
    one, other = (training._draw(recipe(batch=4, longest_jump=3), 4, chain, EDGE, 5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert (one.begin - one.end).max() <= 3
    assert not torch.equal(one.begin, training._draw(recipe(batch=4), 4, chain, EDGE, 6).begin)


def test_another_rank_is_no_run_to_go_on_with(model, pairs, tmp_path):
    train(model, pairs, tmp_path, recipe(steps=1))
    assert json.loads((tmp_path / "settings.json").read_text())["lr"] == 1e-3
    with pytest.raises(ValueError, match=r"rank is 4, but the run under .* was begun with 0"):
        train(model, pairs, tmp_path, recipe(rank=4))
    with pytest.raises(FileNotFoundError, match="is missing: train up to a checkpoint first"):
        export(tmp_path / "none", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mix": "both"}, 'mix is "both", but it must be one of latent, pixel'),
        ({"weighting": "x"}, 'weighting is "x"'),
        ({"rank": -1}, "rank is -1, but it must be at least 0"),
        ({"longest_jump": 0}, "longest_jump is 0, but it must be at least 1"),
        ({"size": 100}, "size is 100, but it must be a multiple of 8"),
    ],
)
def test_errors_name_the_setting(change, message):
    with pytest.raises(ValueError, match=message):
        recipe(**change)
