"""MILD Save Layers in the real core."""

import json
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from shapes import disc, stripes

SIZE = (48, 64)
FORMATS = {"psd": ".psd", "openraster": ".ora", "png folder": ""}
every_format = pytest.mark.parametrize("format", FORMATS)
PROMPT, WORKFLOW = {"1": {"class_type": "MILDSaveLayers"}}, {"nodes": [{"title": "人"}]}


@pytest.fixture
def output(pack, tmp_path, monkeypatch):
    """ComfyUI's output folder, empty, with a temp folder beside it."""
    import folder_paths

    for kind in ("output", "temp"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return tmp_path / "output"


@pytest.fixture(scope="session")
def layers(pack):
    """A near person who goes and a far one who stays, as a sampler might have painted them."""
    core = pack.mild_core
    masks = torch.stack([disc(*SIZE, 30, 24, 10), disc(*SIZE, 22, 40, 9)])
    scene = core.scene.split_people(stripes(*SIZE)[None], core.scene.from_masks(masks))
    plan = core.plan.make_plan(scene.erasing(core.scene.choose("1", scene.people)), working_size=64)
    rows = [torch.rand(p.crop.height, p.crop.width, 3, generator=torch.Generator().manual_seed(1)) for p in plan.pathways]
    return core.compose.make_layers(plan, rows)


def saver(pack):
    return import_module(f"{pack.__name__}.nodes.files").SaveLayers


def save(pack, layers, prefix="mild/layers", format="psd", depth="8 bit", hidden=None):
    node = type("Held", (saver(pack),), {"hidden": hidden or SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW})})
    return node.execute(layers, prefix, format, depth)


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def content(path):
    return {str(p): p.read_bytes() for p in ([path] if path.is_file() else path.rglob("*"))}


def merged(path, format):
    """The picture in the file, and its texts."""
    if format == "psd":
        from psd_tools import PSDImage

        opened = PSDImage.open(path)
        packet = opened.image_resources.get_data("xmp") or opened.image_resources.get_data(1060)
        return np.rint(opened.numpy() * (2**opened.depth - 1)), packet.decode() if packet else ""
    data = ZipFile(path).read("mergedimage.png") if format == "openraster" else (path / "picture.png").read_bytes()
    with Image.open(BytesIO(data)) as image:
        image.load()
        texts = image.text
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1], texts


def test_the_schema(pack):
    node = saver(pack)
    told = node.define_schema()
    assert told.node_id == "MILDSaveLayers"
    assert told.is_output_node
    assert [i.id for i in told.inputs] == ["layers", "filename_prefix", "format", "depth"]
    assert pack.nodes.types.defaults(node) == {"filename_prefix": "mild/layers", "format": "psd", "depth": "8 bit"}
    assert {h.value for h in node.GET_SCHEMA().hidden} == {"PROMPT", "EXTRA_PNGINFO"}


@every_format
@pytest.mark.parametrize("depth", [8, 16])
def test_every_format_and_depth(pack, layers, output, format, depth):
    done = save(pack, layers, format=format, depth=f"{depth} bit")
    (path,) = done.args
    assert path == f"mild/layers_00001_{FORMATS[format]}"
    assert everything(output)[:2] == ["mild", path]
    picture = pack.mild_core.compose.compose(layers).image
    seen, texts = merged(output / path, format)
    assert (seen == pack.mild_core.compose.pixels.levels(picture, depth)).all()
    if format == "psd":
        assert '{"nodes": [{"title": "\\u4eba"}]}' in texts
        assert '"class_type": "MILDSaveLayers"' in texts
    else:
        assert {keyword: json.loads(text) for keyword, text in texts.items()} == {"prompt": PROMPT, "workflow": WORKFLOW}
    assert done.ui["mild_files"] == [{"filename": Path(path).name, "subfolder": "mild", "type": "output"}]
    assert done.ui["text"] == (path,)
    (shown,) = done.ui["images"]
    assert shown["type"] == "temp"
    assert Image.open(output.parent / "temp" / shown["subfolder"] / shown["filename"]).size == SIZE[::-1]


def test_layers_have_their_names_and_who_goes_is_hidden(pack, layers, output):
    (path,) = save(pack, layers, format="png folder").args
    told = json.loads((output / path / "layers.json").read_text("utf-8"))["layers"]
    assert [(layer["name"], layer["visible"]) for layer in told] == [("background", True), ("person 2", True), ("person 1", False)]
    for layer, raster in zip(told, pack.mild_core.compose.rasters(layers), strict=True):
        assert (layer["x"], layer["y"]) == raster.box[:2]
        assert layer["id"] == raster.id


@every_format
def test_nothing_is_overwritten(pack, layers, output, format):
    suffix = FORMATS[format]
    first, second = (save(pack, layers, format=format).args[0] for _ in range(2))
    assert (first, second) == (f"mild/layers_00001_{suffix}", f"mild/layers_00002_{suffix}")
    before = content(output / first)
    (output / f"mild/layers_00003_{suffix}").write_text("somebody's")
    (output / "mild/layers_00009_.png").write_text("of Save Image")
    assert save(pack, layers, format=format).args == (f"mild/layers_00010_{suffix}",)
    assert content(output / first) == before
    assert (output / f"mild/layers_00003_{suffix}").read_text() == "somebody's"


@every_format
def test_a_number_that_the_core_has_not_seen_is_skipped(pack, layers, output, format, monkeypatch):
    """As when another run takes it meanwhile."""
    import folder_paths

    (first,) = save(pack, layers, format=format).args
    told = folder_paths.get_save_image_path("mild/layers", str(output))
    monkeypatch.setattr(folder_paths, "get_save_image_path", lambda *_: (told[0], told[1], 1, *told[3:]))
    before = content(output / first)
    assert save(pack, layers, format=format).args == (f"mild/layers_00002_{FORMATS[format]}",)
    assert content(output / first) == before


@pytest.mark.parametrize("prefix", ["../out", "a/../../out", "/etc/out", "mild/../../../out", "../output2/x"])
@every_format
def test_a_place_outside_of_the_output_folder_is_refused(pack, layers, output, prefix, format):
    with pytest.raises(ValueError, match=r"filename_prefix is .* inside ComfyUI's output folder"):
        save(pack, layers, prefix, format)
    assert everything(output.parent) == ["output", "temp"]


def test_a_link_out_of_the_output_folder_is_refused(pack, layers, output):
    import folder_paths

    if not hasattr(folder_paths, "is_within_directory"):
        pytest.skip("this core follows links")
    (output.parent / "elsewhere").mkdir()
    (output / "link").symlink_to(output.parent / "elsewhere")
    with pytest.raises(ValueError, match="filename_prefix"):
        save(pack, layers, "link/x")
    assert list((output.parent / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("plain", "plain_00001_.psd"),
        ("%width%x%height%/a", "64x48/a_00001_.psd"),
        ("", "layers_00001_.psd"),
        ("..", "layers_00001_.psd"),
        ("a:b*c?", "a_b_c__00001_.psd"),
        ("人/" + "x" * 300, "人/" + "x" * 100 + "_00001_.psd"),
    ],
)
def test_prefixes(pack, layers, output, prefix, path):
    assert save(pack, layers, prefix).args == (path,)
    assert (output / path).is_file()


@every_format
def test_disable_metadata_leaves_the_workflow_out(pack, layers, output, format, monkeypatch):
    from comfy.cli_args import args

    monkeypatch.setattr(args, "disable_metadata", True)
    (path,) = save(pack, layers, format=format).args
    assert not merged(output / path, format)[1]


@every_format
def test_without_a_workflow(pack, layers, output, format):
    """As when a script calls."""
    (path,) = save(pack, layers, format=format, hidden=SimpleNamespace(prompt=None, extra_pnginfo=None)).args
    assert not merged(output / path, format)[1]


@every_format
def test_an_interrupted_run_leaves_nothing(pack, layers, output, format, monkeypatch):
    from comfy import model_management

    calls = []

    def stop_at_the_second_layer():
        calls.append(1)
        if len(calls) == 3:
            raise model_management.InterruptProcessingException

    monkeypatch.setattr(model_management, "throw_exception_if_processing_interrupted", stop_at_the_second_layer)
    with pytest.raises(model_management.InterruptProcessingException):
        save(pack, layers, format=format)
    assert everything(output) == ["mild"]


def test_a_transparent_photo_keeps_its_alpha(pack, output):
    core = pack.mild_core
    photo = torch.cat([stripes(*SIZE), torch.linspace(0, 1, SIZE[1]).expand(*SIZE)[..., None]], -1)
    scene = core.scene.split_people(photo[None], core.scene.from_masks(disc(*SIZE, 30, 24, 10)[None]))
    plan = core.plan.make_plan(scene.erasing(core.scene.choose("1", scene.people)), working_size=64)
    layers = core.compose.make_layers(plan, [torch.zeros(p.crop.height, p.crop.width, 3) for p in plan.pathways])
    for depth in (8, 16):
        (path,) = save(pack, layers, depth=f"{depth} bit").args
        seen, _ = merged(output / path, "psd")
        assert (seen[..., 3] == core.compose.pixels.levels(photo[..., 3], depth)).all()
