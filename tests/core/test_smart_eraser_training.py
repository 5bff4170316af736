"""SmartEraser's training: what learns and what stays, the loss, going on, and files for ComfyUI."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_tuning import SIZE, WIDTH, save_tiny_model, save_tiny_pairs

from mild_core.models.smart_eraser import load_projector
from mild_core.training import smart_eraser as training
from mild_core.training.loop import read_log
from mild_core.training.prompt_pairs import ErasurePair, ErasurePairs
from mild_core.training.smart_eraser import SmartEraserRecipe, denoising_loss, erase, export, train
from mild_core.training.smart_eraser_model import load_eraser_networks


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-inpainting")
    torch.manual_seed(4)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14, projection_dim=WIDTH
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return save_tiny_pairs(tmp_path_factory.mktemp("pairs") / "plain")


def recipe(**changes):
    small = {"steps": 4, "batch": 2, "lr": 1e-3, "size": SIZE, "precision": "no", "save_every": 2, "sheet_every": 0}
    return SmartEraserRecipe(**{**small, **changes})


def drawn(batch=2, **changes):
    draws = training._draw(recipe(batch=batch), batch, SIZE // 4, 1000, 0)
    return draws._replace(**changes)


def a_batch(pairs, rows=(0, 1)):
    data = ErasurePairs(pairs, SIZE)
    return ErasurePair(*(torch.stack(part) for part in zip(*(data.read(row) for row in rows), strict=True)))


def test_the_loss_step_by_step(model, pairs):
    """Written down a second time: noise, channels and prompt by hand."""
    networks = load_eraser_networks(model)
    pair, draws = a_batch(pairs), drawn(dropped=torch.tensor([False, True]))
    given = denoising_loss(networks.model, networks, pair, draws)
    vae, scale = networks.vae, networks.vae.config.scaling_factor
    with torch.no_grad():
        latents = []
        for pixels, noise in ((pair.truth, draws.truth_noise), (pair.input, draws.input_noise)):
            posterior = vae.encode(pixels).latent_dist
            latents.append((posterior.mean + posterior.std * noise) * scale)
        kept = networks.scheduler.alphas_cumprod[draws.at][:, None, None, None]
        noisy = kept.sqrt() * latents[0] + (1 - kept).sqrt() * draws.noise
        words = networks.model.text(networks.model.ids).last_hidden_state
        token = networks.model.projector(networks.objects(pair))
        nothing = networks.model.projector(networks.vision(torch.zeros(1, 3, 28, 28)).image_embeds)
        told = torch.cat([words[0, :5], token[:1], words[0, 6:]])
        untold = torch.cat([words[1, :1], nothing, words[1, 1:6]])
        channels = torch.cat([noisy, pair.hole[..., ::4, ::4], latents[1]], 1)
        predicted = networks.model.unet(channels, draws.at, torch.stack([told, untold])).sample
        assert words.shape == (2, 7, WIDTH)
    assert float(given.detach()) == pytest.approx(float((predicted - draws.noise).square().mean()), rel=1e-4)


def test_what_learns(model, pairs):
    networks = load_eraser_networks(model)
    denoising_loss(networks.model, networks, a_batch(pairs), drawn(dropped=torch.tensor([False, True]))).backward()
    learning = {name.split(".")[0] for name, tensor in networks.model.named_parameters() if tensor.grad is not None and tensor.grad.any()}
    assert learning == {"text", "unet", "projector"}
    frozen = [*networks.vae.parameters(), *networks.vision.parameters()]
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in frozen)


def test_an_object_is_seen_in_its_own_hole(model, pairs):
    networks = load_eraser_networks(model)
    pair = a_batch(pairs)
    seen = networks.objects(pair)
    outside = pair._replace(input=torch.where(pair.hole > 0.5, pair.input, -pair.input))
    assert torch.allclose(networks.objects(outside), seen, atol=1e-5), "what is beside the object is not looked at"
    inside = pair._replace(input=torch.where(pair.hole > 0.5, -pair.input, pair.input))
    assert not torch.allclose(networks.objects(inside), seen, atol=1e-3)
    nothing = networks.objects(pair._replace(hole=torch.zeros_like(pair.hole)))
    assert torch.allclose(nothing, networks.model.nothing.expand(2, -1), atol=1e-5)


def test_draws_and_masks():
    many = training._draw(recipe(batch=4000), 3, 1, 1000, 7)
    assert float(many.dropped.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert set(many.rows.tolist()) == {0, 1, 2}
    holes = torch.zeros(3, 1, 32, 32)
    holes[:, :, 10:20, 8:24] = 1
    changed = training._enhanced(holes, torch.tensor([1, 2, 1]))
    assert changed.shape == holes.shape
    assert torch.equal(changed[0], changed[2])
    more = training._enhanced(holes[:1].expand(30, -1, -1, -1), torch.arange(30))
    assert len({float(hole.sum()) for hole in more}) > 5


def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(model, pairs, tmp_path):
    train(model, pairs, tmp_path / "whole", recipe())
    train(model, pairs, tmp_path / "cut", recipe(steps=2))
    train(model, pairs, tmp_path / "cut", recipe())
    whole, cut = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_loss_falls_and_files_are_written(model, pairs, tmp_path):
    run = tmp_path / "run"
    train(model, pairs, run, recipe(steps=16, lr=3e-3, ema=0.0, save_every=8, sheet_every=16))
    losses = [line["loss"] for line in read_log(run)]
    assert losses[-1] < 0.95 * losses[0]
    with Image.open(run / "sheet-000016.png") as sheet:
        assert sheet.size == (4 * SIZE, 4 * SIZE)
    export(run, tmp_path / "models", "ours")
    checkpoint = load_file(run / "checkpoint.safetensors")
    unet = load_file(tmp_path / "models" / "diffusion_models" / "ours.safetensors")
    networks = load_eraser_networks(model)
    assert unet.keys() == networks.model.unet.state_dict().keys()
    assert torch.equal(unet["conv_in.weight"], checkpoint["average.unet.conv_in.weight"])
    text = load_file(tmp_path / "models" / "text_encoders" / "ours.safetensors")
    assert "text_model.embeddings.token_embedding.weight" in text
    assert all(name.startswith("text_model.") for name in text)
    projector = load_projector(tmp_path / "models" / "smarteraser" / "ours.safetensors")
    assert torch.equal(projector.fc_out.weight, checkpoint["average.projector.fc_out.weight"])


def test_the_sheet_leaves_what_is_around(model, pairs):
    networks = load_eraser_networks(model)
    pair = a_batch(pairs)
    painted = erase(networks, pair, steps=2)
    outside = (pair.hole < 0.5).expand_as(painted)
    assert torch.equal(painted[outside], pair.input[outside])
    assert not torch.equal(painted, pair.input)


def test_what_cannot_be_is_said(model, pairs, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no unet"):
        train(tmp_path, pairs, tmp_path / "run", recipe())
    with pytest.raises(ValueError, match="size is 30, but it must be a multiple of 8"):
        train(model, pairs, tmp_path / "run", recipe(size=30))
    with pytest.raises(FileNotFoundError, match="train up to a checkpoint first"):
        export(tmp_path, tmp_path)
