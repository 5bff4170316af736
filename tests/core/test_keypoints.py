"""POSE_KEYPOINT to poses and back."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mild_core.morphology.keypoints import moved, read_keypoints, write_keypoints
from mild_core.scene import JOINTS, Box, Pose

SIZE = 300, 400
COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow", "right elbow",
    "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
BODY_25 = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist", "mid hip",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle", "right eye", "left eye", "right ear",
    "left ear", "left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel",
)  # fmt: skip
PLACES = {name: (40.0 + 7 * n, 30.0 + 11 * n % 200, 0.5 + n / 60) for n, name in enumerate(JOINTS)}


def frame(*people, width=SIZE[1], height=SIZE[0]):
    return {"canvas_width": width, "canvas_height": height, "people": list(people)}


def body(order=JOINTS, **others):
    points = [PLACES.get(name, (9.0, 9.0, 0.9)) for name in order]
    return {"pose_keypoints_2d": [number for point in points for number in point], **others}


def read(*people, size=SIZE, **canvas):
    return read_keypoints([frame(*people, **canvas)], size)


def with_joint(joint, *point):
    numbers = body()["pose_keypoints_2d"]
    numbers[3 * joint : 3 * joint + 3] = point
    return {"pose_keypoints_2d": numbers}


def the_places():
    return torch.tensor([PLACES[name] for name in JOINTS])


@pytest.mark.parametrize("order", [JOINTS, BODY_25, COCO], ids=["18", "25", "17"])
def test_every_order_gives_the_same_joints(order):
    (pose,) = read(body(order))
    expected = the_places()
    if order is COCO:
        right, left = PLACES["right shoulder"], PLACES["left shoulder"]
        expected[1] = torch.tensor([(right[0] + left[0]) / 2, (right[1] + left[1]) / 2, min(right[2], left[2])])
    assert torch.allclose(pose.joints, expected)
    assert not pose.guessed.any()
    assert (pose.source, pose.hands, pose.face) == ("given", None, None)


def test_a_neck_takes_both_shoulders():
    numbers = body(COCO)["pose_keypoints_2d"]
    numbers[3 * COCO.index("left shoulder") + 2] = 0
    (pose,) = read({"pose_keypoints_2d": numbers})
    assert pose.joints[JOINTS.index("neck")].tolist() == [0, 0, 0]
    assert pose.known.sum() == 16


def test_the_frame_may_come_without_its_list():
    assert torch.equal(read_keypoints(frame(body()), SIZE)[0].joints, read(body())[0].joints)


@pytest.mark.parametrize("point", [(0, 0, 0), (None, None, None), (None, 5, 0.5), (-1, -1, 0.8), (0, 0, 1), (50, 60, 0), (50, 60, -0.1)])
def test_a_joint_that_was_not_found(point):
    (pose,) = read(with_joint(4, *point))
    assert pose.joints[4].tolist() == [0, 0, 0]
    assert pose.known.sum() == 17


@pytest.mark.parametrize(
    ("place", "known"), [((-199, 50), True), ((-201, 50), False), ((50, 449), True), ((50, 451), False), ((1e300, 5), False)]
)
def test_a_joint_outside_is_kept_but_not_one_far_outside(place, known):
    (pose,) = read(with_joint(4, *place, 0.7))
    assert bool(pose.known[4]) == known
    assert pose.joints.isfinite().all()
    if known:
        assert pose.joints[4, :2].tolist() == list(place)


def test_scores_above_1_are_1():
    assert read(with_joint(0, 50, 60, 7.5))[0].joints[0, 2] == 1


def test_a_canvas_of_another_size_is_scaled_by_the_centres_of_pixels():
    (pose,) = read(with_joint(4, 0, 149, 0.7), width=200, height=150)
    assert pose.joints[4, :2].tolist() == [0.5, 298.5]  # the middle of the first two columns and of the last two rows


@pytest.mark.parametrize("canvas", [{}, {"width": 64, "height": 64}, {"width": 1, "height": 1}])
def test_shares_of_the_canvas(canvas):
    numbers = body()["pose_keypoints_2d"]
    numbers[0::3] = [x / SIZE[1] for x in numbers[0::3]]
    numbers[1::3] = [y / SIZE[0] for y in numbers[1::3]]
    hand = [0.5, 0.25, 0.9] * 21
    (pose,) = read({"pose_keypoints_2d": numbers, "hand_left_keypoints_2d": hand}, **canvas)
    assert torch.allclose(pose.joints, the_places())
    assert pose.hands[1, 0].tolist() == pytest.approx([200, 75, 0.9])


def test_shares_a_little_outside_are_shares_but_one_body_of_pixels_makes_all_pixels():
    near = {"pose_keypoints_2d": [-0.1, 1.2, 0.9] * 18}
    assert read(near)[0].joints[3, :2].tolist() == pytest.approx([-40, 360])
    assert read(near, body())[0].joints[3, :2].tolist() == pytest.approx([-0.1, 1.2])


def test_flags_of_an_annotator():
    numbers = body(COCO)["pose_keypoints_2d"]
    numbers[2::3] = [2.0] * 17
    numbers[3 * COCO.index("right shoulder") + 2] = 1
    numbers[3 * COCO.index("left ankle") : 3 * COCO.index("left ankle") + 3] = [0, 0, 0]
    (pose,) = read({"pose_keypoints_2d": numbers})
    assert [name for name, guess in zip(JOINTS, pose.guessed.tolist(), strict=True) if guess] == ["neck", "right shoulder"]
    confidence = dict(zip(JOINTS, pose.joints[:, 2].tolist(), strict=True))
    assert confidence.pop("left ankle") == 0
    assert confidence.pop("neck") == confidence.pop("right shoulder") == 0.5
    assert set(confidence.values()) == {1}


def test_confidences_of_0_and_1_are_no_flags():
    numbers = body()["pose_keypoints_2d"]
    numbers[2::3] = [1.0] * 18
    (pose,) = read({"pose_keypoints_2d": numbers})
    assert (pose.joints[:, 2] == 1).all()
    assert not pose.guessed.any()


def test_hands_and_face():
    hand = [n + 20.0 for n in range(63)]
    hand[2::3] = [0.6] * 21
    (pose,) = read(body(hand_right_keypoints_2d=hand, hand_left_keypoints_2d=None, face_keypoints_2d=[55.0, 66.0, 0.5] * 68))
    assert pose.hands[0].flatten().tolist() == pytest.approx(hand)
    assert not pose.hands[1].any()
    assert pose.face.shape == (70, 3)
    assert (pose.face[:68] == torch.tensor([55.0, 66.0, 0.5])).all()
    assert not pose.face[68:].any()
    (pose,) = read(body(hand_right_keypoints_2d=[0] * 63, face_keypoints_2d=[], foot_keypoints_2d=[1.0] * 18))
    assert (pose.hands, pose.face) == (None, None)


def test_who_has_no_joint_is_nobody():
    assert read_keypoints([frame()], SIZE) == []
    assert read({"pose_keypoints_2d": [0] * 54}, {"pose_keypoints_2d": None, "face_keypoints_2d": [5.0, 5.0, 1.0] * 70}) == []
    assert len(read(body(), {"pose_keypoints_2d": [0] * 54}, *[body()] * 39)) == 40


BAD = [
    ([frame(), frame(), frame()], "pose holds 3 frames, but there must be one"),
    ([], "pose holds 0 frames"),
    ("person", "pose is of type str"),
    (None, "pose is of type NoneType"),
    (["person"], "pose holds a frame of type str"),
    ([{"people": []}], "pose holds a frame without canvas_width and canvas_height"),
    ([{"canvas_width": 1, "canvas_height": 1}], "pose holds a frame without people"),
    ([frame(width=0)], "pose has a canvas_width of 0, but"),
    ([frame(height=float("nan"))], "pose has a canvas_height of nan, but"),
    ([{**frame(), "people": None}], "pose holds people of type NoneType"),
    ([frame(body(), [1, 2])], "pose person 2 is of type list"),
    ([frame({"face_keypoints_2d": []})], "pose person 1 has no pose_keypoints_2d"),
    ([frame({"pose_keypoints_2d": [1.0] * 17})], r"pose person 1 has 17 numbers in pose_keypoints_2d, but must have 3·17 or 3·18 or 3·25"),
    ([frame(body(hand_left_keypoints_2d=[1.0] * 60))], r"pose person 1 has 60 numbers in hand_left_keypoints_2d, but must have 3·21"),
    ([frame(body(), with_joint(4, 5, float("nan"), 1))], "pose person 2 has nan at its right wrist, but"),
    ([frame(with_joint(16, float("inf"), 5, 0))], "pose person 1 has inf at its right ear, but"),
    ([frame(with_joint(16, 5, 5, "high"))], "pose person 1 has 'high' at its right ear, but"),
    ([frame(body(face_keypoints_2d=[1.0, 1.0, float("nan")] * 70))], "pose person 1 has nan at point 0 of face_keypoints_2d, but"),
]


@pytest.mark.parametrize(("frames", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(frames, message):
    with pytest.raises(ValueError, match=message):
        read_keypoints(frames, SIZE)


@pytest.mark.parametrize(("order", "point", "joint"), [(COCO, 5, "left shoulder"), (BODY_25, 9, "right hip"), (BODY_25, 8, "joint 8")])
def test_an_error_names_the_joint_in_any_order(order, point, joint):
    numbers = body(order)["pose_keypoints_2d"]
    numbers[3 * point] = float("nan")
    with pytest.raises(ValueError, match=f"nan at its {joint}, but"):
        read({"pose_keypoints_2d": numbers})


number = st.one_of(st.none(), st.integers(-5, 5), st.floats(width=32), st.floats(-1, 2), st.sampled_from([50.0, 0.9]))


@given(st.lists(st.lists(number, min_size=3, max_size=12), max_size=3), st.sampled_from([51, 54, 75]), st.integers(1, 5000))
def test_any_numbers_give_poses_or_a_named_error(people, count, side):
    people = [{"pose_keypoints_2d": (numbers * count)[:count]} for numbers in people]
    if any(n is not None and not math.isfinite(n) for person in people for n in person["pose_keypoints_2d"]):
        with pytest.raises(ValueError, match=r"pose person [123] has (nan|inf|-inf) at its "):
            read(*people, width=side)
        return
    poses = read(*people, width=side)
    for pose in poses:
        assert pose.joints.isfinite().all()
        assert pose.known.any()
        assert 0 <= pose.joints[:, 2].min() <= pose.joints[:, 2].max() <= 1
        assert not pose.joints[~pose.known].any()
        assert not (pose.guessed & ~pose.known).any()


def points(*shape, seed):
    made = torch.rand(*shape, 3, generator=torch.Generator().manual_seed(seed))
    made[..., :2] = made[..., :2] * torch.tensor([700.0, 500.0]) - 150
    made[made[..., 2] < 0.3] = 0
    return made


@given(st.integers(0, 2**31), st.booleans())
def test_what_is_written_reads_the_same(seed, whole):
    pose = Pose.of(points(18, seed=seed))
    if whole:
        pose = replace(pose, hands=points(2, 21, seed=seed + 1), face=points(70, seed=seed + 2))
    (found,) = read_keypoints(json.loads(json.dumps(write_keypoints([pose], SIZE))), SIZE)
    assert torch.equal(found.joints, pose.joints)
    assert (torch.equal(found.hands, pose.hands) and torch.equal(found.face, pose.face)) if whole else found.hands is found.face is None


def test_the_core_reads_what_is_written():
    (written,) = write_keypoints([Pose.of(the_places())], SIZE)
    assert (written["canvas_height"], written["canvas_width"]) == SIZE
    counts = {key: len(numbers) for key, numbers in written["people"][0].items()}
    assert counts == {"pose_keypoints_2d": 54, "face_keypoints_2d": 210, "hand_right_keypoints_2d": 63, "hand_left_keypoints_2d": 63}
    assert write_keypoints([], SIZE)[0]["people"] == []


def test_a_pose_moves_with_the_pixels_of_its_crop():
    """A joint at the middle of a pixel of the photo is at the middle of that pixel in the resized crop."""
    box, size = Box(-10, 20, 90, 120), 400
    for column, row in ((0, 20), (37, 61), (89, 119)):
        photo = torch.zeros(150, 100)
        photo[row, column] = 1
        crop = torch.nn.functional.interpolate(box.cut_mask(photo)[None, None], (size, size), mode="nearest")[0, 0]
        middle = crop.nonzero().double().mean(0).tolist()
        joints = torch.zeros(18, 3)
        joints[4] = torch.tensor([column, row, 0.5])
        pose = moved(Pose(joints, joints[:, 2] > 9, "silhouette", hands=joints[:3].expand(2, 3, 3), face=joints), box, size)
        assert pose.joints[4].tolist() == pytest.approx([middle[1], middle[0], 0.5])
        assert torch.equal(pose.joints, pose.face)
        assert not pose.joints[:4].any()
        assert pose.source == "silhouette"
    assert torch.allclose(moved(Pose.of(the_places()), Box(0, 0, 64, 64), 64).joints, the_places())
