"""Whose pose is whose, and whose parsing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mild_core.morphology.assign import assign_parsing, assign_poses, in_words
from mild_core.morphology.keypoints import read_keypoints
from mild_core.scene import MaskedPerson, Part, Person, Pose, split_people

HEIGHT, WIDTH = 200, 320
# a person 20 wide and 90 high with the middle of the feet at (0, 0)
FIGURE = torch.tensor([
    [0, -84], [0, -74], [-7, -72], [-9, -58], [-9, -46], [7, -72], [9, -58], [9, -46], [-4, -44],
    [-5, -24], [-5, -4], [4, -44], [5, -24], [5, -4], [-2, -86], [2, -86], [-4, -84], [4, -84],
]).float()  # fmt: skip


def figure(x, y, confidence=0.9, times=1.0):
    return Pose.of(torch.cat([FIGURE * times + torch.tensor([x, y]), torch.full((18, 1), confidence)], 1))


def block(x, y, times=1.0):
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[max(round(y - 90 * times), 0) : y + 1, max(round(x - 11 * times), 0) : round(x + 11 * times) + 1] = True
    return mask


def person(number, seen, body=None):
    seen = Part.of(seen)
    return Person(f"p{number}", number, seen, seen, seen if body is None else Part.of(body))


def crowd(*masks):
    """People 1, 2, … of masks, the first nearest: a pixel shows the nearest, bodies go on behind."""
    taken, people = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool), []
    for number, mask in enumerate(masks, start=1):
        people.append(person(number, mask & ~taken, mask))
        taken |= mask
    return people


def places(poses, people):
    return {int(id[1:]): place for id, place in assign_poses(poses, people).place_of.items()}


def test_everybody_gets_their_own_pose():
    people = crowd(block(40, 150), block(100, 160), block(200, 140))
    poses = [figure(200, 140), figure(40, 150), figure(100, 160)]
    found = assign_poses(poses, people)
    assert found.place_of == {"p1": 1, "p2": 2, "p3": 0}
    assert all(found.pose_of[id] is poses[place] for id, place in found.place_of.items())
    assert list(found.scores.values()) == pytest.approx([1, 1, 1])
    assert (found.left_over, found.without) == ((), ())


def test_a_pose_without_a_mask_and_a_mask_without_a_pose():
    found = assign_poses([figure(250, 150), figure(40, 150)], crowd(block(40, 150), block(120, 150)))
    assert (found.place_of, found.left_over, found.without) == ({"p1": 1}, (0,), ("p2",))
    assert in_words(found, crowd(block(40, 150), block(120, 150))) == "1: pose 2 (100 % of its joints)\n2: no pose\npose 1: nobody"


def test_of_two_poses_for_one_person_the_worse_is_left_over():
    found = assign_poses([figure(48, 152), figure(40, 150)], crowd(block(40, 150)))
    assert (found.place_of, found.left_over) == ({"p1": 1}, (0,))


def test_a_child_before_a_parent():
    people = crowd(block(100, 180, 0.5), block(103, 180, 1.6))
    poses = [figure(103, 180, times=1.6), figure(100, 180, times=0.5)]
    assert places(poses, people) == {1: 1, 2: 0}
    # each one's pose alone must not go to the other
    assert places(poses[:1], people) == {2: 0}
    assert places(poses[1:], people) == {1: 0}


def test_somebody_mostly_hidden_keeps_their_pose():
    people = crowd(block(100, 160), block(106, 150))
    poses = [figure(106, 150), figure(100, 160)]
    assert places(poses, people) == {1: 1, 2: 0}
    assert people[1].area < 0.4 * people[0].area
    assert assign_poses(poses, people).scores["p2"] < 0.75


def test_a_bystander_who_only_touches_a_mask_gets_nobody():
    assert places([figure(40 + 16, 150)], crowd(block(40, 150))) == {}


def test_joints_are_weighed_by_confidence():
    pose = figure(40, 150)
    pose.joints[:9, :2] += torch.tensor([100.0, 0.0])
    pose.joints[:9, 2] = 0.1
    found = assign_poses([pose], [person(1, block(40, 150), block(90, 150) | block(40, 150))])
    assert found.scores["p1"] == pytest.approx(0.9 * 9 / (0.9 * 9 + 0.1 * 9))


def test_joints_a_little_beside_the_mask_are_on_it_unless_they_are_on_somebody_else():
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[50:150, 40:60] = True
    joints = torch.zeros(18, 3)
    joints[0], joints[1], joints[2] = torch.tensor([50.0, 60, 1]), torch.tensor([50.0, 140, 1]), torch.tensor([61.0, 100, 1])
    assert assign_poses([Pose.of(joints)], [person(1, mask)]).scores["p1"] == pytest.approx(1)
    beside = torch.zeros_like(mask)
    beside[50:150, 60:70] = True
    assert assign_poses([Pose.of(joints)], [person(1, mask), person(2, beside)]).scores["p1"] == pytest.approx(2 / 3)
    joints[2, 0] = 63
    assert assign_poses([Pose.of(joints)], [person(1, mask)]).scores["p1"] == pytest.approx(2 / 3)


def test_a_joint_behind_somebody_counts_half():
    front = block(106, 150)
    front[:120] = False
    _, behind = crowd(front, block(106, 150))
    hidden = sum(round(150 + float(y)) >= 120 for _, y in FIGURE) / 18
    assert 0 < hidden < 1
    assert assign_poses([figure(106, 150)], [person(1, front & False), behind]).scores["p2"] == pytest.approx(1 - hidden / 2)


def test_a_bystander_before_somebody_is_not_who_is_around_them():
    around = block(100, 150)
    around[62:141] = False  # the joints' box agrees, but only the ankles are on the mask
    assert places([figure(100, 150)], [person(1, around)]) == {}


def test_nobody_and_nothing():
    nothing = assign_poses([], [])
    assert (nothing.pose_of, nothing.left_over, nothing.without) == ({}, (), ())
    assert in_words(nothing, []) == ""
    assert assign_poses([], crowd(block(40, 150))).without == ("p1",)
    assert assign_poses([figure(40, 150)], []).left_over == (0,)
    assert assign_poses([Pose.of(torch.zeros(18, 3))], crowd(block(40, 150))).left_over == (0,)
    assert assign_poses([figure(40, 150)], crowd(block(40, 150) & False)).without == ("p1",)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(10)), st.integers(-400, 400))
def test_the_order_does_not_matter_and_no_pose_is_lost(order, away):
    people = crowd(*(block(16 + 30 * n, 100 + 9 * n) for n in range(8)))
    poses = [figure(16 + 30 * n, 100 + 9 * n) for n in range(6)] + [figure(away, 150), figure(-100, 900), figure(16, 100), figure(50, 1e5)]
    found = assign_poses([poses[n] for n in order], people)
    for n in range(1, 6):
        assert order[found.place_of[f"p{n + 1}"]] == n
    assert order[found.place_of["p1"]] in (0, 8)
    assert sorted([*found.place_of.values(), *found.left_over]) == list(range(10))
    assert {*found.place_of, *found.without} == {p.id for p in people}


def test_forty_people():
    big = [(60 + 90 * (n % 40), 180) for n in range(40)]
    people = []
    for number, (x, y) in enumerate(big, start=1):
        mask = torch.zeros(200, 3700, dtype=torch.bool)
        mask[y - 90 : y + 1, x - 11 : x + 12] = True
        people.append(person(number, mask))
    found = assign_poses([figure(x, y) for x, y in big[::-1]], people)
    assert found.place_of == {f"p{n}": 40 - n for n in range(1, 41)}


@pytest.fixture(scope="module")
def annotated(photos):
    """Photos of COCO: their size, and for each person with keypoints 17 of them and the outline's mask."""
    file = photos / "pose" / "test_coco.json"
    if not file.exists():
        pytest.skip("needs people's keypoints beside the checkout, in ../shared/photos/pose")
    found = json.loads(file.read_text())
    scenes = []
    for image in found["images"]:
        size, people = (image["height"], image["width"]), []
        for annotation in found["annotations"]:
            if annotation["image_id"] == image["id"] and annotation["num_keypoints"]:
                mask = Image.new("1", size[::-1])
                for outline in annotation["segmentation"]:
                    ImageDraw.Draw(mask).polygon(outline, fill=1)
                people.append((annotation["keypoints"], torch.from_numpy(np.array(mask))))
        scenes.append((size, people))
    return scenes


def test_real_poses_go_to_their_outlines(annotated):
    checked = 0
    for size, people in annotated:
        scene = split_people(torch.zeros(1, *size, 3), [MaskedPerson(n, mask.float()) for n, (_, mask) in enumerate(people, start=1)])
        for seed in range(3):
            order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).tolist()
            frame = {"canvas_width": size[1], "canvas_height": size[0], "people": [{"pose_keypoints_2d": people[n][0]} for n in order]}
            found = assign_poses(read_keypoints(frame, size), scene.people)
            assert (found.left_over, found.without) == ((), ())
            for each in scene.people:
                assert order[found.place_of[each.id]] == each.number - 1
                assert found.scores[each.id] > 0.6
                checked += 1
    assert checked == 3 * 12


def test_a_real_pose_whose_owner_has_no_mask_goes_to_nobody(annotated):
    for size, people in annotated:
        for missing in range(len(people)):
            found = [MaskedPerson(n, mask.float()) for n, (_, mask) in enumerate(people, start=1) if n != missing + 1]
            if found:
                frame = {"canvas_width": size[1], "canvas_height": size[0], "people": [{"pose_keypoints_2d": k} for k, _ in people]}
                scene = split_people(torch.zeros(1, *size, 3), found)
                assert assign_poses(read_keypoints(frame, size), scene.people).left_over == (missing,)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.float32])
def test_a_parsing_is_shared_out(kind):
    people = crowd(block(40, 150), block(50, 150), block(200, 150))
    labels = torch.zeros(HEIGHT, WIDTH, dtype=kind)
    labels[:130, :100] = 7
    labels[120:130, :100] = 255
    found = assign_parsing(labels, people)
    assert set(found) == {"p1", "p2"}
    for each in people[:2]:
        part = found[each.id]
        assert torch.equal(part.whole, torch.where(each.visible, labels, 0).to(torch.uint8))
        assert part.pixels.dtype == torch.uint8
        assert part.box.bottom == 130


def test_a_parsing_of_nobody():
    assert assign_parsing(torch.ones(4, 4, dtype=torch.int32), []) == {}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(10, 20, dtype=torch.int64), f"parsing is 10×20 but the photo is {HEIGHT}×{WIDTH}"),
        (torch.full((HEIGHT, WIDTH), 256), "parsing holds values from 256 to 256, but labels must be whole numbers 0 to 255"),
        (torch.full((HEIGHT, WIDTH), -1), "parsing holds values from -1 to -1"),
        (torch.full((HEIGHT, WIDTH), 0.5), "parsing holds values from 0.5 to 0.5"),
    ],
)
def test_a_parsing_that_is_none(labels, message):
    with pytest.raises(ValueError, match=message):
        assign_parsing(labels, crowd(block(40, 150)))


def test_a_person_keeps_what_was_found():
    people = crowd(block(40, 150))
    found = assign_poses([figure(40, 150)], people)
    assert replace(people[0], pose=found.pose_of["p1"]).pose.known.all()
