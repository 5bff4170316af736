"""The same graph with a checkpoint loader in place of the bundled model: a random SD1.5 inpainting checkpoint file."""

import io
import json

import numpy as np
from PIL import Image
from shapes import ROOT
from tiny import save_sd15_inpaint


def test_the_checkpoint_workflow_runs(server, scene):
    graph = json.loads((ROOT / "workflows" / "api" / "erase_checkpoint.json").read_text(encoding="utf-8"))
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    save_sd15_inpaint(folder / graph["model"]["inputs"]["ckpt_name"])
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
