"""The queue: waiting requests share batches within limits; bad rows affect no others; a full queue refuses; no work in vain."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.serving import batching
from transfer.serving.batching import Batcher
from transfer.serving.pieces import Limits, Piece, pieces_of
from transfer.serving.refusals import ImageError, RefusedError


class Model:
    """Doubles numbers; refuses negative ones; waits while the gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        self.entered.release()
        self.gate.wait(10)
        self.batches.append(list(inputs["x"]))
        if min(inputs["x"]) < 0:
            raise ValueError
        return {"y": np.array(inputs["x"]) * 2}


def piece(model: Callable[..., Any], *numbers: int, key: object = 0, size: int = 1) -> Piece:
    rows = len(numbers)
    return Piece(key, model, {"x": list(numbers)}, rows, size * rows, rows, asyncio.get_running_loop().create_future())


def run(story: Callable[[Batcher, Model], Any], rows: int = 8, size: float = 100, waiting: int = 20, threads: int = 1) -> Model:
    model = Model()

    async def play() -> None:
        batcher = Batcher(Limits(rows, size, 1e9, waiting, 1e9), ValueError, lambda count: None, threads)
        batcher.start()
        try:
            await asyncio.wait_for(story(batcher, model), 10)
        finally:
            model.gate.set()
            await asyncio.to_thread(batcher.stop)

    asyncio.run(play())
    return model


async def while_busy(batcher: Batcher, model: Model, *pieces: Piece) -> list[Any]:
    """Keep the model busy with a 0, put the pieces into the queue, let it go on; return what each piece ends with."""
    model.gate.clear()
    first = piece(model, 0)
    batcher.submit([first])
    await asyncio.to_thread(model.entered.acquire)
    for one in pieces:
        batcher.submit([one])
    model.gate.set()
    await first.future
    return await asyncio.gather(*(one.future for one in pieces), return_exceptions=True)


def test_requests_that_wait_while_the_model_is_busy_share_a_batch() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        results = await while_busy(batcher, model, piece(model, 1), piece(model, 2, 3), piece(model, 4))
        assert [result["y"].tolist() for result in results] == [[2], [4, 6], [8]]

    assert run(story).batches == [[0], [1, 2, 3, 4]]


def test_requests_that_arrive_together_share_a_batch_though_the_model_is_idle() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        pieces = [piece(model, number) for number in range(3)]
        for one in pieces:
            batcher.submit([one])
        await asyncio.gather(*(one.future for one in pieces))

    assert run(story, threads=2).batches == [[0, 1, 2]]


def test_a_batch_beside_another_waits_until_as_many_rows_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_GATHERING", 60.0)

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        pieces = [piece(model, 0, 1, 2), piece(model, 3), piece(model, 4, 5)]
        batcher.submit(pieces[:1])
        await asyncio.to_thread(model.entered.acquire)
        batcher.submit(pieces[1:2])
        assert not await asyncio.to_thread(model.entered.acquire, timeout=0.1)
        batcher.submit(pieces[2:])
        assert await asyncio.to_thread(model.entered.acquire, timeout=5)
        model.gate.set()
        await asyncio.gather(*(one.future for one in pieces))

    assert sorted(run(story, threads=2).batches) == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("ends", [True, False], ids=["the other one ends", "the time is over"])
def test_what_waits_beside_a_batch_is_computed_when(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_GATHERING", 60.0 if ends else 0.05)

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        pieces = [piece(model, 0, 1, 2), piece(model, 3)]
        for one in pieces:
            batcher.submit([one])
            await asyncio.to_thread(model.entered.acquire, timeout=0.0 if one is pieces[1] else 5)
        if ends:
            model.gate.set()
        else:
            assert await asyncio.to_thread(model.entered.acquire, timeout=5)
            model.gate.set()
        await asyncio.gather(*(one.future for one in pieces))

    assert sorted(run(story, threads=2).batches) == [[0, 1, 2], [3]]


def test_a_piece_before_all_others_waits_for_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_GATHERING", 60.0)

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        batcher.submit([piece(model, 0, 1, 2)])
        await asyncio.to_thread(model.entered.acquire)
        first = piece(model, 3)
        batcher.submit_first(first)
        assert await asyncio.to_thread(model.entered.acquire, timeout=5)
        model.gate.set()
        await first.future

    run(story, threads=2)


def test_as_many_batches_as_there_are_threads_are_computed_at_once_and_no_more() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        pieces = [piece(model, number) for number in range(4)]
        for one in pieces[:2]:
            batcher.submit([one])
            await asyncio.to_thread(model.entered.acquire)
        batcher.submit(pieces[2:])
        assert not await asyncio.to_thread(model.entered.acquire, timeout=0.1)
        model.gate.set()
        results = await asyncio.gather(*(one.future for one in pieces))
        assert [result["y"].tolist() for result in results] == [[0], [2], [4], [6]]

    assert sorted(run(story, threads=2).batches) == [[0], [1], [2, 3]]


def test_it_stops_when_all_batches_under_way_are_done() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        for number in range(2):
            batcher.submit([piece(model, number)])
            await asyncio.to_thread(model.entered.acquire)
        stopped = asyncio.create_task(asyncio.to_thread(batcher.stop))
        await asyncio.sleep(0.1)
        assert not stopped.done() and not model.batches
        model.gate.set()
        await stopped

    assert sorted(run(story, threads=2).batches) == [[0], [1]]


def test_batches_keep_to_their_limits_and_to_the_order() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        await while_busy(batcher, model, piece(model, 1, 2, 3), piece(model, 4, 5, 6), piece(model, 7))

    assert run(story, rows=4).batches == [[0], [1, 2, 3], [4, 5, 6, 7]]
    assert run(story, size=3).batches == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_only_pieces_with_the_same_key_share_a_batch() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        await while_busy(batcher, model, piece(model, 1, key="a"), piece(model, 2, key="b"), piece(model, 3, key="a"))

    assert run(story).batches == [[0], [1, 3], [2]]


def test_bad_rows_are_found_and_the_others_answered() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        results = await while_busy(batcher, model, piece(model, 1), piece(model, 2, -3, 4), piece(model, 5), piece(model, -6))
        assert [results[number]["y"].tolist() for number in (0, 2)] == [[2], [10]]
        assert [type(results[number]) for number in (1, 3)] == [ImageError] * 2
        assert [results[number].position for number in (1, 3)] == [1, 0]

    assert len(run(story).batches) <= 12


def test_a_defect_in_the_model_ends_its_batch_and_not_the_thread() -> None:
    def broken(inputs: Mapping[str, Any]) -> Any:
        raise MemoryError

    async def story(batcher: Batcher, model: Model) -> None:
        failed = piece(broken, 1)
        batcher.submit([failed])
        with pytest.raises(MemoryError):
            await failed.future
        alive = piece(model, 1)
        batcher.submit([alive])
        assert (await alive.future)["y"].tolist() == [2]

    run(story)


def test_a_full_queue_refuses_at_once_and_takes_all_or_nothing() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        batcher.submit([piece(model, 0)])
        await asyncio.to_thread(model.entered.acquire)
        batcher.submit([piece(model, *range(18))])
        with pytest.raises(RefusedError) as refused:
            batcher.submit([piece(model, 1), piece(model, 2, 3)])
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        assert batcher.waiting == 18
        batcher.submit([piece(model, 1, 2)])

    run(story)


def test_a_request_that_would_wait_longer_than_its_client_is_refused() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        batcher.submit([piece(model, 0)])
        await asyncio.to_thread(model.entered.acquire)
        batcher.seconds_per_row = 2e9
        batcher.submit([piece(model, 1)])  # nothing waits yet: it is tried
        with pytest.raises(RefusedError) as refused:
            batcher.submit([piece(model, 2)])
        assert refused.value.headers == {"Retry-After": "60"}

    run(story)


def test_dropped_work_is_not_computed() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        batcher.submit([piece(model, 0)])
        await asyncio.to_thread(model.entered.acquire)
        gone, stays = piece(model, 1), piece(model, 2)
        batcher.submit([gone])
        batcher.submit([stays])
        batcher.drop([gone])
        assert batcher.waiting == 1
        model.gate.set()
        await stays.future
        assert gone.future.cancelled()

    assert run(story).batches == [[0], [2]]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(1, 6), st.integers(5, 20))
def test_requests_are_divided_in_order_into_pieces_that_fit(sizes: list[int], rows: int, limit: int) -> None:
    parts = pieces_of(len(sizes), sizes, [0] * len(sizes), Limits(rows, limit, 1, 1, 1))
    assert [number for part in parts for number in range(len(sizes))[part]] == list(range(len(sizes)))
    for part in parts:
        assert len(sizes[part]) <= rows
        assert len(sizes[part]) == 1 or sum(sizes[part]) <= limit


@pytest.mark.parametrize("error", [MemoryError, SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit, RecursionError])
def test_no_failure_ends_a_thread_or_spoils_the_answers_of_others(error: type[BaseException]) -> None:
    """Also one that occurs while a batch with a bad row is computed in halves."""
    model = Model()

    def fails(inputs: Mapping[str, Any]) -> Any:
        if 666 in inputs["x"] and min(inputs["x"]) >= 0:
            raise error
        return model(inputs)

    async def story(batcher: Batcher, _: Model) -> None:
        pieces = [piece(fails, *numbers) for numbers in ((1, 2), (666,), (3, -4), (5,))]
        results = await while_busy(batcher, model, *pieces)
        assert [results[number]["y"].tolist() for number in (0, 3)] == [[2, 4], [10]]
        assert isinstance(results[1], Exception) and not isinstance(results[1], ImageError)
        assert isinstance(results[2], ImageError) and results[2].position == 1
        assert all(thread.is_alive() for thread in batcher._threads)

    run(story)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[bool] = []

    async def play() -> None:
        model = Model()
        batcher = Batcher(Limits(8, 100, 1e9, 20, 1e9), ValueError, lambda count: None, 1, lambda: replaced.append(True))
        batcher.start()
        monkeypatch.setattr(batcher, "_deliver", None)  # neither answers nor failures can be delivered
        batcher.submit([piece(model, 1)])
        await asyncio.to_thread(batcher._threads[0].join, 10)
        assert not batcher._threads[0].is_alive()
        monkeypatch.undo()
        later = piece(model, 2)
        batcher.submit([later])
        assert (await asyncio.wait_for(later.future, 10))["y"].tolist() == [4]
        await asyncio.to_thread(batcher.stop)

    asyncio.run(play())
    assert replaced == [True]


def test_only_one_piece_above_the_limit_of_pixels_is_computed_at_once() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        large = [Piece(0, model, {"x": [number]}, 1, 1, 2 * 10**9, asyncio.get_running_loop().create_future()) for number in (1, 2)]
        batcher.submit(large)
        await asyncio.to_thread(model.entered.acquire)
        assert not await asyncio.to_thread(model.entered.acquire, timeout=0.1)
        small = piece(model, 3)
        batcher.submit([small])
        assert await asyncio.to_thread(model.entered.acquire, timeout=5), "a small one goes past"
        model.gate.set()
        await asyncio.gather(small.future, *(one.future for one in large))

    run(story, threads=2)


def test_a_huge_image_that_takes_long_makes_the_server_refuse_no_others() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        huge = piece(model, 1)
        huge.pixels = 10**10
        batcher.submit([huge])
        await huge.future
        assert batcher.seconds_per_row == 0.0
        ordinary = piece(model, 2)
        batcher.submit([ordinary])
        await ordinary.future
        assert batcher.seconds_per_row > 0.0

    run(story)


def test_a_request_of_many_pieces_takes_turns_with_those_that_come_later() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.clear()
        first = piece(model, 0)
        batcher.submit([first])
        await asyncio.to_thread(model.entered.acquire)
        many = [piece(model, number, key=number) for number in (1, 2, 3, 4)]
        batcher.submit(many)
        late = piece(model, 9, key="late")
        batcher.submit([late])
        model.gate.set()
        await asyncio.gather(*(one.future for one in (*many, late)))

    assert run(story).batches == [[0], [1], [9], [2], [3], [4]]
