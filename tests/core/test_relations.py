"""How people stand to each other and to objects."""

from dataclasses import replace
from math import dist, pi, sqrt

import pytest
import torch
from crowd import HEIGHT, LEFT, RIGHT, WIDTH, block, posed, scene_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapes import disc

from mild_core.morphology import relations as room
from mild_core.morphology.relations import in_words, relate, relation_channels
from mild_core.scene import Box, InFront, Part, Person, Scene
from mild_core.scene.depth import PHOTO_SIDE, REACH


def pair(*masks, **options):
    """The one relation of two people."""
    (relation,) = relate(scene_of(*masks, **options)).relations
    return relation


# --- who is near, how far, touching where


@pytest.mark.parametrize(
    ("gap", "distance", "contact"),
    [(0, 0, 30), (1, 0, 30), (2, 2, 0), (3, 3, 0), (9, 9, 0), (10, None, None)],
)
def test_two_who_stand_side_by_side(gap, distance, contact):
    scene = relate(scene_of(block(20, 10, 60, 30), block(25, 30 + gap, 55, 50 + gap)))
    assert [(r.distance, r.contact) for r in scene.relations] == ([] if distance is None else [(distance, contact)])


def test_how_near_is_near_goes_by_the_taller():
    low, tall = block(40, 10, 50, 20), block(10, 32, 70, 50)
    assert pair(low, tall).distance == 12
    assert relate(scene_of(low, block(35, 32, 55, 50))).relations == ()


def test_whose_boxes_overlap_are_near():
    bent = torch.maximum(block(10, 10, 14, 110), block(10, 10, 60, 14))
    assert pair(bent, block(50, 70, 60, 80)).distance == pytest.approx(50 - 13 - 1)
    assert relate(scene_of(bent, block(62, 70, 72, 80))).relations == ()


def test_a_distance_is_the_shortest_way():
    one, other = block(10, 10, 40, 30), block(44, 33, 74, 50)
    assert pair(one, other).distance == pytest.approx(dist((39, 29), (44, 33)) - 1)


def test_tiny_people_who_touch_are_near():
    assert pair(block(10, 10, 11, 11), block(10, 12, 11, 13)).distance == 0


def test_contact_is_as_long_as_the_line():
    ball = disc(HEIGHT, WIDTH, 48, 64, 20)
    around = pair(ball, disc(HEIGHT, WIDTH, 48, 64, 40) - ball)
    assert around.contact == pytest.approx(2 * pi * 20.5, rel=0.08)
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    square = block(10, 10, 60, 60).bool()
    sloping = pair((square & (rows + columns < 70)).float(), (square & (rows + columns >= 70)).float())
    assert sloping.contact == pytest.approx((49.5 - 1) * sqrt(2) + 1)  # diagonals of 50 and of 49 pixels
    corner = pair(block(10, 10, 30, 30), block(30, 30, 50, 50))
    assert (corner.distance, corner.contact) == (0, 1)


def test_two_contacts_add_up():
    one = torch.maximum(block(10, 10, 60, 20), block(10, 10, 20, 60))
    assert pair(one, torch.maximum(block(30, 20, 50, 40), block(20, 45, 50, 55))).contact == 20 + 10


def test_overlap_is_the_share_that_is_hidden():
    near, far = block(20, 10, 60, 40), block(20, 30, 60, 70)
    assert pair(near, far).overlap == pytest.approx(10 / 40)
    assert pair(near, far, order="2,1").overlap == pytest.approx(10 / 30)
    assert pair(near, block(20, 40, 60, 70)).overlap == 0


def test_in_front_is_what_the_order_says():
    scene = scene_of(block(20, 10, 60, 30), block(20, 30, 60, 50))
    near, far = (person.id for person in scene.people)
    (relation,) = relate(replace(scene, order=(InFront(near, far, 0.83, True),))).relations
    assert (relation.one, relation.other, relation.in_front) == (near, far, 0.83)
    assert relate(replace(scene, order=())).relations[0].in_front == 0.5


def test_relations_come_nearest_first():
    masks = [block(20, 10 + 20 * n, 60, 30 + 20 * n) for n in range(4)]
    scene = relate(scene_of(*masks, order="3,1,4,2"), torch.stack(masks[:2]))
    number = {p.id: p.number for p in scene.people}
    related = [(number[r.one], number.get(r.other, r.other)) for r in scene.relations]
    assert related == [
        *[(3, 4), (3, 2), (1, 2)],
        *[(3, "object 2"), (1, "object 1"), (1, "object 2"), (2, "object 1"), (2, "object 2")],
    ]


def test_somebody_alone_has_no_relations():
    scene = relate(scene_of(block(20, 10, 60, 30)))
    assert (scene.relations, scene.objects, in_words(scene)) == ((), (), "")


figures = hnp.arrays(bool, (2, 10, 14)).filter(lambda masks: (masks[0] & ~masks[1]).any() and (masks[1] & ~masks[0]).any())


@settings(max_examples=60, deadline=None)
@given(figures, st.integers(0, 30), st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_what_holds_of_any_two(figures, apart, shift):
    def placed(mask, down, right):
        out = torch.zeros(64, 96)
        out[down : down + 10, right : right + 14] = torch.from_numpy(mask).float()
        return out

    first, second = placed(figures[0], 4, 4), placed(figures[1], 4, 4 + apart)
    scene = relate(scene_of(first, second))
    swapped = relate(scene_of(second, first, order="2,1"))
    assert [r[2:] for r in swapped.relations] == [r[2:] for r in scene.relations]
    down, right = shift
    moved = relate(scene_of(placed(figures[0], 4 + down, 4 + right), placed(figures[1], 4 + down, 4 + right + apart)))
    assert [r[2:] for r in moved.relations] == [r[2:] for r in scene.relations]
    assume(scene.relations)
    (relation,) = scene.relations
    a, b = (person.visible.nonzero() for person in scene.people)
    nearest = float(torch.cdist(a.double(), b.double()).min())
    assert relation.distance == pytest.approx(0 if nearest <= REACH else nearest - 1)
    assert (relation.distance == 0) == (relation.contact > 0)
    assert 0 <= relation.overlap <= 1
    (back,) = relate(scene_of(first * (1 - second), second * (1 - first))).relations or (None,)
    (forth,) = relate(scene_of(first * (1 - second), second * (1 - first), order="2,1")).relations or (None,)
    assert (back is None) == (forth is None)
    assert back is None or back[3:5] == forth[3:5]


def test_a_large_photo_is_measured_in_its_own_pixels():
    height, width = 2048, 3 * PHOTO_SIDE + 1  # looked at with every 4 pixels as one
    touching = pair(block(400, 400, 1200, 800, height, width), block(600, 800, 1000, 1200, height, width))
    assert (touching.distance, touching.contact, touching.overlap) == (0, 400, 0)
    apart = pair(block(400, 400, 1200, 800, height, width), block(600, 880, 1000, 1200, height, width))
    assert (apart.distance, apart.contact) == (80, 0)


def test_a_thread_in_a_large_photo_is_somebody():
    height, width = 40, 4 * PHOTO_SIDE
    relation = pair(block(4, 100, 30, 101, height, width), block(4, 101, 30, 140, height, width))
    assert relation.distance == 0


def test_forty_people_in_a_4k_photo_cost_what_their_boxes_do(monkeypatch):
    """40 × 39 / 2 masks of the whole photo would be 6.5 thousand million pixels."""
    height, width = 2160, 3840
    people = []
    for n in range(40):
        left, top = 60 + 90 * n, 300 + 40 * (n % 5)
        box = Box(left, top, left + 100, top + 1200)  # the last ten columns are the next one's
        part = Part(box, torch.ones(1200, 100, dtype=torch.bool), (height, width))
        seen = Part(Box(left, top, left + 90, top + 1200), part.pixels[:, :90], part.size)
        people.append(Person(f"p{n:08x}", n + 1, seen, seen, part))
    pixels = 0

    def counted(function):
        def count(*args):
            nonlocal pixels
            out = function(*args)
            pixels += out.numel()
            return out

        return count

    monkeypatch.setattr(room, "distance_inside", counted(room.distance_inside))
    monkeypatch.setattr(Part, "cut", counted(Part.cut))
    monkeypatch.setattr(Part, "whole", property(lambda part: pytest.fail("a mask as large as the photo")))
    scene = relate(Scene(torch.zeros(1, 1, 1, 3).expand(1, height, width, 3), tuple(people)))
    assert sum(r.contact > 0 for r in scene.relations) == 39
    assert len(scene.relations) > 100
    assert pixels < 4 * height * width


# --- hands

ARM = {"right elbow": (33, 50), "right wrist": (50, 50)}  # 17 long: the middle of the hand is at 55.95, its breadth is 4.25


def hands_of(scene):
    return relate(scene).relations[0].hands


def test_a_hand_reaches_as_far_as_it_is_broad():
    scene = posed(scene_of(LEFT, RIGHT), 1, ARM)
    assert hands_of(scene) == ("one's right",)
    assert hands_of(posed(scene, 1, {"right elbow": (32, 50), "right wrist": (49, 50)})) == ()
    assert hands_of(posed(scene, 1, {**ARM, "right elbow": (50, 33)})) == ()  # along the forearm, not sideways
    assert hands_of(posed(scene, 1, {"right elbow": (63, 50), "right wrist": (80, 50)})) == ("one's right",)


def test_a_silhouette_shows_no_hands():
    scene = posed(scene_of(LEFT, RIGHT), 1, ARM)
    people = tuple(replace(p, pose=replace(p.pose, source="silhouette")) if p.pose else p for p in scene.people)
    assert hands_of(replace(scene, people=people)) == ()


def test_hands_are_told_by_whose_and_which():
    both = posed(scene_of(LEFT, RIGHT), 1, {"right wrist": (70, 30), "left wrist": (70, 60)})
    both = posed(both, 2, {"right wrist": (30, 30), "left wrist": (30, 60)})
    assert hands_of(both) == ("one's right", "one's left", "other's right", "other's left")
    assert hands_of(posed(scene_of(LEFT, RIGHT), 2, {"left wrist": (30, 60)})) == ("other's left",)
    assert hands_of(posed(scene_of(LEFT, RIGHT, order="2,1"), 2, {"left wrist": (30, 60)})) == ("one's left",)
    assert hands_of(posed(scene_of(LEFT, RIGHT), 1, {"left wrist": (30, 60)})) == ()  # on oneself


def test_what_was_not_seen_reaches_nobody():
    scene = scene_of(LEFT, RIGHT)
    on_other = {"right elbow": (50, 50), "right wrist": (70, 50)}
    assert hands_of(scene) == ()
    assert hands_of(posed(scene, 1, on_other, confidence=0.3)) == ("one's right",)
    assert hands_of(posed(scene, 1, on_other, confidence=0.29)) == ()
    assert hands_of(posed(scene, 1, on_other, guessed=("right wrist",))) == ()
    short = {"right elbow": (23, 50), "right wrist": (48, 50)}
    assert hands_of(posed(scene, 1, short)) == ("one's right",)
    assert hands_of(posed(scene, 1, short, guessed=("right elbow",))) == ()  # nobody knows where the forearm points


def test_points_of_a_hand_outweigh_the_wrist():
    hands = torch.zeros(2, 21, 3)
    hands[1, :10] = torch.tensor([66, 50, 0.8])
    hands[1, 10:20] = torch.tensor([70, 50, 0.8])
    hands[1, 20] = torch.tensor([0, 0, 0.1])
    scene = posed(scene_of(LEFT, RIGHT), 1, {"left wrist": (20, 50), "right wrist": (70, 50)}, hands=hands)
    assert hands_of(scene) == ("one's right", "one's left")  # of the right hand no point is known: its wrist counts
    assert hands_of(posed(scene, 1, {"left wrist": (70, 50)}, hands=hands * 0)) == ("one's left",)
    hands[1, :, 0] -= 40
    assert hands_of(posed(scene, 1, {"left wrist": (70, 50)}, hands=hands)) == ()


def test_a_hand_on_what_is_hidden_reaches_nobody():
    scene = scene_of(LEFT, block(10, 30, 90, 100))
    assert scene.people[1].whole[50, 33]
    assert hands_of(posed(scene, 1, {"right wrist": (31, 50)})) == ()


# --- objects


def test_objects_are_numbered_as_they_came():
    scene = scene_of(block(20, 10, 60, 30), block(20, 90, 60, 110))
    masks = torch.stack([block(0, 0, 0, 0), block(30, 25, 50, 45), 0.5 * block(20, 10, 60, 30), block(30, 39, 40, 49)])
    scene = posed(scene, 1, {"left wrist": (40, 38)})
    related = relate(scene, masks)
    one = related.people[0].id
    assert [r.other for r in related.relations] == ["object 2", "object 4"]
    assert [r.one for r in related.relations] == [one, one]
    assert [r.distance for r in related.relations] == [0, 9]
    assert [r.overlap for r in related.relations] == [5 / 20, 0]
    assert [r.hands for r in related.relations] == [("one's left",), ("one's left",)]
    assert {r.in_front for r in related.relations} == {0.5}
    assert [thing.area for thing in related.objects] == [0, 400, 0, 100]
    assert torch.equal(related.objects[1].whole, masks[1] > 0.5)
    assert torch.equal(related.people[0].visible, scene.people[0].visible)


def test_one_mask_is_one_object():
    scene = relate(scene_of(block(20, 10, 60, 30)), block(20, 30, 60, 50))
    assert [(r.other, r.contact) for r in scene.relations] == [("object 1", 40)]


def test_a_tall_object_reaches_nobody():
    person = block(40, 10, 60, 30)
    assert relate(scene_of(person), block(0, 34, 90, 40)).relations[0].distance == 4
    assert relate(scene_of(person), block(0, 35, 90, 40)).relations == ()
    arch = torch.maximum(block(5, 0, 10, 120), block(5, 115, 90, 120))
    assert relate(scene_of(person), arch).relations == ()


def test_an_object_on_what_is_hidden_of_somebody_is_near_them():
    scene = relate(scene_of(block(10, 40, 50, 110), block(10, 10, 50, 100)), block(20, 60, 30, 70))
    far = scene.people[1].id
    assert [(r.distance, r.contact, r.overlap) for r in scene.relations if r.one == far and r.other == "object 1"] == [(20, 0, 1)]


def test_an_object_in_front_of_somebody_touches_along_its_rim():
    scene = relate(scene_of(block(10, 10, 90, 60)), block(40, 20, 60, 40))
    (relation,) = scene.relations
    assert (relation.distance, relation.overlap) == (0, 1)
    assert relation.contact == pytest.approx((76 + 80) / 2, abs=4)


@pytest.mark.parametrize("shape", [(WIDTH, HEIGHT), (2, HEIGHT // 2, WIDTH // 2), (1, 1, HEIGHT, WIDTH), (WIDTH,)])
def test_objects_of_another_size(shape):
    with pytest.raises(ValueError, match=f"objects are {'×'.join(map(str, shape))}, but .*96×128"):
        relate(scene_of(block(20, 10, 60, 30)), torch.zeros(shape))


# --- in words


def test_relations_in_words():
    scene = scene_of(block(20, 10, 60, 40), block(20, 30, 60, 70), block(20, 75, 60, 90))
    ids = [p.id for p in scene.people]
    scene = replace(scene, order=(InFront(ids[0], ids[1], 0.92, True),))
    scene = posed(scene, 1, {"right wrist": (45, 40)})
    scene = posed(scene, 2, {"right wrist": (85, 40), "left wrist": (80, 56)})
    objects = torch.stack([block(55, 76, 65, 86), block(65, 10, 75, 20), block(20, 0, 60, 10)])
    assert in_words(relate(scene, objects)).split("\n") == [
        "1 is in front of 2 (92 %), touching over 40 px, 25 % hidden; right hand of 1 on 2",
        "2 is beside 3, 5 px apart; both hands of 2 on 3",
        "1 is 5 px from object 2",
        "1 touches object 3 over 40 px",
        "left hand of 2 on object 1",
        "3 touches object 1 over 19 px, overlap 50 %",
    ]


def test_of_a_toss_up_it_is_said_who_is_hidden():
    scene = replace(scene_of(block(20, 10, 60, 40), block(20, 30, 60, 70), order="2,1"), order=())
    assert in_words(relate(scene)) == "2 is beside 1, touching over 40 px, 33 % of 1 hidden"


# --- channels

THREE = [block(20, 20, 60, 40), block(20, 40, 60, 60), block(20, 60, 60, 80)]
ALL = Box(0, 0, HEIGHT, HEIGHT)


def test_depth_as_a_person_sees_it():
    scene = relate(scene_of(*THREE))
    depth = relation_channels(scene, scene.people[1].id, ALL, HEIGHT)[0]
    assert torch.equal(depth, (THREE[0] + 0.5 * THREE[1] + 0.25 * THREE[2])[:, :HEIGHT])
    far = relation_channels(scene, scene.people[2].id, ALL, HEIGHT)[0]
    assert torch.equal(far, (THREE[0] + THREE[1] + 0.5 * THREE[2])[:, :HEIGHT])


def test_depth_as_the_background_sees_it():
    scene = relate(scene_of(*THREE, order="2,3,1"))
    depth = relation_channels(scene, None, ALL, HEIGHT)[0]
    torch.testing.assert_close(depth, (THREE[1] + 2 / 3 * THREE[2] + 1 / 3 * THREE[0])[:, :HEIGHT])


def test_closeness_falls_to_nothing_at_a_tenth_of_the_height():
    scene = relate(scene_of(THREE[0], THREE[1]))
    near = relation_channels(scene, scene.people[0].id, ALL, HEIGHT)[1]
    line = [0, 0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0]
    torch.testing.assert_close(near[40], torch.tensor([0.0] * 35 + line + [0.0] * 51))
    assert near[16:18, 39].tolist() == [0, 0.25]
    background = relation_channels(scene, None, ALL, HEIGHT)[1]
    assert torch.equal(background, block(20, 39, 60, 41)[:, :HEIGHT])


def test_contact_of_others_is_nothing_to_a_person():
    apart = block(69, 20, 89, 80)
    scene = relate(scene_of(THREE[0], THREE[1], apart), block(89, 20, 95, 40))
    assert {r.contact > 0 for r in scene.relations} == {True, False}
    assert not relation_channels(scene, scene.people[2].id, ALL, HEIGHT)[1].any()  # nor contact with an object
    assert not relation_channels(scene_of(THREE[0], THREE[1]), None, ALL, HEIGHT)[1].any()  # nobody looked


def test_objects_and_hands_that_reach():
    scene = posed(scene_of(THREE[0], THREE[1]), 2, {"right elbow": (70, 30), "right wrist": (43, 30)})
    objects = torch.stack([block(60, 20, 70, 40), block(25, 65, 35, 75), block(0, 0, 0, 0), block(60, 20, 65, 30)])
    scene = relate(scene, objects)
    hand = disc(HEIGHT, WIDTH, 30, 43 - 0.35 * 27, 0.35 * 27)
    first, second = (relation_channels(scene, p.id, ALL, HEIGHT)[2] for p in scene.people)
    assert torch.equal(first, torch.maximum(objects[0], 0.5 * hand)[:, :HEIGHT])
    assert torch.equal(second, objects[0][:, :HEIGHT])  # it touches them at a corner; their own hand is not on them
    assert torch.equal(relation_channels(scene, None, ALL, HEIGHT)[2], objects.amax(0)[:, :HEIGHT])


def test_a_crop_is_averaged_when_shrunk_and_smooth_when_enlarged():
    scene = relate(scene_of(*THREE), block(60, 20, 75, 43))
    for who in (None, scene.people[1].id):
        full = relation_channels(scene, who, ALL, HEIGHT)
        assert full.any((1, 2)).all()
        small = relation_channels(scene, who, ALL, 16)
        torch.testing.assert_close(small, full.unflatten(1, (16, 6)).unflatten(3, (16, 6)).mean((2, 4)))
        large = relation_channels(scene, who, ALL, 2 * HEIGHT)
        assert large.shape == (3, 2 * HEIGHT, 2 * HEIGHT)
        assert large.min() >= 0
        assert large.max() <= 1
        torch.testing.assert_close(large[:, ::2, ::2][:, 1:, 1:], _quarter(full))


def _quarter(planes):
    """Bilinear at a quarter of a pixel before each pixel's middle, [C, H − 1, W − 1]."""
    rows = 0.25 * planes[:, :-1] + 0.75 * planes[:, 1:]
    return 0.25 * rows[..., :-1] + 0.75 * rows[..., 1:]


def test_beyond_the_photo_there_is_nothing():
    edge = [block(0, 0, 60, 20), block(0, 20, 60, 40)]
    scene = posed(scene_of(*edge), 2, {"right elbow": (30, 1), "right wrist": (12, 1)})
    scene = relate(scene, block(60, 0, 70, 40))
    crop = Box(-40, -40, 100, 100)
    for who in (None, scene.people[0].id):
        channels = relation_channels(scene, who, crop, 140)
        assert channels[:, 40:, 40:].any((1, 2)).all()
        assert not channels[:, :40].any()
        assert not channels[:, :, :40].any()
        assert not channels[:, 40 + HEIGHT :].any()
        torch.testing.assert_close(channels[:, 40:136, 40:136], relation_channels(scene, who, ALL, HEIGHT))
    assert not relation_channels(scene, None, Box(200, 200, 220, 220), 8).any()


def test_channels_of_a_large_photo_lie_where_they_belong():
    height, width = 1601, 2 * PHOTO_SIDE + 2
    scene = relate(scene_of(block(300, 300, height, 600, height, width), block(300, 600, height, 900, height, width)))
    channels = relation_channels(scene, None, Box(500, 250, 700, 450), 200)
    assert channels[1, 50:, 97:103].all()  # two pixels of three
    assert not channels[1, :, :97].any()
    assert not channels[1, :, 103:].any()
    assert not channels[1, :50].any()
    below = relation_channels(scene, None, Box(500, 1450, 700, 1650), 200)
    assert below[1, :151, 97:103].all()  # of the last three rows that are looked at as one the photo has two
    assert not below[:, 151:].any()


def test_channels_name_what_is_wrong():
    scene = scene_of(*THREE)
    with pytest.raises(KeyError, match="nobody"):
        relation_channels(scene, "p0", ALL, 8)
    with pytest.raises(ValueError, match="crop is 30×20"):
        relation_channels(scene, None, Box(0, 0, 30, 20), 8)
    with pytest.raises(ValueError, match="size is 0"):
        relation_channels(scene, None, ALL, 0)
