"""The chain-rectifying loss is the printed one, and its attention the engine's."""

import pytest
import torch
from shapes import disc
from torch import nn
from torch.nn import functional as F

from mild_core.attention import METHODS, modulated_attention
from mild_core.models.mini import sigmas
from mild_core.plan.regions import RegionMap
from mild_core.training.chain import LONGEST_JUMP, Chain, Jumps, check_weighting, row_mean
from mild_core.training.chain_attention import HoleTokens, rectified

T = 1000


def scheduler_kept():
    """ᾱ of Stable Diffusion, float64, written out."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, T, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


@pytest.fixture(scope="module")
def chain():
    return Chain.of(scheduler_kept())


def printed_loss(kept, x_ori, x_obj, noise, t, gamma, predict):
    """Eq. 6-9 one row after the other, in the paper's time, as they are printed: ‖x_s − x̂_s‖² of each row."""
    kept = torch.cat([torch.ones(1, dtype=torch.float64), kept])
    errors = []
    for row, (begin, jump) in enumerate(zip(t.tolist(), gamma.tolist(), strict=True)):
        end = max(begin - jump, 0)

        def path(at, row=row):
            share = 1 - kept[at]
            mix = (1 - share) * x_ori[row] + share * x_obj[row]
            return kept[at].sqrt() * mix + (1 - kept[at]).sqrt() * noise[row]

        x_t = path(begin)
        said = predict(x_t[None], torch.tensor([begin]))[0]
        jumped = kept[end].sqrt() * (x_t - (1 - kept[begin]).sqrt() * said) / kept[begin].sqrt() + (1 - kept[end]).sqrt() * said
        errors.append((path(end) - jumped).square().sum())
    return torch.stack(errors)


class SaysNoise(nn.Module):
    """Any network that depends on picture and time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layer = nn.Conv2d(3, 3, 3, padding=1).double()
        self.time = nn.Parameter(torch.randn(3, dtype=torch.float64))

    def forward(self, x, t):
        return torch.tanh(self.layer(x)) + (t / T)[:, None, None, None] * self.time[:, None, None]


def rows(count, seed=0):
    g = torch.Generator().manual_seed(seed)
    x_ori, x_obj, noise = torch.randn(3, count, 3, 6, 7, dtype=torch.float64, generator=g)
    t = torch.randint(1, T + 1, (count,), generator=g)
    gamma = torch.randint(1, LONGEST_JUMP + 1, (count,), generator=g)
    t[:4], gamma[:4] = torch.tensor([1, 1, 50, T]), torch.tensor([1, 100, 100, 1])  # the ends, and s cut off at 0
    return x_ori, x_obj, noise, t, gamma, Jumps(t, (t - gamma).clamp(min=0))


def grads(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_regressing_the_noise_is_the_printed_loss_and_so_is_its_gradient(chain):
    x_ori, x_obj, noise, t, gamma, jumps = rows(64)
    one, other = SaysNoise(), SaysNoise()
    printed = printed_loss(scheduler_kept(), x_ori, x_obj, noise, t, gamma, one)
    x_t = chain.noisy(chain.mixed(x_ori, x_obj, jumps.begin), noise, jumps.begin)
    target = chain.noise_target(noise, chain.apart(x_ori, x_obj, jumps), jumps)
    ours = (other(x_t, jumps.begin) - target).square()
    weighted = ours.flatten(1).sum(1) * chain.noise_weight(jumps)
    assert torch.allclose(weighted, printed, rtol=1e-10, atol=1e-14)
    printed.mean().backward()
    (row_mean(ours, chain.noise_weight(jumps)) * ours[0].numel()).backward()
    assert torch.allclose(grads(other), grads(one), rtol=1e-10, atol=1e-13)


def test_regressing_the_clean_picture_is_the_printed_loss_and_so_is_its_gradient(chain):
    """Of a network in the bundled model's parametrisation: it sees x_t/√ᾱ_t = x̃_t + σ_t·ε, and says x̂_0."""
    x_ori, x_obj, noise, t, gamma, jumps = rows(64, seed=1)
    one, other = SaysNoise(), SaysNoise()

    def noise_of(model):
        def predict(x_t, at):
            sigma = chain.spread[at][:, None, None, None]
            seen = x_t * (1 + sigma**2).sqrt()  # 1 + σ² = 1/ᾱ
            return (seen - model(seen, at)) / sigma

        return predict

    printed = printed_loss(scheduler_kept(), x_ori, x_obj, noise, t, gamma, noise_of(one))
    sigma = chain.spread[jumps.begin][:, None, None, None]
    seen = chain.mixed(x_ori, x_obj, jumps.begin) + sigma * noise
    ours = (other(seen, jumps.begin) - chain.clean_target(x_ori, x_obj, jumps)).square()
    weighted = ours.flatten(1).sum(1) * chain.clean_weight(jumps)
    assert torch.allclose(weighted, printed, rtol=1e-9, atol=1e-13)
    printed.mean().backward()
    (row_mean(ours, chain.clean_weight(jumps)) * ours[0].numel()).backward()
    assert torch.allclose(grads(other), grads(one), rtol=1e-9, atol=1e-12)


def test_both_targets_stand_for_one_picture(chain):
    x_ori, x_obj, noise, _, _, jumps = rows(32, seed=2)
    sigma = chain.spread[jumps.begin][:, None, None, None]
    seen = chain.mixed(x_ori, x_obj, jumps.begin) + sigma * noise
    star = chain.noise_target(noise, chain.apart(x_ori, x_obj, jumps), jumps)
    assert torch.allclose(chain.clean_target(x_ori, x_obj, jumps) + sigma * star, seen, atol=1e-9)


def test_apart_is_the_difference_of_two_mixes(chain):
    x_ori, x_obj, _, _, _, jumps = rows(16)
    mixes = [chain.mixed(x_ori, x_obj, at) for at in jumps]
    assert torch.allclose(chain.apart(x_ori, x_obj, jumps), mixes[0] - mixes[1], atol=1e-14)


def test_a_path_begins_with_the_object_and_ends_without(chain):
    assert chain.share[0] == 0
    assert chain.kept[0] == 1
    assert chain.share[-1] > 0.99
    assert (chain.share.diff() > 0).all()
    plain, shown = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    assert not chain.mixed(plain, shown, torch.tensor([0, 0])).any()
    jumps = Jumps(torch.tensor([60, 60]), torch.tensor([0, 0]))
    assert torch.allclose(chain.clean_target(plain, shown, jumps), plain), "who jumps to the end says the photo"


def test_the_printed_weights_span_five_orders(chain):
    few, many = chain.noise_weight(Jumps(torch.tensor([120, 900]), torch.tensor([119, 800]))).tolist()
    assert few == pytest.approx(4e-6, rel=0.2)
    assert many == pytest.approx(0.39, abs=0.02)


def test_single_precision_keeps_the_shortest_jumps(chain):
    """The shift of the target is a quotient of two small differences: the tables have the digits for it."""
    x_ori, x_obj, noise = torch.randn(3, 5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    begin = torch.tensor([2, 30, 120, 600, 1000])
    jumps = Jumps(begin, begin - 1)
    exact = chain.noise_target(noise.double(), chain.apart(x_ori.double(), x_obj.double(), jumps), jumps)
    assert torch.allclose(chain.noise_target(noise, chain.apart(x_ori, x_obj, jumps), jumps).double(), exact, atol=1e-5)
    limit = 2 * (1 - chain.kept[600]).sqrt() * chain.kept[600] ** 1.5  # of γ → 0
    shift = chain.share[600] - chain.share[599]
    assert shift / (chain.spread[600] - chain.spread[599]) == pytest.approx(float(limit), rel=0.01)


def test_jumps_are_drawn_as_the_paper_says(chain):
    jumps = chain.draw(50_000, torch.Generator().manual_seed(0))
    assert (int(jumps.begin.min()), int(jumps.begin.max())) == (1, T)
    assert (int(jumps.end.min()), int(jumps.end.max())) == (0, T - 1)
    assert (int(jumps.step.min()), int(jumps.step.max())) == (0, T - 1)
    gamma = (jumps.begin - jumps.end)[jumps.begin > LONGEST_JUMP]
    assert torch.bincount(gamma, minlength=101)[1:].float().std() < 0.08 * len(gamma) / LONGEST_JUMP
    assert int(gamma.max()) == LONGEST_JUMP
    assert not jumps.end[jumps.begin <= 1].any()
    assert torch.equal(chain.draw(9, torch.Generator().manual_seed(4)).end, chain.draw(9, torch.Generator().manual_seed(4)).end)


def test_the_bundled_model_s_levels_are_the_same_chain(chain):
    own = Chain.of_sigmas(sigmas())
    assert torch.allclose(own.kept, chain.kept, rtol=1e-5, atol=0)
    assert torch.allclose(own.spread[1:], sigmas().double(), rtol=1e-6)


@pytest.mark.parametrize("kept", [[0.5, 0.7], [1.0, 0.5], [0.5, 0.0], [], 0.5])
def test_a_schedule_that_does_not_fall_is_an_error(kept):
    with pytest.raises(ValueError, match="must be a list of shares that fall between 1 and 0"):
        Chain.of(torch.tensor(kept))


def test_an_unknown_weighting_is_an_error():
    with pytest.raises(ValueError, match='weighting is "snr", but it must be one of paper, even'):
        check_weighting("snr")


# -- attention ---------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """What diffusers' attention has that a processor uses."""

    def __init__(self, width=24, heads=3):
        super().__init__()
        torch.manual_seed(1)
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Dropout(0.0)])


def processed(attn, hole, x):
    from mild_core.training.chain_attention import RectifiedAttention

    return RectifiedAttention(HoleTokens(hole, (8, 8)))(attn, x)


def split(attn, x):
    return (layer(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for layer in (attn.to_q, attn.to_k, attn.to_v))


def some_hole(count=2):
    return torch.stack([disc(64, 64, 30, 24 + 8 * n, 18) for n in range(count)])[:, None].gt(0).float()


def test_training_s_attention_is_the_engine_s():
    attn, hole = Attention(), some_hole()
    x = torch.randn(2, 64, 24, generator=torch.Generator().manual_seed(0))
    maps = [RegionMap.of_masks(h[0], 1 - h[0], 0 * h[0]).tokens(8, 8) for h in hole]
    with torch.no_grad():
        q, k, v = split(attn, x)
        out, _ = modulated_attention(q, k, v, METHODS["self-rectifying"], torch.stack(maps))
        assert torch.allclose(processed(attn, hole, x), attn.to_out[0](out.transpose(1, 2).flatten(2)), atol=1e-5)


def test_holes_that_end_with_tokens_are_masked_out_exactly():
    """Eq. 10-11 read as −∞ on hole→hole, softmax written out in float64; its gradient too."""
    attn = Attention().double()
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 16:40, 8:48] = 1  # whole tokens of 8
    m = F.avg_pool2d(hole, 8).flatten().bool()
    x = torch.randn(1, 64, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, k, v = split(attn, x)
    logits = (q @ k.transpose(-1, -2) * attn.scale).masked_fill(m[:, None] & m[None, :], float("-inf"))
    expected = attn.to_out[0]((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
    found = processed(attn, hole, x)
    assert torch.allclose(found, expected, atol=1e-9)
    wanted = torch.autograd.grad(expected.square().sum(), list(attn.parameters()))
    gradients = torch.autograd.grad(found.square().sum(), list(attn.parameters()))
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(gradients, wanted, strict=True))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_hole_and_no_hole_are_plain_attention(value):
    attn, hole = Attention(), torch.full((1, 1, 64, 64), value)
    x = torch.randn(1, 64, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        q, k, v = split(attn, x)
        plain = attn.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        assert torch.allclose(processed(attn, hole, x), plain, atol=1e-5)


def test_guidance_repeats_the_holes():
    attn, hole = Attention(), some_hole()
    x = torch.randn(2, 64, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(processed(attn, hole, x.repeat(2, 1, 1)), processed(attn, hole, x).repeat(2, 1, 1), atol=1e-6)


def test_a_unet_is_rectified_for_a_while_and_no_hole_token_depends_on_another():
    from tiny_tuning import tiny_unet

    unet, hole = tiny_unet(4), torch.zeros(1, 1, 32, 32)
    hole[..., 8:24, 8:24] = 1
    inputs = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([500]), torch.zeros(1, 3, 24)
    with torch.no_grad():
        plain = unet(*inputs, return_dict=False)[0]
        with rectified(unet, hole, (8, 8)):
            assert not torch.allclose(unet(*inputs, return_dict=False)[0], plain, atol=1e-4)
        assert torch.equal(unet(*inputs, return_dict=False)[0], plain)


def test_a_grid_that_no_level_has_is_an_error():
    with pytest.raises(ValueError, match="attention has 63 tokens, but no level of a UNet has so many of a latent of 8×8"):
        HoleTokens(some_hole(), (8, 8)).on(63)
