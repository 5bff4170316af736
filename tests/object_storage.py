"""An S3 of this process on a loopback port, with requests that can be counted and made to fail."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from unittest.mock import patch

import pytest

Refusal = Callable[[str, str], str]
"""(method, path with query) to what the server answers with status 507 and this code, or "" where it does its work."""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "whisper",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


class ObjectStorage:
    """Its buckets are `photos` and `results`."""

    def __init__(self, port: int):
        self.options = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
        self.requests: list[tuple[str, str]] = []
        self.refuse: Refusal = lambda method, path: ""

    def uri(self, path: str) -> str:
        """s3://PATH with what leads to this server."""
        return f"s3://{path}?{self.options}"


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Skips the test where moto's server or pyarrow is missing."""
    pytest.importorskip("pyarrow.fs", reason="object storage needs pyarrow")
    pytest.importorskip("moto.server", reason="a test of object storage needs moto[server]")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from pyarrow.fs import S3FileSystem
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    inner = DomainDispatcherApplication(create_backend_app)

    def app(environ, start_response):
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}".removesuffix("?")
        storage.requests.append((environ["REQUEST_METHOD"], path))
        if code := storage.refuse(environ["REQUEST_METHOD"], path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("507 Insufficient Storage", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>no room</Message></Error>".encode()]
        return inner(environ, start_response)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    storage = ObjectStorage(server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with patch.dict(os.environ, ENVIRONMENT):
            system = S3FileSystem(
                endpoint_override=f"127.0.0.1:{server.server_port}", scheme="http", region="us-east-1", allow_bucket_creation=True
            )
            for bucket in ("photos", "results"):
                system.create_dir(bucket)
            yield storage
    finally:
        server.shutdown()
        thread.join()
