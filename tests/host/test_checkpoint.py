"""The same graph with a checkpoint loader in place of the bundled model: a random SD1.5 inpainting checkpoint, and a ControlNet."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT
from tiny import put, save_lama, save_sd15_controlnet, save_sd15_inpaint


@pytest.mark.parametrize("name", ["erase_checkpoint", "erase_pose", "erasediff"])
def test_the_checkpoint_workflows_run(server, scene, name):
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    put(server, "checkpoints", graph.get("rest", graph["model"])["inputs"]["ckpt_name"], save_sd15_inpaint)
    if name == "erasediff":  # whose U-Net is of a size that the core tells it by
        graph["control"]["inputs"]["model"] = ["rest", 0]
        del graph["model"]
        assert graph["attend"]["inputs"]["method"] == "self-rectifying"
    if name == "erase_pose":
        put(server, "controlnet", graph["net"]["inputs"]["control_net_name"], save_sd15_controlnet)
    graph["sample"]["inputs"]["steps"] = 1
    graph["encode"]["inputs"] |= {"working_size": 128, "initialize": "smooth"}
    made = server.run(graph)
    (picture,) = made["picture"]["images"]
    image = np.array(Image.open(io.BytesIO(server.view(picture))))
    assert image.shape == scene.photo.shape
    assert len(made["layers"]["images"]) == 4
    (changed,) = made["changed"]["images"]
    untouched = np.array(Image.open(io.BytesIO(server.view(changed))).convert("L")) == 0
    assert untouched.mean() > 0.5
    assert (image[untouched] == scene.photo[untouched]).all()
    assert (image[~untouched] != scene.photo[~untouched]).any()
    if name == "erase_pose":
        graph["pose"]["inputs"]["strength"] = 0.0
        (picture,) = server.run(graph)["picture"]["images"]
        without = np.array(Image.open(io.BytesIO(server.view(picture))))
        assert (without[~untouched] != image[~untouched]).any(), "the poses make no difference"


def test_the_graph_of_magiceraser_runs_on_a_checkpoint(server, scene):
    graph = json.loads((ROOT / "workflows" / "api" / "magiceraser_checkpoint.json").read_text(encoding="utf-8"))
    put(server, "checkpoints", graph["model"]["inputs"]["ckpt_name"], save_sd15_inpaint)
    put(server, "inpaint", graph["fill"]["inputs"]["network"], save_lama)
    assert graph["sample"]["inputs"]["denoise"] == 0.9
    graph["sample"]["inputs"]["steps"] = 2
    graph["encode"]["inputs"]["working_size"] = 128
    graph["said"] = {"class_type": "PreviewAny", "inputs": {"source": graph["background"]["inputs"]["text"]}}

    def run():
        made = server.run(graph)
        images = [np.array(Image.open(io.BytesIO(server.view(made[node]["images"][0]))).convert("RGB")) for node in ("picture", "changed")]
        return made, images[0], images[1][..., 0] > 0

    made, image, touched = run()
    assert made["said"]["text"] == ["A photo of sky"], "most of what is around those who go"
    assert 0.1 < touched.mean() < 0.5
    assert (image[~touched] == scene.photo[~touched]).all()
    assert (image[touched] != scene.photo[touched]).any(-1).mean() > 0.9
    for node, inputs in (("fill", {"background": "smooth"}), ("attend", {"strength": 0.0}), ("background", {"text": ""})):
        kept = dict(graph[node]["inputs"])
        graph[node]["inputs"] |= inputs
        assert (run()[1] != image).any(), f"{node} makes no difference"
        graph[node]["inputs"] = kept
