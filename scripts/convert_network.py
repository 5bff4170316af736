"""Published weights as a file that the scores read.

    python scripts/convert_network.py KEY FILE… OUT.safetensors

    lpips_alex, lpips_vgg, lpips_squeeze    torchvision's weights of alexnet, vgg16 or squeezenet1_1, and the linear layers of
                                            PerceptualSimilarity (lpips/weights/v0.1) or of torchmetrics (functional/image/lpips_models)
    inception_fid                           pytorch-fid's pt_inception-2015-12-05-6726825d.pth
    clip_vit_l14_336, sam_vit_h, …          pytorch_model.bin of a Hugging Face folder; OUT is model.safetensors in that folder

Weights are published as pickles. They are read by torch's reader of nothing but tensors: no code of a file is run. But for
Hugging Face's, what is written was checked, name by name, against the network that will read it.
"""

from __future__ import annotations

import argparse
import pickle
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of scripts/, whose modules are no one's to import

from mild_core.metrics.inception import Inception  # noqa: E402
from mild_core.metrics.lpips import Lpips  # noqa: E402
from mild_core.metrics.networks import COUNTERS, NETWORKS, misfits  # noqa: E402

HEAD = re.compile(r"lin(\d)\.model\.1\.weight")
CLASSES = ("classifier.", "fc.", "AuxLogits.")  # what names things in pictures, which no score asks


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth or .bin file, by name. Raises ValueError when it holds anything else."""
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
    if key not in NETWORKS:
        raise ValueError(f"network is {key!r}, but it must be one of {', '.join(NETWORKS)}")
    tensors: dict[str, Tensor] = {}
    for path in files:
        for name, tensor in read(path).items():
            if name in tensors:
                raise ValueError(f"{path} holds {name}, which another file held already")
            tensors[name] = tensor
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


def main(arguments: Sequence[str] | None = None) -> None:
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", choices=NETWORKS, metavar="KEY")
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
    place = NETWORKS[wanted.key].path
    print(f"{wanted.out}: {len(tensors)} tensors, {count / 1e6:.1f} million numbers; its place is {place} in the folder of networks")


if __name__ == "__main__":
    main()
