"""S3 on this machine, for tests: moto's server behind a layer that counts requests and answers some of them wrongly."""

import logging
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REFUSALS = {"AccessDenied": 403, "ExpiredToken": 400, "InvalidAccessKeyId": 403, "SlowDown": 503, "InternalError": 500}


class Server:
    """moto's server on a free port of 127.0.0.1; `refuse` and `latency` apply to requests for objects and lists."""

    def __init__(self) -> None:
        from moto.moto_server.threaded_moto_server import MotoRequestHandler
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        class Handler(MotoRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept, as S3 keeps them

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.refuse: Callable[[str, str], str] = lambda method, path: ""
        self.latency = 0.0
        self.requests: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self._counting:
            self.requests[method if "list-type" not in environ["QUERY_STRING"] else "LIST"] += 1
        if self.latency:
            time.sleep(self.latency)
        if code := self.refuse(method, path):
            start(f"{REFUSALS[code]} No", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>a private message</Message></Error>".encode() if method != "HEAD" else b""]
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Bucket:
    """A bucket of the server, called `images`."""

    def __init__(self, server: Server) -> None:
        import boto3

        self.server, self.url = server, "s3://images"
        self.client = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1")
        self.client.create_bucket(Bucket="images")

    def put(self, key: str, data: bytes = b"") -> None:
        self.client.put_object(Bucket="images", Key=key, Body=data)

    def put_folder(self, folder: Path, prefix: str) -> str:
        """Copy a local folder into the bucket and return its URL."""
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            self.put(f"{prefix}/{file.relative_to(folder)}", file.read_bytes())
        return f"{self.url}/{prefix}"

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket="images", Key=key)

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="images")
        return [one["Key"] for page in pages for one in page.get("Contents", ())]


def environment(url: str) -> dict[str, str]:
    """Return the variables with which programs find the server."""
    return {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "kept-nowhere", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    }  # fmt: skip


@contextmanager
def served(server: Server, patch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Yield an empty bucket; pauses are short, and connections are made anew."""
    from transfer.data.storage import connections

    for name, value in environment(server.url).items():
        patch.setenv(name, value)
    patch.setattr(connections, "PAUSES", (0.01, 0.01, 0.01))
    patch.setattr(connections, "FEW_PAUSES", (0.01,))
    server.refuse, server.latency = (lambda method, path: ""), 0.0
    connections._made.cache_clear()
    yield Bucket(server)
    server.refuse = lambda method, path: ""
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/moto-api/reset", method="POST")).close()
