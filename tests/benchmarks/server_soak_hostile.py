"""The hostile clients of `server_soak.py`, a thread or more for each attack, in a process of their own.

None of them is faster than it must be: pauses, sizes and numbers are bounded here. They are nice to the other processes, since
real ones bring their own processor. Whatever a thread sends is made once and sent again and again, so that this process stays small.
"""

import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, cycle, repeat
from multiprocessing.connection import Connection
from pathlib import Path

PIPELINERS, PIPELINED, READS_NOTHING = 520, 1_500, 90.0  # sockets; requests on each; seconds until one is given up
_NEW = 100  # pipelining sockets opened a second at most
_LINES = b"a:b\r\n" * 12_800  # 64 kB of header lines
_HEADERS = 40_000_000 // len(_LINES)
_JSON = 30_000_000
_TIFFS = 24
_PAUSE = 0.5  # seconds from an answer to the next request of the same thread
_SENDING, _ANSWER = 30.0, 120.0  # seconds
_UNDER_WAY = "under way at the end"


class Tally:
    """How often each attack was begun, and how it ended."""

    def __init__(self) -> None:
        self._counted: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def begin(self, attack: str) -> None:
        """Count one that is under way."""
        with self._lock:
            self._counted[attack, _UNDER_WAY] += 1

    def end(self, attack: str, outcome: str) -> None:
        """Count how one ended."""
        with self._lock:
            self._counted[attack, _UNDER_WAY] -= 1
            self._counted[attack, outcome] += 1

    def read(self) -> dict[tuple[str, str], int]:
        """Return the numbers by attack and outcome."""
        with self._lock:
            return dict(+self._counted)


class Target:
    """The server, and the addresses that connections come from."""

    def __init__(self, host: str, port: int, path: str, sources: Sequence[str]) -> None:
        self.host, self.port, self.path = host, port, path
        self._sources = cycle(sources)

    def connect(self) -> socket.socket:
        """Open a connection from the next address."""
        return socket.create_connection((self.host, self.port), timeout=_SENDING, source_address=(next(self._sources), 0))

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """Return a request's first lines, without the empty one that ends them."""
        return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", *lines)).encode()

    def outcome(self, parts: Iterable[bytes]) -> str:
        """Send a request until it is whole or answered; return the status, or how it ended without one."""
        try:
            with self.connect() as opened:
                try:
                    for part in parts:
                        opened.sendall(part)
                        if select.select([opened], [], [], 0)[0]:
                            break
                except TimeoutError:
                    return "not read to its end"
                except OSError:
                    pass  # closed while we were sending: the answer may lie there
                opened.settimeout(_ANSWER)
                return status(opened.recv(1024)) or "closed without an answer"
        except TimeoutError:
            return f"no answer in {_ANSWER:.0f} s"
        except ConnectionResetError:
            return "closed without an answer"
        except OSError as error:
            return f"no connection: {error.strerror}"


def status(answer: bytes) -> str:
    """Return the status of an answer; empty if there is none."""
    words = answer[:64].split()
    return words[1].decode("ascii", "replace") if len(words) > 1 and words[0].startswith(b"HTTP/") else ""


class Pipeliners:
    """Sockets that send 1,500 requests each and read none of the answers.

    One that the server has given up may not learn of it, since its window is full: the server's open files tell how many are held.
    """

    def __init__(self, target: Target, tally: Tally) -> None:
        self._target, self._tally = target, tally
        self._request = (target.head("GET", "/") + b"\r\n") * PIPELINED
        self._open: dict[int, tuple[socket.socket, float, int]] = {}  # by file number: when opened, bytes sent
        self._poll = select.poll()

    def run(self) -> None:
        """Keep the sockets open; new ones take the place of those that the server closes."""
        allowed, last = 1.0, time.monotonic()
        while True:
            now = time.monotonic()
            allowed, last = min(_NEW, allowed + _NEW * (now - last)), now
            while allowed >= 1 and len(self._open) < PIPELINERS:
                allowed -= 1
                self._add()
            for number, event in self._poll.poll(50):
                if event & (select.POLLHUP | select.POLLERR | select.POLLRDHUP):
                    self._remove(number)
                else:
                    self._send(number)
            for number in [number for number, (_, began, _) in self._open.items() if now - began > READS_NOTHING]:
                self._remove(number, f"held {READS_NOTHING:.0f} s")

    def _add(self) -> None:
        self._tally.begin("pipeline")
        try:
            opened = self._target.connect()
        except OSError as error:
            self._tally.end("pipeline", f"no connection: {error.strerror or 'timeout'}")
            return
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.setblocking(False)
        self._open[opened.fileno()] = (opened, time.monotonic(), 0)
        self._poll.register(opened, select.POLLOUT | select.POLLRDHUP)

    def _send(self, number: int) -> None:
        opened, began, sent = self._open[number]
        try:
            sent += opened.send(memoryview(self._request)[sent:])
        except BlockingIOError:
            return
        except OSError:
            self._remove(number)
            return
        self._open[number] = (opened, began, sent)
        if sent == len(self._request):
            self._poll.modify(opened, select.POLLRDHUP)

    def _remove(self, number: int, outcome: str = "") -> None:
        opened, _, _ = self._open.pop(number)
        self._poll.unregister(opened)
        with opened:
            if not outcome:
                try:
                    found = status(opened.recv(1024))
                except OSError:
                    found = ""
                outcome = "sent away" if found == "200" else found or "closed without an answer"
        self._tally.end("pipeline", outcome)


def header_lines(target: Target) -> Iterator[Iterable[bytes]]:
    """Yield requests with 40 MB of header lines."""
    while True:
        yield (target.head("GET", "/healthz"), *repeat(_LINES, _HEADERS), b"\r\n")


def trailers(target: Target) -> Iterator[Iterable[bytes]]:
    """Yield requests with an empty body in chunks, and trailers that do not end before 40 MB."""
    lines = ("Content-Type: multipart/form-data; boundary=x", "Transfer-Encoding: chunked")
    while True:
        yield (target.head("POST", "/predict", *lines), b"\r\n0\r\n", *repeat(_LINES, _HEADERS), b"\r\n")


def nested_lists(target: Target) -> Iterator[Iterable[bytes]]:
    """Yield 30 MB of empty lists, flat and deep in turn, their size announced or in chunks."""
    kind = "Content-Type: application/json"
    for number in cycle(range(4)):
        row = (b"[],", b"[[[[[[[[]]]]]]]],")[number % 2]
        part = row * (1_000_000 // len(row))
        start = (b'{"instances":[', b'{"signature_name":"images","instances":[')[number // 2]
        body = (start, *repeat(part, _JSON // len(part)), b"[]]}")
        if number // 2:
            yield (target.head("POST", target.path, kind, "Transfer-Encoding: chunked"), b"\r\n", *map(_chunk, body), b"0\r\n\r\n")
        else:
            yield (target.head("POST", target.path, kind, f"Content-Length: {sum(map(len, body))}"), b"\r\n", *body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def form(target: Target, image: bytes, count: int) -> tuple[bytes, ...]:
    """Return an upload of an image, `count` times."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.tiff"\r\nContent-Type: image/tiff\r\n\r\n'
    parts = (*repeat(head + image + b"\r\n", count), b"--x--\r\n")
    lines = ("Content-Type: multipart/form-data; boundary=x", f"Content-Length: {sum(map(len, parts))}")
    return (target.head("POST", "/predict", *lines), b"\r\n", *parts)


def _once(attack: str, request: Iterable[bytes], target: Target, tally: Tally) -> None:
    tally.begin(attack)
    tally.end(attack, target.outcome(request))


def _again(attack: str, requests: Iterator[Iterable[bytes]], target: Target, tally: Tally) -> None:
    for request in requests:
        _once(attack, request, target, tally)
        time.sleep(_PAUSE)


def _tiffs(target: Target, image: bytes, tally: Tally) -> None:
    """24 images in one request, and 24 requests at the same time, in turn."""
    together, alone = form(target, image, _TIFFS), form(target, image, 1)
    while True:
        _once("tiff, 24 in one request", together, target, tally)
        time.sleep(_PAUSE)
        words = ("tiff, 24 at once", alone, target, tally)
        ones = [threading.Thread(target=_once, args=words, daemon=True) for _ in range(_TIFFS)]
        for one in ones:
            one.start()
        for one in ones:
            one.join()
        time.sleep(_PAUSE)


ATTACKS = ("pipeline", "headers", "json", "tiff")


def run(target: Target, tiff: Path, attacks: Sequence[str], pipe: Connection) -> None:
    """Attack until the pipe gives a word, then answer with how often each attack had each outcome, and end."""
    os.nice(19)
    tally = Tally()
    pipeliners, image = Pipeliners(target, tally), tiff.read_bytes()
    threads: dict[str, list[Callable[[], None]]] = {
        "pipeline": [pipeliners.run],
        "headers": [
            lambda: _again("headers", header_lines(target), target, tally),
            lambda: _again("trailers", trailers(target), target, tally),
        ],
        "json": [lambda: _again("json", nested_lists(target), target, tally)] * 2,
        "tiff": [lambda: _tiffs(target, image, tally)],
    }
    for work in chain.from_iterable(threads[attack] for attack in attacks):
        threading.Thread(target=work, daemon=True).start()
    pipe.recv()
    pipe.send((tally.read(), sum(os.times()[:2])))
    os._exit(0)  # threads wait in sockets
