"""Pictures against known truth: the shipped weights must stay better than what they replace."""

from itertools import product

import cv2
import numpy as np
import pytest
import torch
from nodes_graph import erase, finish, sample
from PIL import Image
from shapes import ROOT

from mild_core.metrics import haarpsi, psnr, ssim

STEPS, DENOISE = 4, 0.4
PLACES = ((0.6, 0.5), (0.45, 0.3), (0.45, 0.75))  # a person's height and where they stand, shares of the photo's


def photographs():
    """Photographs that packages of the environment carry, which training never saw. IMAGE [1, H, W, 3] each."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    colour = [load_sample_image("china.jpg"), load_sample_image("flower.jpg"), data.coffee(), data.rocket(), data.chelsea()]
    grey = [data.brick(), data.grass(), data.gravel(), data.camera(), data.coins(), data.moon()]
    for picture in [*colour, data.hubble_deep_field(), *(np.stack([g] * 3, -1) for g in grey)]:
        height, width = (round(n * 320 / min(picture.shape[:2])) for n in picture.shape[:2])
        resized = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)
        yield torch.from_numpy(resized.astype(np.float32) / 255)[None]


def somebody(height, width, size=0.6, centre=0.5):
    """A person's outline standing near the lower edge. MASK [1, H, W]"""
    outline = np.asarray(Image.open(ROOT / "assets" / "astronaut_mask.png"))
    side = round(size * height)
    mask = np.zeros((height, width), np.float32)
    top, left = height - side - round(0.05 * height), int(np.clip(centre * width - side / 2, 0, width - side))
    mask[top : top + side, left : left + side] = cv2.resize(outline, (side, side), interpolation=cv2.INTER_AREA) / 255
    return torch.from_numpy(mask)[None]


@pytest.fixture(scope="module")
def results(pack):
    """Each photograph and place: truth [H, W, 3], hole [H, W] bool, and pictures [H, W, 3] by who made them."""
    found = []
    for photo, (size, centre) in product(photographs(), PLACES):
        sampled = sample(pack, photo, somebody(*photo.shape[1:3], size, centre), "1", steps=STEPS, denoise=DENOISE)
        done = finish(pack, sampled, seam="feather")  # the model's own work: the grain that a matched seam adds costs SSIM
        pixels = (photo[0] * 255).round().byte().numpy()
        telea = cv2.inpaint(pixels, done.hole.byte().numpy(), 5, cv2.INPAINT_TELEA)
        made = {"sampled": done.image, "copied": finish(pack, sampled, "copied").image, "telea": torch.from_numpy(telea).float() / 255}
        found.append((photo[0], done.hole, made))
    return found


def means(results, score):
    """The mean score of each who made pictures."""
    return {who: np.mean([float(score(made[who], truth, hole)) for truth, hole, made in results]) for who in results[0][2]}


@pytest.mark.parametrize(
    ("score", "margin"),
    [
        (psnr, 0.5),
        # these two pull against each other: the fill that is laid out smoothly gave the model 0.01 of SSIM and took 0.003 of
        # HaarPSI, of which copied detail, below, has six times the gain
        (ssim, 0.0),
        (haarpsi, 0.003),
    ],
    ids=["psnr", "ssim", "haarpsi"],
)
def test_the_bundled_model_against_telea(results, score, margin):
    found = means(results, score)
    assert found["sampled"] > found["telea"] + margin


def test_copied_detail_has_more_of_the_structure(results):
    found = means(results, haarpsi)
    assert found["copied"] > found["telea"] + 0.03


def test_copied_detail_leaves_no_soft_patch(results):
    """The fine contrast in the hole is close to the truth's; a smear, Telea's or the model's own, has an eighth of it."""

    def contrast(image, where):
        planes = image.permute(2, 0, 1)[None]
        return float((planes - torch.nn.functional.avg_pool2d(planes, 5, 1, 2, count_include_pad=False))[0, :, where].std())

    share = {who: np.median([contrast(made[who], h) / contrast(truth, h) for truth, h, made in results]) for who in results[0][2]}
    assert 0.65 < share["copied"] < 1.2, share
    assert share["telea"] < 0.3, share


def test_nothing_of_the_person_is_left(pack):
    """What goes is never looked at: another person in the same mask leaves the same picture."""
    photo = next(iter(photographs()))
    mask = somebody(*photo.shape[1:3])
    inside = mask[..., None] > 0
    red, noise = (torch.where(inside, x, photo) for x in (torch.tensor([1.0, 0.0, 0.0]), torch.rand(photo.shape)))
    one, other = (erase(pack, p, mask, "1", steps=2, denoise=DENOISE) for p in (red, noise))
    assert torch.allclose(one.image, other.image, atol=1e-4)


def test_real_photographs_of_several_people(pack, photos):
    for name in ("coco_000000000077", "penn_FudanPed00001"):
        path = photos / "people" / f"{name}.jpg"
        if not path.exists():
            path = sorted((photos / "people").glob(f"{name[:4]}*.jpg"))[0]
        photo = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255)[None]
        labels = torch.from_numpy(np.asarray(Image.open(path.with_suffix(".png"))).astype(np.float32) / 255)[None]
        done = erase(pack, photo, labels, "largest", steps=2, denoise=DENOISE, separate="by value")
        assert done.image.isfinite().all()
        untouched = done.changed == 0
        assert torch.equal(done.image[untouched], photo[0][untouched])
        assert untouched.float().mean() > 0.3
        assert len(done.layers) == 1 + len(done.scene.people)
