"""What is different from row to row, on the core's own samplers and tiny random models of each family."""

import sys

import pytest
import torch
from tiny_runs import HEIGHT, NAMES, WIDTH, family, lora, regions, same, sample

ROWS = 3


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    family.cache_clear()
    lora.cache_clear()


@pytest.fixture
def bypass(pack):
    """LoRAs beside the weights, which older cores do not have."""
    pytest.importorskip("comfy.weight_adapter.bypass", reason="needs a ComfyUI that computes LoRAs beside the weights")


@pytest.fixture(params=NAMES)
def tiny(request, pack):
    return family(request.param)


def calls_of(model):
    """How many rows the network is given, call by call."""
    seen = []

    def watch(apply_model, args):
        seen.append(len(args["input"]))
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(watch)
    return seen


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_some_rows_at_a_time_give_what_all_at_once_give(pack, tiny, most, cfg):
    together = sample(tiny, tiny.model, rows=ROWS, cfg=cfg)
    watched = tiny.model.clone()
    seen = calls_of(watched)
    apart = sample(tiny, pack.nodes.host.limit_rows(watched, ROWS, most), rows=ROWS, cfg=cfg)
    assert max(seen) <= most * (1 if cfg == 1 else 2)
    assert same(apart, together)


@pytest.mark.parametrize("first", ["limit", "attention"])
def test_each_row_keeps_its_region_map_when_rows_run_apart(pack, tiny, first):
    host, methods = pack.nodes.host, pack.mild_core.attention.METHODS

    def both(most):
        record = pack.mild_core.attention.GapRecord()
        patch = host.AttentionPatch(regions(ROWS), methods["sma"], record=record)
        model = tiny.model
        if first == "limit" and most:
            model = host.limit_rows(model, ROWS, most)
        model = host.install(model, patch)
        if first == "attention" and most:
            model = host.limit_rows(model, ROWS, most)
        return sample(tiny, model, rows=ROWS), record

    (together, one), (apart, other) = both(0), both(2)
    assert same(apart, together)
    assert other.gap == pytest.approx(one.gap, abs=1e-4)
    assert torch.allclose(other.heat(), one.heat(), atol=1e-4)


def test_running_out_of_memory_halves_the_rows_and_goes_on(pack, monkeypatch):
    from comfy import model_management

    class OutOfMemoryError(Exception):
        pass

    monkeypatch.setattr(model_management, "OOM_EXCEPTION", OutOfMemoryError)
    tiny = family("SD1.5")
    together = sample(tiny, tiny.model, rows=4)
    seen, poor = [], tiny.model.clone()

    def small(apply_model, args):
        seen.append(len(args["input"]))
        if len(args["input"]) > 2:
            raise OutOfMemoryError
        return apply_model(args["input"], args["timestep"], **args["c"])

    poor.set_model_unet_function_wrapper(small)
    limited = pack.nodes.host.limit_rows(poor, 4)
    assert same(sample(tiny, limited, rows=4), together)
    assert seen == [8, 4, *[2] * 8], "halved twice, then remembered for the run"
    poorer = tiny.model.clone()
    poorer.set_model_unet_function_wrapper(lambda apply_model, args: (_ for _ in ()).throw(OutOfMemoryError()))
    with pytest.raises(OutOfMemoryError):
        sample(tiny, pack.nodes.host.limit_rows(poorer, 4), rows=4)


def test_memory_says_how_many_rows_run_at_a_time(pack, monkeypatch):
    from comfy import model_management

    tiny = family("SD1.5")
    one = tiny.model.model.memory_required([2, 4, HEIGHT, WIDTH])
    room = 2.5 * one
    monkeypatch.setattr(model_management, "get_free_memory", lambda _, torch_free_too=False: (room, room) if torch_free_too else room)
    watched = tiny.model.clone()
    seen = calls_of(watched)
    apart = sample(tiny, pack.nodes.host.limit_rows(watched, 4), rows=4, steps=1)
    assert set(seen) == {4}, "two rows, of both conditions"
    monkeypatch.undo()
    assert same(apart, sample(tiny, tiny.model, rows=4, steps=1))


def test_another_latent_is_named(pack):
    tiny = family("SD1.5")
    with pytest.raises(ValueError, match="latent has 3 rows, but the plan has 2 pathways"):
        sample(tiny, pack.nodes.host.limit_rows(tiny.model, 2), rows=3)


def test_a_row_of_less_strength_is_denoised_as_by_a_sampler_of_fewer_steps(pack, tiny):
    """The last half of four steps is what a sampler does that starts at the third."""
    start = tiny.latent(ROWS, HEIGHT, WIDTH, seed=5)
    masks = torch.ones(ROWS, 1, HEIGHT, WIDTH)
    import comfy.sample

    def run(model, scale=1.0, **more):
        return comfy.sample.sample(
            model, scale * tiny.latent(ROWS, HEIGHT, WIDTH), 4, 3.0, "euler", "simple", tiny.conditioning(0), tiny.conditioning(1), start,
            seed=0, disable_pbar=True, noise_mask=masks, **more,
        )  # fmt: skip

    # a schedule that begins at its noisiest begins a little noisier than it says
    sampling = tiny.model.get_model_object("model_sampling")
    first, one = sampling.sigma_max.reshape(1), torch.ones(1)
    begun = [sampling.noise_scaling(first, one, 0 * one, most) for most in (True, False)]
    full, half = run(tiny.model), run(tiny.model, start_step=2, scale=float(begun[0] / begun[1]))
    mixed = run(pack.nodes.host.delay_rows(tiny.model, [1.0, 0.5, 0.0]))
    assert same(mixed[0], full[0])
    assert torch.allclose(mixed[1], half[1], atol=2e-3 * float(half.std()))
    assert same(mixed[2], start[2])
    assert not same(mixed[1], full[1])


@pytest.mark.parametrize("name", NAMES)
def test_two_loras_act_on_their_rows_in_one_pass(pack, bypass, name):
    from comfy.sd import load_lora_for_models

    tiny, host = family(name), pack.nodes.host
    first, second = lora(name, 0), lora(name, 1)
    patched = host.lora_rows(host.lora_rows(tiny.model, dict(first), 0.8, [0], ROWS), dict(second), 0.5, [2], ROWS)
    seen = calls_of(patched)
    together = sample(tiny, patched, rows=ROWS)
    assert set(seen) == {2 * ROWS}, "one pass for all rows and both conditions"
    plain = sample(tiny, tiny.model, rows=ROWS)
    merged = [sample(tiny, load_lora_for_models(tiny.model, None, dict(w), s, 0)[0], rows=ROWS) for w, s in ((first, 0.8), (second, 0.5))]
    scale = float(plain.std())
    for row, expected in ((0, merged[0]), (1, plain), (2, merged[1])):
        assert torch.allclose(together[row], expected[row], atol=5e-3 * scale), f"row {row}"
    assert not torch.allclose(merged[0][0], plain[0], atol=5e-2 * scale)
    assert torch.equal(sample(tiny, tiny.model, rows=ROWS), plain), "nothing is left behind on the model"


def test_a_lora_for_a_part_of_a_fused_layer(pack, bypass):
    """As diffusers names them: queries apart from keys, where Flux has both in one layer."""
    from comfy.sd import load_lora_for_models

    tiny, g = family("Flux"), torch.Generator().manual_seed(0)
    made = {}
    for place in ("transformer_blocks.0.attn.to_k", "single_transformer_blocks.0.attn.to_v"):
        for part, shape in (("lora_A", (2, 48)), ("lora_B", (48, 2))):
            made[f"transformer.{place}.{part}.weight"] = torch.randn(*shape, generator=g)
    rows = sample(tiny, pack.nodes.host.lora_rows(tiny.model, dict(made), 1.0, [1], ROWS), rows=ROWS)
    plain = sample(tiny, tiny.model, rows=ROWS)
    merged = sample(tiny, load_lora_for_models(tiny.model, None, dict(made), 1.0, 0)[0], rows=ROWS)
    assert not same(merged[1], plain[1])
    for row, expected in ((0, plain), (1, merged), (2, plain)):
        assert torch.allclose(rows[row], expected[row], atol=2e-3 * float(plain.std()))


def test_a_lora_keeps_its_rows_when_rows_run_apart(pack, bypass):
    tiny, host = family("SD1.5"), pack.nodes.host
    patched = host.lora_rows(tiny.model, dict(lora("SD1.5")), 1.0, [1], ROWS)
    together = sample(tiny, patched, rows=ROWS)
    for most in (1, 2):
        assert same(sample(tiny, host.limit_rows(patched, ROWS, most), rows=ROWS), together)


def test_a_lora_of_another_family_is_named(pack, bypass):
    tiny = family("SD1.5")
    with pytest.raises(ValueError, match="none is for a layer of this model"):
        pack.nodes.host.lora_rows(tiny.model, dict(lora("Wan")), 1.0, [0], ROWS)


def test_an_older_core_is_named(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "comfy.weight_adapter.bypass", None)
    with pytest.raises(ValueError, match="a LoRA for some layers needs a newer ComfyUI"):
        pack.nodes.host.lora_rows(family("SD1.5").model, dict(lora("SD1.5")), 1.0, [0], ROWS)


def test_interrupting_leaves_the_model_as_it_was(pack, bypass):
    from comfy import model_management

    tiny, host = family("SD1.5"), pack.nodes.host
    plain = sample(tiny, tiny.model, rows=ROWS)
    model = host.limit_rows(host.lora_rows(tiny.model, dict(lora("SD1.5")), 1.0, [1], ROWS), ROWS, 1)
    before = sample(tiny, model, rows=ROWS)

    def stop(*_):
        raise model_management.InterruptProcessingException

    with pytest.raises(model_management.InterruptProcessingException):
        sample(tiny, model, rows=ROWS, callback=stop)
    assert torch.equal(sample(tiny, tiny.model, rows=ROWS), plain)
    assert not any(module._forward_hooks for module in tiny.model.model.modules())
    assert torch.equal(sample(tiny, model, rows=ROWS), before)
