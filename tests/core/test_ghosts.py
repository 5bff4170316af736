"""The measure of ghosts: what the model is told is not what the latent begins as, and the table says what was measured."""

import torch
from shapes import disc, stripes

from mild_core.models.mini import patchify
from scripts.ghosts import SCORES, scored, table, told


def test_the_fill_is_told_whatever_the_latent_is():
    fills = torch.rand(2, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    text = torch.zeros(2, 4, 8)
    before = [[text, {"concat_latent_image": torch.zeros(1), "concat_mask": "kept"}]]
    for conditioning in told(fills)(before, before):
        ((same, entries),) = conditioning
        assert same is text
        assert entries["concat_mask"] == "kept"
        assert torch.equal(entries["concat_latent_image"], patchify(fills.movedim(-1, 1) * 2 - 1))
    assert before[0][1]["concat_latent_image"].shape == (1,)


def test_a_ghost_scores_worse_the_more_of_it_is_left():
    class Truth:
        background = stripes(96, 96, 8)
        visible = (disc(96, 96, 48, 48, 20) > 0)[None]
        photo = torch.where(visible[0][..., None], torch.tensor([0.9, 0.1, 0.1]), background)

    hole = disc(96, 96, 48, 48, 23) > 0
    found = [scored(Truth.background + left * (Truth.photo - Truth.background), Truth, hole) for left in (0.05, 0.4, 0.9)]
    for name, sign in (("colour", 1), ("psnr", -1), ("haarpsi", -1)):
        values = [sign * one[name] for one in found]
        assert values == sorted(values), name
        assert len(set(values)) == 3


def test_the_table_has_a_line_for_each_setting_and_the_fill_once():
    means = {kind: dict.fromkeys(SCORES, 0.5) for kind in ("fill", "plain, 0.6", "self-rectifying, 0.6")}
    lines = table({"mini": {"means": means}, "tuned": {"means": means}}).splitlines()
    assert len(lines) == 2 + 1 + 4
    assert lines[2] == "| exemplar fill |  |  | 0.500 | 0.500 | 0.50 | 0.5000 |"
    assert lines[-1] == "| tuned | self-rectifying | 0.6 | 0.500 | 0.500 | 0.50 | 0.5000 |"
