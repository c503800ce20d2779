"""The client of `server_load.py`: bare sockets that send requests made beforehand, in a process of its own.

    python tests/benchmarks/server_client.py HOST:PORT PATH IMAGES FILE...

Reads one JSON line for each measurement from its input: `clients` at the same time, or requests at a `rate` a second; for
`seconds`, or `requests` in all. Answers with one JSON line, which also tells the processor time that the client itself took: it
shares the machine with the server.
"""

import base64
import json
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

_MOST = 1000  # connections that are open at the same time


class _Asking:
    """One connection, and the request on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began, self.received, self.wanted = 0.0, b"", 0

    def ask(self, request: bytes) -> None:
        self.began, self.received, self.wanted = time.perf_counter(), b"", 0
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Receive what has arrived; return whether it is the whole answer."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.received += data
        if not self.wanted:
            head = self.received.find(b"\r\n\r\n")
            if head < 0:
                return False
            place = self.received.lower().index(b"\r\ncontent-length:") + 17
            self.wanted = head + 4 + int(self.received[place : self.received.index(b"\r\n", place)])
        return len(self.received) >= self.wanted


class _Measured:
    """What is noted of a measurement."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.failed: set[str] = set()
        self.sent = self.answered = 0

    def note(self, asking: _Asking) -> None:
        self.answered += 1
        if asking.received.startswith(b"HTTP/1.1 200"):
            self.times.append(time.perf_counter() - asking.began)
        else:
            self.failed.add(asking.received.split(b"\r\n")[0].decode())


class Client:
    """Keeps connections open, and times requests on them."""

    def __init__(self, address: str, path: str, images: int, files: list[str]) -> None:
        host, _, port = address.partition(":")
        self._address, self._path = (host, int(port)), path
        self._coded = [base64.b64encode(Path(file).read_bytes()).decode() for file in files]
        self._bodies = {images: self._made(images), 1: self._made(1)}
        self._usual = images
        self._sent = 0

    def _made(self, count: int) -> list[bytes]:
        requests = []
        for start in range(0, len(self._coded), count):
            chosen = [self._coded[(start + number) % len(self._coded)] for number in range(count)]
            body = json.dumps({"instances": [{"b64": text} for text in chosen]}).encode()
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: {self._address[0]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            requests.append(head.encode() + b"\r\n\r\n" + body)
        return requests

    def measure(self, seconds: float = 1e9, requests: int = 10**9, clients: int = 1, rate: float = 0, images: int = 0) -> dict[str, Any]:
        """Send requests; return how many were answered a second, how many were not, and the median and 99th percentile in seconds."""
        measured = _Measured()
        began, worked = time.perf_counter(), time.process_time()
        bodies = self._bodies[images or self._usual]
        if rate:
            self._evenly(bodies, measured, rate, seconds)
        else:
            self._again_and_again(bodies, measured, min(clients, requests), began + seconds, requests)
        took, ordered = time.perf_counter() - began, sorted(measured.times) or [float("nan")]
        return {
            "requests_per_s": len(measured.times) / took, "failed": sorted(measured.failed), "median": ordered[len(ordered) // 2],
            "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], "answered": measured.answered,
            "processor": time.process_time() - worked,
        }  # fmt: skip

    def _again_and_again(self, bodies: list[bytes], measured: _Measured, clients: int, until: float, requests: int) -> None:
        """Let each client send its next request when its last one is answered."""
        poll, asking = select.epoll(), {}
        for _ in range(clients):
            new = _Asking(self._address)
            asking[new.socket.fileno()] = new
            poll.register(new.socket, select.EPOLLIN)
            self._ask(new, bodies, measured)
        while measured.answered < measured.sent:
            for number, _ in poll.poll():
                one = asking[number]
                if one.answered():
                    measured.note(one)
                    if measured.sent < requests and time.perf_counter() < until:
                        self._ask(one, bodies, measured)
        for one in asking.values():
            one.socket.close()

    def _evenly(self, bodies: list[bytes], measured: _Measured, rate: float, seconds: float) -> None:
        """Send at even intervals, whether or not the server has answered."""
        poll, asking, idle = select.epoll(), {}, []  # type: select.epoll, dict[int, _Asking], list[_Asking]
        began, due = time.perf_counter(), int(seconds * rate)
        while measured.answered < due:
            now = time.perf_counter()
            while measured.sent < due and began + measured.sent / rate <= now:
                if not idle:
                    if len(asking) == _MOST:
                        raise SystemExit(f"The server does not answer {rate:.0f} requests a second.")
                    idle.append(_Asking(self._address))
                    asking[idle[0].socket.fileno()] = idle[0]
                    poll.register(idle[0].socket, select.EPOLLIN)
                self._ask(idle.pop(), bodies, measured)
            wait = began + measured.sent / rate - time.perf_counter() if measured.sent < due else None
            if wait is None or wait > 0:
                select.select([poll], [], [], wait)  # to the microsecond; epoll's own time is of whole milliseconds
            for number, _ in poll.poll(0):
                if asking[number].answered():
                    measured.note(asking[number])
                    idle.append(asking[number])
        for one in asking.values():
            one.socket.close()

    def _ask(self, asking: _Asking, bodies: list[bytes], measured: _Measured) -> None:
        self._sent += 1
        measured.sent += 1
        asking.ask(bodies[self._sent % len(bodies)])


def main() -> None:
    address, path, images, *files = sys.argv[1:]
    client = Client(address, path, int(images), files)
    for line in sys.stdin:
        print(json.dumps(client.measure(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
