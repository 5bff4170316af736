"""A running ComfyUI over HTTP: queue graphs, follow them, fetch what they made."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import websocket

__all__ = ["Client", "Graph", "GraphError", "InterruptedRunError"]

SILENCE = 5.0  # seconds without a message after which the server is checked for being alive

Graph = dict[str, dict[str, Any]]  # a graph in API format: {node id: {"class_type", "inputs"}}
OnProgress = Callable[[str, int, int], None]  # node id, steps done, steps in all (0 when the node starts)


class GraphError(RuntimeError):
    """A graph was refused or failed. `node`: id of the node, or "" for the graph; `kind`: the error's type; `refused`: before it ran."""

    def __init__(self, message: str, node: str = "", kind: str = "", refused: bool = False):
        super().__init__(message)
        self.node, self.kind, self.refused = node, kind, refused


class InterruptedRunError(RuntimeError):
    """The run was interrupted."""


class Client:
    """What one does with a running ComfyUI at `url`."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def get(self, route: str, **query: str) -> requests.Response:
        answer = requests.get(self.url + route, params=query, timeout=60)
        answer.raise_for_status()
        return answer

    def object_info(self) -> dict[str, Any]:
        """The nodes the server knows, by id, with their inputs and outputs."""
        return self.get("/object_info").json()

    def upload(self, image: Path | bytes, name: str = "") -> str:
        """Put a picture into the server's input folder. The name under which Load Image finds it."""
        data = image if isinstance(image, bytes) else image.read_bytes()
        name = name or (f"{uuid.uuid4().hex}.png" if isinstance(image, bytes) else image.name)
        answer = requests.post(self.url + "/upload/image", files={"image": (name, data)}, data={"overwrite": "true"}, timeout=60)
        answer.raise_for_status()
        return answer.json()["name"]

    def run(self, graph: Graph, on_progress: OnProgress | None = None) -> dict[str, dict[str, Any]]:
        """Queue a graph in API format and wait until it is done. What its output nodes made: {node id: {"images": [...]}}.

        Raises GraphError with the node's id, the error's type and message, and InterruptedRunError when somebody stopped the run.
        """
        client = uuid.uuid4().hex
        stream = websocket.create_connection(f"ws{self.url.removeprefix('http')}/ws?clientId={client}", timeout=60)
        with contextlib.closing(stream):
            stream.settimeout(SILENCE)
            prompt = self._queue(graph, client)
            while not self._done(stream, prompt, graph, on_progress):
                pass
        return self.history(prompt)["outputs"]

    def history(self, prompt: str) -> dict[str, Any]:
        return self.get(f"/history/{prompt}").json()[prompt]

    def view(self, file: dict[str, str]) -> bytes:
        """The contents of one of the files that `run` names: {"filename", "subfolder", "type"}."""
        return self.get("/view", **file).content

    def interrupt(self) -> None:
        requests.post(self.url + "/interrupt", timeout=60).raise_for_status()

    def check(self) -> None:
        """Raises when the server does not answer."""
        self.get("/system_stats")

    def _queue(self, graph: Graph, client: str) -> str:
        answer = requests.post(self.url + "/prompt", json={"prompt": graph, "client_id": client}, timeout=60)
        if answer.status_code != 400:
            answer.raise_for_status()
        said = answer.json()
        faults = [
            (node, error["type"], f"node {node} ({fault['class_type']}): {error['message']}: {error['details']}")
            for node, fault in (said.get("node_errors") or {}).items()
            for error in fault["errors"]
        ]
        if not faults and answer.ok:
            return said["prompt_id"]
        if answer.ok:  # the server would run those output nodes that have no fault
            requests.post(self.url + "/queue", json={"delete": [said["prompt_id"]]}, timeout=60)
        kind = said["error"]["type"] if "error" in said else faults[0][1]
        if not faults:
            raise GraphError(said["error"]["message"], kind=kind, refused=True)
        raise GraphError("\n".join(text for *_, text in faults), node=faults[0][0], kind=kind, refused=True)

    def _done(self, stream: websocket.WebSocket, prompt: str, graph: Graph, on_progress: OnProgress | None) -> bool:
        """Take in one message of the server; whether it was the run's last."""
        try:
            text = stream.recv()
        except websocket.WebSocketTimeoutException:
            self.check()
            return False
        except (websocket.WebSocketException, ConnectionError):
            self.check()  # a server that died says why
            raise
        if not isinstance(text, str):
            return False  # a preview picture
        message = json.loads(text)
        kind, data = message["type"], message["data"]
        if data.get("prompt_id") != prompt:
            return False
        if kind == "execution_error":
            node = data["node_id"]
            said = f"node {node} ({data['node_type']}): {data['exception_type']}: {data['exception_message'].strip()}"
            raise GraphError(said, node=node, kind=data["exception_type"])
        if kind == "execution_interrupted":
            raise InterruptedRunError(f"interrupted in node {data['node_id']} ({data['node_type']})")
        if on_progress and kind == "executing" and data["node"] in graph:
            on_progress(data["node"], 0, 0)
        if on_progress and kind == "progress":
            on_progress(data["node"], data["value"], data["max"])
        return kind == "executing" and data["node"] is None
