"""Requests made up from the OpenAPI document never make the server fail, and its answers are what the document says."""

import pytest

from tests.serving.fuzzing import OPERATIONS, operation
from tests.serving.running import Running


@pytest.mark.parametrize("name", OPERATIONS)
def test_made_up_requests_are_answered_as_documented(server: Running, name: str) -> None:
    assert operation(server, name, examples=12) > 0
    with server.client() as client:
        assert client.get("/healthz").json()["status"] == "ok"
