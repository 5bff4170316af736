"""Published weights as a file that the scores, or the nodes, read.

    python scripts/convert_network.py KEY FILE… OUT.safetensors

For scores:

    lpips_alex, lpips_vgg, lpips_squeeze    torchvision's weights of alexnet, vgg16 or squeezenet1_1, and the linear layers of
                                            PerceptualSimilarity (lpips/weights/v0.1) or of torchmetrics (functional/image/lpips_models)
    inception_fid                           pytorch-fid's pt_inception-2015-12-05-6726825d.pth
    clip_vit_l14_336, sam_vit_h, …          pytorch_model.bin of a Hugging Face folder; OUT is model.safetensors in that folder

For nodes, under ComfyUI's models folder:

    smarteraser_projector                   SmartEraser's clip_mlp_weight.pth, for models/smarteraser
    powerpaint_obj, _ctxt, _shape           PowerPaint's text encoder (model.safetensors or pytorch_model.bin); OUT is a word of ten
                                            vectors for models/embeddings
    pixelhacker_table                       PixelHacker's diffusion_pytorch_model.bin; OUT is its categories alone, for models/pixelhacker

Weights are published as pickles. They are read by torch's reader of nothing but tensors: no code of a file is run. But for
Hugging Face's, what is written was checked, name by name, against the network that will read it.
"""

from __future__ import annotations

import argparse
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.metrics.inception import Inception  # noqa: E402
from mild_core.metrics.lpips import Lpips  # noqa: E402
from mild_core.metrics.networks import COUNTERS, NETWORKS, misfits  # noqa: E402
from mild_core.models.pixelhacker import CATEGORIES, PROJECTION, TABLE  # noqa: E402
from mild_core.models.smart_eraser import Projector  # noqa: E402

HEAD = re.compile(r"lin(\d)\.model\.1\.weight")
CLASSES = ("classifier.", "fc.", "AuxLogits.")  # what names things in pictures, which no score asks


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth, .bin or .safetensors file, by name. Raises ValueError when it holds anything else."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} cannot be read as a safetensors file: {error}") from error
    try:
        told = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is not a file of nothing but tensors: {error}") from error
    if not isinstance(told, dict) or not all(isinstance(value, Tensor) for value in told.values()):
        raise ValueError(f"{path} must hold tensors by name, and nothing else")
    return told


def convert(key: str, files: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of these files in the layout that the network of that key is loaded from.

    Raises ValueError that names the tensors that are missing, unknown, or of another shape.
    """
    if key not in NETWORKS and key not in PARTS:
        raise ValueError(f"network is {key!r}, but it must be one of {', '.join([*NETWORKS, *PARTS])}")
    tensors: dict[str, Tensor] = {}
    for path in files:
        for name, tensor in read(path).items():
            if name in tensors:
                raise ValueError(f"{path} holds {name}, which another file held already")
            tensors[name] = tensor
    if key in PARTS:
        try:
            return PARTS[key].take(tensors)
        except ValueError as error:
            raise ValueError(f"{', '.join(path.name for path in files)} do not make {key}: {error}") from error
    if not NETWORKS[key].path.endswith(".safetensors"):
        return tensors  # of a Hugging Face folder: transformers knows the layout
    kept = {_renamed(name): tensor for name, tensor in tensors.items() if not name.startswith(CLASSES) and not name.endswith(COUNTERS)}
    network = Lpips(key.removeprefix("lpips_")) if key.startswith("lpips_") else Inception()
    wrong = misfits(network, kept)
    if wrong:
        raise ValueError(f"{', '.join(path.name for path in files)} do not make {key}: {wrong}")
    return {name: tensor.float() for name, tensor in kept.items()}


def _renamed(name: str) -> str:
    head = HEAD.fullmatch(name)
    return f"heads.{head[1]}.weight" if head else name


def _projector(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    weight = tensors.get("fc_out.weight", torch.zeros(768, 768))
    wrong = misfits(Projector(weight.shape[0] if weight.ndim else 768), tensors)
    if wrong:
        raise ValueError(wrong)
    return {name: tensor.float() for name, tensor in tensors.items()}


def _task_word(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    ending = f"token_embedding.trainable_embeddings.{name}"
    found = [tensor for key, tensor in tensors.items() if key.endswith(ending)]
    if len(found) != 1 or found[0].ndim != 2:
        raise ValueError(f"it lacks the vectors …{ending}, which PowerPaint's text encoder has")
    return {"clip_l": found[0].float()}


def _categories(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    table = tensors.get(TABLE)
    if table is None or table.ndim != 2 or len(table) != CATEGORIES:
        raise ValueError(f"it lacks {TABLE}, a vector for each of {CATEGORIES} categories")
    projection = {name: tensors[f"diff_model.{name}"].float() for name in PROJECTION if f"diff_model.{name}" in tensors}
    return {TABLE: table.float(), **projection}


class Part(NamedTuple):
    """Something small that a node reads, of published weights."""

    take: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    place: str  # of the file


PARTS = {
    "smarteraser_projector": Part(_projector, "models/smarteraser"),
    "powerpaint_obj": Part(partial(_task_word, "P_obj"), "models/embeddings"),
    "powerpaint_ctxt": Part(partial(_task_word, "P_ctxt"), "models/embeddings"),
    "powerpaint_shape": Part(partial(_task_word, "P_shape"), "models/embeddings"),
    "pixelhacker_table": Part(_categories, "models/pixelhacker"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", choices=[*NETWORKS, *PARTS], metavar="KEY")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    wanted = parser.parse_args(arguments)
    try:
        if wanted.out.suffix != ".safetensors":
            raise ValueError(f"OUT is {wanted.out}, but its name must end in .safetensors")
        tensors = convert(wanted.key, wanted.files)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    # clones, because one storage may serve two names in a pickle, and must not in a safetensors file
    save_file({name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}, wanted.out, {"format": "pt"})
    count = sum(tensor.numel() for tensor in tensors.values())
    place = f"{PARTS[wanted.key].place} of ComfyUI" if wanted.key in PARTS else f"{NETWORKS[wanted.key].path} in the folder of networks"
    print(f"{wanted.out}: {len(tensors)} tensors, {count / 1e6:.1f} million numbers; its place is {place}")


if __name__ == "__main__":
    main()
