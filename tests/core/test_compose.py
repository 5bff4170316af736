"""Layers and the picture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapes import disc

from mild_core.compose import compose, make_layers, rgba_batch
from mild_core.plan import make_plan
from mild_core.scene import MaskedPerson, choose, split_people

HEIGHT, WIDTH = 72, 100


def scene_of(discs, erase, seed=0, eight_bit=False):
    photo = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))
    if eight_bit:
        photo = (photo * 255).round() / 255
    found = [MaskedPerson(n, soft(disc(HEIGHT, WIDTH, *d))) for n, d in enumerate(discs, start=1)]
    scene = split_people(photo, found)
    return scene.erasing(choose(erase, scene.people))


def soft(mask):
    """A mask whose edge is antialiased, as a matting node gives it."""
    return torch.nn.functional.avg_pool2d(mask[None, None], 3, 1, 1)[0, 0]


def result(scene, seed=1, **options):
    plan = make_plan(scene, working_size=64, **options)
    rows = torch.rand(len(plan.pathways), 64, 64, 3, generator=torch.Generator().manual_seed(seed))
    return plan, make_layers(plan, rows)


people = st.lists(st.tuples(st.integers(8, 64), st.integers(8, 92), st.integers(3, 20)), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(people, st.integers(0, 8), st.integers(0, 8), st.booleans())
def test_pixels_outside_the_feathered_holes_are_the_photo_bit_for_bit(discs, grow_by, feather, eight_bit):
    scene = scene_of(discs, "largest", eight_bit=eight_bit)
    plan, layers = result(scene, grow_by=grow_by, feather=feather)
    picture = compose(layers)
    photo = scene.photo[0]
    assert torch.equal(picture.image[picture.changed == 0], photo[picture.changed == 0])
    reach = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    for pathway in plan.pathways:
        reach |= torch.nn.functional.max_pool2d(pathway.paste.whole.float()[None, None], 2 * feather + 5, 1, feather + 2)[0, 0] > 0
    assert (picture.changed[~reach] == 0).all(), "nothing changes far from a hole"
    as_bytes, before = (x.mul(255).round().to(torch.uint8) for x in (picture.image, photo))
    assert torch.equal(as_bytes[~reach], before[~reach])


@settings(max_examples=40, deadline=None)
@given(people, st.sampled_from(["1", "all", "largest"]))
def test_the_layers_compose_to_the_picture(discs, erase):
    scene = scene_of(discs, "all" if erase == "all" else "largest")
    _, layers = result(scene)
    picture = compose(layers)
    reference = None
    for layer in layers.stack:
        if layer.erased:
            continue
        image = Image.fromarray((layer.rgba * 255).round().to(torch.uint8).numpy())
        reference = image if reference is None else Image.alpha_composite(reference, image)
    difference = np.abs(np.asarray(reference)[..., :3] / 255 - picture.image.numpy())
    assert difference.max() <= 2.5 / 255  # the reference works in 8 bits


def test_somebody_who_goes_is_gone_and_somebody_behind_is_whole():
    scene = scene_of([(46, 40, 16), (34, 52, 16)], "1")
    plan = make_plan(scene, working_size=64)
    red, green = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
    rows = torch.stack([(red if p.person is None else green).expand(64, 64, 3) for p in plan.pathways])
    picture = compose(make_layers(plan, rows)).image
    near, far = scene.people
    assert near.number == 1
    only_near = near.visible & ~far.whole
    assert torch.allclose(picture[only_near], red.expand(int(only_near.sum()), 3), atol=0.35)
    inner = far.hidden & (torch.nn.functional.avg_pool2d(far.hidden.float()[None, None], 5, 1, 2)[0, 0] > 0.99)
    assert inner.any()
    assert torch.allclose(picture[inner], green.expand(int(inner.sum()), 3), atol=1e-5)


def test_a_person_nobody_hides_is_cut_out_as_they_are():
    scene = scene_of([(40, 30, 12), (40, 75, 12)], "1")
    _, layers = result(scene)
    layer = next(x for x in layers.people if x.name == "person 2")
    person = scene.person(layer.person)
    assert torch.equal(layer.rgba[..., :3], scene.photo[0])
    assert torch.equal(layer.rgba[..., 3][person.visible], person.alpha[person.visible])
    assert layer.changed.max() == 0


def test_order_and_names():
    scene = scene_of([(46, 40, 16), (34, 52, 16), (20, 80, 8)], "2")
    _, layers = result(scene)
    assert [x.name for x in layers.stack] == ["background", "person 3", "person 2", "person 1"]
    assert [x.erased for x in layers.stack] == [False, False, True, False]


def test_a_crop_beyond_the_frame_is_put_back_in_place():
    scene = scene_of([(36, 50, 34)], "1")
    plan, layers = result(scene)
    crop = plan.pathways[0].crop
    assert crop.top < 0
    assert crop.bottom > HEIGHT
    assert layers.background.rgba.shape == (HEIGHT, WIDTH, 4)


def test_the_wrong_latent_is_named():
    scene = scene_of([(40, 30, 12)], "1")
    plan = make_plan(scene, working_size=64)
    with pytest.raises(ValueError, match="samples hold 3 rows, but the plan has 1 pathways"):
        make_layers(plan, torch.rand(3, 64, 64, 3))


@pytest.mark.parametrize("steps", [255, 65535])
def test_integer_photos_come_back_as_they_were_with_their_alpha(steps):
    generator = torch.Generator().manual_seed(3)
    numbers = torch.randint(0, steps + 1, (1, HEIGHT, WIDTH, 4), generator=generator, dtype=torch.int32)
    photo = (numbers.numpy() / np.float32(steps)).astype(np.float32)  # as a loader makes it
    scene = split_people(torch.from_numpy(photo), [MaskedPerson(1, disc(HEIGHT, WIDTH, 40, 40, 10))])
    _, layers = result(scene.erasing(choose("1", scene.people)))
    picture = compose(layers)
    back = (picture.image.double() * steps).round().int()
    assert torch.equal(back[..., 3], numbers[0, ..., 3]), "alpha is kept everywhere"
    same = picture.changed == 0
    assert torch.equal(back[same], numbers[0][same])
    assert (~same).any()
    assert torch.equal(layers.background.rgba[..., 3], scene.opacity)
    assert (layers.people[0].rgba[..., 3] <= scene.opacity).all()


def test_colours_beyond_white_are_not_cut_off():
    photo = torch.rand(1, HEIGHT, WIDTH, 3) * 4 - 1
    scene = split_people(photo, [MaskedPerson(1, disc(HEIGHT, WIDTH, 40, 40, 10))])
    _, layers = result(scene.erasing(choose("1", scene.people)))
    picture = compose(layers)
    same = picture.changed == 0
    assert torch.equal(picture.image[same], photo[0][same])


def test_what_is_no_number_is_not_pasted():
    plan, _ = result(scene_of([(40, 30, 12), (40, 70, 12)], "all"))
    rows = torch.rand(len(plan.pathways), 64, 64, 3)
    rows[1, 5, 5, 0] = float("nan")
    with pytest.raises(ValueError, match="samples hold NaN or infinity in row 2"):
        make_layers(plan, rows)


def test_all_layers_as_one_batch():
    _, layers = result(scene_of([(46, 40, 16), (34, 52, 16)], "1"))
    assert torch.equal(rgba_batch(layers), torch.stack([layer.rgba for layer in layers.stack]))


@pytest.mark.parametrize("how", ["matched", "poisson"])
def test_a_row_whose_colours_have_drifted_meets_the_photo(how):
    """The photo is smooth; the row is the photo, a little redder and darker, as a VAE would give it back."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, HEIGHT), torch.linspace(0, 1, WIDTH), indexing="ij")
    photo = torch.stack([0.3 + 0.3 * rows, 0.4 + 0.2 * columns, 0.6 - 0.2 * rows], -1)[None]
    scene = split_people(photo, [MaskedPerson(1, disc(HEIGHT, WIDTH, 36, 50, 10))])
    plan = make_plan(scene.erasing(choose("1", scene.people)), working_size=64)
    drifted = (torch.stack([plan.working_image(p, photo[0]) for p in plan.pathways]) * 0.95 + torch.tensor([0.06, 0.0, 0.0])).clamp(0, 1)
    error = {s: (compose(make_layers(plan, drifted, seam=s)).image - photo[0]).abs().max() for s in ("feather", how)}
    assert error["feather"] > 0.03
    assert error[how] < 0.01


def test_rows_are_told_as_they_are_done():
    plan, _ = result(scene_of([(46, 40, 16), (34, 52, 16)], "1"))
    told = []
    make_layers(plan, torch.rand(len(plan.pathways), 64, 64, 3), on_row=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
