"""What stands before and behind panoptic networks, and the networks themselves with random weights."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from shapes import ROOT, disc
from tiny_segmenters import SEGMENTERS, tiny_segmenter

from mild_core.models.panoptic_network import class_names, decode_queries, panoptic_input, panoptic_queries
from mild_core.scene.coco_panoptic import CATEGORIES, is_thing

PERSON, CAR, SKY, GRASS, NOTHING = 0, 2, 119, 125, 133
NAMES = {number: category.name for number, category in enumerate(CATEGORIES)}
SIZE = (48, 64)


def photo(height, width):
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(0))


def queries(*rows):
    """Logits from (class, probability, mask in 0..1): the mask at half the size, the rest of the probability on nothing."""
    classes = torch.full((len(rows), NOTHING + 1), -30.0)
    for place, (number, sure, _) in enumerate(rows):
        classes[place, number] = float(np.log(sure))
        classes[place, NOTHING] = float(np.log(1 - sure)) if number != NOTHING else 0.0
    masks = torch.stack([F.avg_pool2d(mask[None], 2)[0].clamp(1e-6, 1 - 1e-6).logit() for _, _, mask in rows])
    return classes, masks


@pytest.mark.parametrize("size", [(480, 640), (375, 500), (1000, 300), (640, 2000), (800, 1333), (81, 60)])
def test_the_input_is_the_processors(size):
    """transformers' Mask2FormerImageProcessor by its defaults, which are those of COCO."""
    transformers = pytest.importorskip("transformers")
    seen = panoptic_input(photo(*size), SimpleNamespace(model_type="mask2former"))
    theirs = transformers.Mask2FormerImageProcessor()((photo(*size) * 255).byte().numpy(), return_tensors="pt")["pixel_values"]
    assert seen.shown == (1.0, 1.0)
    assert seen.pixels.shape[-2] % 32 == seen.pixels.shape[-1] % 32 == 0
    assert abs(seen.pixels.shape[-2] - theirs.shape[-2]) <= 32, "they cut off what we round"
    assert abs(seen.pixels.shape[-1] - theirs.shape[-1]) <= 32
    if seen.pixels.shape == theirs.shape:
        assert (seen.pixels - theirs).abs().mean() < 0.02


@pytest.mark.parametrize("size", [(48, 64), (64, 20), (200, 130)])
def test_the_square_is_the_processors(size):
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "EomtImageProcessor"):
        pytest.skip("needs a transformers that has EoMT")
    side = {"shortest_edge": 64, "longest_edge": 64}
    processor = transformers.EomtImageProcessor(size=side, do_pad=True)
    theirs = processor(images=(photo(*size) * 255).byte().numpy(), return_tensors="pt")["pixel_values"]
    seen = panoptic_input(photo(*size), SimpleNamespace(model_type="eomt", image_size=64))
    assert seen.pixels.shape == theirs.shape == (1, 3, 64, 64)
    assert max(seen.shown) == 1
    rows, columns = (round(64 * share) for share in seen.shown)
    assert abs(rows / columns - size[0] / size[1]) < 0.05 * size[0] / size[1]
    both = (slice(0, rows - 1), slice(0, columns - 1))  # they cut off what we round
    assert (seen.pixels - theirs)[0][:, both[0], both[1]].abs().mean() < 0.03
    black = -torch.tensor([0.485, 0.456, 0.406]) / torch.tensor([0.229, 0.224, 0.225])
    if rows < 64:
        assert torch.allclose(seen.pixels[0, :, -1, -1], black)


def test_queries_become_segments():
    left, right = torch.zeros(SIZE), torch.zeros(SIZE)
    left[:, :32], right[:, 32:] = 1, 1
    one, two = disc(*SIZE, 24, 16, 8), disc(*SIZE, 24, 46, 8)
    sky_left, sky_right = left * (1 - one), right * (1 - two)
    classes, masks = queries((SKY, 0.9, sky_left), (PERSON, 0.95, one), (SKY, 0.97, sky_right), (PERSON, 0.85, two), (NOTHING, 0.5, left))
    panoptic = decode_queries(classes, masks, SIZE, NAMES)
    assert [(s.id, s.word, s.thing) for s in panoptic.segments] == [(1, "sky", False), (2, "person", True), (3, "person", True)]
    assert [s.score for s in panoptic.segments] == pytest.approx([0.97, 0.95, 0.85], abs=1e-4)
    assert [s.category for s in panoptic.segments] == [SKY, PERSON, PERSON]
    for mask, wanted in ((panoptic.people()[0], one), (panoptic.background, sky_left + sky_right)):
        both = (mask & (wanted > 0)).sum() / (mask | (wanted > 0)).sum()
        assert both > 0.9, "they come at half the size"


@pytest.mark.parametrize(
    ("row", "options", "found"),
    [
        ((PERSON, 0.85, 1.0), {}, 1),
        ((PERSON, 0.75, 1.0), {}, 0),  # not sure
        ((PERSON, 0.75, 1.0), {"sure": 0.7}, 1),
        ((NOTHING, 0.9, 1.0), {"sure": 0.0}, 0),
        ((PERSON, 0.9, 0.4), {}, 0),  # no pixel is in its mask
    ],
)
def test_who_has_a_say(row, options, found):
    number, sure, level = row
    classes, masks = queries((number, sure, torch.full(SIZE, level)))
    assert len(decode_queries(classes, masks, SIZE, NAMES, **options).segments) == found


def test_a_segment_that_others_cover_is_dropped():
    whole, most = torch.ones(SIZE), torch.zeros(SIZE)
    most[:, :40] = 1
    classes, masks = queries((CAR, 0.85, whole), (PERSON, 0.99, most))
    panoptic = decode_queries(classes, masks, SIZE, NAMES)
    assert [s.word for s in panoptic.segments] == ["person"], "3 of 8 columns are left of the car"
    assert (panoptic.labels[:, 44:] == 0).all(), "and nobody knows what they show"
    assert len(decode_queries(classes, masks, SIZE, NAMES, overlap=0.3).segments) == 2


def test_pixels_outside_every_mask_are_unknown():
    half = torch.zeros(SIZE)
    half[:, :32] = 1
    classes, masks = queries((SKY, 0.95, half))
    panoptic = decode_queries(classes, masks, SIZE, NAMES)
    assert not panoptic.labels[:, 36:].any()
    assert panoptic.labels[:, :28].all()


def reference(classes, masks, size, sure=0.8, overlap=0.8):
    """MaskFormer's rule over whole arrays in float64: (labels, [(class, thing)])."""
    odds = np.exp(classes.double().numpy() - classes.double().numpy().max(1, keepdims=True))
    odds /= odds.sum(1, keepdims=True)
    score, best = odds.max(1), odds.argmax(1)
    keep = (best != classes.shape[1] - 1) & (score > sure)
    big = F.interpolate(masks.double()[None], size, mode="bilinear", align_corners=False)[0].sigmoid().numpy()[keep]
    out, told, stuff = np.zeros(size, int), [], {}
    if not keep.any():
        return out, told
    owner = (big * score[keep][:, None, None]).argmax(0)
    for place, number in enumerate(best[keep]):
        mine, wanted = owner == place, big[place] >= 0.5
        if not mine.sum() or not wanted.sum() or not (mine & wanted).sum() or mine.sum() / wanted.sum() < overlap:
            continue
        if not is_thing(NAMES[number]) and number in stuff:
            out[mine & wanted] = stuff[number]
            continue
        told.append((int(number), is_thing(NAMES[number])))
        stuff[number] = len(told)
        out[mine & wanted] = len(told)
    return out, told


@pytest.mark.parametrize("seed", range(6))
def test_decoding_is_the_rule_in_float64(seed):
    g = torch.Generator().manual_seed(seed)
    chosen = torch.tensor([PERSON, CAR, SKY, GRASS, NOTHING])[torch.randint(0, 5, (14,), generator=g)]
    classes = torch.randn(14, NOTHING + 1, generator=g)
    classes[torch.arange(14), chosen] += 4 + 6 * torch.rand(14, generator=g)
    masks = F.interpolate(torch.randn(1, 14, 4, 5, generator=g) * 8 - 2, (24, 32), mode="bicubic")[0]
    labels, told = reference(classes, masks, SIZE, overlap=0.4)
    panoptic = decode_queries(classes, masks, SIZE, NAMES, overlap=0.4)
    assert [(s.category, s.thing) for s in panoptic.segments] == told
    assert (panoptic.labels.numpy() != labels).mean() < 1e-3, "float32 may tip a pixel"
    assert told, "something is found"


def test_it_is_transformers_rule_where_masks_leave_nothing_out():
    transformers = pytest.importorskip("transformers")
    one, top = disc(*SIZE, 24, 30, 10), torch.zeros(SIZE)
    top[:24] = 1
    rest = (1 - top) * (1 - one)
    classes, masks = queries((PERSON, 0.95, one), (SKY, 0.95, top * (1 - one)), (GRASS, 0.95, rest), (CAR, 0.3, top))
    out = SimpleNamespace(class_queries_logits=classes[None], masks_queries_logits=masks[None])
    stuff = {number for number, name in NAMES.items() if not is_thing(name)}
    told = transformers.Mask2FormerImageProcessor().post_process_panoptic_segmentation(
        out, threshold=0.8, label_ids_to_fuse=stuff, target_sizes=[SIZE]
    )[0]
    ours = decode_queries(classes, masks, SIZE, NAMES)
    assert [(s.id, s.category) for s in ours.segments] == [(s["id"], s["label_id"]) for s in told["segments_info"]]
    assert (ours.labels == told["segmentation"]).float().mean() > 0.97, "edges, which they scale in two steps"


def test_what_is_beyond_the_photo_is_cut_off():
    """A photo that takes the upper half of the network's square."""
    mask = torch.zeros(1, 32, 32)
    mask[0, :16, :16] = 1
    classes, _ = queries((SKY, 0.95, torch.ones(SIZE)))
    panoptic = decode_queries(classes, mask * 20 - 10, (40, 80), NAMES, shown=(0.5, 1.0))
    assert panoptic.labels[:, :38].all()
    assert not panoptic.labels[:, 42:].any()


def test_names_are_the_configs_or_cocos():
    assert class_names(SimpleNamespace(id2label={"0": "wall", "1": "sky"})) == {0: "wall", 1: "sky"}
    assert class_names(SimpleNamespace(id2label={n: f"LABEL_{n}" for n in range(133)})) == NAMES
    with pytest.raises(ValueError, match=r"config\.json names none of its 5 classes"):
        class_names(SimpleNamespace(id2label={n: f"LABEL_{n}" for n in range(5)}))


@pytest.mark.parametrize("kind", SEGMENTERS)
def test_every_network_runs(kind):
    """Random weights of the true classes: the shapes, and the same as transformers' own call."""
    pytest.importorskip("transformers")
    network = tiny_segmenter(kind)
    seen = panoptic_input(photo(30, 40), network.config)
    pixels = F.interpolate(seen.pixels, (64, 64)) if seen.pixels.shape[-1] > 64 else seen.pixels
    with torch.no_grad():
        classes, masks = panoptic_queries(network, pixels)
    assert classes.shape == (network.config.num_queries, 134)
    assert masks.ndim == 3
    assert len(masks) == network.config.num_queries
    assert torch.isfinite(masks).all()
    panoptic = decode_queries(classes, masks, (30, 40), class_names(network.config), shown=seen.shown, sure=0.0, overlap=0.0)
    assert panoptic.size == (30, 40)
    assert panoptic.segments, "random queries see something"
    assert {s.name for s in panoptic.segments} <= set(NAMES.values())


def test_transformers_waits_for_a_run():
    code = "import sys, mild_core.models.panoptic_network, mild_core.plan.panoptic_regions; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "mild_core.models.panoptic_network" in loaded
    assert not {"transformers", "torchvision", "cv2", "scipy"} & set(loaded)
