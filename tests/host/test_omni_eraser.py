"""The graphs of OmniEraser in the real server, on tiny random weights of their architectures."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from tiny import put, save_sd15_inpaint
from tiny_flux import save_controlnet_file, save_flux_file, save_lora_file, save_vae_file

from scripts.graph_json import api_format
from scripts.omni_graphs import omnieraser, omnieraser_controlnet, omnieraser_layers


@pytest.fixture
def asked(server, request):
    """The graph in API format, with two steps, and CLIP-L of an SD1.5 checkpoint in place of FLUX.1's encoders."""
    graph = api_format(request.param(), server.object_info())
    put(server, "diffusion_models", graph["model"]["inputs"]["unet_name"], save_flux_file)
    put(server, "vae", graph["vae"]["inputs"]["vae_name"], save_vae_file)
    put(server, "checkpoints", "tiny-omni-clip.safetensors", save_sd15_inpaint)
    if "omni" in graph:
        put(server, "loras", graph["omni"]["inputs"]["lora_name"], save_lora_file)
    else:
        put(server, "loras", graph["lora"]["inputs"]["lora_name"], partial(save_lora_file, inputs=64))
        put(server, "controlnet", graph["net"]["inputs"]["control_net_name"], save_controlnet_file)
    graph["clip"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny-omni-clip.safetensors"}}
    graph["prompt"]["inputs"]["clip"] = ["clip", 1]
    graph["sample"]["inputs"]["steps"] = 2
    for name in {"scaled", "scaled_people"} & graph.keys():
        graph[name]["inputs"]["megapixels"] = 0.05
    return graph


def picture(server, made):
    (file,) = made["picture"]["images"]
    return np.asarray(Image.open(io.BytesIO(server.view(file))).convert("RGB")).astype(int)


@pytest.mark.parametrize("asked", [omnieraser, omnieraser_controlnet], indirect=True)
def test_the_whole_photo(server, asked):
    whole = picture(server, server.run(asked))
    assert [side % 16 for side in whole.shape[:2]] == [0, 0]
    if "omni" in asked:
        asked["omni"]["inputs"]["strength"] = 0.0
    else:
        asked["told"]["inputs"]["strength"] = 0.0
    assert (picture(server, server.run(asked)) != whole).mean() > 0.1, "what makes an eraser of it makes no difference"


@pytest.mark.parametrize("asked", [omnieraser_layers], indirect=True)
def test_by_layers(server, scene, asked):
    asked["encode"]["inputs"]["working_size"] = 128
    made = server.run(asked)
    image = picture(server, made)
    (changed,) = made["changed"]["images"]
    untouched = np.asarray(Image.open(io.BytesIO(server.view(changed))).convert("L")) == 0
    assert untouched.mean() > 0.5
    assert (image[untouched] == scene.photo[untouched]).all()
    assert (image[~untouched] != scene.photo[~untouched]).any()
    asked["omni"]["inputs"]["strength"] = 0.0
    assert (picture(server, server.run(asked))[~untouched] != image[~untouched]).any()
