"""The limit of time and the watch for a client that has gone end whatever a request waits for."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from transfer.serving.bodies import ClientGoneError
from transfer.serving.patience import Patient
from transfer.serving.refusals import RefusedError


def serve(app: Callable[..., Any], seconds: float, gone_after: float = 60) -> tuple[list[Any], BaseException | None]:
    """Serve one request; return what was sent, and what was raised."""
    sent: list[Any] = []

    async def play() -> None:
        first = True

        async def receive() -> Any:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": b"x", "more_body": False}
            await asyncio.sleep(gone_after)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(Patient(app, seconds)({"type": "http"}, receive, send), 10)

    try:
        asyncio.run(play())
    except (RefusedError, ClientGoneError) as error:
        return sent, error
    return sent, None


@pytest.mark.parametrize("reads", [True, False])
def test_work_beyond_its_time_is_cancelled_wherever_it_waits(reads: bool) -> None:
    ended = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    sent, error = serve(slow, 0.05)
    assert isinstance(error, RefusedError)
    assert (error.status, error.text, ended, sent) == (504, "The answer took longer than 0.05 s.", [True], [])


def test_the_work_of_a_client_that_has_gone_is_cancelled() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(30)

    assert isinstance(serve(slow, 20, gone_after=0)[1], ClientGoneError)


def test_an_answer_that_has_begun_is_not_cut_off_by_the_limit_of_time() -> None:
    async def long(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send("start")
        await asyncio.sleep(0.4)
        await send("end")

    assert serve(long, 0.1, gone_after=0.05) == (["start", "end"], None)
