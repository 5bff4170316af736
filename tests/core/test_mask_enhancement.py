"""Mask enhancement: areas, gates and the fallback, on random masks and on those of real people."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapes import disc

from mild_core.scene.mask_enhancement import OPERATIONS, allowed_operations, augmented_mask, enhance_mask, grown_to, shrunk_to
from mild_core.scene.masks import components, distance_inside

SIDE = 64
TRAINED = {"erode": (0.8, 0.9), "dilate": (1.25, 1.5), "hull": (1.25, 1.5), "ellipse": (2, 2.5), "curved box": (1.1, 1.2)}
AT_USE = {"original": 1, "erode": 0.85, "dilate": 1.1, "hull": 1.35, "ellipse": 2.25, "curved box": 1.15}


@st.composite
def masks(draw):
    """Discs, boxes, thin lines and specks on a small picture."""
    mask = torch.zeros(SIDE, SIDE)
    for _ in range(draw(st.integers(1, 3))):
        row, column, size = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1)), draw(st.integers(0, 24))
        match draw(st.sampled_from(["disc", "box", "line", "speck"])):
            case "disc":
                mask = torch.maximum(mask, disc(SIDE, SIDE, row, column, size))
            case "box":
                mask[row : row + size + 1, column : column + draw(st.integers(1, 30))] = 1
            case "line":
                mask[row, column:] = 1
            case "speck":
                mask[row, column] = 1
    return mask


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ring(before, after):
    """How many pixels of a changed mask lie as far from the old edge as its last one: it cannot stop between them."""
    apart = distance_inside(~before) if after.sum() > before.sum() else distance_inside(before)
    changed = before ^ after
    return int((changed & (apart == apart[changed].max())).sum()) if changed.any() else 0


@settings(max_examples=60, deadline=None)
@given(masks(), st.floats(1.0, 3.0))
def test_growing_stops_at_the_first_radius_that_passes_the_area(mask, share):
    before, after = mask > 0.5, grown_to(mask, share)
    assert (after | ~before).all(), "what was in it stays"
    wanted = min(int(before.sum()) * share, SIDE * SIDE)
    assert int(after.sum()) >= wanted - 1e-6
    if not torch.equal(after, before):
        assert int(after.sum()) - ring(before, after) < wanted


@settings(max_examples=60, deadline=None)
@given(masks(), st.floats(0.3, 0.99))
def test_shrinking_stops_at_the_first_radius_that_passes_the_area(mask, share):
    before, after = mask > 0.5, shrunk_to(mask, share)
    assert (before | ~after).all(), "nothing is added"
    assert after.any()
    if not torch.equal(before, after):
        assert int(after.sum()) <= int(before.sum()) * share
        assert int(after.sum()) + ring(before, after) > int(before.sum()) * share


@settings(max_examples=80, deadline=None)
@given(masks(), st.sampled_from(list(OPERATIONS)), st.integers(0, 9))
def test_every_operation_on_every_mask(mask, operation, seed):
    after = enhance_mask(mask, operation, 0.0, generator(seed))
    before = mask > 0.5
    assert after.dtype == torch.bool
    assert after.shape == mask.shape
    assert after.any()
    assert torch.equal(after, before) or after.float().mean() <= 0.7
    assert torch.equal(after, enhance_mask(mask, operation, 0.0, generator(seed)))
    if operation == "original":
        assert torch.equal(after, before)
    if operation in ("dilate", "hull"):
        assert (after | ~before).all()


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(0, 9))
def test_gates_and_fallback_of_training(mask, seed):
    """The gates, written down a second time as the published table has them."""
    import cv2

    values = (mask.numpy() > 0.5).astype(np.uint8)
    rows, columns = np.where(values)
    box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / values.size
    outlines, _ = cv2.findContours(values, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = np.zeros_like(values)
    for outline in outlines:
        cv2.drawContours(hulls, [cv2.convexHull(outline)], -1, 1, -1)
    hull, area = hulls.mean(), values.mean()
    few = 6
    if area / box < 0.5 or box > 0.4:
        few = (1 if area > 0.5 else 3) if area / hull < 0.6 or hull > 0.5 else 5
    assert allowed_operations(mask) == tuple(OPERATIONS)[:few]
    after = augmented_mask(mask, generator(seed))
    assert torch.equal(after, augmented_mask(mask, generator(seed)))
    assert torch.equal(after, mask > 0.5) or after.float().mean() <= 0.7


def test_the_published_shares():
    assert {name: (o.lowest, o.highest) for name, o in OPERATIONS.items() if name != "original"} == TRAINED
    assert {name: o.at_use for name, o in OPERATIONS.items()} == AT_USE


def test_training_draws_every_operation_and_the_whole_range():
    mask = disc(128, 128, 60, 60, 20)
    area = float(mask.sum())
    assert len(allowed_operations(mask)) == 6
    shares = np.array([float(augmented_mask(mask, generator(seed)).sum()) / area for seed in range(300)])
    assert ((shares > 0.77) & (shares < 0.91)).mean() == pytest.approx(1 / 6, abs=0.07), "erode"
    assert (shares == 1).mean() == pytest.approx(1 / 6, abs=0.07), "original"
    assert shares.max() > 1.4


def test_an_ellipse_is_fitted_to_pixels_not_to_the_outline():
    """Least squares of a disc's pixels: the squared radius is mean r⁴ / mean r² = 2/3 of the disc's."""
    mask = disc(400, 400, 200, 200, 80)
    assert float(enhance_mask(mask, "ellipse").sum() / mask.sum()) == pytest.approx(2.25 * 2 / 3, rel=0.02)


def test_hulls_of_apart_things_stay_apart():
    mask = torch.zeros(64, 96)
    for left in (10, 70):
        mask[20:40, left : left + 3] = 1
        mask[37:40, left : left + 15] = 1
    after = enhance_mask(mask, "hull")
    assert len(components(after)) == 2
    assert after[30, 14], "the corner of the L is filled"


def test_a_curved_box():
    mask = disc(200, 200, 100, 100, 30)
    straight = enhance_mask(mask, "curved box")
    assert not torch.equal(straight, enhance_mask(mask, "curved box", 0.0, generator(1)))
    assert not torch.equal(enhance_mask(mask, "curved box", 0.0, generator(1)), enhance_mask(mask, "curved box", 0.0, generator(2)))
    assert (straight | (mask < 0.5)).all()
    rows, columns = straight.any(1).sum(), straight.any(0).sum()
    # 61 pixels of the disc, grown to 1.15 of that square, and on each side a curve half as far out as its middle point
    grown = 61 * 1.15**0.5
    assert int(rows) == pytest.approx(grown * (1 + 0.2), abs=3)
    assert int(columns) == pytest.approx(grown * (1 + 0.2), abs=3)
    at_the_frame = enhance_mask(disc(200, 200, 29, 29, 30), "curved box", 0.0, generator(1))
    assert at_the_frame.any()


def test_what_cannot_be():
    mask = disc(64, 64, 30, 30, 10)
    with pytest.raises(ValueError, match="operation is 'grow', but it must be one of original, erode"):
        enhance_mask(mask, "grow")
    with pytest.raises(ValueError, match=r"amount is 1\.2, but for erode it must be between 0 and 1"):
        enhance_mask(mask, "erode", 1.2)
    with pytest.raises(ValueError, match=r"amount is 0\.9, but for hull it must be 1 or more"):
        enhance_mask(mask, "hull", 0.9)
    for name in OPERATIONS:
        assert not enhance_mask(torch.zeros(32, 32), name).any()
    assert allowed_operations(torch.zeros(32, 32)) == ("original",)
    large = disc(64, 64, 32, 32, 33)
    assert large.mean() > 0.7
    assert torch.equal(enhance_mask(large, "dilate"), large > 0.5)


def people(photos):
    for path in sorted((photos / "people").glob("*.png")):
        if not path.stem.endswith("_panoptic"):
            values = np.asarray(Image.open(path).resize((160, 160), Image.Resampling.NEAREST))
            yield from (torch.from_numpy(values == number) for number in np.unique(values)[1:] if (values == number).sum() >= 100)


def test_the_areas_of_hundreds_of_real_people(photos):
    """The step that grows or shrinks keeps to the share at use, within one ring of pixels; of what is fitted after it, the usual range."""
    found = list(people(photos))
    assert len(found) > 250
    shares = {"dilate": [], "erode": []}
    drawn = []
    for number, mask in enumerate(found):
        area = int(mask.sum())
        for name in shares:
            after = enhance_mask(mask, name)
            edge = ring(mask, after)
            assert edge, "no real mask is left as it was"
            wanted = area * AT_USE[name]
            assert (wanted <= after.sum() < wanted + edge) if name == "dilate" else (wanted - edge < after.sum() <= wanted)
            shares[name].append(float(after.sum()) / area)
        drawn.append(float(augmented_mask(mask, generator(number)).sum()) / area)
    assert 1.1 <= np.median(shares["dilate"]) < 1.2
    assert 0.7 < np.median(shares["erode"]) <= 0.85
    assert np.quantile(drawn, 0.01) > 0.3
    assert np.quantile(drawn, 0.99) < 5
    assert 0.1 < np.mean(np.array(drawn) == 1) < 0.5
