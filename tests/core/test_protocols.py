from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import distance_transform_edt

from mild_core.bench.cases import Case, read_people
from mild_core.bench.protocols import PROTOCOLS, Fit, _fitted_labels, check_one_protocol, padded, stretched
from mild_core.bench.run import check_measures
from mild_core.metrics.catalog import METRICS

HEIGHT, WIDTH = 48, 64


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def a_photo(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def a_mask(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def a_case(folder: Path, photo: np.ndarray | None = None, people: np.ndarray | None = None, **more) -> Case:
    photo = a_photo() if photo is None else photo
    files = {"photo": photo, "people": a_mask(*photo.shape[:2]) if people is None else people}
    files |= {name: more.pop(name) for name in ("truth", "effects") if name in more}
    return Case("one", **{name: save(folder / f"{name}.png", pixels) for name, pixels in files.items()}, **more)


def label_map() -> np.ndarray:
    """Three people; 1 and 2 touch."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[10:30, 8:20] = 1
    labels[12:34, 20:30] = 2
    labels[20:40, 44:54] = 3
    return labels


SIZES = [
    ("scenes", (48, 64), (48, 64), (48, 64)),
    ("omnieraser", (48, 64), (48, 64), (48, 64)),
    ("smarteraser", (48, 64), (512, 512), (512, 512)),
    ("smarteraser", (700, 512), (512, 512), (512, 512)),
    ("magiceraser", (48, 64), (384, 512), (512, 512)),
    ("magiceraser", (1000, 600), (512, 307), (512, 512)),
    ("magiceraser", (600, 1024), (300, 512), (512, 512)),
    ("magiceraser", (512, 512), (512, 512), (512, 512)),
    ("magiceraser", (2000, 1), (512, 1), (512, 512)),
]


@pytest.mark.parametrize(("name", "size", "resized", "whole"), SIZES)
def test_sizes(name, size, resized, whole):
    assert PROTOCOLS[name].fit(size) == Fit(resized, whole)


@pytest.mark.parametrize(("name", "size", "resized", "whole"), [row for row in SIZES if min(row[1]) > 8])
def test_tasks_are_of_their_protocols_size(tmp_path, name, size, resized, whole):
    case = a_case(tmp_path, a_photo(*size), truth=a_photo(*size, seed=1))
    protocol = PROTOCOLS[name]
    task = protocol.task(case)
    assert task.photo.shape == (*whole, 3)
    assert task.photo.dtype == torch.float32
    assert 0 <= task.photo.min() < task.photo.max() <= 1
    assert task.people.shape == task.hole.shape == whole
    assert task.people.dtype == np.uint8
    assert task.erase == (1,)
    truth = protocol.truth(case)
    assert truth is not None
    assert truth.shape == task.photo.shape
    for picture in (task.photo, truth):  # what was added is black
        assert not picture[resized[0] :].any()
        assert not picture[:, resized[1] :].any()
    share, wanted = task.hole[: resized[0], : resized[1]].mean(), (a_mask(*size) > 0).mean()
    assert share == pytest.approx(wanted, rel=0.05)
    assert not task.hole[resized[0] :].any()
    compared = protocol.compared(case, task, task.photo)
    assert compared.hole.shape == whole
    assert compared.result.equal(compared.photo)
    assert compared.truth.equal(truth)
    assert np.array_equal(compared.erased.numpy(), task.hole)


def test_own_size_is_the_file_to_the_bit(tmp_path):
    photo = a_photo()
    task = PROTOCOLS["omnieraser"].task(a_case(tmp_path, photo))
    assert np.array_equal((task.photo.numpy() * 255).round().astype(np.uint8), photo)
    assert np.array_equal(task.hole, a_mask() > 0)


def test_smarterasers_sizes_are_those_of_its_code(tmp_path):
    """torchvision's Resize of PIL pictures, bilinear; the mask made black and white before, and above 128 after."""
    transforms = pytest.importorskip("torchvision.transforms")
    resize = transforms.Resize((512, 512), interpolation=transforms.InterpolationMode.BILINEAR)
    photo, mask = a_photo(333, 777), np.zeros((333, 777), np.uint8)
    mask[40:200, 100:333] = 200
    mask[180:260, 300:500] = 255
    task = PROTOCOLS["smarteraser"].task(a_case(tmp_path, photo, mask))
    assert np.array_equal((task.photo.numpy() * 255).round().astype(np.uint8), np.asarray(resize(Image.fromarray(photo))))
    theirs = np.asarray(resize(Image.fromarray((mask > 128).astype(np.uint8) * 255))) > 128
    assert np.array_equal(task.hole, theirs)


def test_the_hole_of_scenes_is_grown_with_shadows_less_who_stays(tmp_path):
    effects = np.zeros((HEIGHT, WIDTH), np.uint8)
    effects[36:46, 2:28] = 255
    labels = label_map()
    case = a_case(tmp_path, people=labels, erase=(1, 3), effects=effects)
    protocol = PROTOCOLS["scenes"]
    task = protocol.task(case)
    assert task.erase == (1, 3)
    assert np.array_equal(task.hole, np.isin(labels, (1, 3)))
    assert np.array_equal(task.effects.numpy(), effects > 0)
    hole = protocol.compared(case, task, task.photo).hole.numpy()
    expected = distance_transform_edt(~(np.isin(labels, (1, 3)) | (effects > 0))) <= 6
    assert np.array_equal(hole, expected & (labels != 2))
    assert not hole[labels == 2].any()


@pytest.mark.parametrize("name", ["magiceraser", "smarteraser", "omnieraser"])
def test_elsewhere_the_hole_is_the_given_mask(tmp_path, name):
    case = a_case(tmp_path, people=label_map(), erase=(1,), effects=np.full((HEIGHT, WIDTH), 255, np.uint8))
    task = PROTOCOLS[name].task(case)
    assert task.effects is None
    assert np.array_equal(PROTOCOLS[name].compared(case, task, task.photo).hole.numpy(), task.hole)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(0, 99), st.sampled_from([padded, stretched]))
def test_resized_label_maps_keep_everybody_where_they_are(height, width, seed, fit_of):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 4, (2, 2)), np.ones((height // 2 + 1, width // 2 + 1))).astype(np.uint8)[:height, :width]
    fit = fit_of((height, width))
    fitted = _fitted_labels(labels, fit)
    assert fitted.shape == fit.padded
    rows = ((np.arange(fit.resized[0]) + 0.5) * height / fit.resized[0]).astype(int)
    columns = ((np.arange(fit.resized[1]) + 0.5) * width / fit.resized[1]).astype(int)
    nearest = labels[rows][:, columns]
    inside = fitted[: fit.resized[0], : fit.resized[1]]
    assert (inside != nearest).mean() < 0.05  # along edges alone
    assert set(np.unique(inside)) <= set(np.unique(labels))


def test_two_who_touch_leave_no_gap():
    labels = np.zeros((100, 333), np.uint8)
    labels[:, 50:151], labels[:, 151:250] = 1, 2
    fitted = _fitted_labels(labels, stretched(labels.shape))
    row = fitted[100]
    assert (row[np.flatnonzero(row)[0] : np.flatnonzero(row)[-1]] > 0).all()
    assert {1, 2} <= set(row.tolist())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_result_must_be_of_the_tasks_size(tmp_path, name):
    case, protocol = a_case(tmp_path), PROTOCOLS[name]
    task = protocol.task(case)
    with pytest.raises(ValueError, match=r"case one: the eraser's picture is 40×40×3, but it must be \d+×\d+×3"):
        protocol.compared(case, task, torch.zeros(40, 40, 3))


@pytest.mark.parametrize(
    ("name", "size", "fine"),
    [
        ("scenes", (HEIGHT, WIDTH + 1), False),
        ("omnieraser", (2 * HEIGHT, 2 * WIDTH), False),
        ("magiceraser", (2 * HEIGHT, 2 * WIDTH), True),  # of the same shape
        ("magiceraser", (HEIGHT, HEIGHT), False),
        ("smarteraser", (HEIGHT, HEIGHT), True),
    ],
)
def test_truths_of_another_size(tmp_path, name, size, fine):
    case, protocol = a_case(tmp_path, truth=a_photo(*size)), PROTOCOLS[name]
    if fine:
        assert protocol.truth(case).shape == protocol.task(case).photo.shape
    else:
        with pytest.raises(ValueError, match=f"case one: truth is {size[1]}×{size[0]} but photo is 64×48"):
            protocol.truth(case)


def test_without_truth(tmp_path):
    case, protocol = a_case(tmp_path), PROTOCOLS["scenes"]
    assert protocol.truth(case) is None
    task = protocol.task(case)
    assert protocol.compared(case, task, task.photo).truth is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"people": a_mask(20, 20)}, "case one: people mask is 20×20 but photo is 64×48: they must be the same size"),
        ({"effects": a_mask(20, 20)}, "case one: effects mask is 20×20 but photo is 64×48"),
        ({"people": np.full((HEIGHT, WIDTH), 3, np.uint8)}, r"mask .*people.png is empty, but what goes must be above 127"),
        ({"people": a_mask(), "erase": (1, 255)}, r"case one: \[1\] shall be erased, but people mask .* has no such value"),
        ({"people": a_photo(), "erase": (1,)}, "must be one channel of values 0, 1, 2"),
        ({"people": np.full((HEIGHT, WIDTH), 255, np.uint8), "keeps": True}, "is empty"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        PROTOCOLS["scenes"].task(a_case(tmp_path, **files))


def test_nothing_left_of_somebody_tiny(tmp_path):
    mask = np.zeros((2048, 2048), np.uint8)
    mask[7, 7] = 255
    case = a_case(tmp_path, np.zeros((2048, 2048, 3), np.uint8), mask)
    with pytest.raises(ValueError, match="case one: nothing is left of who goes at 512×512, from a photo of 2048×2048"):
        PROTOCOLS["smarteraser"].task(case)


def test_masks_as_files_hold_them(tmp_path):
    size, mask = (HEIGHT, WIDTH), a_mask()
    for pixels in (mask, np.stack([mask] * 3, -1), mask > 0):
        people, erase = read_people(a_case(tmp_path, people=pixels), size)
        assert erase == (1,)
        assert np.array_equal(people, mask > 0)
    people, _ = read_people(a_case(tmp_path, people=mask, keeps=True), size)
    assert np.array_equal(people, mask == 0)
    coloured = Image.fromarray(label_map())
    coloured.putpalette(list(range(255, -1, -1)) * 3)
    coloured.save(tmp_path / "palette.png")
    people, erase = read_people(Case("one", tmp_path / "photo.png", tmp_path / "palette.png", (2,)), size)
    assert erase == (2,)
    assert np.array_equal(people, label_map())


def test_one_table_one_protocol():
    assert check_one_protocol(["scenes", "scenes"]) == "scenes"
    with pytest.raises(ValueError, match="results follow the protocols scenes and omnieraser, but one table must have one"):
        check_one_protocol(["scenes", "omnieraser", "scenes"])
    with pytest.raises(ValueError, match="protocol is 'ours', but it must be one of scenes, magiceraser, smarteraser, omnieraser"):
        check_one_protocol(["ours"])
    with pytest.raises(ValueError, match="there are no results"):
        check_one_protocol([])


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_measure_is_one_of_the_catalog(protocol):
    assert PROTOCOLS[protocol.name] is protocol
    assert len(set(protocol.measures)) == len(protocol.measures)
    check_measures(protocol.measures, METRICS)  # raises where there is none
