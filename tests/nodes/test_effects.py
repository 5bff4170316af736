"""Proposed effects, as a node in the real core."""

import pytest
import torch
from shapes import disc

SIZE = (96, 128)


@pytest.fixture
def scene(pack):
    """Somebody on grey ground with a shadow to the right, and somebody else far from it."""
    core = pack.mild_core.scene
    people = torch.zeros(2, *SIZE)
    people[0, 20:80, 40:52] = 1
    people[1, 10:40, 100:106] = 1
    photo = torch.full((1, *SIZE, 3), 0.6)
    photo[:, 76:82, 46:75] = 0.35
    photo = torch.where(people.amax(0)[None, ..., None] > 0.5, torch.tensor([0.2, 0.3, 0.7]), photo)
    found = core.split_people(photo, core.from_masks(people))
    return found.erasing(core.choose("1", found.people))


def find(pack, scene, **options):
    node = pack.nodes.effects.FindEffects
    return node.execute(scene, **{**pack.nodes.types.defaults(node), **options}).args[0]


def test_a_mask_comes_out_and_a_picture_of_it(pack, scene, shown):
    mask = find(pack, scene)
    assert mask.shape == (1, *SIZE)
    assert mask.dtype == torch.float32
    assert (mask[0, 77:81, 54:72] > 0.5).float().mean() > 0.9
    assert (mask[0][disc(*SIZE, 78, 60, 40) == 0] == 0).all()
    assert shown[0].shape == (1, *SIZE, 3)


def test_grow_is_in_pixels(pack, scene, shown):
    areas = [int((find(pack, scene, grow=pixels) > 0.5).sum()) for pixels in (0, 3, 8)]
    assert areas[0] < areas[1] < areas[2]
    assert not (find(pack, scene, grow=60)[0] * scene.union(scene.people)).any()


def test_nobody_goes_and_the_mask_is_empty(pack, scene, shown):
    assert not find(pack, scene.erasing(frozenset())).any()


def test_the_mask_makes_a_batch_of_one_for_any_mask_node(pack, scene, shown):
    from comfy_extras.nodes_mask import GrowMask

    grown = GrowMask.execute(find(pack, scene), 2, True).args[0]
    assert grown.shape == (1, *SIZE)
