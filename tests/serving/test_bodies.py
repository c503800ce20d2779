"""A body is read within its limits; memory that requests held is known, and when little is left of much, it is given back."""

import asyncio
from typing import Any

import pytest

from transfer.serving import bodies
from transfer.serving.refusals import RefusedError
from transfer.system import memory


def read(*parts: bytes, headers: tuple[tuple[bytes, bytes], ...] = (), limit_mb: float = 1) -> bytes:
    messages = [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]

    async def receive() -> Any:
        return messages.pop(0)

    return asyncio.run(bodies.read(receive, headers, limit_mb, lambda total: None))


def test_the_parts_of_a_body_are_joined() -> None:
    assert read(b"one") == b"one"
    assert read(b"one", b"two", b"") == b"onetwo"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (((b"content-encoding", b"gzip"),), 415),
        (((b"content-encoding", b"identity"), (b"content-encoding", b"br")), 415),
        (((b"content-length", b"1000001"),), 413),
        (((b"content-length", b"9" * 5000),), 413),
    ],
)
def test_a_body_is_refused_for_what_its_headers_say(headers: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        read(b"x", headers=headers)
    assert refused.value.status == status


@pytest.mark.parametrize("headers", [(), ((b"content-encoding", b"Identity"),), ((b"content-length", b"1000000"),)])
def test_other_headers_change_nothing(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert read(b"x", headers=headers) == b"x"


def test_memory_is_given_back_once_after_much_was_held() -> None:
    held = bodies.Held(1e9)
    with held.account() as need:
        need(10**6)
    assert not held.rested(), "little was held"
    with held.account() as need:
        need(10**8)
        assert not held.rested(), "it is held still"
    assert held.rested()
    assert not held.rested(), "and was given back"
    memory.give_back()
