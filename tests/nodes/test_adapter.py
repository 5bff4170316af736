"""The adapter's file in the real core: stock loader, stock apply node, the bundled model, along a batch of pathways."""

import logging

import pytest
import torch

ROWS, SIZE = 2, 64


@pytest.fixture(scope="module")
def mini(pack):
    return pack.nodes.MiniModel.execute().args


@pytest.fixture(scope="module")
def path(pack, tmp_path_factory):
    """The file of an adapter whose features are as large as what they are added to."""
    core = pack.mild_core.models.adapter
    made, generator = core.make_adapter(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            scale = 2 / tensor[0].numel() ** 0.5 if name.endswith("weight") else 0.05
            tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    path = tmp_path_factory.mktemp("controlnet") / "guidance.safetensors"
    core.save_adapter(path, made, {})
    return path


@pytest.fixture(scope="module")
def control_net(path):
    import folder_paths

    from nodes import ControlNetLoader

    folder_paths.add_model_folder_path("controlnet", str(path.parent))
    return ControlNetLoader().load_controlnet(path.name)[0]


def hints() -> torch.Tensor:
    """IMAGE with nine channels: pose, parsing and relations of each row."""
    return torch.rand(ROWS, SIZE, SIZE, 9, generator=torch.Generator().manual_seed(1))


def latents() -> dict:
    generator = torch.Generator().manual_seed(2)
    mask = torch.zeros(ROWS, 1, SIZE, SIZE)
    mask[..., 16:40, 20:50] = 1
    return {"samples": torch.randn(ROWS, 192, SIZE // 8, SIZE // 8, generator=generator).clamp(-1, 1), "noise_mask": mask}


def rows_of(latent: dict, row: int) -> dict:
    return {"samples": latent["samples"][row : row + 1], "noise_mask": latent["noise_mask"][row : row + 1], "batch_index": [row]}


def run(model, positive, negative, latent, cfg: float = 1.0, steps: int = 2) -> torch.Tensor:
    from nodes import common_ksampler

    return common_ksampler(model, 7, steps, cfg, "euler", "normal", positive, negative, latent, denoise=0.6)[0]["samples"]


def guide(mini, control_net, image, strength: float = 1.0):
    from nodes import ControlNetApplyAdvanced

    return ControlNetApplyAdvanced().apply_controlnet(mini[2], mini[4], control_net, image, strength, 0.0, 1.0)


def test_it_equals_the_forward_that_was_trained(pack, mini, path, control_net):
    from mild_pack.mild_core.training.adapter import GuidedModel
    from mild_pack.mild_core.training.mini import load_model
    from safetensors.torch import load_file

    trained = GuidedModel(load_model())
    trained.adapter.load_state_dict(load_file(path))
    calls = []

    def record(apply_model, args):
        calls.append((args["input"], args["timestep"], args["c"]["c_concat"], apply_model(args["input"], args["timestep"], **args["c"])))
        return calls[-1][-1]

    model = mini[0].clone()
    model.set_model_unet_function_wrapper(record)
    run(model, *guide(mini, control_net, hints()), latents())
    assert len(calls) == 2
    for noisy, sigma, told, given in calls:
        step = mini[0].model.model_sampling.timestep(sigma)
        with torch.no_grad():
            expected = trained(noisy, sigma, step, told, torch.zeros(ROWS, dtype=torch.long), hints().movedim(-1, 1))
            without = trained.model(noisy, sigma, step, told, torch.zeros(ROWS, dtype=torch.long))
        assert torch.allclose(given, expected, atol=1e-4)
        assert (given - without).abs().max() > 0.1


def test_each_row_follows_its_own_hint(mini, control_net):
    together = run(mini[0], *guide(mini, control_net, hints()), latents())
    for row in range(ROWS):
        alone = run(mini[0], *guide(mini, control_net, hints()[row : row + 1]), rows_of(latents(), row))
        assert torch.allclose(alone, together[row : row + 1], atol=2e-3)
    swapped = run(mini[0], *guide(mini, control_net, hints().flip(0)), latents())
    assert (swapped - together).abs().amax((1, 2, 3)).min() > 0.05


def test_rows_keep_their_hints_beside_a_negative_prompt(mini, control_net):
    """With cfg the core runs both prompts in one batch, and repeats the hints over it."""
    together = run(mini[0], *guide(mini, control_net, hints()), latents(), cfg=2.0)
    alone = run(mini[0], *guide(mini, control_net, hints()[1:]), rows_of(latents(), 1), cfg=2.0)
    assert torch.allclose(alone, together[1:], atol=4e-3)


def test_a_few_layers_at_a_time_have_their_own_hints(pack, mini, control_net):
    limited = pack.nodes.host.limit_rows(mini[0], ROWS, 1)
    prompts = guide(mini, control_net, hints())
    assert torch.allclose(run(limited, *prompts, latents()), run(mini[0], *prompts, latents()), atol=2e-3)


def test_strength_scales_it_down_to_nothing(mini, control_net):
    without = run(mini[0], mini[2], mini[4], latents())
    none, little, full = (run(mini[0], *guide(mini, control_net, hints(), s), latents()) for s in (0.0, 1e-3, 1.0))
    assert torch.equal(none, without)
    assert 0 < (little - without).abs().max() < 0.05 * (full - without).abs().max()


def test_no_feature_is_lost_and_none_warns(mini, control_net, caplog):
    with caplog.at_level(logging.WARNING):
        run(mini[0], *guide(mini, control_net, hints()), latents(), steps=1)
    assert "control could not be applied" not in caplog.text


def adapters_control(**replaced) -> dict:
    """Control as the core lays out an adapter's four features."""
    entries = [None] * 12
    for at, (channels, size) in zip((9, 6, 3, 0), ((64, 8), (128, 4), (256, 2), (256, 1)), strict=True):
        entries[at] = torch.full((ROWS, channels, size, size), float(at))
    for at, entry in replaced.items():
        entries[int(at[1:])] = entry
    return {"input": entries, "middle": [], "output": []}


def place(pack, control):
    from importlib import import_module

    host = import_module("mild_pack.nodes.host.mini")
    return host._place_features(control, {"model_channels": 64, "channel_mult": (1, 3, 4)})


def test_features_come_behind_the_last_block_of_their_level(pack):
    control = adapters_control()
    before = list(control["input"])
    placed = place(pack, control)
    assert len(control["input"]) == 12
    assert all(a is b for a, b in zip(control["input"], before, strict=True)), "the core's own lists are left as they were"
    blocks = placed["input"][::-1]  # in the order in which the UNet takes them
    assert [None if x is None else tuple(x.shape[1:]) for x in blocks] == [None, (64, 8, 8), None, (192, 4, 4), None, (256, 2, 2)]
    assert (blocks[1] == 9).all()
    assert (blocks[3][:, :128] == 6).all()
    assert not blocks[3][:, 128:].any()
    assert (blocks[5] == 3).all()


@pytest.mark.parametrize(
    "control",
    [
        {"input": [torch.zeros(1, 320, 8, 8)] * 12, "middle": [torch.zeros(1, 1280, 1, 1)], "output": []},  # a ControlNet's
        {"input": [torch.zeros(1, 64, 8, 8)] * 6, "output": [torch.zeros(1, 64, 8, 8)]},
        {"output": [torch.zeros(1, 64, 8, 8)]},
        adapters_control(_9=torch.zeros(1, 320, 8, 8)),  # an adapter made for Stable Diffusion 1.5
        adapters_control(_8=torch.zeros(1, 64, 8, 8)),  # a ControlNet's and an adapter's
    ],
)
def test_control_of_another_shape_is_left_alone(pack, control):
    lists = {name: list(entries) for name, entries in control.items()}
    assert place(pack, control) is control
    assert {name: [id(x) for x in entries] for name, entries in control.items()} == {n: [id(x) for x in e] for n, e in lists.items()}


def test_the_adapter_that_ships_is_listed_and_loads(pack):
    """By the core's own loader, from the pack's folder, with nothing copied."""
    import folder_paths

    from nodes import ControlNetLoader

    name = "mild_morphology.safetensors"
    assert name in folder_paths.get_filename_list("controlnet")
    (control_net,) = ControlNetLoader().load_controlnet(name)
    assert control_net.channels_in == 9
    moved = [p for n, p in control_net.t2i_model.named_parameters() if n.endswith("block2.weight")]
    assert sum(bool(p.any()) for p in moved) == 6, "the residual branches of three levels were trained; the fourth is zeros"
