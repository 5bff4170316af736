"""Every family's attention, modulated through the true core on tiny random weights."""

import pytest
import torch
from shapes import disc
from tiny_runs import HEIGHT, NAMES, ROWS, WIDTH, family, regions, same, sample

from mild_core.attention import modulated_attention as engine


@pytest.fixture(scope="module", autouse=True)
def forget():
    """Models must go before the interpreter does: the core complains about those that outlive it."""
    yield
    family.cache_clear()


def patched(pack, model, method="sma", **options):
    method = pack.mild_core.attention.METHODS[method] if isinstance(method, str) else method
    found = pack.nodes.host.AttentionPatch(options.pop("regions", regions()), method, **options)
    return pack.nodes.host.install(model, found), found


@pytest.fixture(params=NAMES)
def tiny(request, pack):
    return family(request.param)


def test_gain_0_is_the_unpatched_model_bit_for_bit(pack, tiny):
    plain = sample(tiny, tiny.model)
    model, _ = patched(pack, tiny.model, gain=0.0)
    assert torch.equal(sample(tiny, model), plain)


def test_a_method_changes_the_picture_and_the_original_model_stays(pack, tiny):
    plain = sample(tiny, tiny.model)
    model, _ = patched(pack, tiny.model)
    changed = sample(tiny, model)
    assert changed.isfinite().all()
    assert not torch.allclose(changed, plain, atol=1e-4 * float(plain.std()))
    assert torch.equal(sample(tiny, tiny.model), plain)


def test_what_is_blocked_gets_no_mass_in_any_block(pack, tiny):
    record = pack.mild_core.attention.GapRecord()
    seen = []
    record.add = lambda step, sigma, block, masses, membership, grid: seen.append((masses, membership))
    model, _ = patched(pack, tiny.model, "redirection", record=record)
    sample(tiny, model)
    assert len(seen) >= 4  # at least two calls in each of two steps
    for masses, membership in seen:
        assert membership.shape[-1] == 4
        assert torch.allclose(membership.sum(-1), torch.ones(membership.shape[:-1]), atol=1e-5)
        present = membership.amax(1)[:, 0] > 0.5
        assert float(masses[present][..., 0].max()) <= 1e-6


def test_cfg_1_and_either_order_of_conditions_give_each_row_its_map(pack, tiny):
    """A batch of two pathways is the two of them one by one."""
    for cfg in (1.0, 3.0):
        model, _ = patched(pack, tiny.model)
        together = sample(tiny, model, cfg=cfg)
        for row in range(ROWS):
            alone, _ = patched(pack, tiny.model, regions=regions()[row : row + 1])
            noise = tiny.latent(ROWS, HEIGHT, WIDTH)[row : row + 1]
            one = sample(tiny, alone, cfg=cfg, noise=noise)
            scale = float(one.std())
            assert torch.allclose(together[row : row + 1], one, atol=2e-3 * scale), f"row {row} at cfg {cfg}"


def test_uncond_first_and_cond_first_are_the_same(pack, tiny):
    from comfy.samplers import calc_cond_batch

    model, _ = patched(pack, tiny.model)
    seen = {}

    def both_orders(args):
        cond, uncond = args["conds"]
        forward = calc_cond_batch(args["model"], [cond, uncond], args["input"], args["sigma"], args["model_options"])
        backward = calc_cond_batch(args["model"], [uncond, cond], args["input"], args["sigma"], args["model_options"])
        seen["both"] = [(forward[0], backward[1]), (forward[1], backward[0])]
        return forward

    model.set_model_sampler_calc_cond_batch_function(both_orders)
    sample(tiny, model, steps=1)
    for one, other in seen["both"]:
        assert torch.allclose(one, other, atol=1e-3 * float(one.std()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_blocks_changes_and_leaves_alone_as_single_does(pack, name, dtype):
    tiny = family(name, dtype)
    assert tiny.model.model.get_dtype() == dtype
    plain = sample(tiny, tiny.model)
    untouched, _ = patched(pack, tiny.model, gain=0.0)
    assert torch.equal(sample(tiny, untouched), plain)
    record, most = pack.mild_core.attention.GapRecord(), []

    def add(step, sigma, block, masses, membership, grid):
        most.append(float(masses[membership.amax(1)[:, 0] > 0.5][..., 0].max()))

    record.add = add
    model, _ = patched(pack, tiny.model, "redirection", record=record)
    changed = sample(tiny, model)
    assert changed.isfinite().all()
    assert not torch.equal(changed, plain)
    assert len(most) >= 4
    assert max(most) <= 1e-6


def test_two_patches_stack(pack, tiny):
    """A record on either side of a block sees the block."""
    attention = pack.mild_core.attention
    for record_first in (True, False):
        record = attention.GapRecord()
        masses = []
        record.add = lambda step, sigma, block, m, membership, grid, masses=masses: masses.append(float(m[..., 0].max()))
        patches = [{"method": attention.Method("plain", "none"), "record": record}, {"method": "redirection"}]
        model = tiny.model
        for options in patches if record_first else patches[::-1]:
            model, _ = patched(pack, model, **options)
        sample(tiny, model)
        # SD1.5's second level is a few tokens, of which none may be hole: there nothing is blocked
        assert len(masses) >= 4
        assert max(masses) <= 1e-6, f"record first: {record_first}"


def test_a_second_run_with_another_size_and_count(pack, tiny):
    model, patch = patched(pack, tiny.model, regions=regions(1))
    first = sample(tiny, model, rows=1)
    other = sample(tiny, model, rows=3, size=(9, 7))
    assert other.isfinite().all()
    assert same(sample(tiny, model, rows=1), first)
    assert not patch.maps, "nothing outlives a run"


def test_an_interrupted_run_leaves_nothing_behind(pack, tiny):
    import comfy.model_management as management

    model, patch = patched(pack, tiny.model)
    first = sample(tiny, model)

    def stop(*_):
        management.interrupt_current_processing()

    with pytest.raises(management.InterruptProcessingException):
        sample(tiny, model, steps=3, callback=lambda *_: (stop(), management.throw_exception_if_processing_interrupted()))
    assert not patch.maps
    assert same(sample(tiny, model), first)


def test_the_loop_raises_the_gain_towards_the_target(pack):
    tiny = family("SD1.5")
    gaps = {}
    for target in (None, 1.0):
        record = pack.mild_core.attention.GapRecord()
        model, _ = patched(pack, tiny.model, gain=0.2, target=target, highest_gain=6.0, record=record)
        sample(tiny, model, steps=6)
        last = [r for r in record.readings if r.step == 5]
        gaps[target] = sum(g for r in last for g in r.gap) / sum(len(r.gap) for r in last)
    assert gaps[1.0] > gaps[None] + 0.02


def test_it_acts_between_its_sigmas_and_on_its_blocks_only(pack):
    tiny = family("Flux")
    plain = sample(tiny, tiny.model, steps=4)
    model, _ = patched(pack, tiny.model, first_sigma=0.0)
    assert torch.equal(sample(tiny, model, steps=4), plain)
    record = pack.mild_core.attention.GapRecord()
    model, _ = patched(pack, tiny.model, blocks=frozenset([2]), last_sigma=0.9, record=record)
    sample(tiny, model, steps=4)
    assert {r.block for r in record.readings} == {2}
    assert {r.step for r in record.readings} < {0, 1, 2, 3}


def test_guidance_combines_with_and_without(pack):
    tiny = family("SD1.5")
    plain, methods = sample(tiny, tiny.model, steps=1), pack.mild_core.attention
    once, _ = patched(pack, tiny.model, methods.redirection())
    twice, _ = patched(pack, tiny.model, methods.redirection(), guidance=2.0)
    one = sample(tiny, once, steps=1, cfg=1.0)
    without = sample(tiny, tiny.model, steps=1, cfg=1.0)
    two = sample(tiny, twice, steps=1, cfg=1.0)
    assert torch.allclose(two, without + 2 * (one - without), atol=2e-3 * float(plain.std()))


def test_a_family_out_of_reach_is_named(pack):
    from tiny import unreachable

    with pytest.raises(pack.nodes.host.UnreachableError, match="family PixArtMS, whose attention cannot be modulated"):
        patched(pack, unreachable().model)


def test_rows_that_do_not_fit_the_plan_are_named(pack):
    model, _ = patched(pack, family("SD1.5").model)
    with pytest.raises(ValueError, match="latent has 3 rows, but the plan has 2 pathways"):
        sample(family("SD1.5"), model, rows=3)


def test_the_override_computes_what_the_engine_does(pack):
    """Split and merged heads, both layouts, with the model's own mask."""
    host, methods = pack.nodes.host, pack.mild_core.attention
    patch = host.AttentionPatch(regions(1), methods.sma())
    patch.layout = host.layout.Layout("test", 1, joint=True)
    patch.rows, patch.pathways, patch.latent, patch.sigma, patch.now = 1, (0,), (4, 5), 1.0, 1.0
    from comfy.ldm.modules.attention import attention_pytorch

    q, k, v = torch.randn(3, 1, 2, 23, 16)
    mask = torch.randn(1, 1, 23, 23)
    membership = torch.nn.functional.pad(regions(1)[0].tokens(4, 5), (0, 0, 3, 0))[None]
    distance = torch.nn.functional.pad(regions(1)[0].distances(4, 5), (3, 0))[None]
    expected, _ = engine(q, k, v, methods.sma(), membership, distance=distance, mask=mask)
    split = patch.override(attention_pytorch, q, k, v, 2, mask, skip_reshape=True, skip_output_reshape=True, transformer_options={})
    assert torch.allclose(split, expected, atol=1e-5)
    flat = [x.transpose(1, 2).flatten(2) for x in (q, k, v)]
    merged = patch.override(attention_pytorch, *flat, 2, mask=mask[0], transformer_options={})
    assert torch.allclose(merged, expected.transpose(1, 2).flatten(2), atol=1e-5)


def modulated(pack, model, **changes):
    node = pack.nodes.ModulateAttention
    return node.execute(model=model, **{**pack.nodes.types.defaults(node), **changes})


def masks():
    hole, other = disc(48, 80, 24, 30, 10), disc(48, 80, 30, 66, 9)
    return hole[None], other[None]


def test_the_nodes_measure_what_sma_does(pack):
    """Masks to regions, a modulated model, a recording one, and the report: SMA widens the gap and leaks less."""
    import json

    tiny = family("SD1.5")
    hole, other = masks()
    (regions,) = pack.nodes.Regions.execute(hole, other=other).args
    found = {}
    for strength in (0.0, 1.0):
        model = modulated(pack, tiny.model, regions=regions, strength=strength).args[0]
        watched, record = pack.nodes.AttentionGap.execute(model, regions=regions).args
        out = sample(tiny, watched, rows=1)
        report = pack.nodes.AttentionReport.execute({"samples": out}, record)
        gap, leakage, curve, heat, text = report.args
        assert json.loads(text)["gap"] == pytest.approx(gap, abs=1e-5)
        assert report.ui["mild_attention"] == [{"gap": pytest.approx(gap, abs=1e-5), "leakage": pytest.approx(leakage, abs=1e-5)}]
        assert report.ui["images"]
        assert curve.shape == (1, 400, 720, 3)
        assert heat.shape == (1, 512, 512, 3)
        found[strength] = gap, leakage
    assert found[1.0][0] > found[0.0][0] + 0.01
    assert found[1.0][1] < found[0.0][1]


def test_a_record_of_a_second_run_forgets_the_first(pack):
    tiny = family("SD1.5")
    (regions,) = pack.nodes.Regions.execute(masks()[0]).args
    watched, record = pack.nodes.AttentionGap.execute(tiny.model, regions=regions).args
    sample(tiny, watched, rows=1)
    first = len(record.readings)
    sample(tiny, watched, rows=1)
    assert len(record.readings) == first


def test_a_model_out_of_reach_passes_unchanged_with_a_message(pack, caplog):
    from tiny import unreachable

    model = unreachable().model
    (regions,) = pack.nodes.Regions.execute(masks()[0]).args
    result = modulated(pack, model, regions=regions)
    assert result.args[0] is model
    assert "PixArtMS" in str(result.ui.as_dict())
    assert "PixArtMS" in caplog.text


def test_bad_inputs_are_named(pack):
    model = family("SD1.5").model
    (regions,) = pack.nodes.Regions.execute(masks()[0]).args
    with pytest.raises(ValueError, match="neither is connected"):
        modulated(pack, model)
    with pytest.raises(ValueError, match=r"start_percent is 0\.8 but end_percent is 0\.2"):
        modulated(pack, model, regions=regions, start_percent=0.8, end_percent=0.2)
    for words in ("x", "0", "5-3", "1,-"):
        with pytest.raises(ValueError, match="blocks names"):
            modulated(pack, model, regions=regions, blocks=words)
    with pytest.raises(ValueError, match=r"other is \(1, 3, 3\)"):
        pack.nodes.Regions.execute(masks()[0], other=torch.zeros(1, 3, 3))
    with pytest.raises(ValueError, match="record is empty"):
        pack.nodes.AttentionReport.execute({}, pack.mild_core.attention.GapRecord())


@pytest.mark.parametrize(
    ("words", "numbers"), [("all", None), ("", None), ("3", {3}), ("2-4, 7", {2, 3, 4, 7}), ("1 3", {1, 3}), ("2 - 3", {2, 3})]
)
def test_blocks_in_words(pack, words, numbers):
    from mild_pack.nodes.attention import parse_blocks

    assert parse_blocks(words) == (None if numbers is None else frozenset(numbers))
