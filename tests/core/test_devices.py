"""Tensors on two devices at once: whatever lies where, the picture is the same, and on the photo's device."""

import pytest
import torch
from other_device import CPU, MIXES, OTHER
from shapes import disc, stripes

from mild_core.attention.gap import GapRecord
from mild_core.attention.report import draw_heat
from mild_core.compose import compose, flatten, make_layers, rasters, rgba_batch, with_backdrop
from mild_core.compose.preview import make_preview
from mild_core.compose.psd import write_psd
from mild_core.fill import copy_detail, fill_pathway
from mild_core.morphology import adapter_hint, guide, understand
from mild_core.morphology.overlay import show_bodies
from mild_core.morphology.parsing import draw_parsing
from mild_core.morphology.relation_picture import draw_relations
from mild_core.plan import make_plan
from mild_core.plan.panoptic_regions import with_panoptic_regions
from mild_core.scene import choose, from_masks, split_people
from mild_core.scene.background_prompt import background_tag
from mild_core.scene.census import list_people, map_owners
from mild_core.scene.effects import find_shadows, show_effects
from mild_core.scene.mask_enhancement import OPERATIONS, enhance_mask
from mild_core.scene.overlay import number_people
from mild_core.scene.pairing import pair_photos
from mild_core.scene.panoptic_labels import read_labels
from mild_core.scene.panoptic_picture import draw_panoptic

SIZE = (96, 128)


def upright(left, top, bottom):
    mask = torch.zeros(*SIZE)
    mask[top:bottom, left : left + 18] = 1
    return torch.maximum(mask, disc(*SIZE, top - 4, left + 9, 6))


PHOTO = 0.1 + 0.7 * stripes(*SIZE)[None]
MASKS = torch.stack([upright(40, 40, 94), upright(30, 24, 84), upright(96, 20, 76)])
EFFECTS = disc(*SIZE, 90, 70, 9)[None]
LABELS = torch.where(MASKS.amax(0) > 0.5, 1, torch.where(torch.arange(SIZE[0])[:, None] < 60, 187, 193))[None] / 255


def erased(photo, masks, effects, rows_on, seam, fill):
    scene = split_people(photo, from_masks(masks, "by mask"), depth_order="1,2,3")
    plan = make_plan(scene.erasing(choose("1", scene.people)), effects=effects, working_size=64)
    rows = [fill_pathway(plan, pathway, fill).to(rows_on) for pathway in plan.pathways]
    if fill == "exemplar":
        rows = [copy_detail(plan, pathway, row) for pathway, row in zip(plan.pathways, rows, strict=True)]
    return make_layers(plan, rows, seam=seam)


@pytest.mark.parametrize(
    ("seam", "fill", "mixes"), [("feather", "smooth", MIXES), ("matched", "exemplar", MIXES[::3]), ("poisson", "telea", MIXES[::3])]
)
def test_any_mix_of_photo_masks_effects_and_rows(there, seam, fill, mixes):
    expected = compose(erased(PHOTO, MASKS, EFFECTS, CPU, seam, fill))
    for mix in mixes:
        photo, masks, effects, rows = mix
        layers = erased(PHOTO.to(photo), MASKS.to(masks), EFFECTS.to(effects), rows, seam, fill)
        picture = compose(layers)
        assert picture.image.device == picture.changed.device == PHOTO.to(photo).device, mix
        assert torch.allclose(picture.image.cpu(), expected.image, atol=1e-6), mix
        assert torch.equal(picture.changed.cpu(), expected.changed), mix


def shown(scene_on, others_on, folder):
    """Everything else that is made of a scene or a plan, by name; what is joined to the scene lies on `others_on`."""
    photo, masks, effects = PHOTO.to(scene_on), MASKS.to(others_on), EFFECTS.to(others_on)
    scene = split_people(photo, from_masks(masks, "by mask"), depth_order="1,2,3")
    scene = scene.erasing(choose("1", scene.people))
    panoptic = read_labels(LABELS.to(others_on), "category ids")
    out = {
        "numbers": number_people(scene),
        "list": list_people(scene),
        "owners": map_owners(scene, SIZE),
        "panoptic": draw_panoptic(photo[0], panoptic),
        "shadows": find_shadows(scene),
        "shown shadows": show_effects(scene, effects[0]),
        "tag": background_tag(panoptic, scene.union(scene.going)),
    }
    parsing = (masks * torch.tensor([1.0, 2.0, 3.0], device=others_on)[:, None, None]).amax(0)
    scene = understand(scene, parsing=parsing, objects=disc(*SIZE, 60, 80, 8)[None].to(others_on)).scene
    plan = with_panoptic_regions(make_plan(scene, effects=effects, working_size=64), panoptic)
    rows = torch.stack([fill_pathway(plan, p, "smooth") for p in plan.pathways]).to(others_on)
    record = GapRecord()
    membership = torch.eye(4, device=others_on)[torch.arange(16, device=others_on) % 4].expand(len(rows), -1, -1)
    record.add(0, 1.0, 0, torch.full((len(rows), 16, 4), 0.25, device=others_on), membership, (4, 4))
    layers = with_backdrop(make_layers(plan, rows), PHOTO[0].flip(0).to(others_on))
    stack = rasters(layers)
    write_psd(folder / "layers.psd", stack, SIZE, compose(layers).image)
    return out | {
        "bodies": show_bodies(scene),
        "relations": draw_relations(scene),
        "wholes": [person.whole for person in scene.people],
        "poses": [person.pose.joints for person in scene.people],
        "parsing": [draw_parsing(person.parsing.whole) for person in scene.people if person.parsing is not None],
        "hints": [adapter_hint(guide(scene, p.person, p.crop, 64), p.person) for p in plan.pathways],
        "regions": [p.regions.membership for p in plan.pathways],
        "crops": [plan.working_image(p, photo[0]) for p in plan.pathways],
        "heat": draw_heat(record, plan),
        "rgba": rgba_batch(layers),
        "flat": flatten(stack, SIZE),
        "psd": (folder / "layers.psd").read_bytes(),
        "preview": make_preview(plan).picture(rows),
    }


def same(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.allclose(one.cpu().float(), other.float(), atol=1e-5) if isinstance(one, torch.Tensor) else one == other


@pytest.fixture(scope="module")
def shown_here(tmp_path_factory):
    return shown(CPU, CPU, tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("mix", [(OTHER, OTHER), (OTHER, CPU), (CPU, OTHER)], ids=["all there", "scene there", "the rest there"])
def test_what_is_made_of_a_scene_or_a_plan(shown_here, there, mix, tmp_path):
    got = shown(*mix, tmp_path)
    assert [name for name in shown_here if not same(got[name], shown_here[name])] == []


def test_masks_come_to_their_photo(there):
    pairs = pair_photos([PHOTO, PHOTO.to(there)], [MASKS[:1].to(there), MASKS[1:2], MASKS[2:]], "2,1")
    for (photo, masks), expected in zip(pairs, (MASKS[:2], MASKS[2:]), strict=True):
        assert masks.device == photo.device
        assert torch.equal(masks.cpu(), expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_masks_are_enhanced_there(there, operation):
    def enhanced(mask):
        return enhance_mask(mask, operation, 0.0, torch.Generator().manual_seed(0))

    got = enhanced(MASKS[0].to(there))
    assert got.device == there
    assert torch.equal(got.cpu(), enhanced(MASKS[0]))


def test_the_device_is_as_strict_as_a_gpu(there):
    """What a forgotten move does on a GPU, it does here."""
    a, b = torch.zeros(3, 4), torch.ones(3, 4, device=there)
    mixed = [
        lambda: a + b,
        lambda: a.lerp_(a, b),
        lambda: torch.cat([a, b]),
        lambda: torch.where(b > 0, a, a),
        lambda: a[b > 0],
        lambda: a.masked_fill(b > 0, 1.0),
        lambda: torch.nn.functional.conv2d(a[None, None], b[None, None]),
    ]
    for operation in mixed:
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            operation()
    for drawn in (
        lambda: torch.rand(3, device=there, generator=torch.Generator()),
        lambda: torch.rand(3, generator=torch.Generator(there)),
    ):
        with pytest.raises(RuntimeError, match="device type for generator"):
            drawn()
    with pytest.raises(RuntimeError, match="numpy"):
        b.numpy()
    b[a == 0] = 2.0  # an index may lie on the CPU
    b *= torch.tensor(3.0)  # and a single number
    assert b.device == there
    assert torch.equal(b.cpu(), torch.full((3, 4), 6.0))
    a.copy_(b)
    assert torch.equal(a, torch.full((3, 4), 6.0))
