"""The ComfyUI that graphs run in, which may die and be started anew."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from .client import Client
from .server import Server

__all__ = ["GoneError", "Host"]


class GoneError(RuntimeError):
    """There is no ComfyUI to run graphs in, and none can be started."""


class Host:
    """The ComfyUI that graphs run in: the one at `url`, or one of our own, started when it is first needed."""

    def __init__(self, url: str = ""):
        self._url = url
        self._server: Server | None = None
        self._client: Client | None = Client(url) if url else None

    def client(self) -> Client:
        """Raises GoneError when there is no ComfyUI and none can be started."""
        if self._client is None:
            try:
                self._server = Server(python=os.environ.get("MILD_PYTHON", sys.executable))
                self._server.__enter__()
            except (RuntimeError, OSError) as error:
                self._server = None
                raise GoneError(f"no ComfyUI could be started ({error}), and --url names none that runs") from error
            self._client = self._server
        return self._client

    def answers(self) -> bool:
        if self._client is None:
            return False
        try:
            self._client.check()
        except (RuntimeError, OSError):  # requests' exceptions are OSErrors
            return False
        return True

    def restart(self) -> None:
        """Start a ComfyUI in place of one that died. Raises GoneError when it was not ours."""
        if self._url:
            raise GoneError(f"the ComfyUI at {self._url} does not answer")
        self.close()
        self.client()

    def forget(self, files: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Delete files ("input" or "output", {"filename", "subfolder"}) from the folders of a ComfyUI of our own."""
        if self._server is not None:
            for where, file in files:
                (self._server.base / where / file.get("subfolder", "") / file["filename"]).unlink(missing_ok=True)

    def close(self) -> None:
        if self._server is not None:
            self._server.__exit__()
            self._server, self._client = None, None
