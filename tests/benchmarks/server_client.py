"""The client of `server_load.py`: bare connections that send requests made beforehand, in a process of its own.

    python tests/benchmarks/server_client.py HOST:PORT PATH IMAGES FILE...

Reads one JSON line for each measurement from its input: `clients` at the same time, or requests at a `rate` a second; for
`seconds`, or `requests` in all. Answers with one JSON line.
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any


class Client:
    """Keeps connections open, and times requests on them."""

    def __init__(self, address: str, path: str, images: int, files: list[str]) -> None:
        self._host, _, port = address.partition(":")
        self._port, self._path = int(port), path
        self._coded = [base64.b64encode(Path(file).read_bytes()).decode() for file in files]
        self._bodies = {images: self._made(images), 1: self._made(1)}
        self._usual = images
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._sent = 0

    def _made(self, count: int) -> list[bytes]:
        requests = []
        for start in range(0, len(self._coded), count):
            chosen = [self._coded[(start + number) % len(self._coded)] for number in range(count)]
            body = json.dumps({"instances": [{"b64": text} for text in chosen]}).encode()
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            requests.append(head.encode() + body)
        return requests

    async def _one(self, images: int, times: list[float], failed: list[bytes]) -> None:
        began = time.perf_counter()
        while self._idle and self._idle[-1][0].at_eof():  # closed by the server meanwhile
            self._idle.pop()
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        bodies = self._bodies[images]
        self._sent += 1
        writer.write(bodies[self._sent % len(bodies)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        if head.startswith(b"HTTP/1.1 200"):
            times.append(time.perf_counter() - began)
        else:
            failed.append(head.split(b"\r\n")[0])
        self._idle.append((reader, writer))

    async def measure(
        self, seconds: float = 1e9, requests: int = 10**9, clients: int = 1, rate: float = 0, images: int = 0
    ) -> dict[str, Any]:
        """Send requests; return how many were answered a second, how many were not, and the median and 99th percentile in seconds."""
        times: list[float] = []
        failed: list[bytes] = []
        began = time.perf_counter()
        images = images or self._usual

        async def again_and_again() -> None:
            while time.perf_counter() - began < seconds and len(times) + len(failed) < requests:
                await self._one(images, times, failed)

        if rate:
            tasks = []
            for number in range(int(seconds * rate)):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                tasks.append(asyncio.create_task(self._one(images, times, failed)))
            await asyncio.gather(*tasks)
        else:
            await asyncio.gather(*(again_and_again() for _ in range(clients)))
        took = time.perf_counter() - began
        ordered = sorted(times) or [float("nan")]
        return {
            "requests_per_s": len(times) / took, "failed": sorted({line.decode() for line in failed}), "median": ordered[len(ordered) // 2],
            "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        }  # fmt: skip


async def main() -> None:
    address, path, images, *files = sys.argv[1:]
    client = Client(address, path, int(images), files)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await client.measure(**json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
