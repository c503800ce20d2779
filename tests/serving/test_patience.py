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


@pytest.mark.parametrize("gap", [0.02, 60], ids=["drop by drop", "not at all"])
def test_a_body_that_takes_too_long_ends_the_wait_for_it(gap: float) -> None:
    sent: list[Any] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await send("answer")

    async def play() -> None:
        async def receive() -> Any:
            await asyncio.sleep(gap)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(Patient(reads, 20, 0.1)({"type": "http"}, receive, send), 10)

    with pytest.raises(RefusedError) as refused:
        asyncio.run(play())
    assert (refused.value.status, refused.value.text, sent) == (408, "The request did not arrive within 0.1 s.", [])


def test_a_body_that_is_there_in_time_leaves_the_time_for_the_answer() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.4)
        await send("answer")

    sent: list[Any] = []

    async def play() -> None:
        async def receive() -> Any:
            if sent:
                await asyncio.sleep(60)
            sent.append("body")
            return {"type": "http.request", "body": b"x", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(Patient(slow, 20, 0.1)({"type": "http"}, receive, send), 10)

    asyncio.run(play())
    assert sent == ["body", "answer"]


def test_somebody_elses_cancellation_is_not_taken_for_the_limit_of_time() -> None:
    async def play() -> None:
        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(30)

        async def nothing(*_: Any) -> None: ...

        task = asyncio.create_task(Patient(slow, 20)({"type": "http"}, nothing, nothing))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(play())
