"""An S3 server of the tests' own, from the wheel that carries one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import fsspec
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

#: What botocore reads; no machine's own keys, and no wait for a server that is not there.
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
}


class S3:
    """A server on a port of 127.0.0.1; its buckets last as long as this process, also while it is stopped."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]
        self.environment = _ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}"}

    def bucket(self) -> str:
        """The URL of a folder in a bucket that nobody else has, once the environment is this server's."""
        name = f"bucket-{uuid4().hex}"
        files, _ = fsspec.core.url_to_fs(f"s3://{name}", use_listings_cache=False)  # what Artifacts has, kept by fsspec
        files.mkdir(name)
        return f"s3://{name}/regsweep"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers."""
        self._server.stop()
        try:
            yield
        finally:
            self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
            self._server.start()

    def stop(self) -> None:
        """End it."""
        self._server.stop()
