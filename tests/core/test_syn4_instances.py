import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.syn4_instances import Instance, in_turn, keep_instances


def dogs(*scores_and_areas, word="dog") -> list[Instance]:
    return [Instance(f"photo{n}", 1, word, area, score) for n, (score, area) in enumerate(scores_and_areas)]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1), st.one_of(st.none(), st.floats(-0.1, 0.4))), max_size=40))
def test_what_is_kept_is_what_the_rules_say(drawn):
    found = [Instance(f"p{n}", n, word, area, score) for n, (word, area, score) in enumerate(drawn)]
    kept = keep_instances(found)
    for word in "abc":
        own = [one for one in found if one.word == word]
        scores = [one.score for one in own if one.score is not None]
        bar = min(0.2, max(scores) - 0.02) if scores else -9
        fit = [one for one in own if 0.05 <= one.area <= 0.95 and (one.score is None or one.score >= bar)]
        if len(fit) < 6:
            assert word not in kept.instances
            assert word not in kept.sizes
            continue
        assert sorted(kept.instances[word]) == sorted(fit)
        number, mean, deviation = kept.sizes[word]
        assert number == len(fit)
        assert mean == pytest.approx(statistics.fmean(one.area for one in fit))
        assert deviation == pytest.approx(statistics.pstdev([one.area for one in fit]), abs=1e-9)
    assert sum(kept.dropped.values()) + sum(map(len, kept.instances.values())) == len(found)


def test_a_class_that_clip_knows_badly_is_held_to_its_best():
    kept = keep_instances(dogs(*[(0.12, 0.2)] * 5, (0.15, 0.2), (0.131, 0.2), (0.129, 0.2)))
    assert kept.sizes == {}  # the bar is 0.13: two of them
    assert kept.dropped == {"area": 0, "score": 6, "class": 2}
    kept = keep_instances(dogs(*[(0.14, 0.2)] * 5, (0.15, 0.2)))
    assert kept.sizes["dog"].number == 6


def test_the_bar_is_never_above_a_fifth():
    kept = keep_instances(dogs(*[(0.2, 0.1)] * 6, (0.199, 0.1), (0.35, 0.1)))
    assert kept.sizes["dog"].number == 7


def test_the_best_score_counts_though_its_thing_is_too_small():
    assert keep_instances(dogs(*[(0.15, 0.2)] * 6, (0.19, 0.01))).sizes == {}


def test_five_are_too_few_and_the_bounds_of_size_belong_to_it():
    assert keep_instances(dogs(*[(None, 0.2)] * 5)).sizes == {}
    assert keep_instances(dogs(*[(None, 0.05)] * 3, *[(None, 0.95)] * 3)).sizes["dog"].number == 6


def test_classes_come_in_turn_and_each_instance_once():
    a, b = dogs(*[(None, 0.2)] * 3, word="a"), dogs(*[(None, 0.2)] * 1, word="b")
    assert [one.word for one in in_turn({"a": a, "b": b})] == ["a", "b", "a", "a"]
    assert in_turn({}) == []
