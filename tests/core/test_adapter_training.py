"""The adapter: an untrained one changes nothing, a trained one has learnt what its guidance tells."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from shapes import ROOT, disc, stripes

from mild_core.data.guided import GuidedPair, guide_by_masks, make_guided_pair
from mild_core.data.library import PhotoLibrary
from mild_core.data.pairs import Pair, write_shard
from mild_core.fill import smooth_fill
from mild_core.models.adapter import BUNDLED, FEATURE_CHANNELS, guided, make_adapter
from mild_core.models.mini import WEIGHTS, condition, patchify, sigmas, unpatchify
from mild_core.training import adapter as training
from mild_core.training import prepare as preparing
from mild_core.training.__main__ import main
from mild_core.training.adapter import AdapterRecipe, GuidedModel, drop_guidance, export, train
from mild_core.training.loop import Batch, denoising_loss, read_log
from mild_core.training.mini import load_model

SIZE = 64
SHIPPED = BUNDLED / "mild_morphology.safetensors"


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture
def pairs(tmp_path):
    """The same picture with the same hole, dark inside in one half and bright in the other, as the pose channels tell."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    hole = disc(SIZE, SIZE, 30, 22, 14) > 0
    known = (stripes(SIZE, SIZE) * 255).byte()
    fill = torch.where(hole[..., None], torch.full_like(known, 128), known)
    made = []
    for bright in (0, 1):
        truth = torch.where(hole[..., None], torch.full_like(known, 64 + 128 * bright), known)
        guidance = torch.zeros(9, SIZE, SIZE, dtype=torch.uint8)
        guidance[0] = 255 * bright * hole
        guidance[1] = 255 * (1 - bright) * hole
        guidance[8] = 255 * hole
        made.append(GuidedPair(truth, fill, hole, 1, guidance))
    write_shard(folder / "pairs-0.safetensors", made)
    return folder


def recipe(**changes):
    return AdapterRecipe(**{"steps": 4, "batch": 2, "warmup": 1, "save_every": 2, "rescan_every": 2, **changes})


def some_guidance(rows: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.rand(rows, 9, size, size, generator=torch.Generator().manual_seed(0))


def some_input(rows: int = 2, size: int = SIZE) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    noisy, fill = (torch.randn(rows, 192, size // 8, size // 8, generator=generator) for _ in range(2))
    told = condition(fill, disc(size, size, 30, 30, 12).expand(rows, 1, size, size))
    step = torch.arange(rows) * 300 + 100
    return noisy, sigmas()[step], step, told, torch.arange(rows) % 2


def test_an_untrained_adapter_changes_nothing(model):
    with torch.no_grad():
        features = make_adapter()(some_guidance())
        assert [tuple(f.shape) for f in features] == [(2, c, 8 >> i, 8 >> i) for i, c in enumerate(FEATURE_CHANNELS)]
        assert not any(f.any() for f in features)
        expected = model(*some_input())
        assert torch.equal(GuidedModel(model)(*some_input(), some_guidance()), expected)


def test_every_weight_moves_within_three_steps():
    adapter = make_adapter()
    before = {n: p.detach().clone() for n, p in adapter.named_parameters()}
    optimizer = torch.optim.Adam([p for p in adapter.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(3):
        sum((f - 1).square().mean() for f in adapter(some_guidance())[:3]).backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, parameter in adapter.named_parameters():
        fixed = name.startswith("adapter.body.3.") or name.endswith("bias")
        assert torch.equal(parameter, before[name]) == fixed, name


def test_features_are_added_to_the_first_channels_of_their_level(model):
    """What leaves a level without its downsampling, seen at the next: the skip connections of diffusers' blocks."""
    unet, features = model.unet, [torch.randn(1, c, 8 >> i, 8 >> i) for i, c in enumerate(FEATURE_CHANNELS)]
    embedded, context = torch.randn(1, 256), torch.randn(1, 4, 64)
    inputs = [torch.randn(1, c, 8 >> i, 8 >> i) for i, c in enumerate((64, 64, 192))]

    def levels():
        return [
            block(h, embedded, **({"encoder_hidden_states": context} if i else {}))[1][0]
            for i, (block, h) in enumerate(zip(unet.down_blocks, inputs, strict=True))
        ]

    with torch.no_grad():
        plain = levels()
        with guided(unet, features):
            added = [with_ - without for with_, without in zip(levels(), plain, strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(levels(), plain, strict=True)), "afterwards nothing is added"
    for change, feature in zip(added, features, strict=False):
        wide = feature.shape[1]
        assert torch.allclose(change[:, :wide], feature, atol=1e-5)
        assert not change[:, wide:].any()


def test_it_learns_what_the_guidance_tells(pairs, tmp_path, model):
    train(pairs, tmp_path / "run", recipe(steps=24, lr=3e-3, save_every=6, batch=4, from_fill=1.0, drop_each=0.0, drop_all=0.0, ema=0.8))
    losses = [line["loss"] for line in read_log(tmp_path / "run")]
    assert losses[-1] < 0.5 * losses[0]
    export(tmp_path / "run", tmp_path / "adapter.safetensors")
    learnt = GuidedModel(model)
    learnt.adapter.load_state_dict(load_file(tmp_path / "adapter.safetensors"))
    shard = load_file(pairs / "pairs-0.safetensors")
    fill = patchify(shard["fill"].permute(0, 3, 1, 2).float() / 127.5 - 1)
    hole = shard["hole"][:, None].float()
    step = torch.tensor([300, 300])
    with torch.no_grad():
        said = learnt(fill, sigmas()[step], step, condition(fill, hole), shard["role"], shard["guidance"].float() / 255)
    dark, bright = (picture[:, inside].mean() for picture, inside in zip(unpatchify(said), shard["hole"], strict=True))
    assert bright - dark > 0.5, "of a truth of 1.0 apart, from rows that differ in their guidance alone"


def test_a_run_that_was_cut_off_ends_with_the_same_weights(pairs, tmp_path):
    train(pairs, tmp_path / "whole", recipe())
    train(pairs, tmp_path / "parts", recipe(), minutes=0)  # one step, then a checkpoint
    assert read_log(tmp_path / "parts")[-1]["step"] == 1
    train(pairs, tmp_path / "parts", recipe())
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert not any(".model." in name for name in whole), "the frozen model is not saved with each checkpoint"
    for name, tensor in whole.items():
        assert torch.allclose(tensor, parts[name], rtol=1e-3, atol=1e-6), name
    assert whole["model.adapter.conv_in.weight"].any()


def test_training_goes_on_from_an_adapter(pairs, tmp_path):
    train(pairs, tmp_path / "run", recipe(steps=1, lr=1e-9), start_from=SHIPPED)
    export(tmp_path / "run", tmp_path / "adapter.safetensors")
    shipped = load_file(SHIPPED)
    assert shipped["adapter.conv_in.weight"].any()
    for name, tensor in load_file(tmp_path / "adapter.safetensors").items():
        assert torch.allclose(tensor.float(), shipped[name].float(), atol=1e-3), name


def test_the_command_line_trains_and_exports(pairs, tmp_path):
    run, out = tmp_path / "run", tmp_path / "adapter.safetensors"
    changes = {"files.pairs": pairs, "out": run, "settings.steps": 1, "settings.batch": 1, "settings.drop_each": 0.5, "result.out": out}
    assert main(["train", str(ROOT / "mild_core/training/recipes/adapter.toml"), *(f"{k}={v}" for k, v in changes.items())]) == 0
    assert not list(tmp_path.glob("*.part"))
    with safe_open(str(out), "pt") as file:
        assert json.loads(file.metadata()["notes"]) == {"steps": 1}
    tensors = load_file(out)
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert tensors["adapter.conv_in.weight"].shape == (64, 9 * 64, 3, 3)
    make_adapter().load_state_dict(tensors)


def test_guidance_stays_with_its_picture(pairs, tmp_path, monkeypatch):
    """Each row has the guidance of its own pair, and neither is mirrored."""
    seen, forward = [], GuidedModel.forward

    def spy(self, noisy, sigma, step, conditioned, role, guidance):
        seen.append((unpatchify(conditioned[:, 192:256]), guidance))
        return forward(self, noisy, sigma, step, conditioned, role, guidance)

    monkeypatch.setattr(GuidedModel, "forward", spy)
    monkeypatch.setattr(training, "drop_guidance", lambda guidance, *rest: guidance)
    train(pairs, tmp_path / "run", recipe(steps=1, batch=8, sheet_every=0))
    ((hole, guidance),) = seen
    assert len(hole) == 8
    assert torch.equal(guidance[:, 8:], hole)
    assert torch.equal(guidance[:, :1] + guidance[:, 1:2], hole)


def test_each_kind_of_guidance_is_left_out_by_itself():
    kept = drop_guidance(torch.ones(4000, 9, 1, 1), 0.25, 0.1, torch.Generator().manual_seed(0)).reshape(4000, 3, 3)
    assert (kept == kept[:, :, :1]).all(), "a kind's three channels go together"
    told = kept[:, :, 0]
    assert told.mean(0) == pytest.approx([0.75 * 0.9] * 3, abs=0.03)
    assert float((told.sum(1) == 0).float().mean()) == pytest.approx(0.1 + 0.9 * 0.25**3, abs=0.02)
    assert float((told[:, 0] * (1 - told[:, 1])).mean()) == pytest.approx(0.9 * 0.75 * 0.25, abs=0.03)
    everything = torch.ones(2, 9, 1, 1)
    assert torch.equal(drop_guidance(everything, 0.0, 0.0, torch.Generator()), everything)


def test_pairs_without_guidance_are_named(tmp_path):
    picture, hole = torch.zeros(8, 8, 3, dtype=torch.uint8), torch.ones(8, 8, dtype=torch.bool)
    write_shard(tmp_path / "pairs-0.safetensors", [Pair(picture, picture, hole, 1)])
    with pytest.raises(ValueError, match="pairs without guidance"):
        train(tmp_path, tmp_path / "run", recipe())
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        export(tmp_path, tmp_path / "adapter.safetensors")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for folder in ("places", "people"):
        (root / folder).mkdir()
    y, x = np.mgrid[:200, :160]
    for number in range(8):
        photo, values = rng.integers(0, 255, (200, 160, 3), dtype=np.uint8), np.zeros((200, 160), np.uint8)
        for value, middle in enumerate((40, 115), start=1):
            values[((y - 40) ** 2 + (x - middle) ** 2 < 20**2) | ((abs(x - middle) < 16 + number) & (y > 50) & (y < 180))] = value
        for folder in ("places", "people"):
            Image.fromarray(photo).save(root / folder / f"{number}.jpg")
        Image.fromarray(values).save(root / "people" / f"{number}.png")
    return PhotoLibrary(root, "train"), root


def what_is_given(own_visible, front):
    assert own_visible.dtype == front.dtype == bool
    return torch.from_numpy(np.stack([own_visible, front, np.zeros_like(front)] * 3)).float()


def test_guidance_is_drawn_from_what_is_known_of_the_pair(library):
    persons, covered = library[0].persons(), 0
    for seed in range(6):
        pair = make_guided_pair(persons, 48, seed, what_is_given)
        visible, front, _ = pair.guidance[:3] > 127
        assert pair.role == 1
        assert pair.guidance.dtype == torch.uint8
        assert pair.hole.any()
        assert visible.any()
        assert not (pair.hole & ~front).any(), "what is hidden is behind who stands in front"
        assert not (visible & front).any()
        apart = (pair.truth.int() - pair.fill.int()).abs().amax(-1)
        assert not apart[~front].any(), "the truth is shown wherever nobody stands in front"
        beside = front & ~pair.hole
        covered += int(beside.sum())
        assert torch.allclose(smooth_fill(pair.fill.float(), ~beside), pair.fill.float(), atol=1), "and of who does, nothing"
    assert covered > 0
    again = make_guided_pair(persons, 48, 5, what_is_given)
    assert all(torch.equal(getattr(again, n), getattr(pair, n)) for n in ("truth", "fill", "hole", "guidance"))


def test_a_guide_that_draws_something_else_is_named(library):
    persons = library[0].persons()
    with pytest.raises(ValueError, match="guidance is 9×4×4, but it must be 9×48×48"):
        make_guided_pair(persons, 48, 0, lambda *given: np.zeros((9, 4, 4)))


def test_black_guidance_changes_nothing_whatever_was_trained():
    """Exactly: rows that are told nothing are the bundled model's own."""
    adapter = make_adapter()
    trained = [p for p in adapter.parameters() if p.requires_grad]
    with torch.no_grad():
        for tensor in trained:
            tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)))
        black, lit = adapter(torch.zeros(1, 9, SIZE, SIZE)), adapter(torch.ones(1, 9, SIZE, SIZE))
    assert all(not feature.any() for feature in black)
    assert all(feature.any() for feature in lit[:3])


def test_the_guidance_of_masks_shows_the_hidden_body():
    """Somebody whose legs are covered: pose and clothes go on behind who stands in front, and who that is is told."""
    visible, front = np.zeros((2, 96, 96), bool)
    y, x = np.mgrid[:96, :96]
    visible[((y - 12) ** 2 + (x - 40) ** 2 < 7**2) | ((abs(x - 40) < 9) & (y > 18) & (y < 55))] = True
    front[(abs(x - 44) < 22) & (y >= 55)] = True
    pose, parsing, relations = guide_by_masks(visible, front).chunk(3)
    for drawn in (pose, parsing):
        assert drawn[:, front].amax(0).gt(0.3).sum() > 100
        assert drawn[:, visible].amax(0).gt(0.3).sum() > 100
    assert parsing[:, ~(visible | front)].max() == 0
    assert relations[0, front].min() == 1
    assert relations[0, visible].eq(0.5).all()


def test_shards_hold_the_guidance(library, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "SHARD", 2)
    path = preparing._shard_path(tmp_path, 4)
    preparing._make_shard(library[1], tmp_path, 48, "train", 4, guided=True)
    shard = load_file(path)
    assert shard.keys() == {"truth", "fill", "hole", "role", "guidance"}
    assert torch.equal(shard["guidance"][1], make_guided_pair(library[0].persons(), 48, 5).guidance)


def test_the_adapter_that_ships_lowers_the_error_on_hidden_people(photos):
    """On held-out pairs, all guidance told: the training loss, of the same draws, with and without it."""
    persons = PhotoLibrary(photos, "held-out").persons()
    pairs = [make_guided_pair(persons, 256, seed) for seed in range(900, 912)]
    model = GuidedModel(load_model(WEIGHTS)).eval()
    weights = load_file(SHIPPED)
    model.adapter.load_state_dict({name: tensor.float() for name, tensor in weights.items()})

    def pixels(name):
        return torch.stack([getattr(pair, name) for pair in pairs]).float().permute(0, 3, 1, 2) / 127.5 - 1

    hole, fill = torch.stack([pair.hole for pair in pairs])[:, None].float(), pixels("fill")
    roles = torch.full((len(pairs),), 1)
    batch = Batch(torch.where(hole > 0.5, pixels("truth"), fill), fill, hole, roles, torch.arange(len(pairs)))
    guidance = torch.stack([pair.guidance for pair in pairs]).float() / 255

    def loss(told):
        draws = [torch.Generator().manual_seed(seed) for seed in range(3)]
        with torch.no_grad():
            run = partial(model, guidance=told)
            return sum(float(denoising_loss(run, batch, sigmas(), AdapterRecipe(), draw, torch.device("cpu"))) for draw in draws)

    assert loss(guidance) < 0.985 * loss(torch.zeros_like(guidance))
