"""Parsings, whole scenes, and what pathways are told."""

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from shapes import stripes

from mild_core.morphology import guide, understand
from mild_core.morphology.figure import PARTS
from mild_core.morphology.overlay import show_bodies
from mild_core.morphology.parsing import LABELS, complete_parsing, draw_parsing, parsing_of_parts, read_parsing
from mild_core.plan import make_plan
from mild_core.scene import Box, MaskedPerson, Part, Pose, split_people
from mild_core.scene.overlay import colour_of

SEG = namedtuple("SEG", "cropped_image cropped_mask confidence crop_region bbox label control_net_wrapper")
HEIGHT, WIDTH = 150, 200


def standing(left, top, tall):
    """Somebody who stands, as a mask [H, W]: head, trunk, legs."""
    y, x = torch.meshgrid((torch.arange(HEIGHT) - top) / tall, (torch.arange(WIDTH) - left) / tall, indexing="ij")
    head = (y - 0.07) ** 2 + x**2 < 0.065**2
    trunk = (y > 0.12) & (y < 0.52) & (x.abs() < 0.13)
    legs = (y >= 0.5) & (y < 1) & ((x.abs() - 0.065).abs() < 0.05)
    return (head | trunk | legs).float()


@pytest.fixture
def crowd():
    """1 stands before 2, who is covered below the chest on the right; 3 stands apart."""
    masks = [standing(80, 45, 100), standing(62, 20, 100), standing(160, 30, 90)]
    return split_people(stripes(HEIGHT, WIDTH)[None], [MaskedPerson(n, m) for n, m in enumerate(masks, start=1)], depth_order="1,2,3")


def by_number(scene, number):
    return next(p for p in scene.people if p.number == number)


# -- parsings that come in ---------------------------------------------------------------------------------------------


def test_a_label_map_is_read_from_whatever_holds_it():
    labels = torch.zeros(6, 8, dtype=torch.uint8)
    labels[1:3, 1:4], labels[3:5, 4:7] = 4, 6
    size = (6, 8)
    mask = labels.float()[None] / 255
    assert torch.equal(read_parsing(mask, size), labels)
    assert torch.equal(read_parsing(mask[0], size), labels)
    grey = (labels.float() / 255)[None, ..., None].expand(-1, -1, -1, 3)
    assert torch.equal(read_parsing(grey, size), labels)
    colours = torch.tensor([[0, 0, 0], [0.9, 0.1, 0.1], [0.1, 0.2, 0.9]])
    shown = colours[(labels > 0).long() + (labels > 4).long()][None]
    found = read_parsing(shown, size)
    assert sorted(found.unique().tolist()) == [0, 1, 2]
    assert torch.equal(found == 0, labels == 0)
    assert len(found[labels == 4].unique()) == len(found[labels == 6].unique()) == 1
    several = torch.stack([(labels == 4).float(), (labels == 6).float()])
    assert read_parsing(several, size)[labels == 6].unique().tolist() == [2]


def test_a_coloured_map_without_black_has_a_label_everywhere():
    image = torch.tensor([[[0.2, 0.4, 0.6], [0.8, 0.2, 0.2]]])[None]
    assert sorted(read_parsing(image, (1, 2)).flatten().tolist()) == [1, 2]


def test_segments_go_by_their_names():
    def seg(label, box):
        left, top, right, bottom = box
        return SEG(None, np.ones((bottom - top, right - left), np.float32), 1.0, box, box, label, None)

    segs = ((20, 30), [seg("Hair", (2, 1, 6, 4)), seg("cape", (10, 5, 20, 9)), seg("face", (-3, 10, 4, 14)), seg("cape", (22, 5, 25, 9))])
    found = read_parsing(segs, (20, 30))
    assert found[2, 3] == LABELS.index("hair")
    assert found[12, 1] == LABELS.index("face")
    assert found[6, 12] == found[6, 23] == 100
    assert int((found > 0).sum()) == 12 + 40 + 16 + 12


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(1, 5, 8), "parsing is 8×5 but the photo is 8×6"),
        (torch.full((6, 8), float("nan")), "NaN"),
        (torch.zeros(2, 6, 8, 3), "must be masks, one picture, or SEGS"),
        (torch.rand(1, 6, 80, 3), "parsing is 80×6"),
        (((5, 8), []), "parsing is 8×5 but the photo is 8×6"),
    ],
)
def test_what_is_no_parsing_of_the_photo_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        read_parsing(given, (6, 8))


def test_a_photo_is_no_label_map():
    with pytest.raises(ValueError, match="it is no label map"):
        read_parsing(torch.rand(1, 40, 40, 3, generator=torch.Generator().manual_seed(0)), (40, 40))


# -- parsings of whole bodies ------------------------------------------------------------------------------------------


def bars(**values):
    """Whole body, visible labels and parts of a body of vertical bars, one part each."""
    names = list(values)
    parts = torch.stack([torch.full((12,), PARTS.index(n.replace("_", " ")), dtype=torch.uint8) for n in names], 1).repeat_interleave(4, 1)
    labels = torch.stack([torch.tensor([v] * 6 + [0] * 6, dtype=torch.uint8) for v in values.values()], 1).repeat_interleave(4, 1)
    whole = torch.ones_like(parts, dtype=torch.bool)
    return (Part(Box(3, 2, 3 + parts.shape[1], 14), t, (40, 60)) for t in (labels, whole, parts))


def test_what_is_hidden_of_a_limb_is_what_is_seen_of_it_or_of_the_other_side():
    labels, whole, parts = bars(trunk=4, arm_l=14, arm_r=0, shin_l=0)
    full = complete_parsing(labels, whole, parts)
    columns = full.pixels[8:].float().mode(0).values
    assert columns[:4].tolist() == [4] * 4
    assert columns[4:8].tolist() == [14] * 4
    assert columns[8:12].tolist() == [14] * 4, "the arm of which nothing is seen is like the other"
    assert columns[12:].tolist() == [14] * 4, "nobody knows of shins: the nearest pixel that has a label"
    assert torch.equal(full.pixels[:6, :8], labels.pixels[:6, :8]), "what came in stays"


def test_parts_of_a_body_stand_in_for_a_parsing():
    _, whole, parts = bars(head=0, trunk=0, arm_l=0, foot_r=0)
    names = [LABELS[i] for i in parsing_of_parts(whole, parts).pixels[0, ::4].tolist()]
    assert names == ["face", "upper clothes", "right arm", "left shoe"]


def test_no_two_labels_look_alike():
    colours = draw_parsing(torch.arange(40, dtype=torch.uint8))
    assert colours[0].max() == 0
    apart = (colours[:, None] - colours).norm(dim=-1) + torch.eye(40) * 9
    assert apart.min() > 0.05
    assert (apart[1:19, 1:19]).min() > 0.12


# -- whole scenes ------------------------------------------------------------------------------------------------------


def test_a_scene_is_understood_from_masks_alone(crowd):
    seen = []
    found = understand(crowd, on_person=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    scene = found.scene
    assert [p.id for p in scene.people] == [p.id for p in crowd.people]
    for before, after in zip(crowd.people, scene.people, strict=True):
        assert torch.equal(before.visible, after.visible)
        assert after.pose.source == "silhouette"
        assert after.parsing.area == after.body.area
        assert found.agreement[after.id] > 0.75
    behind = by_number(scene, 2)
    truth = (standing(62, 20, 100) > 0.5) & ~behind.visible
    assert float((behind.hidden & truth).sum() / (behind.hidden | truth).sum()) > 0.6
    assert not by_number(scene, 3).hidden.any()
    assert any({r.one, r.other} == {by_number(scene, 1).id, behind.id} and r.contact > 0 for r in scene.relations)
    assert found.assignment.without == tuple(p.id for p in scene.people)


def test_only_who_is_hidden_is_fitted_when_silhouettes_are_off(crowd):
    found = understand(crowd, silhouettes=False)
    assert set(found.agreement) == {by_number(crowd, 2).id}
    assert by_number(found.scene, 1).pose is None
    assert by_number(found.scene, 2).pose is not None


def test_a_pose_that_is_complete_comes_back_as_it_was(crowd):
    joints = torch.zeros(18, 3)
    joints[:, 0] = 160 + torch.linspace(-6, 6, 18)
    joints[:, 1] = torch.linspace(32, 118, 18)
    joints[:, 2] = 0.9
    found = understand(crowd, poses=[Pose.of(joints)], silhouettes=False)
    third = by_number(found.scene, 3)
    assert torch.equal(third.pose.joints, joints)
    assert third.id not in found.agreement, "there was nothing to guess"


def test_what_masks_claim_of_the_hidden_part_stays():
    """Two whole-body masks that overlap: the farther one's own mask tells better than a figure what is hidden."""
    near, far = torch.zeros(2, HEIGHT, WIDTH)
    near[40:140, 70:100] = 1
    far[20:120, 60:120] = 1
    far[60:80, 75:95] = 1
    scene = split_people(stripes(HEIGHT, WIDTH)[None], [MaskedPerson(1, near), MaskedPerson(2, far)], depth_order="1,2")
    behind = by_number(understand(scene).scene, 2)
    assert not ((near > 0.5) & (far > 0.5) & ~behind.hidden).any()


def test_a_parsing_goes_to_whom_it_shows_and_on_behind(crowd):
    labels = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    for number, top, bottom in ((1, 4, 6), (2, 7, 5), (3, 4, 12)):
        person = by_number(crowd, number)
        middle = person.seen.box.top + person.seen.box.height // 2
        labels[person.visible] = bottom
        labels[:middle][person.visible[:middle]] = top
    scene = understand(crowd, parsing=labels, silhouettes=False).scene
    behind = by_number(scene, 2)
    whole = behind.parsing.whole
    assert torch.equal(whole[behind.visible], labels[behind.visible])
    assert set(whole[behind.hidden].unique().tolist()) <= {5, 7}, "their own clothes, not those of who stands in front"
    assert by_number(scene, 3).parsing.area == by_number(scene, 3).area


@pytest.mark.parametrize("people", [1, 40])
def test_few_and_many_people(people):
    masks = torch.zeros(people, 96, 640)
    for n in range(people):
        masks[n, 20 + n % 5 : 90, 4 + 15 * n : 16 + 15 * n] = 1
    scene = split_people(torch.rand(1, 96, 640, 3), [MaskedPerson(n + 1, m) for n, m in enumerate(masks)])
    found = understand(scene, silhouettes=people == 1)
    assert len(found.scene.people) == people


# -- what pathways are told --------------------------------------------------------------------------------------------


def test_a_person_is_told_about_themselves_and_the_background_about_who_stays(crowd):
    scene = understand(crowd).scene
    scene = scene.erasing(frozenset([by_number(scene, 1).id]))
    crop = Box(0, -25, 200, 175)
    third, second = by_number(scene, 3), by_number(scene, 2)
    own, background = guide(scene, second.id, crop, 200), guide(scene, None, crop, 200)
    near_third = torch.zeros(200, 200, dtype=torch.bool)
    third.seen.box.moved(0, 25).view(near_third).fill_(True)
    assert own.pose[near_third].max() == 0
    assert background.pose[near_third].max() > 0.5
    for drawn, people in ((own, (second,)), (background, (second, third))):
        assert torch.equal(drawn.parsing.amax(-1) > 0, torch.stack([p.body.cut(crop) for p in people]).any(0))
        assert all(plane.shape == (200, 200, 3) and plane.min() >= 0 and plane.max() <= 1 for plane in drawn)
    assert own.pose[second.hidden_part.cut(crop)].max() > 0.3, "hidden limbs are drawn"
    assert own.relations[..., 0][by_number(scene, 1).seen.cut(crop)].min() == 1


def test_maps_are_exact_to_the_pixel_in_the_crop(crowd):
    """A joint at the centre of a pixel of the photo is at the centre of the block of pixels that this pixel becomes."""
    joints = torch.zeros(18, 3)
    joints[0] = torch.tensor([62.0, 27.0, 1.0])
    second = by_number(crowd, 2)
    people = tuple(replace(p, pose=Pose.of(joints)) if p is second else p for p in crowd.people)
    drawn = guide(replace(crowd, people=people), second.id, Box(32, 10, 92, 70), 300).pose
    rows, columns = drawn.amax(-1).nonzero().double().mean(0)
    assert (float(columns), float(rows)) == ((62 - 32) * 5 + 2, (27 - 10) * 5 + 2)


def test_joints_of_less_confidence_are_left_out(crowd):
    scene = understand(crowd).scene
    second = by_number(scene, 2)
    crop = Box(0, 0, 150, 150)
    areas = [int((guide(scene, second.id, crop, 150, least=least).pose > 0).sum()) for least in (0.0, 0.26, 0.9)]
    assert areas[0] > areas[1] > areas[2] == 0


def test_a_plan_splits_holes_by_what_they_show(crowd):
    scene = understand(crowd).scene
    plan = make_plan(scene.erasing(frozenset([by_number(scene, 1).id])), working_size=128)
    background, person = plan.pathways
    assert background.regions.parts is None
    hidden, seen = person.regions.parts
    assert len(hidden) >= 2
    assert (hidden.sum(0) <= person.regions.membership[0] + 1e-5).all()
    assert (seen.sum(0) <= person.regions.membership[1] + 1e-5).all()
    assert (hidden.sum((1, 2)) > 0).all()
    assert (seen.sum((1, 2)) > 0).all()


def test_the_picture_shows_whose_pose_is_whose(crowd):
    joints = torch.zeros(18, 3)
    joints[:, :2] = torch.tensor([25.0, 20.0]) + torch.rand(18, 2, generator=torch.Generator().manual_seed(1)) * 60
    joints[:, 2] = 1
    stray = Pose.of(joints)
    scene = understand(crowd).scene
    shown, with_stray = show_bodies(scene), show_bodies(scene, [stray])
    assert shown.shape == (1, HEIGHT, WIDTH, 3)
    whites = [int((picture[0] > 0.9).all(-1).sum()) for picture in (shown, with_stray)]
    assert whites[1] > whites[0] + 50
    bare = replace(scene, people=tuple(replace(p, pose=None) for p in scene.people))
    hidden, colour = by_number(scene, 2).hidden, torch.tensor(colour_of(by_number(scene, 2)))
    apart = [(picture - colour).norm(dim=-1)[hidden].mean() for picture in (show_bodies(bare)[0], crowd.photo[0])]
    assert apart[0] < 0.6 * apart[1], "what is hidden of 2 is laid over who stands in front"
