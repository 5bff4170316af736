"""Geometry on masks."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mild_core.scene import Box, Part
from mild_core.scene.masks import components, distance_inside, feather, grow

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))).map(torch.from_numpy)


def nearest(mask, pixels):
    """Slow reference: whether any true pixel lies within that distance."""
    points = mask.nonzero().double()
    grid = torch.cartesian_prod(torch.arange(mask.shape[0]), torch.arange(mask.shape[1])).double()
    if not len(points):
        return torch.zeros_like(mask)
    return (torch.cdist(grid, points).amin(1) <= pixels + 1e-6).reshape(mask.shape)


@settings(max_examples=60, deadline=None)
@given(masks, st.floats(0, 6))
def test_growing_is_by_a_disc(mask, pixels):
    assert torch.equal(grow(mask, pixels), nearest(mask, pixels))


@settings(max_examples=60, deadline=None)
@given(masks, st.floats(0, 6))
def test_a_feather_is_one_inside_and_nothing_beyond_its_reach(mask, pixels):
    ramp = feather(mask, pixels)
    assert (ramp[mask] == 1).all()
    assert (ramp[~nearest(mask, pixels + 1)] == 0).all()
    assert ((ramp > 0) | ~nearest(mask, pixels)).all()


@settings(max_examples=60, deadline=None)
@given(masks)
def test_components_partition_the_mask_largest_first(mask):
    parts = components(mask)
    if not parts:
        assert not mask.any()
        return
    assert torch.equal(torch.stack([part.whole for part in parts]).sum(0), mask.long())
    sizes = [p.area for p in parts]
    assert sizes == sorted(sizes, reverse=True)


@settings(max_examples=60, deadline=None)
@given(masks, masks, st.integers(-6, 12), st.integers(-6, 12), st.integers(1, 20), st.integers(1, 20))
def test_a_part_is_its_mask(mask, other, left, top, width, height):
    part, box = Part.of(mask), Box(left, top, left + width, top + height)
    assert torch.equal(part.whole, mask)
    assert part.area == int(mask.sum())
    assert torch.equal(part.cut(box), box.cut_mask(mask))
    if mask.any():
        assert part.box == Box.around(mask)
    if mask.any() and other.shape == mask.shape and other.any():
        assert torch.equal((part | Part.of(other)).whole, mask | other)


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(-6, 12), st.integers(-6, 12), st.integers(1, 20), st.integers(1, 20))
def test_a_box_cuts_what_a_padded_picture_shows(mask, left, top, width, height):
    box = Box(left, top, left + width, top + height)
    padded = torch.nn.functional.pad(mask.float()[None, None], [40] * 4)[0, 0]
    assert torch.equal(box.cut_mask(mask.float()), padded[top + 40 : top + height + 40, left + 40 : left + width + 40])
    repeated = torch.nn.functional.pad(mask.float()[None, None], [40] * 4, mode="replicate")[0, 0]
    assert torch.equal(box.cut(mask.float()), repeated[top + 40 : top + height + 40, left + 40 : left + width + 40])


def test_a_full_mask_has_no_edge():
    assert distance_inside(torch.ones(3, 4)).isinf().all()


def test_distances_are_the_nearest_floats_wherever_the_mask_lies_in_memory():
    mask = torch.ones(40, 52, dtype=torch.bool)
    mask[20:24, 25:27] = False
    outside = (~mask).nonzero().double()
    grid = torch.cartesian_prod(torch.arange(40), torch.arange(52)).double()
    exact = torch.cdist(grid, outside, compute_mode="donot_use_mm_for_euclid_dist").amin(1).reshape(40, 52).float()
    elsewhere = []
    for length in range(1, 400, 13):
        elsewhere.append(torch.ones(length))  # moves what is allocated next
        assert torch.equal(distance_inside(mask.clone()), exact)
