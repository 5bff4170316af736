"""Run ComfyUI with this pack until Ctrl-C, with the demo's photo and label map among its inputs.

    python3 scripts/bootstrap.py scripts/serve.py [--port 8188]

Its base directory (models, input, output, settings) is in the user's cache folder, so that what an artist made is there the next time.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from mild_core.remote import Server  # noqa: E402
from scripts.bootstrap import cache_root  # noqa: E402
from scripts.demo_scene import demo_scene  # noqa: E402
from scripts.example_graphs import MORE_PEOPLE, MORE_PHOTO, PANOPTIC, PEOPLE, PHOTO  # noqa: E402


def put_demo(folder: Path) -> None:
    """Write the pictures that the example workflows name into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scene = demo_scene()
    pictures = {
        PHOTO: scene.photo,
        PEOPLE: scene.colours,
        PANOPTIC: scene.panoptic,
        MORE_PHOTO: scene.photo[:, ::-1],  # the same, mirrored
        MORE_PEOPLE: scene.colours[:, ::-1],
    }
    for name, pixels in pictures.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8188)
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    base = cache_root() / "serve"
    put_demo(base / "input")
    print(f"starting ComfyUI in {base} …", flush=True)
    try:
        with Server(base=base, port=port) as server, open(base / "server.log", encoding="utf-8", errors="replace") as log:
            print(log.read())
            print(f"\nOpen {server.url}  and choose  Workflow > Browse templates > {server.pack} > erase.  Ctrl-C stops.")
            print(f"Checkpoints belong into {base / 'models' / 'checkpoints'}.\n", flush=True)
            while server.process is not None and server.process.poll() is None:
                print(log.read(), end="", flush=True)
                time.sleep(0.5)
            server.check()
    except KeyboardInterrupt:
        print("\nstopped")
    except RuntimeError as error:
        sys.exit(f"serve: {error}")


if __name__ == "__main__":
    main()
