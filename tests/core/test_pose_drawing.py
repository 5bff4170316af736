"""The map that pose ControlNets were trained on, and skeletons over a photo."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.morphology.draw import draw_pose, draw_skeletons
from mild_core.morphology.keypoints import write_keypoints
from mild_core.scene import Pose

HEIGHT, WIDTH = 160, 200
# the convention, as ControlNet's own annotator has it: limbs as pairs of joints counted from 1, colours as hue steps of 20°
LIMBS = "2-3 2-6 3-4 4-5 6-7 7-8 2-9 9-10 10-11 2-12 12-13 13-14 2-1 1-15 15-17 1-16 16-18"
COLOURS = "ff0000 ff5500 ffaa00 ffff00 aaff00 55ff00 00ff00 00ff55 00ffaa 00ffff 00aaff 0055ff 0000ff 5500ff aa00ff ff00ff ff00aa ff0055"
COLOURS = [tuple(bytes.fromhex(colour)) for colour in COLOURS.split()]


def as_bytes(picture):
    assert picture.dtype == torch.float32
    return (picture * 255).round().byte().numpy()


def restated(poses, height, width, threshold):
    """The convention once more, limb by limb and joint by joint."""
    import cv2

    canvas = np.zeros((height, width, 3), np.uint8)
    for pose in poses:
        joints = [(x, y) if c > 0 and c >= threshold else None for x, y, c in pose.joints.tolist()]
        for limb, colour in zip(LIMBS.split(), COLOURS, strict=False):
            ends = [joints[int(end) - 1] for end in limb.split("-")]
            if None not in ends:
                xs, ys = np.array(ends).T
                length = ((xs[0] - xs[1]) ** 2 + (ys[0] - ys[1]) ** 2) ** 0.5
                angle = math.degrees(math.atan2(ys[0] - ys[1], xs[0] - xs[1]))
                centre = int(np.mean(xs)), int(np.mean(ys))
                polygon = cv2.ellipse2Poly(centre, (int(length / 2), 4), int(angle), 0, 360, 1)
                cv2.fillConvexPoly(canvas, polygon, [int(0.6 * part) for part in colour])
        for joint, colour in zip(joints, COLOURS, strict=True):
            if joint is not None:
                cv2.circle(canvas, (int(joint[0]), int(joint[1])), 4, colour, -1)
    return canvas


def pose_of(seed, spread=1.4, whole=False):
    """Joints all over a picture and around it, some unknown."""

    def points(*shape):
        made = torch.rand(*shape, 3, generator=generator)
        made[..., :2] = (made[..., :2] * spread - (spread - 1) / 2) * torch.tensor([WIDTH, HEIGHT])
        made[made[..., 2] < 0.2] = 0
        return made

    generator = torch.Generator().manual_seed(seed)
    pose = Pose.of(points(18))
    return replace(pose, hands=points(2, 21), face=points(70)) if whole else pose


def bodies(*named):
    """A pose of the joints {index: (x, y)}."""
    joints = torch.zeros(18, 3)
    for index, (x, y) in named:
        joints[index] = torch.tensor([x, y, 1.0])
    return Pose.of(joints)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**31), max_size=3), st.sampled_from([0.0, 0.05, 0.5]))
def test_bodies_are_the_convention_pixel_for_pixel(seeds, threshold):
    poses = [pose_of(seed) for seed in seeds]
    drawn = as_bytes(draw_pose(poses, HEIGHT, WIDTH, threshold=threshold))
    assert np.array_equal(drawn, restated(poses, HEIGHT, WIDTH, threshold))


def test_the_colour_of_each_joint():
    for joint, colour in enumerate(COLOURS):
        drawn = as_bytes(draw_pose([bodies((joint, (50.9, 40.9)))], 80, 100))
        assert tuple(drawn[40, 50]) == colour  # places are cut, not rounded
        assert (drawn.any(-1)).sum() == (drawn[36:45, 46:55].any(-1)).sum() > 40


def test_the_colour_of_each_limb():
    for limb, colour in zip(LIMBS.split(), COLOURS, strict=False):
        one, other = (int(end) - 1 for end in limb.split("-"))
        drawn = as_bytes(draw_pose([bodies((one, (20, 40)), (other, (80, 40)))], 80, 100))
        assert drawn[40, 50].tolist() == [round(0.6 * part) for part in colour]
        assert drawn[:, 50].any(-1).nonzero()[0].tolist() == list(range(36, 45))


def test_joints_are_over_limbs_and_later_people_over_earlier():
    shoulders, crossing = bodies((1, (50, 40)), (2, (20, 40))), bodies((1, (50, 10)), (5, (50, 70)))
    drawn = as_bytes(draw_pose([shoulders, crossing], 80, 100))
    assert tuple(drawn[40, 20]) == COLOURS[2]
    assert drawn[40, 50].tolist() == [153, 51, 0]
    assert tuple(as_bytes(draw_pose([crossing, shoulders], 80, 100))[40, 50]) == COLOURS[1]


def test_what_is_doubtful_is_left_out_and_what_is_guessed_is_not():
    pose = bodies((1, (50, 40)), (2, (20, 40)))
    pose.joints[2, 2] = 0.15
    pose = replace(pose, guessed=pose.joints[:, 2] == pose.joints[2, 2], source="silhouette")
    alone = as_bytes(draw_pose([bodies((1, (50, 40)))], 80, 100))
    assert not np.array_equal(as_bytes(draw_pose([pose], 80, 100)), alone)
    assert np.array_equal(as_bytes(draw_pose([pose], 80, 100, threshold=0.3)), alone)


def test_hands_are_fingers_of_a_hue_each_and_faces_are_white():
    hands, face = torch.zeros(2, 21, 3), torch.zeros(70, 3)
    hands[0, 0], hands[0, 17] = torch.tensor([20.0, 40, 1]), torch.tensor([80.0, 40, 1])  # the little finger's first bone
    hands[1, 20], face[69] = torch.tensor([0.0, 10, 1]), torch.tensor([50.0, 60, 1])
    drawn = as_bytes(draw_pose([replace(bodies(), hands=hands, face=face)], 80, 100))
    assert drawn[40, 20].tolist() == drawn[40, 80].tolist() == [0, 0, 255]
    assert drawn[40, 50].tolist() == [204, 0, 255]  # the 17th of 20 hues: 288°
    assert drawn[60, 50].tolist() == [255, 255, 255]
    assert drawn[36:45, 50].any(-1).sum() in (2, 3)
    hands[1, 5], hands[1, 6] = torch.tensor([50.0, 20, 1]), torch.tensor([50.0, 70, 1])
    assert as_bytes(draw_pose([replace(bodies(), hands=hands)], 80, 100))[40, 50].tolist() == [204, 0, 255]  # the right hand covers
    assert not drawn[10].any()  # in the first column, where the convention takes a point as missing


def test_nobody_is_black_and_far_away_is_no_trouble():
    assert not draw_pose([], 40, 50).any()
    assert draw_pose([], 40, 50).shape == (40, 50, 3)
    far = bodies((1, (-1e6, 1e6)), (2, (1e6, -1e6)))
    assert draw_pose([far], 40, 50).shape == (40, 50, 3)


@pytest.mark.parametrize("seed", range(6))
def test_the_core_draws_the_same_shapes(pack, seed):
    """The core's own node gives limbs their full colour, and draws a joint only inside; so shapes of poses inside are compared."""
    nodes = pytest.importorskip("comfy_extras.nodes_sdpose", reason="needs a ComfyUI that draws poses")
    pose = pose_of(seed, spread=0.9, whole=True)
    pose.face[68:] = 0  # the core leaves the pupils out
    pose.joints[1, 2] = 0.9
    ours = draw_pose([pose], HEIGHT, WIDTH, threshold=0.3)
    drawn = nodes.SDPoseDrawKeypoints.execute(
        write_keypoints([pose], (HEIGHT, WIDTH)), draw_body=True, draw_hands=True, draw_face=True, draw_feet=False,
        stick_width=4, face_point_size=3, score_threshold=0.3, draw_head=True,
    )  # fmt: skip
    theirs = drawn.args[0][0].cpu()
    assert torch.equal(ours.amax(-1) > 0, theirs.amax(-1) > 0)
    alone = replace(pose, hands=None, face=None)
    full = nodes.KeypointDraw().draw_wholebody_keypoints(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8), alone.joints[:, :2].numpy(), alone.joints[:, 2].numpy(), threshold=0.3
    )
    drawn = as_bytes(draw_pose([alone], HEIGHT, WIDTH, threshold=0.3))
    joint = (drawn == full).all(-1)
    assert np.array_equal(drawn[~joint], (full[~joint] * 0.6).round().astype(np.uint8))


STANDING = ((0, (100, 20)), (1, (100, 40)), (8, (90, 90)), (9, (90, 120)), (10, (90, 150)), (11, (110, 90)), (12, (110, 120)))


def test_a_skeleton_changes_no_more_than_its_lines():
    photo = torch.rand(HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    before, colour = photo.clone(), (1.0, 0.2, 0.0)
    drawn = draw_skeletons(photo, [(bodies(*STANDING), colour)])
    assert torch.equal(photo, before)
    changed = (drawn != photo).any(-1)
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    assert not changed[:, (columns < 82) | (columns > 118)].any()
    assert not changed[(rows < 12)[:, 0]].any()
    assert torch.allclose(drawn[105, 90], torch.tensor(colour), atol=0.1)
    assert torch.equal(draw_skeletons(photo, []), photo)
    assert torch.equal(draw_skeletons(photo, [(bodies(), colour)]), photo)
    assert torch.equal(draw_skeletons(photo, [(bodies((0, (-500, 20))), colour)]), photo)


def test_lines_are_anti_aliased():
    drawn = draw_skeletons(torch.zeros(HEIGHT, WIDTH, 3), [(bodies((1, (20, 20)), (2, (150, 61))), (1.0, 1.0, 1.0))])
    assert len(drawn.unique()) > 20


@pytest.mark.parametrize("times", [1, 12])
def test_what_was_seen_is_a_dot_and_what_was_guessed_is_a_ring(times):
    photo = torch.full((HEIGHT * times, WIDTH * times, 3), 0.5)
    pose = bodies(*((joint, (x * times, y * times)) for joint, (x, y) in STANDING))
    guessed = torch.zeros(18, dtype=torch.bool)
    guessed[10] = True
    drawn = draw_skeletons(photo, [(replace(pose, guessed=guessed), (1.0, 0.0, 0.0))])
    assert drawn[90 * times, 110 * times].tolist() == [1, 0, 0]
    assert (drawn[150 * times, 90 * times] - 0.5).abs().max() < 0.1
    assert (drawn[150 * times, 90 * times : 90 * times + 40] - 0.5).abs().max() > 0.4


def test_lines_grow_with_the_photo_and_the_person():
    def width(times, size):
        photo = torch.zeros(HEIGHT * size, WIDTH * size, 3)
        pose = bodies(*((joint, (x * times, y * times)) for joint, (x, y) in STANDING))
        return int((draw_skeletons(photo, [(pose, (1.0, 1.0, 1.0))])[round(105 * times), :, 0] > 0.5).sum()) / 2

    assert width(1, 1) <= 2
    assert width(12, 12) >= 5
    assert width(1, 12) <= 3  # somebody small in a large photo
