import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vision import SAM_SIZE, a_picture, saved, sure_sam, tiny_dino, tiny_sam

from mild_core.metrics.sam import automatic_masks, load_sam, sam_features, sam_pixels

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tiny_sam(), tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="module")
def sam(folder):
    return load_sam(folder)


@pytest.fixture(scope="module")
def sure(folder):
    return sure_sam(load_sam(folder))


def test_loaded_as_saved_and_ready_to_run(sam):
    from transformers import SamModel

    assert isinstance(sam, SamModel)
    assert not sam.training
    assert not any(p.requires_grad for p in sam.parameters())
    assert {p.dtype for p in sam.parameters()} == {torch.float32}
    before, loaded = tiny_sam().state_dict(), sam.state_dict()
    drawn = ("shared_image_embedding", "prompt_encoder.shared_embedding")  # a buffer, drawn anew each time
    assert all(torch.equal(loaded[name], weights) for name, weights in before.items() if not name.startswith(drawn))
    assert len(before) > 100


def test_half_precision_weights_are_read_as_float32(tmp_path, sam):
    sam.__class__(sam.config).half().save_pretrained(tmp_path)
    assert {p.dtype for p in load_sam(tmp_path).parameters()} == {torch.float32}


def processed(picture, size):
    """By transformers' own processor. [3, size, size]"""
    from transformers import SamImageProcessor

    processor = SamImageProcessor(size={"longest_edge": size}, pad_size={"height": size, "width": size})
    image = Image.fromarray((picture.numpy() * 255).round().astype(np.uint8))
    return processor(image, return_tensors="pt")["pixel_values"][0]


@pytest.mark.parametrize("size", [(90, 60), (50, 200), (128, 128), (300, 301)])
def test_pixels_are_the_processors(size):
    picture = a_picture(*size)
    theirs = processed(picture, 96)
    ours = sam_pixels(picture, 96)
    assert ours.shape == (3, 96, 96)
    assert (ours - theirs).abs().max() < 1.1 / 255 / 0.224, "they round to 8 bits in between"
    assert torch.equal(ours == 0, theirs == 0), "the padding"


def test_features_are_the_encoders(sam):
    picture = a_picture(60, 100)
    features = sam_features(picture, sam)
    assert features.shape == (32, 8, 8)
    assert features.dtype == torch.float64
    theirs = sam.vision_encoder(sam_pixels(picture, SAM_SIZE)[None])[0][0]
    assert torch.allclose(features.float(), theirs)
    assert features.std() > 0.1


def slow_masks(picture, sam):
    """The authors' generator: points, thresholds and suppression in plain steps."""
    height, width = picture.shape[:2]
    scale = SAM_SIZE / max(height, width)
    sized = (int(height * scale + 0.5), int(width * scale + 0.5))
    embedding = sam.get_image_embeddings(processed(picture, SAM_SIZE)[None])
    kept = []
    for row in range(32):
        y = (row + 0.5) / 32 * sized[0]
        points = torch.tensor([[(column + 0.5) / 32 * sized[1], y] for column in range(32)])[None, :, None]
        out = sam(image_embeddings=embedding, input_points=points, input_labels=torch.ones(1, 32, 1, dtype=torch.long))
        logits = torch.nn.functional.interpolate(out.pred_masks[0], (SAM_SIZE, SAM_SIZE), mode="bilinear", align_corners=False)
        logits = torch.nn.functional.interpolate(logits[..., : sized[0], : sized[1]], (height, width), mode="bilinear", align_corners=False)
        for iou, plane in zip(out.iou_scores.flatten(), logits.flatten(0, 1), strict=True):
            narrow, wide = int((plane > 1).sum()), int((plane > -1).sum())
            if iou > 0.88 and wide and narrow / wide > 0.95 and (plane > 0).any():
                kept.append((float(iou), plane > 0))
    kept.sort(key=lambda one: -one[0])
    found, boxes = [], []
    for _, mask in kept:
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
        if not any(iou_of(box, other) > 0.7 for other in boxes):
            found.append(mask)
            boxes.append(box)
    return torch.stack(found), len(kept)


def iou_of(a, b):
    across, down = (max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]), 0) for i in (0, 1))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - across * down
    return across * down / area if area else math.nan


def test_masks_are_the_authors_generators(sure):
    picture = a_picture(48, 72)
    with torch.no_grad():
        slow, candidates = slow_masks(picture, sure)
    assert candidates < 3 * 1024
    assert candidates > len(slow) > 1
    found = automatic_masks(picture, sure)
    assert found.dtype == torch.bool
    assert torch.equal(found, slow)


def test_without_a_sure_mask_there_is_none(sam):
    found = automatic_masks(a_picture(30, 40), sam)
    assert found.shape == (0, 30, 40)
    assert found.dtype == torch.bool


def test_errors_name_the_folder(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}/none has no config.json: .* such as facebook/sam-vit-huge"):
        load_sam(tmp_path / "none")
    with pytest.raises(ValueError, match="describes a network of the type 'dinov2', but it must be of 'sam'"):
        load_sam(saved(tiny_dino(), tmp_path / "dino"))
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text((folder / "config.json").read_text())
    (bare / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(FileNotFoundError, match=rf"{bare} has no model.safetensors"):
        load_sam(bare)


@pytest.mark.parametrize("spoilt", ["missing", "mismatched"])
def test_other_weights_are_told(tmp_path, folder, spoilt):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    name = "vision_encoder.layers.0.mlp.lin1.weight"
    kept = weights.pop(name)
    if spoilt == "mismatched":
        weights[name] = kept[:5].clone()
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text())))
    count = "1 are missing and 0" if spoilt == "missing" else "0 are missing and 1"
    with pytest.raises(ValueError, match=rf"the weights in {tmp_path} are not of the network .* {count} of another shape"):
        load_sam(tmp_path)
