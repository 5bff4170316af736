"""Seams: colour, sharpness, grain and gradients at the edge of a hole."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapes import disc

from mild_core.compose import harmonic
from mild_core.compose.colour import match_colour
from mild_core.compose.grain import match_grain, match_sharpness
from mild_core.compose.harmonic import poisson
from mild_core.compose.seam import seam

SIZE = 160
HOLE = disc(SIZE, SIZE, 84, 76, 40) > 0.5
LEVEL = 1 / 255
HOWS = {
    "colour": match_colour,
    "sharpness": match_sharpness,
    "grain": partial(match_grain, seed=1),
    "poisson": poisson,
    "seam, matched": partial(seam, how="matched", seed=1),
    "seam, poisson": partial(seam, how="poisson", seed=1),
}
every = pytest.mark.parametrize("how", HOWS.values(), ids=HOWS.keys())


def noise(seed, *shape, sigma=0.0):
    """Normal noise [H, W, 3] of standard deviation 1, blurred by a Gaussian of `sigma` pixels."""
    made = torch.randn(*(shape or (SIZE, SIZE)), 3, generator=torch.Generator().manual_seed(seed))
    if sigma:
        radius = int(3 * sigma + 1)
        steps = torch.arange(-radius, radius + 1).float()
        window = torch.exp(-steps.square() / (2 * sigma**2))
        planes = F.pad(made.permute(2, 0, 1)[:, None], [radius] * 4, mode="circular")
        made = F.conv2d(F.conv2d(planes, window[None, None, :, None]), window[None, None, None, :])[:, 0].permute(1, 2, 0)
    return made / made.std()


def a_photo(seed=0):
    """A picture [160, 160, 3] of soft shapes with some texture, in 0.1..0.9."""
    return (0.5 + 0.09 * noise(seed, sigma=6) + 0.03 * noise(seed + 1, sigma=1)).clamp(0.1, 0.9)


def places():
    """Down and right, each [160, 160, 1] in -1..1."""
    along = torch.linspace(-1, 1, SIZE)
    return along[:, None, None].expand(SIZE, SIZE, 1), along[None, :, None].expand(SIZE, SIZE, 1)


def with_a_person(photo):
    """The photo with somebody in red in the hole."""
    return torch.where(HOLE[..., None], torch.tensor([0.8, 0.1, 0.1]), photo)


def drifts():
    down, right = places()
    return {
        "constant": torch.tensor([0.04, -0.03, 0.02]).expand(SIZE, SIZE, 3),
        "linear": torch.tensor([0.02, 0.0, -0.01]) + 0.03 * down * torch.tensor([1.0, 0.5, -1.0]) - 0.02 * right,
        "contrast": 0.06 * (a_photo() - 0.4) * torch.tensor([1.0, -1.0, 0.5]),
    }


# --- colour


@pytest.mark.parametrize("drift", drifts().values(), ids=drifts().keys())
def test_drift_of_colour_goes_in_the_hole(drift):
    photo = a_photo()
    error = (match_colour(photo + drift, with_a_person(photo), HOLE, ~HOLE) - photo).abs()[HOLE]
    assert drift[HOLE].abs().max() > 5 * LEVEL
    assert error.quantile(0.99) < LEVEL * 0.6
    assert error.mean() < LEVEL / 10
    assert error.max() < drift[HOLE].abs().max() / 2, "colours that the ring has not take the nearest's correction"


def test_drift_that_bends_is_followed_at_the_edge():
    down, right = places()
    photo = a_photo()
    row = photo + 0.04 * torch.sin(4 * down + 2 * right)
    near = (disc(SIZE, SIZE, 84, 76, 44) > 0.5) & ~HOLE
    error = (match_colour(row, with_a_person(photo), HOLE, ~HOLE) - photo).abs()
    assert (row - photo)[near].abs().mean() > 5 * LEVEL
    assert error[near].mean() < 1.5 * LEVEL
    assert error[HOLE].mean() < (row - photo)[HOLE].abs().mean() / 2


def test_a_row_that_is_the_photo_outside_the_hole_keeps_its_colour():
    row = torch.where(HOLE[..., None], a_photo(7), a_photo())
    assert (match_colour(row, with_a_person(a_photo()), HOLE, ~HOLE) - row).abs().max() < 1e-6


def test_an_object_at_the_edge_that_the_row_has_not_is_left_out():
    photo = a_photo()
    row = photo + torch.tensor([0.04, -0.03, 0.02])
    seen = with_a_person(photo)
    seen[60:112, 110:150] = torch.tensor([0.1, 0.9, 0.9])  # a ball beside the hole
    seen[HOLE] = 0.5
    ring = (disc(SIZE, SIZE, 84, 76, 52) > 0.5) & ~HOLE
    assert (seen - row + torch.tensor([0.04, -0.03, 0.02]))[ring].mean(0).abs().min() > 10 * LEVEL, "a mean is thrown off"
    assert (match_colour(row, seen, HOLE, ~HOLE) - photo).abs()[HOLE].max() < LEVEL


def test_texture_that_the_row_has_not_does_not_bleed():
    photo = a_photo()
    row = photo + 0.03
    seen = photo + 0.05 * noise(5)
    assert (match_colour(row, seen, HOLE, ~HOLE) - photo).abs()[HOLE].max() < 2 * LEVEL


# --- sharpness


def soft(picture):
    planes = F.pad(picture.permute(2, 0, 1), [1] * 4, mode="replicate")
    return (F.avg_pool2d(planes, 3, stride=1) / 2 + planes[:, 1:-1, 1:-1] / 2).permute(1, 2, 0)


def test_a_soft_row_becomes_as_sharp_as_the_photo():
    photo = (0.5 + 0.08 * noise(2, sigma=0.8)).clamp(0.1, 0.9)
    row = soft(photo)
    sharp = match_sharpness(row, with_a_person(photo), HOLE, ~HOLE)
    assert (sharp - photo)[HOLE].std() < 0.4 * (row - photo)[HOLE].std()
    assert sharp[HOLE].std() == pytest.approx(float(photo[HOLE].std()), rel=0.03)


@pytest.mark.parametrize("row", [a_photo(), a_photo(9), soft(a_photo(9))], ids=["as sharp", "something else", "something else, soft"])
def test_a_row_that_is_as_sharp_or_shows_something_else_is_not_sharpened(row):
    assert (match_sharpness(row, with_a_person(a_photo()), HOLE, ~HOLE) - row).abs().max() < 2 * LEVEL


def test_a_row_sharper_than_the_photo_stays():
    row = a_photo()
    assert torch.equal(match_sharpness(row, with_a_person(soft(row)), HOLE, ~HOLE), row)


# --- grain


def kinds_of_noise():
    one = noise(3)
    return {
        "white": 0.02 * noise(3),
        "blue": one * torch.tensor([0.008, 0.008, 0.025]),
        "grey": 0.02 * one[..., :1].expand(SIZE, SIZE, 3),
        "blurred": 0.02 * noise(3, sigma=0.55),
    }


@pytest.mark.parametrize("grain", kinds_of_noise().values(), ids=kinds_of_noise().keys())
def test_grain_of_the_photo_comes_into_the_hole(grain):
    down, right = places()
    smooth = 0.5 + 0.2 * down * torch.tensor([1.0, 0.5, -0.5]) + 0.1 * right
    added = match_grain(smooth, with_a_person(smooth + grain), HOLE, ~HOLE, 1) - smooth
    assert torch.allclose(added[HOLE].std(0), grain.std((0, 1)), rtol=0.2)
    assert torch.allclose(torch.corrcoef(added[HOLE].T), torch.corrcoef(grain.flatten(0, 1).T), atol=0.15)
    for was, now in zip(*(x.diff(dim=1)[:, :-1][HOLE[:, 1:-1]].std(0) / x[HOLE].std(0) for x in (grain, added)), strict=True):
        assert now == pytest.approx(float(was), rel=0.15), "as fine as the photo's"


def test_only_what_is_missing_is_added():
    smooth, photo = torch.full((SIZE, SIZE, 3), 0.5), 0.5 + 0.02 * noise(3)
    for level, least, most in ((0.0, 0.017, 0.023), (0.01, 0.014, 0.020), (0.02, 0, 0.007), (0.03, 0, 1e-9)):
        row = smooth + level * noise(4)
        added = match_grain(row, photo, HOLE, ~HOLE, 1) - row
        assert least <= added[HOLE].std() <= most, level


def test_texture_is_not_taken_for_grain():
    waves = torch.fft.rfft2(noise(4).permute(2, 0, 1))
    frequency = torch.hypot(torch.fft.fftfreq(SIZE)[:, None], torch.fft.rfftfreq(SIZE)).clamp(min=1 / SIZE)
    texture = soft(torch.fft.irfft2(waves / frequency).permute(1, 2, 0))
    photo = (0.5 + 0.1 * texture / texture.std()).clamp(0.1, 0.9)
    added = match_grain(torch.full_like(photo, 0.5), photo, HOLE, ~HOLE, 1) - 0.5
    fine = photo - F.avg_pool2d(photo.permute(2, 0, 1), 3, 1, 1).permute(1, 2, 0)
    assert added.std() < fine[8:-8, 8:-8].std() / 2


def test_black_and_white_stay_clean():
    photo = (0.5 + 0.03 * noise(3)).clamp(0, 1)
    row = torch.full_like(photo, 0.5)
    row[:80], row[80:, :80] = 0, 1
    grainy = match_grain(row, photo, HOLE, ~HOLE, 1)
    assert torch.equal(grainy[:80], row[:80])
    assert torch.equal(grainy[80:, :80], row[80:, :80])
    assert grainy[80:, 80:][HOLE[80:, 80:]].std() > 0.02


def test_grain_follows_the_seed_and_the_place_alone():
    smooth, photo = torch.full((SIZE, SIZE, 3), 0.5), 0.5 + 0.02 * noise(3)
    first, again, other = (match_grain(smooth, photo, HOLE, ~HOLE, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - other)[HOLE].std() > 0.02
    torch.manual_seed(5)
    state = torch.get_rng_state()
    match_grain(smooth, photo, HOLE, ~HOLE, 1)
    assert torch.equal(torch.get_rng_state(), state), "nobody else's noise moves"
    elsewhere = match_grain(smooth, photo, disc(SIZE, SIZE, 70, 90, 30) > 0.5, ~HOLE, 1)
    pair = torch.stack([(x - 0.5)[HOLE].flatten() for x in (first, elsewhere)])
    assert torch.corrcoef(pair)[0, 1] > 0.95, "another hole, the same noise"


def test_pixels_that_are_the_photos_own_get_no_grain():
    photo = 0.5 + 0.02 * noise(3)
    row = torch.where(HOLE[..., None], torch.tensor(0.5), photo)
    grainy = match_grain(row, photo, HOLE, ~HOLE, 1)
    assert torch.equal(grainy[~HOLE], photo[~HOLE])
    assert grainy[HOLE].std() > 0.015


# --- gradients


def solved_directly(row, photo, hole, known):
    """The Poisson equations of the paper (eq. 8) for f itself, one by one, in float64 by a sparse factorisation."""
    row, photo = row.double().numpy(), photo.double().numpy()
    hole, known = hole.numpy(), known.numpy() & ~hole.numpy()
    number = {place: n for n, place in enumerate(zip(*hole.nonzero(), strict=True))}
    matrix, right = scipy.sparse.lil_matrix((len(number), len(number))), np.zeros((len(number), 3))
    for (i, j), n in number.items():
        for q in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if not (0 <= q[0] < hole.shape[0] and 0 <= q[1] < hole.shape[1]) or not (hole[q] or known[q]):
                continue
            matrix[n, n] += 1
            right[n] += row[i, j] - row[q]
            if hole[q]:
                matrix[n, number[q]] = -1
            else:
                right[n] += photo[q]
    result = row.copy()
    result[hole] = scipy.sparse.linalg.splu(matrix.tocsc()).solve(right)
    return torch.from_numpy(result).clamp(0, 1)


def masks(height, width):
    """Pairs of a hole and what is known; every part of a hole touches something known."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    hole = disc(height, width, height / 2, width / 2, 0.3 * min(height, width)) > 0.5
    at_frame = (disc(height, width, height - 4, 5, 0.5 * min(height, width)) > 0.5) | (rows >= height - 2)
    maze = ((rows % 6 < 3) | (columns < 4)) & (columns < width - 2)
    speckled = torch.rand(height, width, generator=torch.Generator().manual_seed(0)) > 0.7
    return {
        "inside": (hole, ~hole),
        "beside others": (hole, ~hole & (columns > width * 0.4)),
        "at the frame": (at_frame, ~at_frame),
        "a maze held at one end": (maze, (rows < 3) & (columns >= width - 2)),
        "speckled": (speckled, ~speckled),
    }


@pytest.mark.parametrize("kind", masks(8, 8))
@pytest.mark.parametrize("size", [(45, 64), (101, 77)])
def test_poisson_is_the_solution_of_the_equations(kind, size, monkeypatch):
    monkeypatch.setattr(harmonic, "MOST_STEPS", 100)  # a solver that needs more is none for a large hole
    hole, known = masks(*size)[kind]
    row, photo = 0.5 + 0.06 * noise(1, *size, sigma=2), 0.5 + 0.04 * noise(2, *size)
    found, expected = poisson(row, photo, hole, known), solved_directly(row, photo, hole, known)
    assert (expected - row)[hole].abs().mean() > 0.01
    assert (found - expected)[hole].abs().max() < 1e-4
    assert torch.equal(found[known & ~hole], photo[known & ~hole])


def test_a_wide_hole_takes_few_steps(monkeypatch):
    monkeypatch.setattr(harmonic, "MOST_STEPS", 20)
    down, right = torch.meshgrid(*[torch.linspace(-1, 1, 480)] * 2, indexing="ij")
    hole = disc(480, 480, 240, 240, 150) > 0.5
    photo = 0.5 + 0.1 * (down**2 - right**2)[..., None] * torch.tensor([1.0, -1.0, 2.0])
    assert (poisson(torch.full_like(photo, 0.3), photo, hole, ~hole) - photo).abs().max() < 1e-4, "a harmonic function"


def test_what_is_neither_hole_nor_known_does_not_bleed():
    photo, row = a_photo(), a_photo() + 0.03
    others = torch.zeros_like(HOLE)
    others[:, :60] = True
    red = torch.where(others[..., None], torch.tensor([1.0, 0.0, 0.0]), photo)
    known = ~HOLE & ~others
    for how in HOWS.values():
        assert torch.equal(how(row, red, HOLE, known), how(row, photo, HOLE, known))
    assert (poisson(row, red, HOLE, known) - photo).abs()[HOLE].max() < 1e-4, "and a shift of colour is gone all the same"


def test_a_part_of_the_hole_that_touches_nothing_known_takes_the_correction_of_the_nearest():
    photo = a_photo()
    hole = HOLE | (disc(SIZE, SIZE, 20, 20, 8) > 0.5)
    known = ~hole & (disc(SIZE, SIZE, 20, 20, 12) < 0.5)
    assert (poisson(photo - 0.04, photo, hole, known) - photo).abs().max() < 1e-4


# --- all


@every
def test_what_the_photo_shows_in_the_hole_does_not_matter(how):
    photo, row = a_photo() + 0.01 * noise(3), soft(a_photo()) + 0.03
    assert torch.equal(how(row, with_a_person(photo), HOLE, ~HOLE), how(row, photo, HOLE, ~HOLE))


@pytest.mark.parametrize("how", ["matched", "poisson"])
def test_a_row_as_a_pipeline_returns_it_comes_nearer_to_the_photo(how):
    smooth = 0.5 + 0.09 * noise(0, sigma=6)
    truth = (smooth + 0.01 * noise(3)).clamp(0, 1)
    row = soft(smooth) * 0.97 + torch.tensor([0.04, 0.0, -0.02])
    met = seam(row, with_a_person(truth), HOLE, ~HOLE, how, 1)
    before, after, wanted = (float((picture - soft(picture))[HOLE].std()) for picture in (row, met, truth))
    assert before < 0.2 * wanted
    assert after == pytest.approx(wanted, rel=0.2)
    assert (met - truth)[HOLE].square().mean() < (row - truth)[HOLE].square().mean() / 2
    near = (disc(SIZE, SIZE, 84, 76, 44) > 0.5) & ~HOLE
    assert (met - truth)[near].mean(0).abs().max() < LEVEL < (row - truth)[near].mean(0).abs().max()


def test_feather_is_the_row():
    row = a_photo()
    assert torch.equal(seam(row, a_photo(3), HOLE, ~HOLE, "feather", 1), row)


@every
@pytest.mark.parametrize("known", [torch.zeros_like(HOLE), HOLE], ids=["nothing", "only the hole"])
def test_with_nothing_known_the_row_comes_back(how, known):
    row = a_photo()
    assert torch.equal(how(row, a_photo(3), HOLE, known), row)


def shares():
    return st.sampled_from([0.0, 0.02, 0.3, 0.7, 1.0])


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 99), shares(), shares(), st.sampled_from([0, 0.05, 1]))
@example((1, 1), 0, 1.0, 1.0, 1)
@example((40, 1), 0, 0.3, 1.0, 1)
def test_any_masks_and_sizes(size, seed, share_of_hole, share_known, contrast):
    generator = torch.Generator().manual_seed(seed)
    row, photo = 0.5 + (torch.rand(2, *size, 3, generator=generator) - 0.5) * contrast
    hole, known = (torch.rand(*size, generator=generator) < share for share in (share_of_hole, share_known))
    for name, how in HOWS.items():
        result = how(row, photo, hole, known)
        assert result.shape == row.shape, name
        assert result.dtype == torch.float32, name
        assert result.isfinite().all(), name
        assert result.min() >= 0, name
        assert result.max() <= 1, name
        assert torch.equal(result, how(row, photo, hole, known)), name
    known &= ~hole
    assert torch.equal(poisson(row, photo, hole, known)[known], photo[known])


PICTURE, MASK = torch.rand(8, 9, 3), torch.zeros(8, 9, dtype=torch.bool)


@every
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((PICTURE[None], PICTURE, MASK, MASK), "row is 1×8×9×3, but it must be one picture of height×width×3"),
        ((PICTURE, PICTURE[1:], MASK, MASK), "photo is 7×9×3 but row is 8×9×3: they must be the same size"),
        ((PICTURE, PICTURE, MASK[1:], MASK), "hole is 7×9 but row is 8×9×3: they must be the same size"),
        ((PICTURE, PICTURE, MASK, MASK[..., None]), "known is 8×9×1 but row is 8×9×3: they must be the same size"),
        ((PICTURE, PICTURE, MASK, MASK.float()), "known is of torch.float32, but it must be bool"),
    ],
)
def test_wrong_inputs_are_named(how, inputs, message):
    with pytest.raises(ValueError, match=message):
        how(*inputs)


def test_a_wrong_seam_is_named():
    with pytest.raises(ValueError, match="seam is 'x', but it must be one of feather, matched, poisson"):
        seam(PICTURE, PICTURE, MASK, MASK, "x", 1)
