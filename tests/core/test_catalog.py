"""The list of scores: every one can be taken in each of its regions, and says what it lacks."""

import math
from dataclasses import replace

import pytest
import torch
from scored import a_picture, noisy
from shapes import disc

from mild_core.metrics import haarpsi, psnr, ssim
from mild_core.metrics.catalog import METRICS, READINGS
from mild_core.metrics.compared import Compared
from mild_core.metrics.lpips import Lpips
from mild_core.metrics.networks import NETWORKS, Networks
from mild_core.scene.box import Box

SIZE = (56, 64)
NO_NETWORKS = Networks(None)
PLAIN = [name for name, metric in METRICS.items() if not metric.networks]


def compared(sigma=0.1, truth=True) -> Compared:
    """A flat green person before a picture, a round hole, and noise in place of the truth, more of it in the hole."""
    picture = a_picture(*SIZE)
    hole = disc(*SIZE, 28, 32, 15) > 0.5
    photo = torch.where(hole[..., None], torch.tensor([0.1, 0.6, 0.1]), picture)
    result = torch.where(hole[..., None], noisy(picture, sigma), noisy(picture, sigma / 4))
    return Compared(photo, result, hole, picture if truth else None, hole)


@pytest.mark.parametrize("name", PLAIN)
def test_every_score_without_a_network_is_a_number_in_each_of_its_regions(name):
    for region in METRICS[name].regions:
        score = METRICS[name].score
        assert score is not None
        assert not math.isnan(score(compared(), region, NO_NETWORKS)), region


@pytest.mark.parametrize("score", [psnr, ssim, haarpsi])
def test_regions_are_what_they_say(score):
    given = compared()
    of = METRICS[score.__name__].score
    assert given.truth is not None
    box = Box.around(given.hole)
    expected = {
        "full": score(given.result, given.truth),
        "hole": score(given.result, given.truth, given.hole),
        "box": score(box.view(given.result), box.view(given.truth)),
        "background": score(given.result, given.truth, ~given.hole),
    }
    assert {region: of(given, region, NO_NETWORKS) for region in expected} == expected
    assert len(set(expected.values())) == 4
    everything = Compared(given.photo, given.result, torch.ones_like(given.hole), given.truth)
    assert math.isnan(of(everything, "background", NO_NETWORKS))


@pytest.mark.parametrize("name", [name for name in PLAIN if METRICS[name].needs_truth])
def test_a_score_against_the_truth_says_that_it_is_not_known(name):
    with pytest.raises(ValueError, match="truth is not known"):
        METRICS[name].score(compared(truth=False), METRICS[name].regions[0], NO_NETWORKS)


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].networks])
def test_a_score_names_the_networks_that_it_takes(name):
    """With all networks but one of those it names, taking it fails, and `missing` says what is not there."""
    metric = METRICS[name]
    assert set(metric.networks) <= NETWORKS.keys()
    assert NO_NETWORKS.missing(metric.networks)
    take = metric.score or metric.features
    with pytest.raises(FileNotFoundError):
        take(compared(), metric.regions[0], NO_NETWORKS)


@pytest.mark.parametrize("name", METRICS)
def test_a_score_is_of_a_picture_or_of_a_set(name):
    metric = METRICS[name]
    assert metric.name == name
    assert (metric.score is None) == (metric.features is not None) == (metric.distance is not None)
    assert metric.regions


def test_lpips_of_a_box_that_is_too_small_cannot_be_told():
    networks = Networks.of({"lpips_squeeze": Lpips("squeeze").eval()})
    given, of = compared(), METRICS["lpips_squeeze"].score
    assert not math.isnan(of(given, "box", networks))
    small = replace(given, hole=disc(*SIZE, 28, 32, 5) > 0.5)
    assert math.isnan(of(small, "box", networks))
    assert not math.isnan(of(small, "hole", networks))


def test_keys_do_not_clash():
    assert not METRICS.keys() & READINGS.keys()
