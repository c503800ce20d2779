"""The health check is about answering: it fails when the model does, and only then."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import Running, served
from tests.serving.test_limits import BODY, alive, slowed


@pytest.fixture
def watched(export: Path) -> Iterator[Running]:
    """A server that trusts an answer of the model for 0.3 s."""
    with served(export, health_seconds=0.3, batches=1) as running:
        yield running


def health(server: Running) -> tuple[int, Any]:
    with server.client() as client:
        answer = client.get("/healthz")
    return answer.status_code, answer.json()


def failing(server: Running, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def run(self: object, inputs: object) -> None:
        raise error

    monkeypatch.setattr(type(server.engine.versions.current.signatures["serving_default"]), "run", run)


def test_a_model_that_answers_is_healthy_before_any_client_has_asked_it(watched: Running) -> None:
    assert health(watched) == (200, {"status": "ok", "model": "tiny", "version": "1"})


@pytest.mark.parametrize("error", [MemoryError, SystemExit, ValueError])
def test_a_model_that_fails_is_not_healthy_until_it_answers_again(
    watched: Running, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    failing(watched, monkeypatch, error)
    assert health(watched) == (503, {"error": "The model does not answer."})
    with watched.client() as client:
        assert client.post("/v1/models/tiny:predict", content=BODY).status_code == 500
    monkeypatch.undo()
    assert health(watched)[0] == 200
    assert alive(watched)


def test_a_model_that_takes_too_long_is_not_healthy(watched: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(watched, monkeypatch, 1)
    assert health(watched)[0] == 503
    monkeypatch.undo()
    assert alive(watched)
    assert health(watched)[0] == 200
    assert watched.engine._batcher.waiting == 0
