"""Who stands in front of whom."""

from math import exp, log, tanh

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapes import disc

from mild_core.scene import Part, Person, from_masks, split_people
from mild_core.scene.depth import (
    FEET,
    LIMITS,
    PAIR_SIDE,
    PHOTO_SIDE,
    SUREST,
    WEIGHTS,
    _crowd,
    _outlines,
    _settled,
    _signs,
    given_order,
    in_words,
    order_people,
)

HEIGHT, WIDTH = 128, 192


def block(top, left, bottom, right):
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[top:bottom, left:right] = 1
    return mask


def without(mask, *nearer):
    return mask * (1 - torch.stack(nearer).amax(0))


def crowd(*masks):
    """People with ids p1, p2, … as detectors claim them."""
    parts = [Part.of(torch.as_tensor(mask) > 0.5) for mask in masks]
    return [Person(f"p{n}", n, part, part, part) for n, part in enumerate(parts, start=1)]


def signs_of(one, other, *others):
    outlines = _outlines(crowd(one, other, *others))
    return _signs(outlines[0], outlines[1], _crowd([outline.small for outline in outlines]))[0]


def sure(odds):
    return 1 / (1 + exp(-odds))


BALL, BAR = disc(HEIGHT, WIDTH, 50, 96, 30), block(50, 20, 110, 172)
POST, BEAM = block(20, 90, 110, 102), block(80, 75, 110, 160)
CHILD, PARENT = block(60, 84, 100, 104), block(20, 60, 110, 128)

EVIDENCE = [
    ("feet", block(40, 10, 110, 40), block(30, 100, 100, 130)),
    ("frame", block(68, 10, HEIGHT, 40), block(50, 100, 110, 130)),
    ("size", block(20, 10, 110, 60), block(60, 100, 110, 130)),
    ("corners", BALL, without(BAR, BALL)),
    ("bulge", disc(HEIGHT, WIDTH, 70, 60, 30), without(block(41, 60, 101, 150), disc(HEIGHT, WIDTH, 70, 60, 30))),
    ("cover", block(60, 40, 110, 90), without(block(30, 60, 110, 120), block(60, 40, 110, 90))),
    ("parts", POST, without(BEAM, POST)),
    ("enclosed", CHILD, without(PARENT, CHILD)),
]


@pytest.mark.parametrize(("name", "nearer", "farther"), EVIDENCE, ids=[name for name, *_ in EVIDENCE])
def test_each_kind_of_evidence(name, nearer, farther):
    assert signs_of(nearer, farther)[name] > 0.15
    there, back = signs_of(nearer, farther), signs_of(farther, nearer)
    assert back == {name: pytest.approx(-value) for name, value in there.items()}


def test_a_crumb_is_no_part():
    beside = without(BEAM, POST, block(0, 0, HEIGHT, 90))
    assert signs_of(POST, torch.maximum(beside, block(90, 88, 94, 90)))["parts"] == 0


def test_every_kind_of_evidence_has_a_weight_and_speaks_for_the_nearer():
    assert {name for name, *_ in EVIDENCE} == set(WEIGHTS) == set(signs_of(BALL, without(BAR, BALL)))
    assert min(WEIGHTS.values()) > 0


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        pytest.param(BALL, without(BAR, BALL), id="ball before a larger bar that reaches lower"),
        pytest.param(POST, without(BEAM, POST), id="post before a larger beam that it cuts in two"),
        pytest.param(CHILD, without(PARENT, CHILD), id="child before a larger parent who reaches lower"),
    ],
)
def test_outlines_outweigh_size(nearer, farther):
    assert nearer.sum() < farther.sum()
    for masks, front in (((nearer, farther), "p1"), ((farther, nearer), "p2")):
        depth = order_people(crowd(*masks))
        assert depth.people[0].id == depth.pairs[0].nearer == front
        assert depth.pairs[0].touching
        assert 0.7 < depth.pairs[0].confidence <= SUREST


def test_no_guess_is_certain():
    broad = block(20, 85, 126, 125)
    assert order_people(crowd(broad, without(BEAM, broad))).pairs[0].confidence == SUREST < 1


def test_of_people_apart_only_feet_and_size_speak():
    for lower, column in ((1, 100), (4, 100), (4, 140), (20, 100)):
        depth = order_people(crowd(block(20, 10, 80, 40), block(20 + lower, column, 80 + lower, column + 30)))
        assert depth.people[0].id == "p2"
        assert depth.pairs[0].confidence == pytest.approx(sure(WEIGHTS["feet"] * tanh(lower / 60 / FEET)))
        assert not depth.pairs[0].touching
    larger = order_people(crowd(block(70, 10, 90, 20), block(50, 100, 90, 120)))
    assert larger.people[0].id == "p2"
    assert larger.pairs[0].confidence == pytest.approx(sure(WEIGHTS["size"] * log(2)))
    giant = order_people(crowd(block(88, 10, 90, 12), block(20, 100, 90, 130)))
    assert giant.pairs[0].confidence == pytest.approx(sure(WEIGHTS["size"] * LIMITS["size"]))


def test_feet_are_void_where_the_frame_cuts():
    def confidence(first, second):
        return order_people(crowd(first, second)).pairs[0].confidence

    assert confidence(block(48, 10, HEIGHT, 40), block(48, 100, HEIGHT, 130)) == 0.5
    cut, standing = block(98, 10, HEIGHT, 40), block(90, 100, 120, 130)
    assert confidence(cut, standing) == pytest.approx(sure(WEIGHTS["frame"]))
    assert order_people(crowd(standing, cut)).people[0].id == "p2"


def test_where_both_claim_the_pixels_there_is_no_evidence():
    left, right = disc(HEIGHT, WIDTH, 60, 70, 40), disc(HEIGHT, WIDTH, 60, 110, 40)
    signs = signs_of(left, without(right, disc(HEIGHT, WIDTH, 60, 110, 20)))  # a ring, so that all but the claims differs
    claimed = order_people(crowd(left, right)).pairs[0]
    assert claimed.touching
    assert claimed.confidence == 0.5
    assert abs(signs["cover"]) < 0.1 * abs(signs_of(without(left, right), right)["cover"])


def test_a_third_person_at_the_corners_hides_them():
    caps = torch.maximum(block(40, 56, 62, 76), block(40, 116, 62, 136))
    ball, bar = without(BALL, caps), without(BAR, BALL, caps)
    assert signs_of(ball, bar)["corners"] != 0
    assert signs_of(ball, bar, caps)["corners"] == 0


mask_batches = hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(24), st.just(32))).filter(lambda masks: masks.any((1, 2)).all())


@settings(max_examples=60, deadline=None)
@given(mask_batches, st.randoms(use_true_random=False))
def test_the_order_in_which_people_come_in_does_not_matter(masks, random):
    people = crowd(*masks)
    before = order_people(people)
    random.shuffle(people)
    after = order_people(people)
    assert [p.id for p in before.people] == [p.id for p in after.people]
    assert before.pairs == after.pairs
    place = {p.id: n for n, p in enumerate(before.people)}
    assert len(before.pairs) == len(people) * (len(people) - 1) // 2
    assert all(place[pair.nearer] < place[pair.farther] for pair in before.pairs)
    assert all(0.5 <= pair.confidence <= SUREST for pair in before.pairs)


def test_ties_go_by_id():
    twins = crowd(block(40, 10, 90, 40), block(40, 60, 90, 90), block(40, 110, 90, 140))
    assert [p.id for p in order_people(twins[::-1]).people] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("odds", "order"),
    [
        ({(0, 1): 3.0, (1, 2): 2.0, (0, 2): -1.0}, [0, 1, 2]),
        ({(0, 1): 3.0, (1, 2): 1.0, (0, 2): -2.0}, [2, 0, 1]),
        ({(0, 1): 1.0, (1, 2): 3.0, (0, 2): -2.0}, [1, 2, 0]),
        ({(0, 1): 0.0, (1, 2): 0.0, (0, 2): 0.0}, [0, 1, 2]),
    ],
)
def test_of_a_cycle_the_weakest_evidence_is_dropped(odds, order):
    assert _settled(3, odds) == order


@given(st.permutations(range(6)), st.lists(st.floats(0.01, 9), min_size=15, max_size=15))
def test_evidence_without_a_contradiction_is_the_order(order, strengths):
    place = {one: n for n, one in enumerate(order)}
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    odds = {(i, j): s if place[i] < place[j] else -s for (i, j), s in zip(pairs, strengths, strict=True)}
    assert _settled(6, odds) == list(order)


def test_what_contradicts_the_order_has_no_confidence():
    """Four bars, each across the next, as in a woven mat."""
    bars = [block(60, 20, 72, 170), block(20, 40, 112, 52), block(20, 40, 32, 170), block(20, 140, 112, 152)]
    over = [(0, 1), (1, 2), (2, 3), (3, 0)]
    masks = [without(bar, *(bars[near] for near, far in over if bars[far] is bar)) for bar in bars]
    depth = order_people(crowd(*masks))
    confidence = [pair.confidence for pair in depth.pairs if pair.touching]
    assert len(confidence) == len(over)
    assert confidence.count(0.5) == 1
    place = {p.id: n for n, p in enumerate(depth.people)}
    assert sum(place[f"p{near + 1}"] < place[f"p{far + 1}"] for near, far in over) == len(over) - 1


def test_the_size_of_the_photo_does_not_matter():
    small = order_people(crowd(BALL, without(BAR, BALL))).pairs[0]
    times = 2 * PHOTO_SIDE // WIDTH
    assert times * WIDTH > PHOTO_SIDE
    assert times * BAR.sum(1).max() > PAIR_SIDE
    large = order_people(crowd(*(mask.repeat_interleave(times, 0).repeat_interleave(times, 1) for mask in (BALL, without(BAR, BALL)))))
    assert (large.pairs[0].nearer, large.pairs[0].touching) == (small.nearer, True)
    assert large.pairs[0].confidence == pytest.approx(small.confidence, abs=0.1)


def test_a_speck_in_a_large_photo_is_somebody():
    masks = torch.zeros(2, 40, 5 * PHOTO_SIDE)
    masks[0, 7, 7] = masks[1, 10:30, 100:120] = 1
    assert [p.id for p in order_people(crowd(*masks)).people] == ["p2", "p1"]


def test_an_order_given_is_certain():
    masks = torch.stack([BALL, without(BAR, BALL), block(116, 150, 126, 180)])
    photo = torch.zeros(1, HEIGHT, WIDTH, 3)
    scene = split_people(photo, from_masks(masks, "by mask"), depth_order="2,3,1")
    assert [p.number for p in scene.people] == [2, 3, 1]
    assert [pair.confidence for pair in scene.order] == [1, 1, 1]
    assert in_words(scene) == "2 is in front of 1 (100 %)"


def test_a_scene_says_who_is_in_front_and_how_sure_that_is():
    masks = torch.stack([without(BAR, BALL), BALL])
    scene = split_people(torch.zeros(1, HEIGHT, WIDTH, 3), from_masks(masks, "by mask"))
    assert scene.order[0].nearer == scene.people[0].id
    assert in_words(scene) == f"2 is in front of 1 ({100 * scene.order[0].confidence:.0f} %)"


def test_of_somebody_who_is_gone_nothing_is_said():
    masks = torch.stack([BALL, BALL, without(BAR, BALL)])
    scene = split_people(torch.zeros(1, HEIGHT, WIDTH, 3), from_masks(masks, "by mask"))
    assert [{pair.nearer, pair.farther} for pair in scene.order] == [{p.id for p in scene.people}]
    assert len(given_order(crowd(*masks)).pairs) == 3
