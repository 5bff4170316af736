"""The tag of the background, and the prompt that is written with it."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from shapes import disc

from mild_core.data.library import load_labels
from mild_core.scene.background_prompt import TEMPLATES, background_shares, background_tag, write_prompt
from mild_core.scene.panoptic_labels import from_category_ids

SIZE = (120, 160)
SKY, GRASS, TREES, PERSON, CAR = 187, 193, 184, 1, 3


def rows(*bands):
    """A map of bands of whole rows: (class, rows)."""
    return torch.cat([torch.full((height, SIZE[1]), category) for category, height in bands])


def hole(row, column, radius=10):
    return disc(*SIZE, row, column, radius) > 0


def with_person(values, where):
    return torch.where(where, PERSON, values)


TWO = rows((SKY, 60), (GRASS, 60))
THREE = rows((SKY, 40), (TREES, 40), (GRASS, 40))


@pytest.mark.parametrize(
    ("values", "where", "most", "tag"),
    [
        (TWO, hole(20, 80), 1, "sky"),
        (TWO, hole(100, 80), 1, "grass"),
        (TWO, hole(54, 80), 1, "sky"),  # more of its ring is above
        (TWO, hole(66, 80), 1, "grass"),
        (TWO, hole(58, 80), 2, "sky and grass"),
        (TWO, hole(20, 80), 2, "sky"),  # nothing else is near
        (THREE, hole(61, 80, 28), 3, "trees and grass and sky"),
        (THREE, hole(60, 80, 10), 3, "trees"),
        (with_person(TWO, hole(20, 110, 9)), hole(20, 90), 1, "sky"),  # people say nothing of the background
        (rows((PERSON, 118), (GRASS, 2)), hole(30, 80), 1, "grass"),  # its ring has no stuff: all of the photo counts
        (rows((CAR, 120)), hole(60, 80), 1, "background"),
        (rows((SKY, 120)), torch.ones(SIZE, dtype=torch.bool), 1, "background"),
        (TWO, torch.zeros(SIZE, dtype=torch.bool), 1, "grass"),  # no hole: all of the photo; of equal ones by the alphabet
    ],
)
def test_the_tag_is_what_is_most_around_the_hole(values, where, most, tag):
    values = torch.where(where, PERSON, values)  # who goes
    assert background_tag(from_category_ids(values), where, most=most, least=0.15 if most == 3 else 0.25) == tag


def test_each_hole_has_a_ring_of_its_own_size():
    """A small hole in the sky adds its few pixels; the large one's in the grass outweigh them."""
    where = hole(10, 20, 4) | hole(92, 100, 24)
    shares = background_shares(from_category_ids(torch.where(where, PERSON, TWO)), where)
    assert [share.word for share in shares] == ["grass", "sky"]
    assert 0.02 < shares[1].share < 0.2


def test_kinds_of_one_word_count_together():
    walls = rows((199, 30), (177, 30), (199, 60))  # wall-other above and below wall-wood
    assert [s.word for s in background_shares(from_category_ids(walls), hole(45, 80, 8))] == ["wooden wall", "wall"]
    legend = {1: "sky-other-merged", 2: "sky-merged", 3: "grass-merged"}
    (first, second) = background_shares(from_category_ids(rows((1, 35), (3, 50), (2, 35)), legend), hole(60, 80, 30), reach=1.0)
    assert (first.word, second.word) == ("grass", "sky") or first.share + second.share == pytest.approx(1)


def test_shares_are_counted_pixels():
    """Against scipy's distance transform, in float64."""
    where = hole(58, 80, 20)
    values = with_person(TWO, where)
    reach = 0.5 * float(where.sum()) ** 0.5
    distance = ndimage.distance_transform_edt(~where.numpy())
    ring = (distance > 0) & (distance <= reach)
    sky = (ring & (values.numpy() == SKY)).sum() / ring.sum()
    shares = {share.word: share.share for share in background_shares(from_category_ids(values), where, reach=0.5)}
    assert shares == {"sky": pytest.approx(sky), "grass": pytest.approx(1 - sky)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 119), st.integers(0, 159), st.integers(1, 50), st.floats(0.05, 3))
def test_shares_sum_to_one_and_fall(row, column, radius, reach):
    where = hole(row, column, radius)
    shares = background_shares(from_category_ids(with_person(THREE, where)), where, reach)
    assert sum(share.share for share in shares) == pytest.approx(1)
    assert [share.share for share in shares] == sorted((share.share for share in shares), reverse=True)


def test_what_does_not_fit_is_said():
    panoptic = from_category_ids(TWO)
    with pytest.raises(ValueError, match="hole is 5×160, but panoptic is 120×160"):
        background_shares(panoptic, hole(20, 20)[:5])
    with pytest.raises(ValueError, match="reach is 0, but it must be more than 0"):
        background_shares(panoptic, hole(20, 20), 0)


@pytest.mark.parametrize(
    ("template", "tag", "embedding", "prompt"),
    [
        (TEMPLATES[0], "sky", "embedding:mild", "A photo of embedding:mild sky"),
        (TEMPLATES[0], "sky", "", "A photo of sky"),
        (TEMPLATES[1], "beach", "embedding:mild", "A photo of beach"),
        ("There is nothing here.", "sky", "", "There is nothing here."),
        ("{tag}, {tag}", "sky", "", "sky, sky"),
        ("  {embedding}  plain {tag} ", "", "", "plain"),
    ],
)
def test_templates_are_filled_in(template, tag, embedding, prompt):
    assert write_prompt(template, tag, embedding) == prompt


def test_other_braces_are_none():
    with pytest.raises(ValueError, match=r"template is '\{what\} of \{tag\}', but in braces it may have \{tag\} and \{embedding\}"):
        write_prompt("{what} of {tag}", "sky")


def test_the_tags_of_real_photographs(photos):
    """The largest person of COCO photographs goes: the tag is some of the stuff that the map has beside that person."""
    known = {entry["name"]: entry for entry in json.loads((photos / "people" / "index.json").read_text())}
    maps = sorted((photos / "people").glob("*_panoptic.png"))[:8]
    if not maps:
        pytest.skip("needs people/*_panoptic.png in ../shared/photos")
    tags = {}
    for path in maps:
        name = path.name.removesuffix("_panoptic.png")
        values = torch.from_numpy(np.array(Image.open(path)).astype(int))
        owners = load_labels(photos / "people" / f"{name}.png")
        largest = 1 + np.bincount(owners.ravel())[1:].argmax()
        where = owners == largest
        shares = background_shares(from_category_ids(values), torch.from_numpy(where))
        width = max(0.25 * where.sum() ** 0.5, 8)
        ring = np.zeros_like(where)  # each part's own ring
        labelled, parts = ndimage.label(where, np.ones((3, 3)))
        for part in range(1, parts + 1):
            mine = labelled == part
            ring |= ndimage.distance_transform_edt(~mine) <= max(0.25 * mine.sum() ** 0.5, 8)
        stuff = np.isin(values.numpy(), [int(id) for id in known[name]["panoptic"] if int(id) not in known[name]["things"]])
        counted = (ring & ~where & stuff).sum()
        assert width > 0
        if counted:
            best = np.bincount(values.numpy()[ring & ~where & stuff]).max() / counted
            assert shares[0].share == pytest.approx(best, abs=1e-9)
        tags[name] = shares[0].word if shares else "background"
    assert tags["coco_000000000036"] in {"sea", "river", "sky", "trees"}
    assert len(set(tags.values())) > 2, tags
