"""Sheets of the bundled model: the sampler is Euler's, and the sheet shows what it begins from, what it paints, and the truth."""

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import disc, stripes

from mild_core.data.pairs import Pair, write_shard
from mild_core.models.mini import patchify, sigmas
from mild_core.training.loop import Pairs
from mild_core.training.mini_sheet import paint, show_pairs

SIZE = 32
HOLE = disc(SIZE, SIZE, 16, 16, 9) > 0


@pytest.fixture
def pairs(tmp_path):
    truth = (stripes(SIZE, SIZE) * 255).byte()
    fill = torch.where(HOLE[..., None], torch.full_like(truth, 90), truth)
    write_shard(tmp_path / "pairs-0.safetensors", [Pair(truth, fill, HOLE, role) for role in (0, 1, 0, 1, 0)])
    return Pairs(tmp_path)


def test_it_is_eulers_method():
    """Of a model that always says half of what it sees, against the same written out in float64."""
    begin, fill = torch.rand(2, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.2
    hole = HOLE[None, None].float().expand(2, -1, -1, -1)
    levels = sigmas()

    def half(noisy, sigma, step, told, role):
        assert told.shape == (2, 451, SIZE // 8, SIZE // 8)
        assert torch.equal(sigma, levels[step])
        return noisy / 2

    painted = paint(half, levels, begin, fill, hole, torch.zeros(2, dtype=torch.long), steps=3, start=0.5)
    at = [500, 333, 166, 0]  # of 999 steps, halves to even
    noise = torch.randn(begin.shape, generator=torch.Generator().manual_seed(1)).double()
    x = begin.double() + levels[at[0]].double() * noise
    for now, after in ((at[0], at[1]), (at[1], at[2]), (at[2], None)):
        sigma, to = levels[now].double(), levels[after].double() if after is not None else 0.0
        x = x + (x - x / 2) / sigma * (to - sigma)
    wanted = torch.where(hole > 0.5, x.clamp(-1, 1).float(), fill)
    assert (painted - wanted).abs().max() < 2e-2, "where in the schedule a step lies may differ by one of the thousand"
    assert torch.equal(painted[..., ~HOLE], fill[..., ~HOLE])


def test_a_model_that_knows_the_truth_paints_it(pairs, tmp_path):
    def knowing(noisy, sigma, step, told, role):
        return patchify(stripes(SIZE, SIZE).permute(2, 0, 1)[None] * 2 - 1).expand_as(noisy)

    show_pairs(knowing, pairs, sigmas(), tmp_path, 7)
    sheet = np.asarray(Image.open(tmp_path / "sheet-000007.png"))
    assert sheet.shape == (4 * SIZE, 3 * SIZE, 3)
    begin, painted, truth = np.split(sheet.astype(int), 3, axis=1)
    inside = np.tile(HOLE.numpy(), (4, 1))
    assert (begin[inside] == 90).all()
    assert abs(painted - truth).max() <= 1
    assert (begin[~inside] == truth[~inside]).all()
