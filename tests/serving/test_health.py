"""The health check is about answering: it fails when the model does, and only then."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import Running, served
from tests.serving.test_limits import BODY, alive, slowed


@pytest.fixture
def watched(export: Path) -> Iterator[Running]:
    """A server that gives the model 30 s, more than a busy machine takes for a tiny image."""
    with served(export, health_seconds=30, batches=1) as running:
        yield running


@pytest.fixture
def impatient(export: Path) -> Iterator[Running]:
    """A server that gives the model 0.3 s, and trusts an answer for as long."""
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
    assert health(watched) == (200, {"status": "ok", "model": "tiny", "version": "1", "key_required": False})


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


def test_a_model_that_takes_too_long_is_not_healthy_until_it_is_fast_again(impatient: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(impatient, monkeypatch, 1)
    assert health(impatient)[0] == 503
    monkeypatch.undo()
    assert alive(impatient)
    end = time.monotonic() + 30
    while health(impatient)[0] != 200:  # not at once where the machine is busy
        assert time.monotonic() < end
    assert impatient.engine._batcher.waiting == 0
