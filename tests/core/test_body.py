"""A figure laid over silhouettes: what it recovers of bodies whose truth is known."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.morphology.body import fit_body
from mild_core.morphology.figure import LIMB_PARTS, PARAMETERS, PARTS, POINTS, SPREADS, distance_to, index, nearest_limb, pose_figure
from mild_core.morphology.surrounded import surrounded
from mild_core.scene import JOINTS, Box, Part, Pose
from scripts import bench_body as bench

HEIGHT, WIDTH = 240, 200
TALL = 160.0  # pixels of the figure's stature


def iou(one, other):
    return float((one & other).sum() / (one | other).sum())


def drawn(at=(100.0, 110.0), stature=TALL, size=(HEIGHT, WIDTH), **parameters):
    """A figure's mask [H, W], and its points [14, 2] in pixels. `at` is between the hips."""
    p = torch.zeros(1, len(PARAMETERS))
    for name, value in parameters.items():
        p[0, index(name.replace("_", " "))] = value
    figure = pose_figure(p)
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    x, y = ((grid.flatten() - middle) / stature for grid, middle in ((x, at[0]), (y, at[1])))
    mask = distance_to(figure, x, y, nearest_limb(figure, x, y))[0].reshape(size) < 0
    return mask, figure.points[0] * stature + torch.tensor(at) - 0.5


def pose_of(points, names=POINTS):
    """The pose of somebody who faces us, of the figure's points."""
    joints = torch.zeros(18, 3)
    for name, point in zip(POINTS, points, strict=True):
        if name not in names:
            continue
        joint, *side = name.split()
        full = {"head": "nose", "neck": "neck"}.get(name) or f"{'right' if side[0] == 'l' else 'left'} {joint}"
        joints[JOINTS.index(full)] = torch.tensor([*point.tolist(), 1.0])
    return Pose.of(joints)


def fit(mask, front=None, pose=None):
    front = torch.zeros_like(mask) if front is None else front
    return fit_body(Part.of(mask & ~front), Part.of(front), pose)


def test_the_figure_stands_as_people_do():
    figure = pose_figure(torch.zeros(1, len(PARAMETERS)))
    mask, points = drawn()
    at = dict(zip(POINTS, points.tolist(), strict=True))
    rows = mask.any(1).nonzero()[:, 0]
    assert len(rows) == pytest.approx(TALL, rel=0.06), "its stature is its height"
    assert at["head"][1] < at["neck"][1] < at["hip l"][1] < at["knee l"][1] < at["ankle l"][1]
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        (left, row), (right, other) = at[f"{joint} l"], at[f"{joint} r"]
        assert left < 99.5 < right, "l is at the left of the picture"
        assert left + right == pytest.approx(199, abs=1e-3)
        assert row == pytest.approx(other, abs=1e-3)
    assert figure.starts.shape[1] == len(LIMB_PARTS)
    assert set(LIMB_PARTS) == set(range(len(PARTS)))


@given(st.lists(st.floats(-0.6, 0.6), min_size=len(PARAMETERS), max_size=len(PARAMETERS)))
@settings(max_examples=40, deadline=None)
def test_the_gradient_of_the_nearest_limb_is_that_of_the_figure(values):
    """Against float64 distances to all limbs at once."""
    x, y = (torch.rand(64, generator=torch.Generator().manual_seed(n), dtype=torch.float64) * 2 - 1 for n in (0, 1))
    p = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    figure = pose_figure(p)
    apart = distance_to(figure, x, y, nearest_limb(figure, x, y))[0]
    starts, ends, point = figure.starts[0, :, None], figure.ends[0, :, None], torch.stack([x, y], -1)
    share = (((point - starts) * (ends - starts)).sum(-1) / ((ends - starts) ** 2).sum(-1).clamp(min=1e-8)).clamp(0, 1)
    radius = figure.first[0, :, None] + share * (figure.last - figure.first)[0, :, None]
    dense = ((point - starts - share[..., None] * (ends - starts)).norm(dim=-1) - radius).amin(0)
    assert (apart - dense).abs().max() < 4e-5, "the root is taken of a little more than nothing, so that it has a gradient"
    # where two limbs are equally near either one's gradient will do; few points are there
    ours, theirs = (
        torch.stack([torch.autograd.grad(one, p, retain_graph=True)[0][0] for one in distances]) for distances in (apart, dense)
    )
    assert ((ours - theirs).abs().amax(1) < 1e-4).double().mean() > 0.9


def test_both_sides_share_lengths_and_widths():
    """What is measured on the limb that is seen holds for the hidden one: there is no parameter of one side's alone."""
    sided = {name for name in PARAMETERS if name.endswith((" l", " r"))}
    assert not {name for name in sided if name.startswith(("long", "wide", "broad"))}
    assert SPREADS["stature"] == 0, "people may be of any size in the picture"


@pytest.mark.parametrize("missing", ["legs", "side", "head"])
def test_what_is_hidden_of_somebody_who_stands_is_found(missing):
    mask, points = drawn(facing=0.5, wide_leg=0.15)
    front = torch.zeros_like(mask)
    if missing == "legs":
        front[130:] = True
    elif missing == "side":
        front[:, 108:] = True
    else:
        front[:62] = True
    body = fit(mask, front)
    hidden, seen = mask & front, mask & ~front
    assert iou(body.whole.whole & ~seen, hidden) > 0.6
    assert body.agreement > 0.8
    named = {"legs": "ankle l", "side": "wrist r", "head": "head"}[missing]
    joint = {"ankle l": "right ankle", "wrist r": "left wrist", "head": "nose"}[named]
    found = body.pose.joints[JOINTS.index(joint)]
    assert (found[:2] - points[POINTS.index(named)]).norm() < 0.12 * TALL
    assert body.pose.guessed[JOINTS.index(joint)]
    assert 0 < found[2] <= 0.25, "a hidden joint told from a silhouette is no more than a guess"


def test_a_limb_is_as_wide_behind_somebody_as_beside_them():
    """One leg is covered: it comes out as thick as the other."""
    widths = {}
    for wide in (-0.2, 0.3):
        mask, _ = drawn(wide_leg=wide, thigh_l=0.15, thigh_r=0.15)
        front = torch.zeros_like(mask)
        front[125:, 101:] = True
        body = fit(mask, front)
        shin = body.whole.whole[150:170] & front[150:170]
        widths[wide] = float(shin.sum(1).float().mean())
    assert widths[0.3] > 1.25 * widths[-0.2]


def test_what_is_seen_stays_and_nothing_else_comes_but_where_it_may():
    mask, _ = drawn()
    front = torch.zeros_like(mask)
    front[120:150, 60:140] = True
    body = fit(mask, front)
    whole, seen = body.whole.whole, mask & ~front
    assert not (seen & ~whole).any()
    assert not (whole & ~seen & ~front).any()
    assert whole.dtype == torch.bool
    assert 0 <= float(body.likely.pixels.min()) <= float(body.likely.pixels.max()) <= 1


def test_somebody_whom_nobody_hides_is_what_is_seen_of_them():
    mask, points = drawn(upper_arm_l=0.5, upper_arm_r=0.4)
    body = fit(mask)
    assert torch.equal(body.whole.whole, mask)
    assert body.agreement > 0.85
    assert body.pose.source == "silhouette"
    joints = body.pose.joints[[JOINTS.index(n) for n in ("neck", "right hip", "left knee", "right wrist")], :2]
    truth = points[[POINTS.index(n) for n in ("neck", "hip l", "knee r", "wrist l")]]
    assert (joints - truth).norm(dim=1).max() < 0.08 * TALL
    assert body.pose.joints[:, 2].max() <= 0.4


def test_the_frame_hides_too():
    """Whoever the picture cuts off goes on beyond it; nothing is made up inside."""
    mask, points = drawn(at=(100.0, 190.0))
    body = fit(mask)
    assert torch.equal(body.whole.whole, mask)
    ankle = body.pose.joints[JOINTS.index("right ankle")]
    assert ankle[1] > HEIGHT, "the feet are below the frame"
    assert (ankle[:2] - points[POINTS.index("ankle l")]).norm() < 0.2 * TALL
    assert body.pose.guessed[JOINTS.index("right ankle")]


def test_joints_that_are_known_tell_what_the_silhouette_does_not():
    """An arm before the body cannot be seen in a silhouette; its joints say where it is, and they come back as they were."""
    mask, points = drawn(upper_arm_l=-0.3, forearm_l=-1.2)
    names = [n for n in POINTS if n != "head"]
    pose = pose_of(points, names)
    body = fit(mask, pose=pose)
    known = pose.known
    assert torch.equal(body.pose.joints[known], pose.joints[known])
    assert not body.pose.guessed[known].any()
    nose = body.pose.joints[JOINTS.index("nose")]
    assert (nose[:2] - points[0]).norm() < 0.06 * TALL, "the one that was not known is guessed from the others"


def test_known_joints_place_the_figure_where_masks_mislead():
    """Somebody lies on their side: the joints turn the figure."""
    mask, points = drawn(lean=1.4, at=(110.0, 120.0))
    front = torch.zeros_like(mask)
    front[:, :60] = True
    body = fit(mask, front, pose_of(points, [n for n in POINTS if "ankle" not in n and "knee" not in n]))
    ankle = body.pose.joints[JOINTS.index("right ankle")]
    assert (ankle[:2] - points[POINTS.index("ankle l")]).norm() < 0.15 * TALL
    assert iou(body.whole.whole, mask) > 0.85


def test_joints_that_fell_together_are_no_harm():
    mask, _ = drawn()
    joints = torch.zeros(18, 3)
    joints[:8] = torch.tensor([100.0, 60.0, 0.9])
    body = fit(mask, pose=Pose.of(joints))
    assert body.pose.joints.isfinite().all()
    assert torch.equal(body.whole.whole, mask)


def test_a_large_photo_gives_what_a_small_one_does():
    """Whoever is drawn ten times as large has the same body, ten times as large."""
    small, _ = drawn()
    large = small.repeat_interleave(10, 0).repeat_interleave(10, 1)
    bodies = []
    for mask, scale in ((small, 1), (large, 10)):
        front = torch.zeros_like(mask)
        front[130 * scale :] = True
        bodies.append(fit(mask, front))
    one, other = bodies
    assert iou(one.whole.whole, other.whole.whole[5::10, 5::10]) > 0.94
    assert (one.pose.joints[:, :2] * 10 + 4.5 - other.pose.joints[:, :2])[one.pose.known].abs().max() < 40


def test_somebody_with_their_back_to_us_has_their_right_on_the_right():
    mask, points = drawn()
    front = torch.zeros_like(mask)
    front[130:] = True
    seen = pose_of(points, [n for n in POINTS if "ankle" not in n and "knee" not in n])
    swapped = replace(seen, joints=seen.joints[[0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]])
    facing, turned = (fit(mask, front, pose).pose.joints for pose in (seen, swapped))
    assert facing[JOINTS.index("right ankle"), 0] < facing[JOINTS.index("left ankle"), 0]
    assert turned[JOINTS.index("right ankle"), 0] > turned[JOINTS.index("left ankle"), 0]


@pytest.mark.parametrize("shape", ["pixel", "row", "column", "everything", "two specks"])
def test_any_mask_gets_an_answer(shape):
    mask = torch.zeros(40, 50, dtype=torch.bool)
    where = {
        "pixel": (slice(7, 8), slice(9, 10)),
        "row": (slice(7, 8), slice(3, 40)),
        "column": (slice(3, 39), slice(7, 8)),
        "everything": (slice(None), slice(None)),
        "two specks": (slice(2, 4), slice(2, 4)),
    }
    mask[where[shape]] = True
    if shape == "two specks":
        mask[36:38, 46:48] = True
    front = torch.zeros_like(mask)
    front[20:30, 20:30] = ~mask[20:30, 20:30]
    body = fit(mask | front, front)
    assert body.pose.joints.isfinite().all()
    assert 0 <= body.agreement <= 1
    assert not (body.whole.whole & ~(mask | front)).any()


def test_the_same_person_elsewhere_has_the_same_body():
    mask, _ = drawn(size=(HEIGHT + 40, WIDTH + 40), at=(110.0, 120.0))
    front = torch.zeros_like(mask)
    front[140:, 90:] = True
    there = fit(mask, front)
    # as far from every edge in cells of the grid, so that the frame plays no part
    moved = fit(mask.roll((9, 13), (0, 1)), front.roll((9, 13), (0, 1)))
    assert iou(there.whole.whole.roll((9, 13), (0, 1)), moved.whole.whole) > 0.93


def test_what_lies_between_is_surrounded():
    """A ring with a covered middle; a covered corner; the same at an edge that cuts them off."""
    seen, free = torch.zeros(2, 30, 30, dtype=torch.bool)
    seen[5:20, 5:20] = True
    free[9:16, 9:16] = True
    box = Box(0, 0, 30, 30)

    def share(seen, free, row, column):
        return float(surrounded(Part.of(seen & ~free), Part.of(free), box)[row, column])

    assert share(seen, free, 12, 12) == 1
    assert share(seen, free, 25, 25) == 0
    corner = torch.zeros_like(free)
    corner[12:30, 12:30] = True
    assert share(seen, corner, 15, 15) == pytest.approx(5 / 8), "up, left, and the diagonals that pass by neither"
    low = seen.roll(10, 0)
    beneath = torch.zeros_like(free)
    beneath[22:30, 9:16] = True
    assert share(low, beneath, 26, 12) == 1, "whoever is cut off by the photo goes on below it"
    assert share(low.roll(-1, 0), beneath, 26, 12) < 0.7


def test_hidden_parts_of_real_people_are_guessed_better_than_by_hull_or_growing(photos):
    cases = list(bench.make_cases(bench.PhotoLibrary(photos, "held-out"), 24, 7))
    ours = bench.score(bench.figure, cases)
    hull = bench.score(lambda seen, _: bench.hull(seen), cases)
    grown = max(bench.score(bench.grown(share), cases)["hidden IoU"] for share in (0.04, 0.08, 0.12))
    assert ours["hidden IoU"] > hull["hidden IoU"] + 0.04
    assert ours["hidden IoU"] > grown + 0.1
    assert ours["amodal IoU"] > hull["amodal IoU"]
