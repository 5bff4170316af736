import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tiny_panoptic import panoptic_of

from mild_core.data import olrd
from mild_core.data.cutout import cut_softly
from mild_core.data.olrd import background_tags, blended, free_background, make_olrd_pair, movable_things
from mild_core.data.olrd_photos import load_panoptic, panoptic_photos
from mild_core.scene.panoptic import Panoptic, Segment


def eq_10(photo: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Ĩ = õ + m̃ · I, for each channel by itself."""
    object_, keep = np.zeros(photo.shape), 1 - alpha.astype(np.float64) / 255
    for channel in range(3):
        object_[..., channel] = colour[..., channel] * (alpha.astype(np.float64) / 255)
    return object_ + keep[..., None] * photo.astype(np.float64)


def labels_of(*boxes: tuple[int, int, int, int], size=(100, 100), thing=True) -> Panoptic:
    """Grass, and a thing in each box (top, bottom, left, right)."""
    labels = torch.ones(size, dtype=torch.long)
    for number, (top, bottom, left, right) in enumerate(boxes, start=2):
        labels[top:bottom, left:right] = number
    segments = [Segment(1, "grass-merged", 193, False)]
    return Panoptic.of(labels, segments + [Segment(n, "person", 1, thing) for n in range(2, 2 + len(boxes))])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_blending_is_the_equation(seed):
    rng = np.random.default_rng(seed)
    photo, colour = (rng.integers(0, 256, (9, 7, 3), dtype=np.uint8) for _ in range(2))
    alpha = rng.choice(np.array([0, 1, 77, 128, 254, 255], np.uint8), (9, 7))
    found = blended(photo, colour, alpha)
    assert np.abs(found - eq_10(photo, colour, alpha)).max() <= 0.5 + 1e-9
    assert np.array_equal(found[alpha == 0], photo[alpha == 0])
    assert np.array_equal(found[alpha == 255], colour[alpha == 255])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(0, 2**31), st.sampled_from([(96, 128), (140, 90), (110, 111)]))
def test_the_thing_lands_whole_on_background(number, seed, size):
    photo, panoptic = panoptic_of(number, size)
    before = photo.copy()
    pair = make_olrd_pair(photo, panoptic, seed)
    assert pair is not None
    assert np.array_equal(pair.truth, before)
    assert np.array_equal(photo, before)
    assert np.array_equal(pair.input[~pair.hole], before[~pair.hole])
    labels = panoptic.labels.numpy()
    colour, cut, (top, left) = cut_softly(photo, labels == pair.segment.id)
    top, left = top + pair.shift[0], left + pair.shift[1]
    assert 0 <= top <= size[0] - cut.shape[0]
    assert 0 <= left <= size[1] - cut.shape[1]
    box = np.s_[top : top + cut.shape[0], left : left + cut.shape[1]]
    wanted = np.zeros(size, np.uint8)
    wanted[box] = cut
    assert np.array_equal(pair.alpha, wanted)  # moved, neither scaled nor cut off
    assert np.abs(pair.input[box] - eq_10(photo[box], colour, cut)).max() <= 0.5 + 1e-9
    things = np.isin(labels, (3, 4, 5))
    assert ndimage.distance_transform_edt(~things)[pair.hole].min() >= olrd.GAP
    assert not (labels[pair.hole] == 0).any()  # the unknown patch is no seam
    deep = ndimage.distance_transform_edt(labels == pair.segment.id) > 8
    shifted = np.roll(deep, pair.shift, (0, 1))
    assert np.array_equal(pair.input[shifted], photo[deep])


def test_a_seed_gives_one_pair_and_another_seed_another():
    photo, panoptic = panoptic_of(0)
    one, two = make_olrd_pair(photo, panoptic, 5), make_olrd_pair(photo, panoptic, np.random.default_rng(5))
    assert np.array_equal(one.input, two.input)
    assert len({make_olrd_pair(photo, panoptic, seed).shift for seed in range(12)}) > 8


def test_all_things_have_their_turn():
    photo, panoptic = panoptic_of(0)
    names = {make_olrd_pair(photo, panoptic, seed).segment.name for seed in range(20)}
    assert "car" in names


@pytest.mark.parametrize(
    ("panoptic", "movable"),
    [
        (labels_of((30, 60, 30, 60)), True),
        (labels_of((30, 60, 0, 30)), False),  # the frame cuts it off
        (labels_of((30, 60, 70, 99)), False),
        (labels_of((0, 40, 30, 60)), False),
        (labels_of((30, 39, 30, 40)), False),  # 0.9 % of the photo
        (labels_of((30, 40, 30, 40)), True),  # 1 %
        (labels_of((20, 71, 20, 71)), False),  # 26 %
        (labels_of((20, 70, 20, 70)), True),  # 25 %
        (labels_of((30, 60, 30, 60), thing=False), False),
    ],
)
def test_which_things_can_be_moved(panoptic, movable):
    assert [segment.id for segment in movable_things(panoptic)] == [2] * movable


def test_a_thing_that_another_hides_stays():
    """The other runs along a quarter of the outline."""
    panoptic = labels_of((30, 60, 30, 60), (60, 65, 10, 90))
    assert movable_things(panoptic) == []
    a_bit = labels_of((30, 60, 30, 60), (60, 62, 30, 34))
    assert [segment.id for segment in movable_things(a_bit)] == [2]


def test_a_thing_that_is_cut_apart_stays():
    labels = labels_of((20, 40, 30, 60)).labels
    segments = [Segment(1, "grass-merged", 193, False), Segment(2, "person", 1, True)]
    labels[60:80, 30:60] = 2
    assert movable_things(Panoptic.of(labels, segments)) == []
    labels[60:80, 30:60] = 1
    labels[60:62, 30:40] = 2  # a speck does not matter
    assert len(movable_things(Panoptic.of(labels, segments))) == 1


def test_a_crowd_stays():
    told = labels_of((30, 60, 30, 60))
    crowd = [told.segments[0], Segment(2, "person", 1, True, crowd=True)]
    assert movable_things(Panoptic.of(told.labels, crowd)) == []


def test_seams_are_background_and_gaps_are_not():
    labels = labels_of().labels
    labels[:, 50:54] = 0  # a seam
    labels[20:40, 10:30] = 0  # something nobody labelled
    free = free_background(Panoptic.of(labels, labels_of().segments))
    assert free[:, 50:54].all()
    assert not free[20:40, 10:30].any()
    assert free[5:15].all()


def test_no_place_is_no_pair():
    photo = np.full((100, 100, 3), 90, np.uint8)
    assert make_olrd_pair(photo, labels_of((27, 76, 27, 76)), 0) is None  # too large for any place beside it
    assert make_olrd_pair(photo, labels_of(), 0) is None


def test_the_only_place_is_found():
    """All that is not labelled is unknown, but for the thing and one patch of background."""
    labels = torch.zeros(100, 100, dtype=torch.long)
    labels[10:30, 10:30] = 2
    labels[60:90, 60:90] = 1
    panoptic = Panoptic.of(labels, labels_of((0, 1, 0, 1)).segments)
    for seed in range(5):
        pair = make_olrd_pair(np.full((100, 100, 3), 90, np.uint8), panoptic, seed)
        rows, columns = np.nonzero(pair.hole)
        assert min(rows.min(), columns.min()) >= 60
        assert max(rows.max(), columns.max()) < 90


def test_a_thing_stays_rather_on_its_height():
    photo = np.full((200, 200, 3), 90, np.uint8)
    panoptic = labels_of((90, 115, 90, 115), size=(200, 200))
    moves = np.array([make_olrd_pair(photo, panoptic, seed).shift for seed in range(40)])
    assert np.abs(moves[:, 0]).mean() < 0.5 * np.abs(moves[:, 1]).mean()
    assert (moves[:, 0] != 0).any()


def test_tags_are_what_is_behind():
    panoptic = panoptic_of(0)[1]
    labels = panoptic.labels.numpy()
    hole = np.zeros(labels.shape, bool)
    hole[10:30, 60:70] = True  # sky
    assert background_tags(panoptic, hole) == ("sky",)
    hole[60:90, 80:90] = True  # more of grass
    assert background_tags(panoptic, hole) == ("grass", "sky")
    hole[:] = labels == 3
    with pytest.raises(ValueError, match="no background in the hole"):
        background_tags(panoptic, hole)


def test_prompts_are_the_paper_s():
    photo, panoptic = panoptic_of(0)
    pair = next(p for p in (make_olrd_pair(photo, panoptic, s) for s in range(40)) if p.tags == ("grass", "sky"))
    assert pair.prompt == "A photo of grass"
    assert pair.question == "Describe the grass and sky in the image"


def test_errors_name_the_input():
    photo, panoptic = panoptic_of(0)
    with pytest.raises(ValueError, match=r"photo is float32 of shape \(96, 128, 3\), but it must be \[H, W, 3\] uint8"):
        make_olrd_pair(photo.astype(np.float32), panoptic, 0)
    with pytest.raises(ValueError, match="96×128"):
        make_olrd_pair(photo[:50], panoptic, 0)


def test_pairs_of_real_photos(photos):
    found = 0
    for entry in panoptic_photos(photos / "people", None, "all")[:8]:
        photo, panoptic = load_panoptic(entry, long_side=320)
        pair = make_olrd_pair(photo, panoptic, 0)
        if pair is None:
            continue
        found += 1
        assert np.array_equal(pair.truth, photo)
        assert np.array_equal(pair.input[~pair.hole], photo[~pair.hole])
        assert not (pair.hole & (panoptic.labels == pair.segment.id).numpy()).any()
        assert not panoptic.mask(s for s in panoptic.segments if s.thing).numpy()[pair.hole].any()
    assert found
