"""The edges of people's layers, against a composite whose parts are known."""

import pytest
import torch
from shapes import disc

from mild_core.compose.edge import freed_colour, soft_edge

SIZE = 64


def composite(softness: float):
    """Somebody in red and green over a blue place: photo, true colours, alpha."""
    distance = ((torch.arange(SIZE)[:, None] - 32.0) ** 2 + (torch.arange(SIZE) - 32.0) ** 2).sqrt()
    alpha = ((20 - distance) / softness + 0.5).clamp(0, 1)
    person = torch.stack(
        [0.6 + 0.3 * torch.linspace(0, 1, SIZE).expand(SIZE, SIZE), torch.full((SIZE, SIZE), 0.4), torch.zeros(SIZE, SIZE)], -1
    )
    place = torch.tensor([0.1, 0.2, 0.9]).expand(SIZE, SIZE, 3)
    return torch.lerp(place, person, alpha[..., None]), person, alpha


@pytest.mark.parametrize("softness", [2.0, 4.0])
def test_the_background_is_taken_out_of_soft_edges(softness):
    photo, person, alpha = composite(softness)
    edge = (alpha > 0.02) & (alpha < 0.95)
    before = (photo - person)[edge].abs().mean()
    after = (freed_colour(photo, alpha) - person)[edge].abs().mean()
    assert before > 0.2
    assert after < 0.03


def test_what_is_surely_somebody_stays_as_it_is():
    photo, _, alpha = composite(3.0)
    sure = alpha >= 0.95
    assert torch.equal(freed_colour(photo, alpha)[sure], photo[sure])
    assert torch.equal(freed_colour(photo, (alpha > 0.5).float()), photo)


def test_only_hard_masks_are_softened_and_only_where_told():
    hard, soft = disc(SIZE, SIZE, 32, 32, 20), composite(3.0)[2]
    left = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    left[:, :32] = True
    softened = soft_edge(hard, left)
    assert torch.equal(softened[~left], hard[~left])
    between = (softened > 0) & (softened < 1)
    assert between.any()
    assert (torch.nn.functional.max_pool2d(hard[None, None], 3, 1, 1)[0, 0][between] == 1).all(), "one pixel at most"
    assert torch.equal(softened > 0.5, hard > 0.5)
    speck = disc(SIZE, SIZE, 30, 10, 0)
    assert torch.equal(soft_edge(speck, left) > 0.5, speck > 0.5)
    assert torch.equal(soft_edge(soft, left), soft)


def test_without_a_sure_neighbour_the_photo_stays():
    photo, alpha = torch.rand(8, 8, 3), torch.full((8, 8), 0.5)
    assert torch.equal(freed_colour(photo, alpha), photo)
