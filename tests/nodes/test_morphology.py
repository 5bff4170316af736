"""Morphology in the real core: from a scene to maps that the stock Apply ControlNet takes."""

import pytest
import torch
from shapes import disc, stripes

SIZE = (128, 160)


def upright(left, top, bottom):
    mask = torch.zeros(*SIZE)
    mask[top:bottom, left : left + 24] = 1
    return torch.maximum(mask, disc(*SIZE, top - 5, left + 12, 8))


@pytest.fixture
def scene(pack):
    """1 stands before 2; 3 stands apart. 1 goes."""
    core = pack.mild_core.scene
    masks = torch.stack([upright(60, 50, 126), upright(46, 30, 112), upright(120, 24, 100)])
    found = core.split_people(stripes(*SIZE)[None], core.from_masks(masks), depth_order="1,2,3")
    return found.erasing(core.choose("1", found.people))


def morphology(pack, scene, **options):
    node = pack.nodes.morphology.Morphology
    return node.execute(scene, **{**pack.nodes.types.defaults(node), **options}).args


def frame(*people, canvas=SIZE):
    return [{"canvas_height": canvas[0], "canvas_width": canvas[1], "people": [{"pose_keypoints_2d": p} for p in people]}]


def joints_down(x, top, bottom, share=1.0):
    """18 joints in a column, as flat numbers; only the upper share of them found."""
    step = (bottom - top) / 17
    return [n for i in range(18) for n in ((x, top + i * step, 0.9) if i < 18 * share else (0.0, 0.0, 0.0))]


@pytest.fixture
def encoded(pack, scene, shown):
    """Conditionings, latent and plan of the bundled model for a scene that went through morphology."""
    scene = morphology(pack, scene)[0]
    model, vae, background, person, nothing = pack.nodes.models.MiniModel.execute().args
    node = pack.nodes.plan.EncodeLayers
    options = {**pack.nodes.types.defaults(node), "working_size": 128, "initialize": "smooth"}
    rows = node.execute(scene=scene, positive=background, negative=nothing, vae=vae, person_positive=person, **options)
    return model, *rows.args


def test_a_scene_comes_out_richer_and_shown(pack, scene, shown):
    found, poses, parsing, relations, report = morphology(pack, scene)
    assert found.erased == scene.erased
    assert all(person.pose is not None for person in found.people)
    assert len(poses) == 1
    assert len(poses[0]["people"]) == 3
    assert parsing.shape == (1, *SIZE)
    assert torch.equal(parsing[0] > 0, scene.union(scene.people))
    assert relations.shape == (1, *SIZE, 3)
    assert "1 is in front of 2" in report
    assert shown[0].shape == (1, *SIZE, 3)
    assert not torch.equal(shown[0], relations)


def test_it_runs_where_the_core_runs_nodes(pack, scene, shown):
    """In inference mode, in which nothing has a gradient; the figure is fitted by gradients all the same."""
    with torch.inference_mode():
        inside, *_ = morphology(pack, scene, poses=frame(joints_down(55, 28, 110, share=0.6)))
    outside, *_ = morphology(pack, scene, poses=frame(joints_down(55, 28, 110, share=0.6)))
    for one, other in zip(inside.people, outside.people, strict=True):
        assert torch.equal(one.whole, other.whole)
        assert torch.equal(one.pose.joints, other.pose.joints)


def test_poses_are_given_to_their_owners_and_the_rest_is_reported(pack, scene, shown):
    third, stray, second = joints_down(132, 20, 98), joints_down(10, 5, 40), joints_down(55, 28, 110, share=0.6)
    found, *_, report = morphology(pack, scene, poses=frame(third, stray, second))
    by_number = {p.number: p.pose for p in found.people}
    assert by_number[3].source == by_number[2].source == "given"
    assert by_number[3].joints[5, 0] == 132
    assert by_number[2].joints[3].tolist() == pytest.approx([55, 28 + 3 * 82 / 17, 0.9], abs=1e-3)
    assert "3: pose 1" in report
    assert "2: pose 3" in report
    assert "1: no pose" in report
    assert "pose 2: nobody" in report


def test_the_cores_own_node_draws_the_poses(pack, scene, shown):
    sdpose = pytest.importorskip("comfy_extras.nodes_sdpose", reason="needs a core with SDPose")
    _, poses, *_ = morphology(pack, scene)
    node = sdpose.SDPoseDrawKeypoints
    options = {i.id: i.default for i in node.define_schema().inputs if getattr(i, "default", None) is not None}
    (drawn,) = node.execute(keypoints=poses, **{**options, "score_threshold": 0.0}).args
    assert drawn.shape == (1, *SIZE, 3)
    assert (drawn[0].amax(-1) > 0)[scene.union(scene.people)].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"poses": frame([0.0] * 12)}, "12 numbers in pose_keypoints_2d"),
        ({"poses": frame([float("nan")] * 54)}, "nan at its nose"),
        ({"poses": frame() * 2}, "holds 2 frames"),
        ({"parsing": torch.zeros(1, 4, 4)}, "parsing is 4×4 but the photo is 160×128"),
        ({"objects": torch.zeros(1, 4, 4)}, "objects are"),
    ],
)
def test_bad_input_is_named(pack, scene, shown, options, words):
    with pytest.raises(ValueError, match=words):
        morphology(pack, scene, **options)


def test_no_poses_at_all_are_no_error(pack, scene, shown):
    found, poses, *_, report = morphology(pack, scene, poses=frame(), silhouettes=False)
    assert [p.number for p in found.people if p.pose is not None] == [2], "only who is hidden needs a figure"
    assert "1: no pose" in report
    assert len(poses[0]["people"]) == 1


def test_maps_go_along_with_the_batch(pack, encoded):
    *_, latent, plan = encoded
    pose, parsing, relations, guidance = pack.nodes.morphology.GuidanceMaps.execute(plan, 0.0).args
    rows = len(latent["samples"])
    assert rows == 2
    assert pose.shape == parsing.shape == relations.shape == (rows, 128, 128, 3)
    roles = [p.role for p in plan.pathways]
    person = roles.index("person")
    assert torch.equal(guidance[person], torch.cat([pose, parsing, relations], -1)[person])
    assert not guidance[roles.index("background")].any()
    assert all(row.any() for row in pose)
    assert not torch.equal(pose[0], pose[1])


def test_the_stock_node_hands_each_row_its_own_map(pack, encoded):
    """Apply ControlNet (Advanced) on the pathway batch: what reaches the control is a row's own picture, in the latent's size."""
    from comfy.controlnet import ControlBase

    import nodes as core_nodes

    model, positive, negative, latent, plan = encoded
    pose = pack.nodes.morphology.GuidanceMaps.execute(plan, 0.0).args[0]
    seen = []

    class Watching(ControlBase):
        def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
            seen.append((len(x_noisy), self.cond_hint_original.clone()))
            return None

        def copy(self):
            copied = Watching()
            self.copy_to(copied)
            return copied

    positive, negative = core_nodes.ControlNetApplyAdvanced().apply_controlnet(positive, negative, Watching(), pose, 1.0, 0.0, 1.0)
    (made,) = core_nodes.KSampler().sample(model, 0, 1, 1.0, "euler", "normal", positive, negative, latent, 0.4)
    assert made["samples"].shape == latent["samples"].shape
    rows, hint = seen[0]
    assert rows == 2
    assert torch.equal(hint.movedim(1, -1), pose)


def test_a_plan_without_morphology_is_named(pack, scene):
    plan = pack.mild_core.plan.make_plan(scene, working_size=128)
    with pytest.raises(ValueError, match="must come from a scene that went through MILD Morphology"):
        pack.nodes.morphology.GuidanceMaps.execute(plan, 0.0)


def test_matching_parts_is_an_option_of_attention(pack, encoded, scene):
    import nodes as core_nodes

    model, positive, negative, latent, plan = encoded
    node = pack.nodes.attention.ModulateAttention

    def run(**options):
        given = {"plan": plan, **pack.nodes.types.defaults(node), **options}
        modulated = node.execute(model=model, **given).args[0]
        (made,) = core_nodes.KSampler().sample(modulated, 0, 1, 1.0, "euler", "normal", positive, negative, latent, 0.5)
        return made["samples"]

    without, off, matched = run(), run(match_parts=0.0), run(match_parts=2.0)
    roles = [p.role for p in plan.pathways]
    apart = (without - matched).abs().amax((1, 2, 3))
    assert torch.equal(without, off)
    assert apart[roles.index("background")] == 0, "the background shows nobody's clothes"
    assert apart[roles.index("person")] > 1e-4
    with pytest.raises(ValueError, match=r"match_parts is 1\.0, but it needs a plan whose scene went through MILD Morphology"):
        run(match_parts=1.0, plan=pack.mild_core.plan.make_plan(scene, working_size=128))
