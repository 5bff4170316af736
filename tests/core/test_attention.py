"""The attention engine against dense float64 evaluations of what it stands for."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.attention import (
    METHODS,
    GapRecord,
    Method,
    attention_gap,
    closer_gain,
    modulated_attention,
    redirection,
    refocus,
    self_rectifying,
    sma,
)
from mild_core.attention.bias import BLOCK
from mild_core.attention.methods import table
from mild_core.attention.report import as_data, draw_curve, draw_heat
from mild_core.attention.statistics import extremes, extremes_from_spread, spread
from mild_core.plan import REGIONS, make_plan

HOLE, OWN, OTHER, REST = range(4)


def inputs(batch=2, heads=4, tokens=48, width=40, key_heads=None, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    key_heads = key_heads or heads
    q = 2 * torch.randn(batch, heads, tokens, width, generator=g)
    k, v = torch.randn(2, batch, key_heads, tokens, width, generator=g) + 0.3
    return q.to(dtype), k.to(dtype), v.to(dtype)


def soft(batch, tokens, seed=0):
    """Memberships as area averaging makes them: most tokens of one region, some of two."""
    g = torch.Generator().manual_seed(seed)
    hard = torch.nn.functional.one_hot(torch.randint(4, (batch, tokens), generator=g), 4).float()
    share = torch.rand(batch, tokens, 1, generator=g).round(decimals=0) * torch.rand(batch, tokens, 1, generator=g)
    return hard * (1 - share) + hard.roll(1, 1) * share


def reference(q, k, v, method, membership, *, gain=1.0, distance=None, parts=None, match=0.0, tempered=False, scale=None):
    """The same, with the N×N matrix, in float64."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    q, k, v, r = (x.double() for x in (q, k, v, membership))
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    logits = q @ k.transpose(-1, -2) * scale
    if tempered:
        logits = logits * (1 + r @ (torch.tensor(method.temper).double() - 1))[:, None, :, None]
    scales = {
        "one": torch.ones_like(logits[..., :1]),
        "spread": logits.std(-1, correction=0, keepdim=True),
        "highest": logits.amax(-1, keepdim=True),
        "lowest": logits.amin(-1, keepdim=True),
    }
    biased = logits.clone()
    for name, values in method.tables.items():
        biased += gain * scales[name] * torch.einsum("bia,ac,bjc->bij", r, torch.tensor(values).double(), r)[:, None]
    lost = -BLOCK if gain >= 1 else math.log1p(-gain)
    biased += lost * torch.einsum("bia,ac,bjc->bij", r, torch.tensor(method.blocked).double(), r)[:, None]
    if method.distance and distance is not None:
        biased -= gain * method.distance * scales["spread"] * r[:, None, :, None, HOLE] * distance.double()[:, None, None]
    if parts is not None:
        hidden, seen = parts.double().unbind(1)
        biased += gain * match * scales["spread"] * (hidden @ seen.transpose(-1, -2))[:, None]
    weights = biased.softmax(-1)
    return weights @ v, (weights @ r[:, None]).mean(1)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("width", [40, 64, 128])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_it_equals_the_dense_float64_reference(method, width, key_heads):
    q, k, v = inputs(width=width, key_heads=key_heads)
    membership, distance = soft(2, 48), torch.rand(2, 48)
    for gain in (1.0, 0.4):
        out, masses = modulated_attention(q, k, v, method, membership, gain=gain, distance=distance, masses=True)
        expected, expected_masses = reference(q, k, v, method, membership, gain=gain, distance=distance)
        assert float((out - expected).abs().max()) <= 1e-5
        assert float((masses - expected_masses).abs().max()) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_half_precision_stays_close(method, dtype):
    q, k, v = inputs(dtype=dtype, width=64)
    membership = soft(2, 48)
    out, masses = modulated_attention(q, k, v, method, membership, masses=True)
    expected, expected_masses = reference(q, k, v, method, membership)
    for found, wanted in ((out.double(), expected), (masses.double(), expected_masses)):
        assert found.isfinite().all()
        assert float((found - wanted).norm() / wanted.norm()) <= 2e-2


def test_another_scale_and_the_temper_are_the_references():
    q, k, v = inputs()
    membership = soft(2, 48)
    for method in (redirection(), sma()):
        out, _ = modulated_attention(q, k, v, method, membership, tempered=True, scale=0.31)
        expected, _ = reference(q, k, v, method, membership, tempered=True, scale=0.31)
        assert float((out - expected).abs().max()) <= 1e-5


def test_each_row_follows_its_own_map():
    q, k, v = inputs(batch=5)
    membership = soft(5, 48)
    together, _ = modulated_attention(q, k, v, sma(), membership)
    for row in range(5):
        alone, _ = modulated_attention(q[row, None], k[row, None], v[row, None], sma(), membership[row, None])
        assert torch.allclose(together[row], alone[0], atol=1e-6)


@pytest.mark.parametrize("method", [self_rectifying(), self_rectifying(both_ways=True), redirection()], ids=lambda m: m.name)
def test_what_is_blocked_gets_no_mass(method):
    q, k, _ = inputs(width=64)
    membership = soft(2, 48)
    weights = torch.eye(48).expand(2, 4, 48, 48)[..., :64]
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        shown = torch.nn.functional.pad(weights, (0, 16)).to(dtype)  # the output of each query is its weights
        out, _ = modulated_attention(q.to(dtype), k.to(dtype), shown, method, membership)
        blocked = torch.einsum("bia,ac,bjc->bij", membership, torch.tensor(method.blocked), membership)[:, None]
        assert float((out[..., :48].float() * (blocked > 0.005)).max()) <= 1e-6


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_picture_that_is_all_hole_makes_no_nan_and_blocks_nothing(method):
    q, k, v = inputs()
    membership = torch.zeros(2, 48, 4)
    membership[..., HOLE] = 1
    out, _ = modulated_attention(q, k, v, method, membership)
    assert out.isfinite().all()
    # whatever is added to all keys of a row alike changes nothing
    assert torch.allclose(out, torch.nn.functional.scaled_dot_product_attention(q, k, v), atol=2e-5)


def test_tokens_of_no_region_keep_their_attention():
    q, k, v = inputs()
    membership = soft(2, 48)
    membership[:, :16] = 0  # text
    out, _ = modulated_attention(q, k, v, sma(), membership)
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(out[:, :, :16], plain[:, :, :16], atol=1e-6)
    assert not torch.allclose(out[:, :, 16:], plain[:, :, 16:], atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(0, 1000), st.floats(0.1, 3))
def test_row_statistics(tokens, batch, key_heads, seed, scale):
    q, k, _ = inputs(batch=batch, tokens=tokens, key_heads=key_heads, seed=seed)
    logits = q.double() @ k.double().repeat_interleave(4 // key_heads, 1).transpose(-1, -2) * scale
    assert torch.allclose(spread(q, k, scale).double(), logits.std(-1, correction=0, keepdim=True), atol=1e-4)
    high, low = extremes(q, k, scale)
    assert torch.allclose(high.double(), logits.amax(-1, keepdim=True), atol=1e-4)
    assert torch.allclose(low.double(), logits.amin(-1, keepdim=True), atol=1e-4)


def test_extremes_span_blocks_of_keys():
    q, k, _ = inputs(batch=1, heads=1, tokens=1300)
    logits = q @ k.transpose(-1, -2)
    high, low = extremes(q, k, 1.0)
    assert torch.allclose(high, logits.amax(-1, keepdim=True), atol=1e-4)
    assert torch.allclose(low, logits.amin(-1, keepdim=True), atol=1e-4)
    about_high, about_low = extremes_from_spread(q, k, 1.0)
    assert float((about_high / high).mean()) == pytest.approx(1, abs=0.15)
    assert float((about_low / low).mean()) == pytest.approx(1, abs=0.15)


def test_refocus_is_magic_erasers_equations():
    """Eq. 5 to 9 as printed: labels m, p, n; W from the maximum and minimum of QKᵀ for each query."""
    q, k, v = inputs(heads=2)
    label = torch.randint(3, (48,), generator=torch.Generator().manual_seed(1))  # 0 m, 1 p, 2 n
    m, p, n = 0, 1, 2
    i, j = label[:, None], label[None]
    positive = ((i == m) & (j == p)) | ((i == p) & ((j == m) | (j == p)))
    negative = ((i == m) & ((j == m) | (j == n))) | ((i == n) & (j == m))
    similarity = q.double() @ k.double().transpose(-1, -2)
    largest, smallest = similarity.amax(-1, keepdim=True), similarity.amin(-1, keepdim=True)
    added = (0.2 * smallest + 0.8 * largest) * positive - 1.0 * largest * negative
    expected = ((similarity + added) / math.sqrt(40)).softmax(-1) @ v.double()
    membership = torch.nn.functional.one_hot(label, 4).float().expand(2, -1, -1)
    out, _ = modulated_attention(q, k, v, refocus(), membership)
    assert float((out - expected).abs().max()) <= 1e-5


def test_sma_turns_the_hole_to_its_own_surroundings():
    q, k, v = inputs(heads=8, tokens=200)
    membership = soft(2, 200)
    gaps = []
    for gain in (0.0, 0.5, 1.0, 2.0):
        _, masses = modulated_attention(q, k, v, sma(), membership, gain=gain, masses=True)
        gap, leakage = attention_gap(masses, membership)
        assert torch.allclose(masses.sum(-1), torch.ones(2, 200), atol=1e-5)
        gaps.append((float(gap.mean()), float(leakage.mean())))
    assert gaps == sorted(gaps, key=lambda g: g[0])
    assert [g[1] for g in gaps] == sorted((g[1] for g in gaps), reverse=True)


def test_a_row_without_a_hole_has_no_gap():
    membership = torch.zeros(2, 6, 4)
    membership[..., OWN] = 1
    membership[1, 0] = torch.tensor([1.0, 0, 0, 0])
    masses = torch.full((2, 6, 4), 0.25)
    masses[1, 0] = torch.tensor([0.1, 0.6, 0.2, 0.1])
    gap, leakage = attention_gap(masses, membership)
    assert gap[0].isnan()
    assert float(gap[1]) == pytest.approx(0.4)
    assert float(leakage[1]) == pytest.approx(0.2)


def test_the_gain_rises_to_its_target_and_not_beyond_its_bound():
    assert closer_gain(1.0, 0.2, 0.6, 4.0) > 1
    assert closer_gain(1.0, 0.7, 0.6, 4.0) == 1
    assert closer_gain(3.95, -1.0, 1.0, 4.0) == 4
    assert closer_gain(1.0, float("nan"), 0.6, 4.0) == 1
    assert closer_gain(5.0, 0.0, 1.0, 4.0) == 5


def recorded():
    """Two rows, three steps of two blocks, each on its own grid; the second row has no hole."""
    record = GapRecord()
    membership = soft(2, 24)
    membership[1, :, 0] = 0
    membership[1] /= membership[1].sum(-1, keepdim=True).clamp(min=1e-6)
    for step in range(3):
        for block, grid in ((1, (4, 6)), (2, (2, 12))):
            masses = torch.full((2, 24, 4), 0.25)
            masses[0, :, OWN], masses[0, :, OTHER] = 0.2 + 0.1 * step + 0.1 * block, 0.1
            record.add(step, 1.0 - step / 3, block, masses, membership, grid)
    return record


def test_a_record_means_what_it_read():
    record = recorded()
    assert record.leakage == pytest.approx(0.1)
    assert record.gap == pytest.approx(0.2 + 0.1 + 0.15 - 0.1)
    assert record.curve() == {1: pytest.approx([0.2, 0.3, 0.4]), 2: pytest.approx([0.3, 0.4, 0.5])}
    data = as_data(record)
    assert [r["gap"][1] for r in data["readings"]] == [None] * 6, "JSON knows no NaN"
    assert math.isnan(GapRecord().gap)


def test_the_heat_map_is_hot_where_the_hole_leaks(two_people):
    plan = make_plan(two_people.erasing(frozenset([two_people.people[0].id])), working_size=64)
    record = GapRecord()
    regions = torch.stack([p.regions.tokens(16, 16) for p in plan.pathways])
    masses = torch.zeros(len(regions), 256, 4)
    masses[..., OTHER] = 0.5
    record.add(0, 1.0, 1, masses, regions, (16, 16))
    picture = draw_heat(record, plan)
    assert picture.shape == two_people.photo.shape
    red = picture[0, ..., 0] - picture[0, ..., 1:].mean(-1)
    hole = plan.hole.whole
    assert float(red[hole].mean()) > 0.5
    assert float(red[:8, :].abs().max()) < 0.05, "far from every hole nothing is hot"
    assert draw_heat(record, None).shape == (len(regions), 512, 512, 3)
    assert draw_curve(record).shape == (1, 400, 720, 3)
    with pytest.raises(ValueError, match="record is empty"):
        draw_heat(GapRecord(), plan)


def test_a_method_is_a_table():
    """What no method of ours does: only the table is new."""
    q, k, v = inputs()
    membership = soft(2, 48)
    apart = torch.rand(2, 48)
    for method in (
        Method("mine", "here", {"one": table(rest_other=3.0)}, blocked=table(other_rest=1.0)),
        Method("near", "here", distance=1.5),
    ):
        out, _ = modulated_attention(q, k, v, method, membership, distance=apart)
        expected, _ = reference(q, k, v, method, membership, distance=apart)
        assert float((out - expected).abs().max()) <= 1e-5
    assert len(REGIONS) == len(method.blocked)


def test_sizes_that_do_not_fit_are_named():
    q, k, v = inputs()
    with pytest.raises(ValueError, match=r"memberships are \(2, 47, 4\)"):
        modulated_attention(q, k, v, sma(), soft(2, 47))


@given(st.integers(1, 6), st.floats(0.1, 3), st.sampled_from(sorted(METHODS)), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_hidden_parts_of_a_body_look_at_their_own_kind(labels, match, name, seed):
    """By match spreads of the row's logits times what a hole token and a key of own share of a label; nobody else minds."""
    q, k, v = inputs(seed=seed)
    membership, method = soft(2, 48, seed), METHODS[name]
    kinds = torch.rand(2, 48, labels, generator=torch.Generator().manual_seed(seed + 1)).softmax(-1)
    parts = torch.stack([membership[..., HOLE, None] * kinds, membership[..., OWN, None] * kinds], 1)
    out, masses = modulated_attention(q, k, v, method, membership, gain=0.5, parts=parts, match=match, masses=True)
    expected, expected_masses = reference(q, k, v, method, membership, gain=0.5, parts=parts, match=match)
    assert float((out - expected).abs().max()) <= 1e-5
    assert float((masses - expected_masses).abs().max()) <= 1e-5
    plain, _ = modulated_attention(q, k, v, method, membership, gain=0.5)
    elsewhere = membership[..., HOLE] == 0
    assert (out - plain).abs().amax((1, 3))[elsewhere].max() <= 1e-5
