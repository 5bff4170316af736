"""The graph of SmartEraser in the real server: tiny random weights, but for the CLIP networks, whose size the core tells them by."""

import io
import json

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from shapes import ROOT
from tiny import put, save_sd15_inpaint

from mild_core.models.smart_eraser import Projector


def save_eye(path):
    """A random CLIP ViT-L/14, in half precision."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14, projection_dim=768
    )
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in CLIPVisionModelWithProjection(config).state_dict().items() if tensor.ndim}
    g = torch.Generator().manual_seed(0)
    tensors = {name: 0.02 * torch.randn(shape, generator=g) for name, shape in shapes.items() if "position_ids" not in name}
    names = {name if name.startswith(("vision_model.", "visual_projection.")) else f"vision_model.{name}": name for name in tensors}
    save_file({name: tensors[own].half() for name, own in names.items()}, path)


def save_projector(path):
    torch.manual_seed(0)
    save_file(Projector().state_dict(), path)


def test_the_graph_runs(server, scene):
    graph = json.loads((ROOT / "workflows" / "api" / "smarteraser.json").read_text(encoding="utf-8"))
    put(server, "checkpoints", "tiny-smart.safetensors", save_sd15_inpaint)
    put(server, "clip_vision", graph["eye"]["inputs"]["clip_name"], save_eye)
    put(server, "smarteraser", graph["told"]["inputs"]["projector"], save_projector)
    graph["model"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny-smart.safetensors"}}
    del graph["clip"], graph["vae"]
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in ("clip", "vae"):
                node["inputs"][name] = ["model", 1 if value[0] == "clip" else 2]
    assert (graph["sample"]["inputs"]["cfg"], graph["sample"]["inputs"]["denoise"]) == (1.5, 1.0)
    graph["sample"]["inputs"]["steps"] = 1
    graph["told"]["inputs"]["working_size"] = 128

    def run(**told):
        graph["told"]["inputs"] |= told
        (picture,) = server.run(graph)["picture"]["images"]
        return np.asarray(Image.open(io.BytesIO(server.view(picture))).convert("RGB"))

    image = run()
    away = np.ones(scene.labels.shape, bool)
    for row, column in np.argwhere(scene.labels > 0)[::7]:
        away[max(row - 40, 0) : row + 41, max(column - 40, 0) : column + 41] = False
    assert away.mean() > 0.2
    assert (image[away] == scene.photo[away]).all()
    assert (image[scene.labels > 0] != scene.photo[scene.labels > 0]).any(-1).mean() > 0.9
    assert (run(crop="each part") != image).any()
