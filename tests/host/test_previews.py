"""What a client of the server sees while the shipped graph runs: the whole photo."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import uuid

import pytest
import requests
import websocket
from PIL import Image

PREVIEW, PREVIEW_WITH_METADATA = 1, 4  # the core's binary event types


def watched(server, graph, metadata):
    """Run a graph as a client that takes previews with metadata or without. Its pictures, and what is told of each."""
    client, found = uuid.uuid4().hex, []
    stream = websocket.create_connection(f"ws{server.url.removeprefix('http')}/ws?clientId={client}", timeout=120)
    with contextlib.closing(stream):
        if metadata:
            stream.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        answer = requests.post(f"{server.url}/prompt", json={"prompt": graph, "client_id": client}, timeout=60)
        assert answer.ok, answer.text
        while True:
            message = stream.recv()
            if isinstance(message, str):
                told = json.loads(message)
                assert told["type"] != "execution_error", told["data"]
                if told["type"] == "executing" and told["data"]["node"] is None:
                    return found
                continue
            (kind,) = struct.unpack(">I", message[:4])
            if kind == PREVIEW_WITH_METADATA:
                (length,) = struct.unpack(">I", message[4:8])
                found.append((Image.open(io.BytesIO(message[8 + length :])), json.loads(message[8 : 8 + length])))
            elif kind == PREVIEW:
                found.append((Image.open(io.BytesIO(message[8:])), {}))


@pytest.mark.parametrize("metadata", [True, False], ids=["with metadata", "without"])
@pytest.mark.parametrize("at_a_time", [0, 1])
def test_a_client_sees_the_whole_photo_at_every_step(server, graph, scene, metadata, at_a_time):
    sampler, control = (next(n for n, node in graph.items() if node["class_type"] == kind) for kind in ("KSampler", "MILDLayerControl"))
    graph[control]["inputs"]["at_a_time"] = at_a_time
    graph[sampler]["inputs"]["seed"] = uuid.uuid4().int % 2**32  # or the server would have it done already
    frames = watched(server, graph, metadata)
    steps = graph[sampler]["inputs"]["steps"]
    height, width = scene.photo.shape[:2]
    whole = [(picture, told) for picture, told in frames if abs(picture.width / picture.height - width / height) < 0.01]
    assert len(whole) == steps + 1
    assert all(max(picture.size) <= 512 for picture, _ in whole)
    assert frames[-1] in whole, "whatever the core shows of the first row, ours comes after it"
    if metadata:
        assert len(frames) == len(whole), "and with it the core's is held back"
        assert {(told["node_id"], told["image_type"]) for _, told in whole} == {(sampler, "image/jpeg")}
