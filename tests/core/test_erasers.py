"""Erasers that run in this process, and how they are named."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapes import disc, stripes

from mild_core.bench import erasers
from mild_core.bench.cases import Task
from mild_core.bench.erasers import ERASERS, Erased, Exemplar, Folder, Inpaint, Settings, hole_of, parse_eraser, register, sources_key

HEIGHT, WIDTH = 64, 96


def crowd(effects: bool = False) -> Task:
    """Person 1 goes and hides a part of person 2, who stays."""
    near, far = disc(HEIGHT, WIDTH, 34, 36, 12).numpy() > 0, disc(HEIGHT, WIDTH, 30, 50, 12).numpy() > 0
    people = np.where(near, 1, np.where(far, 2, 0)).astype(np.uint8)
    shadow = disc(HEIGHT, WIDTH, 50, 20, 6) > 0
    levels = (stripes(HEIGHT, WIDTH) * 255).round()
    levels[torch.from_numpy(near)] = torch.tensor([255.0, 0.0, 0.0])
    return Task("a", levels / 255, people, (1,), shadow if effects else None)


@pytest.fixture(scope="module", params=["telea", "ns", "exemplar"])
def eraser(request):
    return parse_eraser(request.param, Settings())


@pytest.fixture(scope="module")
def plain(eraser) -> Erased:
    """What it makes of the crowd."""
    return eraser(crowd())


def test_nothing_changes_but_the_hole(eraser, plain):
    task, made = crowd(), plain
    assert made.image.shape == task.photo.shape
    assert made.image.dtype == torch.float32
    assert made.seconds > 0
    where = hole_of(task, effects=False)
    if eraser.name == "exemplar":  # which blends over 4 pixels, and completes who stays behind who goes
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        where |= torch.from_numpy((rows - 34) ** 2 + (columns - 36) ** 2 <= (12 + 6 + 4 + 2) ** 2)
    assert torch.equal(made.image[~where], task.photo[~where])


def test_who_goes_is_gone(plain):
    task = crowd()
    inside = torch.from_numpy(task.hole)
    red = torch.tensor([1.0, 0.0, 0.0])
    before = (task.photo[inside] - red).abs().mean()
    assert before < 0.01
    assert (plain.image[inside] - red).abs().mean() > 0.1


def test_shadows_are_erased_when_they_are_given_and_asked_for(eraser, plain):
    task = crowd(effects=True)
    told = parse_eraser(eraser.name, Settings(give_effects=True))
    assert torch.equal(eraser(task).image, plain.image)
    changed = (told(task).image != task.photo).any(-1)
    assert changed[task.effects].float().mean() > 0.5
    assert told.key != eraser.key
    assert "shadows" in told.about


masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((14, 17)))


@settings(max_examples=40, deadline=None)
@given(masks, st.floats(0.02, 0.3), st.booleans())
def test_the_hole_is_who_goes_and_six_pixels_around_but_nobody_who_stays(noise, share, effects):
    people = np.where(noise < share / 3, 1, np.where(noise < share, 2, 0)).astype(np.uint8)
    shadow = noise > 0.97
    task = Task("a", torch.zeros(14, 17, 3), people, (1,), torch.from_numpy(shadow))
    rows, columns = np.mgrid[:14, :17]
    goes = np.argwhere((people == 1) | (shadow & effects))
    near = np.zeros((14, 17), bool)
    for row, column in goes:
        near |= (rows - row) ** 2 + (columns - column) ** 2 <= 36
    assert (hole_of(task, effects).numpy() == (near & (people != 2))).all()


def test_a_mask_of_one_object_is_erased(eraser):
    task = crowd()
    alone = Task("a", task.photo, task.hole.astype(np.uint8), (1,))
    inside = torch.from_numpy(alone.hole)
    assert (eraser(alone).image[inside] != task.photo[inside]).any()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_folders_pictures_are_found_by_id(tmp_path, suffix):
    Image.new("RGBA", (WIDTH, HEIGHT), (0, 255, 0, 255)).convert("RGB").save(tmp_path / f"a{suffix}")
    made = Folder(tmp_path, "theirs")(crowd())
    assert made.image.shape == (HEIGHT, WIDTH, 3)
    assert (made.image.mean((0, 1)) - torch.tensor([0.0, 1.0, 0.0])).abs().max() < 0.02
    assert math.isnan(made.seconds)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no picture a \(\.png"):
        Folder(tmp_path, "theirs")(crowd())
    with pytest.raises(ValueError, match=r"'.*nowhere', which is not there"):
        Folder(tmp_path / "nowhere", "theirs")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("telea", "telea", Inpaint),
        ("mine=ns", "mine", Inpaint),
        ("exemplar", "exemplar", Exemplar),
        ("our-fill.2=exemplar", "our-fill.2", Exemplar),
        ("folder:{}/made", "made", Folder),
        ("theirs=folder:{}/a=b", "theirs", Folder),
    ],
)
def test_erasers_are_named(tmp_path, text, name, kind):
    for folder in ("made", "a=b"):
        (tmp_path / folder).mkdir()
    made = parse_eraser(text.format(tmp_path), Settings())
    assert isinstance(made, kind)
    assert made.name == name


@pytest.mark.parametrize("text", ["lama", "mine=lama", "mine=", "a b=telea", "../x=telea", ""])
def test_an_unknown_eraser_says_which_are_known(text):
    with pytest.raises(ValueError, match=r"eraser is .*exemplar, folder:…, .*ns, telea, or a graph's file\.json"):
        parse_eraser(text, Settings())


def test_a_name_that_is_no_file_name_is_refused(tmp_path):
    (tmp_path / "my pictures").mkdir()
    with pytest.raises(ValueError, match=r"name is 'my pictures'.*NAME=folder:"):
        parse_eraser(f"folder:{tmp_path}/my pictures", Settings())


def test_a_kind_of_ones_own_is_known(monkeypatch):
    monkeypatch.setattr(erasers, "ERASERS", dict(ERASERS))

    @register("paint")
    def paint(name: str, argument: str, settings: Settings):
        class Paint:
            rereads = False

            def __call__(self, task: Task) -> Erased:
                return Erased(torch.full_like(task.photo, float(argument)), 0.0)

        made = Paint()
        made.name = name
        return made

    made = parse_eraser("grey=paint:0.5", Settings())
    assert made.name == "grey"
    assert made(crowd()).image.unique().tolist() == [0.5]


def test_keys_tell_methods_and_settings_apart_and_names_do_not_matter():
    keys = [Inpaint("telea").key, Inpaint("ns").key, Exemplar().key, Exemplar(effects=True).key]
    assert len(set(keys)) == 4
    assert Inpaint("telea", "mine").key == Inpaint("telea").key


def test_the_codes_key_follows_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(erasers, "PACK", tmp_path)
    (tmp_path / "fill").mkdir()
    (tmp_path / "fill" / "a.py").write_text("x = 1")
    before = sources_key(("fill",))
    (tmp_path / "fill" / "notes.md").write_text("more")
    assert sources_key(("fill",)) == before
    (tmp_path / "fill" / "a.py").write_text("x = 2")
    assert sources_key(("fill",)) != before
