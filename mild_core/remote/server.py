"""A ComfyUI of one's own: started with this pack in it.

It runs headless on a free port in a base directory of its own (models, input, output, user, custom_nodes), so that neither the ComfyUI
it is started from nor the checkout is written to. In the base's custom_nodes a link leads to the checkout. It ends with the process
that began it, however that ends (see guard.py).
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from .client import Client

__all__ = ["Server"]

ROOT = Path(__file__).resolve().parents[2]
GUARD = Path(__file__).with_name("guard.py")
PACK = "mild-layers"  # what the pack's folder in custom_nodes is called
START_LIMIT = 900.0  # seconds a start may take: 15 on an idle machine, minutes on one that is busy with other work
TAIL = 40  # lines of the log that an error shows


class Server(Client):
    """A ComfyUI that runs for the length of a `with` block.

    Args:
        base: its base directory, kept afterwards; None for one that is removed in the end.
        port: None for a free one.
        core: folder with ComfyUI's main.py; None for $MILD_CORE, which scripts/bootstrap.py sets.
        python: the interpreter to run it with; None for $MILD_PYTHON.
        pack: what the pack's folder in custom_nodes is called.
        frontend: folder with the frontend's index.html; None for the one that is installed.
        options: more of ComfyUI's own command line.
    """

    def __init__(
        self,
        base: Path | None = None,
        port: int | None = None,
        core: Path | None = None,
        python: str | None = None,
        pack: str = PACK,
        frontend: Path | None = None,
        options: Sequence[str] = (),
    ):
        self.port = port or free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        if core is None and not os.environ.get("MILD_CORE"):
            raise RuntimeError("MILD_CORE is not set: run this through  python3 scripts/bootstrap.py")
        self.core = core or Path(os.environ["MILD_CORE"])
        self.python = python or os.environ["MILD_PYTHON"]
        self.pack = pack
        self.frontend = frontend
        self.options = tuple(options)
        self.keep = base is not None
        self.base = base or Path(tempfile.mkdtemp(prefix="mild-comfy-"))
        self.process: subprocess.Popen | None = None

    @property
    def input(self) -> Path:
        """The folder whose pictures Load Image lists."""
        return self.base / "input"

    @property
    def log(self) -> str:
        """What the server said so far."""
        path = self.base / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def __enter__(self) -> Server:
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()  # the guard ends it, here as when this process is killed
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.keep:
            shutil.rmtree(self.base, ignore_errors=True)

    def check(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"ComfyUI ended by itself (exit {self.process.returncode}); the end of its log:\n{self._tail()}")
        super().check()

    def _prepare(self) -> None:
        """Lay out the base directory, with the checkout in its custom_nodes."""
        for folder in ("input", "output", "user", "models/checkpoints", "custom_nodes"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        link = self.base / "custom_nodes" / self.pack
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            shutil.rmtree(link)
        try:
            link.symlink_to(ROOT, target_is_directory=True)
        except OSError:  # Windows, where links need a right that few have
            shutil.copytree(ROOT, link, ignore=shutil.ignore_patterns(".*", "out", "runs", "__pycache__"))

    def _start(self) -> None:
        if not is_free(self.port):  # else the server that has it would be taken for ours
            raise RuntimeError(f"port is {self.port}, which another program uses: choose another one")
        options = ["--base-directory", str(self.base), "--listen", "127.0.0.1", "--port", str(self.port), "--disable-auto-launch"]
        options += ["--preview-method", "latent2rgb", "--disable-api-nodes"]  # api nodes would talk to the network
        options += ["--database-url", f"sqlite:///{self.base / 'user' / 'comfyui.db'}"]
        if self.frontend is not None:
            options += ["--front-end-root", str(self.frontend)]
        if not has_accelerator(self.python):
            options.append("--cpu")
        with open(self.base / "server.log", "w") as log:
            command = [self.python, str(GUARD), self.python, str(self.core / "main.py"), *options, *self.options]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                self.check()
                break
            except requests.RequestException:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"ComfyUI did not answer within {START_LIMIT:.0f} s; the end of its log:\n{self._tail()}") from None
                time.sleep(0.2)
        failed = [line for line in self.log.splitlines() if "IMPORT FAILED" in line and line.rstrip().endswith(self.pack)]
        if failed:
            raise RuntimeError(f"the pack did not import in ComfyUI at {self.core}; its log:\n{self.log}")

    def _tail(self) -> str:
        return "\n".join(self.log.splitlines()[-TAIL:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@functools.cache
def has_accelerator(python: str) -> bool:
    """Whether that interpreter's torch finds a GPU."""
    test = "import torch; print(any(getattr(torch, name).is_available() for name in ('cuda', 'mps', 'xpu') if hasattr(torch, name)))"
    return subprocess.run([python, "-c", test], capture_output=True, text=True).stdout.split()[-1:] == ["True"]
