"""The good clients of `server_soak.py`, in a process of their own: they ask at an even rate and check each answer.

One request after another is due; a few clients take them in turn, as a pool of connections does. A request's time counts from
when it is handed to the clients, so that one that must wait because all of them wait for the server is seen as slow as it is.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

CLIENTS = 16
_PATIENCE = 60.0  # seconds
_TOLERANCE = 0.01  # of a probability: other images in the same batch may change the last digits of bfloat16

Rows = list[list[float]]


class Asked(NamedTuple):
    """One request: when it was due, its kind, seconds to its answer, and what was wrong (empty: nothing)."""

    when: float
    kind: str
    seconds: float
    wrong: str


@dataclass(frozen=True)
class Question:
    """A request, the probabilities that are right, and how to find them in an answer."""

    kind: str
    request: bytes
    right: Rows
    found: Callable[[Any], Rows]


def _of_rows(answer: Any) -> Rows:
    return [row["probabilities"] for row in answer["predictions"]]


def _of_columns(answer: Any) -> Rows:
    rows: Rows = answer["outputs"]["probabilities"]
    return rows


def _of_uploads(labels: Sequence[str]) -> Callable[[Any], Rows]:
    def found(answer: Any) -> Rows:
        named = [{each["name"]: each["probability"] for each in row["classes"]} for row in answer["predictions"]]
        return [[row[label] for label in labels] for row in named]

    return found


class Questions:
    """What is asked, from the files of `server_soak_model.write`."""

    def __init__(self, folder: Path, host: str, path: str) -> None:
        self._host, self._path = host, path
        known = json.loads((folder / "right.json").read_text())
        self._right: list[tuple[str, list[float]]] = list(known["images"].items())
        self._data = {name: (folder / name).read_bytes() for name in known["images"]}
        self._arrays, self._of_arrays = known["arrays"], known["of_arrays"]
        self._found_uploads = _of_uploads(known["labels"])

    def all(self) -> Iterator[Question]:
        """Yield the kinds in turn, without an end."""
        for start in cycle(range(len(self._right))):
            yield self._json("row", start, 1)
            yield self._upload("upload", start, 1)
            yield self._json("rows", start, 8)
            yield Question("health", self._request("GET", "/healthz", "", b""), [], lambda answer: [] if answer["status"] == "ok" else [[]])
            yield self._json("columns", start, 4)
            yield self._upload("uploads", start, 4)
            if self._arrays:
                body = json.dumps({"signature_name": "images", "instances": self._arrays}).encode()
                yield Question("arrays", self._request("POST", self._path, "application/json", body), self._of_arrays, _of_rows)

    def _some(self, start: int, count: int) -> list[tuple[str, list[float]]]:
        return [self._right[(start + number) % len(self._right)] for number in range(count)]

    def _json(self, kind: str, start: int, count: int) -> Question:
        some = self._some(start, count)
        images = [{"b64": base64.b64encode(self._data[name]).decode()} for name, _ in some]
        body = {"inputs": {"image_bytes": images}} if kind == "columns" else {"instances": images}
        request = self._request("POST", self._path, "application/json", json.dumps(body).encode())
        return Question(kind, request, [right for _, right in some], _of_columns if kind == "columns" else _of_rows)

    def _upload(self, kind: str, start: int, count: int) -> Question:
        some, body = self._some(start, count), b""
        for name, _ in some:
            body += b'--edge\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % name.encode()
            body += self._data[name] + b"\r\n"
        request = self._request("POST", "/predict", "multipart/form-data; boundary=edge", body + b"--edge--\r\n")
        return Question(kind, request, [right for _, right in some], self._found_uploads)

    def _request(self, method: str, path: str, type: str, body: bytes) -> bytes:
        kind = f"Content-Type: {type}\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{kind}\r\n".encode() + body


class Clients:
    """A pool of clients; every other request goes over a connection of its own."""

    def __init__(self, address: str, source: str) -> None:
        host, _, port = address.partition(":")
        self._where: dict[str, Any] = {"host": host, "port": int(port), "local_addr": (source, 0)}
        self._due: asyncio.Queue[tuple[float, Question, bool]] = asyncio.Queue()
        self.asked: list[Asked] = []

    async def run(self, questions: Iterator[Question], rate: float, ended: asyncio.Event) -> None:
        """Ask until told to end, and for what is still under way then."""
        clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        due = time.monotonic()
        for number, question in enumerate(questions):
            if ended.is_set():
                break
            self._due.put_nowait((time.monotonic(), question, number % 2 == 0))
            due = max(due + 1 / rate, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        try:
            await asyncio.wait_for(self._due.join(), _PATIENCE)
        except TimeoutError:
            pass
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        while not self._due.empty():
            when, question, _ = self._due.get_nowait()
            self.asked.append(Asked(when, question.kind, _PATIENCE, "never sent"))

    async def _client(self) -> None:
        kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            when, question, alone = await self._due.get()
            try:
                kept = await self._ask(when, question, None if alone else kept, alone) or (kept if alone else None)
            finally:
                self._due.task_done()

    async def _ask(self, when: float, question: Question, used: Any, alone: bool) -> Any:
        """Ask on a connection, or on a new one; return the connection if it can be used again."""
        wrong, keep = "", False
        reader = writer = None
        try:
            async with asyncio.timeout(_PATIENCE):
                if used and not used[0].at_eof():
                    reader, writer = used
                else:
                    reader, writer = await asyncio.open_connection(**self._where)
                writer.write(question.request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
                body = await reader.readexactly(length)
                keep = not alone and b"connection: close" not in head
                code = head.split()[1].decode()
                wrong = "" if code == "200" else code
        except TimeoutError:
            wrong = f"no answer in {_PATIENCE:.0f} s"
        except asyncio.CancelledError:
            self.asked.append(Asked(when, question.kind, time.monotonic() - when, "no answer at the end"))
            raise
        except (OSError, asyncio.IncompleteReadError) as error:
            wrong = "connection refused" if isinstance(error, ConnectionRefusedError) else "connection closed"
        took = time.monotonic() - when
        self.asked.append(Asked(when, question.kind, took, wrong or ("" if _is_right(question, body) else "wrong answer")))
        if keep:
            return reader, writer
        if writer:
            writer.close()
        return None


def _is_right(question: Question, body: bytes) -> bool:
    try:
        found = question.found(json.loads(body))
        pairs = zip(found, question.right, strict=True)
        return all(abs(one - other) <= _TOLERANCE for row, right in pairs for one, other in zip(row, right, strict=True))
    except (ValueError, KeyError, TypeError):
        return False


def run(folder: Path, address: str, path: str, source: str, rate: float, pipe: Connection) -> None:
    """Ask until the pipe gives a word, then answer with all that was asked (`Asked`).

    Args:
        folder: where `server_soak_model.write` wrote.
        address: HOST:PORT of the server.
        path: of predict.
        source: address that connections come from.
        rate: requests a second.
        pipe: to the process that started this one.
    """

    async def main() -> list[Asked]:
        clients, ended = Clients(address, source), asyncio.Event()

        async def listen() -> None:
            await asyncio.to_thread(pipe.recv)
            ended.set()

        await asyncio.gather(listen(), clients.run(Questions(folder, address, path).all(), rate, ended))
        return clients.asked

    pipe.send(asyncio.run(main()))
