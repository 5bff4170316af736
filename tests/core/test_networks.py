"""What stands before and behind pose and parsing networks, against the data processing that they were trained with."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from shapes import ROOT, disc, stripes

from mild_core.models.parsing_network import parse_people, parsing_crops, person_squares
from mild_core.models.pose_network import decode_heatmaps, person_crops
from mild_core.scene import JOINTS, Box, split_people
from mild_core.scene.coco import from_coco
from mild_core.scene.split import MaskedPerson

SIZE = (256, 192)
HEAT = (64, 48)
COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow", "right elbow",
    "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip


def processor(name):
    pytest.importorskip("scipy")
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, name)()


def coco(box):
    return [box.left, box.top, box.width, box.height]


@pytest.fixture(scope="module")
def people(photos):
    """Photographs [H, W, 3] uint8, the boxes of people in them, and their keypoints [17, 3]."""
    folder = photos / "pose"
    if not folder.is_dir():
        pytest.skip("needs photographs with keypoints in ../shared/photos/pose")
    told = json.loads((folder / "test_coco.json").read_text())
    files = {image["id"]: np.array(Image.open(folder / image["file_name"]).convert("RGB")) for image in told["images"]}
    found = []
    for one in told["annotations"]:
        if one["num_keypoints"]:
            left, top, width, height = one["bbox"]
            box = Box(int(left), int(top), int(left + width) + 1, int(top + height) + 1)
            found.append((files[one["image_id"]], box, torch.tensor(one["keypoints"], dtype=torch.float32).reshape(17, 3)))
    assert len(found) == 12
    return found


def test_crops_are_the_processors(people):
    vitpose = processor("VitPoseImageProcessor")
    vitpose.do_rescale = False
    differences = []
    for image, box, _ in people:
        photo = torch.from_numpy(image / 255).float()
        theirs = vitpose(photo.permute(2, 0, 1), boxes=[[coco(box)]], return_tensors="pt", input_data_format="channels_first")
        ours, _ = person_crops(photo, [box])
        differences.append((ours - theirs["pixel_values"]).abs())
    differences = torch.cat(differences)
    assert differences.max() < 2e-3, "standard deviations of ImageNet's colours"
    assert differences.mean() < 2e-5


def test_beyond_the_photo_all_is_black():
    crops, frames = person_crops(torch.ones(40, 30, 3), [Box(0, 0, 30, 40)])
    assert torch.allclose(frames[0], torch.tensor([-3.75, -5.0, 37.5, 50.0], dtype=torch.float64))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(crops[0, :, 0, 0], -mean / std)
    assert torch.allclose(crops[0, :, 128, 96], (1 - mean) / std)


def test_a_large_person_is_averaged_and_stays_where_it_is():
    """Noise turns grey where sixteen samples make a pixel, and an edge stays in its place."""
    photo = torch.rand(2600, 2000, 3, generator=torch.Generator().manual_seed(0))
    (crop,), _ = person_crops(photo, [Box(200, 200, 1700, 2200)])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    grey = crop[:, 20:-20, 20:-20].movedim(0, -1) * std + mean
    assert abs(grey.mean() - 0.5) < 0.01
    assert grey.std() < 0.06, "0.19 with one sample"
    photo[:] = 0
    photo[:, 950:] = 1
    (crop,), (frame,) = person_crops(photo, [Box(200, 200, 1700, 2200)])
    bright = (crop[0, 100] * std[0] + mean[0]).sum()
    edge = frame[0] + (191.5 - bright) * frame[2] / 191
    assert abs(edge - 949.5) < 1


def test_decoding_is_the_processors():
    vitpose = processor("VitPoseImageProcessor")
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 17, *HEAT, generator=g)
    kernel = torch.exp(-0.5 * (torch.arange(-9, 10) / 3.0) ** 2)
    smooth = F.conv2d(F.conv2d(noise.flatten(0, 1)[:, None], kernel[None, None, None]), kernel[None, None, :, None])
    smooth = F.interpolate(smooth, HEAT, mode="bicubic").reshape(6, 17, *HEAT)
    heatmaps = smooth / smooth.flatten(2).amax(2)[..., None, None] * 0.9
    boxes = [Box(10, 20, 90, 300), Box(0, 0, 640, 425), Box(5, 7, 300, 50), Box(100, 100, 101, 104), Box(-5, 2, 80, 90), Box(3, 3, 9, 40)]
    _, frames = person_crops(torch.zeros(8, 8, 3), boxes)

    class Outputs:
        pass

    Outputs.heatmaps = heatmaps
    theirs = vitpose.post_process_pose_estimation(Outputs, boxes=[[coco(box) for box in boxes]], kernel_size=11)[0]
    ours = decode_heatmaps(heatmaps, frames)
    pixel = (frames[:, 2] / 47).float()[:, None]  # of a heatmap, in pixels of the photo
    apart = torch.stack([(o[:, :2] - t["keypoints"]).abs().amax(1) for o, t in zip(ours, theirs, strict=True)]) / pixel
    assert torch.allclose(ours[..., 2], torch.stack([t["scores"] for t in theirs]))
    place = heatmaps.flatten(2).argmax(2)
    inner = (place % 48 > 0) & (place % 48 < 47) & (place // 48 > 0) & (place // 48 < 63)
    assert inner.float().mean() > 0.5
    assert apart[inner].max() < 5e-3, "pixels of the heatmap; at its edge their step may go any distance"


def test_real_keypoints_come_back(people):
    """Heatmaps as in training, a Gaussian of 2 pixels at each keypoint of real people in their crops."""
    worst = 0.0
    for image, box, keypoints in people:
        _, frames = person_crops(torch.from_numpy(image / 255).float(), [box])
        left, top, width, height = frames[0].tolist()
        x = (keypoints[:, 0] - left) * 47 / width
        y = (keypoints[:, 1] - top) * 63 / height
        across = (torch.arange(48) - x[:, None]) ** 2
        down = (torch.arange(64) - y[:, None]) ** 2
        heatmaps = torch.exp(-(across[:, None] + down[:, :, None]) / (2 * 2**2))[None]
        (found,) = decode_heatmaps(heatmaps, frames)
        seen = keypoints[:, 2] > 0
        worst = max(worst, float((found[seen, :2] - keypoints[seen, :2]).abs().max()))
        assert found[seen, 2].min() > 0.85
    assert worst < 0.02, "pixels of the photo"


def test_a_torn_or_flat_maximum_stays_within_a_pixel():
    frames = torch.tensor([[0.0, 0.0, 47.0, 63.0]], dtype=torch.float64)
    flat = torch.full((1, 1, *HEAT), 0.5)
    ridge = flat.clone()
    ridge[..., 20, 10:] = torch.linspace(0.9, 0.90001, 38)
    nothing = torch.full((1, 1, *HEAT), -1.0)
    for heatmaps, x, y, sure in ((flat, 0, 0, 0.5), (ridge, 47, 20, 0.90001), (nothing, 0, 0, 0.0)):
        (((found_x, found_y, confidence),),) = decode_heatmaps(heatmaps, frames).tolist()
        assert abs(found_x - x) <= 1
        assert abs(found_y - y) <= 1
        assert confidence == pytest.approx(sure)


def test_cocos_keypoints_become_joints_and_a_neck():
    points = torch.stack([torch.arange(17.0), torch.arange(17.0) * 2, torch.linspace(1, 0.2, 17)], 1)
    joints = from_coco(points)
    for name, joint in zip(JOINTS, joints, strict=True):
        if name != "neck":
            assert torch.equal(joint, points[COCO.index(name)]), name
    left, right = points[COCO.index("left shoulder")], points[COCO.index("right shoulder")]
    assert torch.allclose(joints[1], torch.stack([(left[0] + right[0]) / 2, (left[1] + right[1]) / 2, right[2]]))
    assert torch.equal(from_coco(points.expand(2, 5, 17, 3))[1, 3], joints)


def test_parsing_crops_are_the_processors(people):
    segformer = processor("SegformerImageProcessor")
    for image, box, _ in people[:4]:
        square = Box(box.left, box.top, box.left + min(box.width, box.height), box.top + min(box.width, box.height))
        theirs = segformer(square.view(image), return_tensors="pt")["pixel_values"]
        ours = parsing_crops(torch.from_numpy(image / 255).float(), [square])
        assert (ours - theirs).abs().max() < 2.5e-2, "they round to 8 bits in between"
        assert (ours - theirs).abs().mean() < 6e-3
    large = torch.randint(0, 256, (1300, 1300, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    theirs = segformer(large.numpy(), return_tensors="pt")["pixel_values"]
    ours = parsing_crops(large / 255, [Box(0, 0, 1300, 1300)])
    assert (ours - theirs).abs().mean() < 6e-3, "made smaller: without aliases"


def test_squares_hold_the_person_and_stay_in_the_photo():
    masks = [disc(90, 160, 45, 12, 10), disc(90, 160, 45, 100, 44)]
    scene = split_people(stripes(90, 160)[None], [MaskedPerson(n, m) for n, m in enumerate(masks, 1)], depth_order="1,2")
    small, large = person_squares(scene)
    seen = scene.people[0].seen.box
    assert small.width == small.height == seen.longest + 2 * round(0.1 * seen.longest)
    assert small.inside(seen) == seen
    assert small.left == 0, "moved in"
    assert large.width == large.height > 90
    assert abs(-large.top - (large.bottom - 90)) <= 1, "taller than the photo: centred"
    assert large.inside(scene.people[1].seen.box) == scene.people[1].seen.box


def test_labels_lie_on_each_persons_own_pixels(two_people):
    """Labels are those of the stretched logits, of each person's own crop."""
    scene = two_people
    squares = person_squares(scene)
    logits = torch.randn(len(scene.people), 5, 12, 12, generator=torch.Generator().manual_seed(0))
    labels = parse_people(scene, squares, logits)
    assert labels.dtype == torch.uint8
    assert not labels[~scene.union(scene.people)].any()
    for person, square, scores in zip(scene.people, squares, logits, strict=True):
        stretched = F.interpolate(scores[None], (square.height, square.width), mode="bilinear", align_corners=False)[0].argmax(0)
        whole = torch.zeros(scene.size, dtype=torch.long)
        whole = square.paste(whole, stretched)
        assert torch.equal(labels[person.visible].long(), whole[person.visible])
        assert len(labels[person.visible].unique()) > 2


def test_transformers_waits_for_a_run():
    code = "import sys, mild_core.models.pose_network, mild_core.models.parsing_network; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "mild_core.models.parsing_network" in loaded
    assert not {"transformers", "torchvision", "cv2", "scipy"} & set(loaded)
